//! Dumps of a Redis: the RDB files that `SAVE` and `BGSAVE` write, versions 1 to 12, which are
//! those of Redis up to 8.2 and of Valkey up to 8. They are read once, from the beginning to the
//! end, in as much memory as their largest string or hash takes.
//!
//! A dump is a head with the version, then parts that begin with a byte. Most of these are keys
//! with their values; a byte of 244 and more is a part about the dump itself, or about the key
//! that follows. At the end is a checksum of all bytes, which is zero where none was wanted.

mod crc64;
mod damage;
mod lzf;
mod packed;
mod skip;
mod source;
mod strings;

use std::io::Read;
use std::sync::Arc;

use graven_format::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

use damage::VERSIONS;
pub use damage::{RdbDamage, RdbFault};
use packed::PackedForm;
use skip::value_type;
use source::DumpBytes;

use crate::compressed::Compression;
use crate::error::{Cause, Error, Fault, Position};
use crate::input::{Input, Meter};
use crate::pairs::stopped_or;
pub(crate) use crate::redis::shown;
use crate::redis::{HashFields, RedisKey, RedisKind, RedisTable};

/// Parts that are no keys, by their first byte. They never change.
mod part {
    pub(super) const SLOT_INFO: u8 = 244;
    pub(super) const FUNCTION: u8 = 245;
    pub(super) const MODULE_DATA: u8 = 247;
    pub(super) const IDLE: u8 = 248;
    pub(super) const FREQUENCY: u8 = 249;
    pub(super) const ABOUT: u8 = 250;
    pub(super) const SIZES: u8 = 251;
    pub(super) const EXPIRES_MS: u8 = 252;
    pub(super) const EXPIRES_S: u8 = 253;
    pub(super) const DATABASE: u8 = 254;
    pub(super) const END: u8 = 255;
}

/// The first version that has a checksum at its end.
const CHECKSUM_SINCE: u32 = 5;

/// What is said to be too long.
const KEY: &str = "a key";

/// The longest text about a dump that is kept.
const ABOUT_BYTES_MAX: usize = 64;

/// A dump of a Redis.
///
/// ```
/// use graven_format::Options;
/// use graven_ingest::{Input, RedisBuilder, RedisDump, RedisOptions, RedisTable};
///
/// // Version 11; in database 0 the key "colour" with the value "green"; no checksum.
/// let dump = b"REDIS0011\xFE\x00\x00\x06colour\x05green\xFF\0\0\0\0\0\0\0\0";
/// let input = Input::from_reader("dump.rdb", &dump[..])?; // or Input::open(path)
/// let mut table = RedisTable::new(RedisOptions::default(), None, Options::default());
/// RedisDump::new(input)?.add_to(&mut table)?;
///
/// assert_eq!(table.counts().strings, 1);
/// let Ok(Some(RedisBuilder::Pairs(builder))) = table.finish() else { panic!("there is a string") };
/// let (store, _) = builder.finish()?;
/// let mut value = Vec::new();
/// assert!(store.get(b"colour", &mut value)?);
/// assert_eq!(value, b"green");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[allow(missing_debug_implementations)]
pub struct RedisDump {
    name: String,
    compression: Option<Compression>,
    meter: Arc<Meter>,
    reader: DumpReader<Box<dyn Read + Send>>,
}

impl RedisDump {
    /// Reads the head of a dump.
    ///
    /// # Errors
    /// [`Cause::Rdb`] when it is none, or of a version that is not read, [`Cause::SeveralDumps`], and
    /// [`Cause::Read`].
    pub fn new(input: Input) -> Result<Self, Error> {
        let (name, compression, meter) = (input.name().to_owned(), input.compression(), input.meter());
        if let found @ 2.. = input.parts().len() {
            let fault = Fault::new(Position::WHOLE, Cause::SeveralDumps { found });
            return Err(fault.of_compressed(&name, compression));
        }
        let reader = DumpReader::new(input.into_reader())
            .map_err(|fault| stopped_or(fault, &meter).of_compressed(&name, compression))?;
        Ok(Self { name, compression, meter, reader })
    }

    /// The version of the format.
    pub fn version(&self) -> u32 {
        self.reader.version
    }

    /// Adds everything that the table wants, to the end of the dump.
    ///
    /// # Errors
    /// [`Cause::Rdb`] where the dump is damaged, and those of adding. A table that was not read to
    /// the end of its dump is not to be used.
    pub fn add_to(&mut self, table: &mut RedisTable) -> Result<(), Error> {
        let added = self.reader.add_to(table);
        added.map_err(|fault| {
            let fault = with_key(fault, &self.reader);
            stopped_or(fault, &self.meter).of_compressed(&self.name, self.compression)
        })
    }
}

/// Says which key was being read where a dump is damaged.
fn with_key<R>(mut fault: Fault, reader: &DumpReader<R>) -> Fault {
    if let Cause::Rdb(damage) = &mut fault.cause
        && reader.is_in_key
    {
        damage.key = Some(reader.key.clone());
    }
    fault
}

struct DumpReader<R> {
    bytes: DumpBytes<R>,
    version: u32,
    database: u64,
    /// When the dump was made, in milliseconds since 1970, where it says so.
    made_at: Option<i64>,
    /// When the next key expires.
    expires_at: Option<i64>,
    key: Vec<u8>,
    is_in_key: bool,
    value: Vec<u8>,
    fields: HashFields,
}

impl<R: Read> DumpReader<R> {
    fn new(source: R) -> Result<Self, Fault> {
        let mut bytes = DumpBytes::new(source);
        let mut head = Vec::new();
        // What is shorter than a head is none.
        while head.len() < 9 && bytes.has_more()? {
            head.push(bytes.byte()?);
        }
        let digits = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u32>().ok();
        let is_digits = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_digit);
        let fault = match head.split_at_checked(5) {
            Some((b"REDIS", version)) if version.len() == 4 && is_digits(version) => {
                match digits(version).unwrap_or_default() {
                    version if VERSIONS.contains(&version) => {
                        return Ok(Self {
                            bytes,
                            version,
                            database: 0,
                            made_at: None,
                            expires_at: None,
                            key: Vec::new(),
                            is_in_key: false,
                            value: Vec::new(),
                            fields: HashFields::default(),
                        });
                    }
                    found => RdbFault::Version { found },
                }
            }
            _ => match head.strip_prefix(b"VALKEY").and_then(digits) {
                Some(found) => RdbFault::Valkey { found },
                None => RdbFault::Magic { found: head },
            },
        };
        Err(source::damage(0, fault))
    }

    fn add_to(&mut self, table: &mut RedisTable) -> Result<(), Fault> {
        loop {
            self.is_in_key = false;
            match self.bytes.byte()? {
                part::END => return self.end(),
                part::DATABASE => self.database = self.bytes.length()?,
                part::EXPIRES_MS => self.expires_at = Some(i64::from_le_bytes(self.bytes.array()?)),
                part::EXPIRES_S => {
                    let seconds = i32::from_le_bytes(self.bytes.array()?);
                    self.expires_at = Some(i64::from(seconds) * 1000);
                }
                part::ABOUT => self.about()?,
                part::SIZES => {
                    self.bytes.length()?;
                    self.bytes.length()?;
                }
                part::SLOT_INFO => {
                    for _ in 0..3 {
                        self.bytes.length()?;
                    }
                }
                part::IDLE => {
                    self.bytes.length()?;
                }
                part::FREQUENCY => {
                    self.bytes.byte()?;
                }
                part::FUNCTION => self.bytes.skip_string()?,
                part::MODULE_DATA => {
                    self.bytes.length()?;
                    self.bytes.skip_module_parts()?;
                }
                value_type => self.add_key(value_type, table)?,
            }
        }
    }

    /// A name and a text about the dump.
    fn about(&mut self) -> Result<(), Fault> {
        self.value.clear();
        self.bytes.string("a name", VALUE_BYTES_MAX, &mut self.value)?;
        if self.value != b"ctime" {
            return self.bytes.skip_string();
        }
        self.value.clear();
        self.bytes.string("a time", ABOUT_BYTES_MAX, &mut self.value)?;
        let seconds: Option<i64> = std::str::from_utf8(&self.value).ok().and_then(|text| text.parse().ok());
        self.made_at = seconds.and_then(|seconds| seconds.checked_mul(1000));
        Ok(())
    }

    /// Whether something that expires then had done so when the dump was made. What expires is in
    /// a dump until Redis comes by, but nobody who asks for it gets it.
    fn had_expired(&self, expires_at: i64) -> bool {
        self.made_at.is_some_and(|made_at| expires_at <= made_at)
    }

    fn add_key(&mut self, value_type: u8, table: &mut RedisTable) -> Result<(), Fault> {
        let kind = kind_of(value_type).ok_or_else(|| {
            let fault = RdbFault::Type { found: value_type };
            source::damage(self.bytes.offset() - 1, fault)
        })?;
        self.key.clear();
        // One that is left out may be longer than a table's keys.
        self.bytes.string(KEY, VALUE_BYTES_MAX, &mut self.key)?;
        self.is_in_key = true;
        let expires_at = self.expires_at.take();
        if let Some(expires_at) = expires_at
            && self.had_expired(expires_at)
        {
            table.counts_mut().expired += 1;
            return self.skip(value_type);
        }
        let has_field_ttl = is_hash_with_ttl(value_type);
        // Whether fields expire is known when they are read.
        if has_field_ttl {
            return self.add_hash_with_ttl(value_type, expires_at.is_some(), table);
        }
        let database = self.database;
        let key = RedisKey { database, key: &self.key, kind, expires: expires_at.is_some() };
        if !table.wants(key) {
            return self.skip(value_type);
        }
        self.check_key()?;
        if kind == RedisKind::String {
            self.value.clear();
            self.bytes.string("a value", VALUE_BYTES_MAX, &mut self.value)?;
            return table.add_string(&self.key, &self.value).map_err(|cause| self.at_key(cause));
        }
        self.read_fields(value_type)?;
        table.add_hash(&self.key, &self.fields).map_err(|cause| self.at_key(cause))
    }

    fn add_hash_with_ttl(
        &mut self,
        value_type: u8,
        key_expires: bool,
        table: &mut RedisTable,
    ) -> Result<(), Fault> {
        let expires = self.read_fields(value_type)? || key_expires;
        if self.fields.is_empty() {
            table.counts_mut().expired += 1;
            return Ok(());
        }
        let key = RedisKey { database: self.database, key: &self.key, kind: RedisKind::Hash, expires };
        if !table.wants(key) {
            return Ok(());
        }
        self.check_key()?;
        table.add_hash(&self.key, &self.fields).map_err(|cause| self.at_key(cause))
    }

    fn check_key(&self) -> Result<(), Fault> {
        let (most, found) = (KEY_BYTES_MAX as u64, self.key.len() as u64);
        if found <= most {
            Ok(())
        } else {
            Err(self.bytes.fail(RdbFault::TooLong { what: KEY, most, found }))
        }
    }

    fn at_key(&self, cause: Cause) -> Fault {
        Fault::new(crate::error::Position::WHOLE, cause)
    }

    /// Passes over the value of a key.
    fn skip(&mut self, value_type: u8) -> Result<(), Fault> {
        match value_type {
            value_type::STRING
            | value_type::HASH_ZIPMAP
            | value_type::HASH_ZIPLIST
            | value_type::HASH_LISTPACK => self.bytes.skip_string(),
            value_type::HASH_LISTPACK_TTL_BEFORE_RELEASE => self.bytes.skip_string(),
            value_type::HASH_LISTPACK_TTL => {
                self.bytes.skip(8)?;
                self.bytes.skip_string()
            }
            value_type::HASH => {
                let count = self.bytes.length()?;
                (0..count).try_for_each(|_| {
                    self.bytes.skip_string()?;
                    self.bytes.skip_string()
                })
            }
            value_type::HASH_TTL | value_type::HASH_TTL_BEFORE_RELEASE => {
                if value_type == value_type::HASH_TTL {
                    self.bytes.skip(8)?;
                }
                let count = self.bytes.length()?;
                (0..count).try_for_each(|_| {
                    self.bytes.length()?;
                    self.bytes.skip_string()?;
                    self.bytes.skip_string()
                })
            }
            other => self.bytes.skip_value(other),
        }
    }

    /// Reads the fields of a hash, but for those that had expired, and says whether any expires.
    fn read_fields(&mut self, value_type: u8) -> Result<bool, Fault> {
        self.fields.clear();
        let expires = match value_type {
            value_type::HASH_ZIPMAP => self.read_packed(PackedForm::Zipmap, false)?,
            value_type::HASH_ZIPLIST => self.read_packed(PackedForm::Ziplist, false)?,
            value_type::HASH_LISTPACK => self.read_packed(PackedForm::Listpack, false)?,
            value_type::HASH_LISTPACK_TTL_BEFORE_RELEASE => self.read_packed(PackedForm::Listpack, true)?,
            value_type::HASH_LISTPACK_TTL => {
                // The least of the times, which the fields have again.
                self.bytes.skip(8)?;
                self.read_packed(PackedForm::Listpack, true)?
            }
            _ => self.read_plain(value_type)?,
        };
        if let Some(name) = self.fields.repeated() {
            let name = name.to_vec();
            return Err(self.bytes.fail(RdbFault::RepeatedField { name }));
        }
        Ok(expires)
    }

    /// A hash whose names and values are strings of their own.
    fn read_plain(&mut self, value_type: u8) -> Result<bool, Fault> {
        const NAME: &str = "a hash";
        let has_times = value_type != value_type::HASH;
        let least = if value_type == value_type::HASH_TTL {
            i64::from_le_bytes(self.bytes.array()?)
        } else {
            // Times are as they are.
            1
        };
        let mut expires = false;
        let count = self.bytes.length()?;
        for _ in 0..count {
            let time = if has_times { self.bytes.length()? } else { 0 };
            let room = self.fields.room();
            self.bytes.string(NAME, room, self.fields.name())?;
            let room = self.fields.room();
            self.bytes.string(NAME, room, self.fields.value())?;
            self.fields.end();
            if time > 0 {
                let expires_at = least.saturating_add_unsigned(time - 1);
                if self.had_expired(expires_at) {
                    self.fields.pop();
                } else {
                    expires = true;
                }
            }
        }
        Ok(expires)
    }

    /// A hash that is packed into one string: names and values in turn, and times behind them.
    fn read_packed(&mut self, form: PackedForm, has_times: bool) -> Result<bool, Fault> {
        self.value.clear();
        self.bytes.string("a hash", VALUE_BYTES_MAX, &mut self.value)?;
        let (made_at, fields) = (self.made_at, &mut self.fields);
        let (mut expires, mut elements) = (false, 0_u64);
        let in_field = if has_times { 3 } else { 2 };
        let damaged = |what, expected, found| RdbFault::Packed { form: "hash", at: 0, what, expected, found };
        let read = packed::elements(form, &self.value, |element| {
            match elements % in_field {
                0 => element.append(fields.name()),
                1 => {
                    element.append(fields.value());
                    fields.end();
                }
                _ => match element.number() {
                    None => return Err(damaged("times that are numbers, kind", 0, 1)),
                    Some(time) if time > 0 && made_at.is_some_and(|made_at| time <= made_at) => fields.pop(),
                    Some(time) => expires |= time > 0,
                },
            }
            elements += 1;
            Ok(())
        });
        let whole = elements.next_multiple_of(in_field);
        let read = read.and_then(|()| match whole == elements {
            true => Ok(()),
            false => Err(damaged("a number of elements of", whole, elements)),
        });
        read.map_err(|fault| self.bytes.fail(fault))?;
        Ok(expires)
    }

    /// The checksum, and nothing behind it.
    fn end(&mut self) -> Result<(), Fault> {
        if self.version >= CHECKSUM_SINCE {
            let found = self.bytes.checksum();
            let offset = self.bytes.offset();
            let expected = u64::from_le_bytes(self.bytes.array()?);
            if expected != 0 && expected != found {
                return Err(source::damage(offset, RdbFault::Checksum { expected, found }));
            }
        }
        match self.bytes.has_more()? {
            true => Err(self.bytes.fail(RdbFault::Trailing)),
            false => Ok(()),
        }
    }
}

fn is_hash_with_ttl(found: u8) -> bool {
    use value_type::*;
    matches!(found, HASH_TTL | HASH_LISTPACK_TTL | HASH_TTL_BEFORE_RELEASE | HASH_LISTPACK_TTL_BEFORE_RELEASE)
}

/// What the values of a type are; none of a type that no version has.
fn kind_of(found: u8) -> Option<RedisKind> {
    use value_type::*;
    Some(match found {
        STRING => RedisKind::String,
        HASH | HASH_ZIPMAP | HASH_ZIPLIST | HASH_LISTPACK => RedisKind::Hash,
        found if is_hash_with_ttl(found) => RedisKind::Hash,
        LIST | LIST_ZIPLIST | LIST_QUICKLIST | LIST_QUICKLIST_2 => RedisKind::List,
        SET | SET_INTSET | SET_LISTPACK => RedisKind::Set,
        ZSET | ZSET_2 | ZSET_ZIPLIST | ZSET_LISTPACK => RedisKind::SortedSet,
        STREAM | STREAM_2 | STREAM_3 => RedisKind::Stream,
        MODULE | MODULE_BEFORE_RELEASE => RedisKind::Module,
        _ => return None,
    })
}

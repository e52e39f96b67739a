//! Reads of hashes: `HGET` and its like. A row of a table with columns is one; any other value is of
//! another type.
//!
//! Options are checked where Redis checks them: those of `HRANDFIELD` before the lookup, those of
//! `HSCAN` behind it.

use super::command::Command;
use super::typed::Missing;
use super::{Args, Refusal};
use crate::decimal;

/// `HMGET` asks for at most this many fields: a table has no more columns, and each costs time at once.
pub const HASH_FIELDS_MAX: usize = 1024;

/// A read of a hash, or of a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashRead<'b> {
    /// Its name in lower case.
    pub command: &'static str,
    /// The key asked for.
    pub key: &'b [u8],
    /// What of the hash is read.
    pub part: HashPart<'b>,
}

/// What of a hash is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashPart<'b> {
    /// `HGET key field`: a field's value, or null.
    Field(&'b [u8]),
    /// `HMGET key field…`: an array of values and nulls, in order; at least one field, and at most
    /// [`HASH_FIELDS_MAX`].
    Fields(Args<'b>),
    /// `HGETALL key`: a map of all fields and values.
    All,
    /// `HKEYS key`: an array of all fields.
    Names,
    /// `HVALS key`: an array of all values.
    Values,
    /// `HLEN key`: the number of fields.
    Count,
    /// `HEXISTS key field`: 1 where the field is there, else 0.
    Exists(&'b [u8]),
    /// `HSTRLEN key field`: the length of its value in bytes, 0 where it is not there.
    Length(&'b [u8]),
    /// `HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]`: a cursor and an array of fields
    /// and values. What is wrong with the options is said where there is a hash.
    Scan(Result<HashScan<'b>, ScanOptionError>),
    /// `HRANDFIELD key`: one field.
    Random,
    /// `HRANDFIELD key count [WITHVALUES]`: an array of fields, or of fields and values.
    RandomMany {
        /// At most so many different fields; where it is negative, exactly so many, of which some
        /// may be the same.
        count: i64,
        /// Values stand behind the fields.
        with_values: bool,
    },
}

/// The options of `HSCAN`. A hash is answered as a whole, so the cursor says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashScan<'b> {
    /// Only fields that match this [glob](crate::glob) are wanted.
    pub pattern: Option<&'b [u8]>,
    /// Only fields are wanted, without their values. Redis has this since 7.4.
    pub without_values: bool,
}

/// What is wrong with an option of `HSCAN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanOptionError {
    /// An option that is not known or has no value, or a count below 1.
    Syntax,
    /// The count is no integer.
    NotAnInteger,
}

impl From<ScanOptionError> for Refusal<'_> {
    fn from(error: ScanOptionError) -> Self {
        match error {
            ScanOptionError::Syntax => Self::Syntax,
            ScanOptionError::NotAnInteger => Self::NotAnInteger,
        }
    }
}

impl<'b> HashRead<'b> {
    /// What is said where the key is not there.
    pub fn missing(&self) -> Missing<'static> {
        match self.part {
            HashPart::Field(_) | HashPart::Random => Missing::Null,
            HashPart::Fields(fields) => Missing::Nulls(fields.len()),
            HashPart::All => Missing::EmptyMap,
            HashPart::Names | HashPart::Values | HashPart::RandomMany { .. } => Missing::EmptyArray,
            HashPart::Count | HashPart::Exists(_) | HashPart::Length(_) => Missing::Zero,
            HashPart::Scan(_) => Missing::EmptyScan,
        }
    }

    /// `HGET`, behind its name. It is read apart, because it is asked for most.
    #[inline]
    pub(super) fn field(mut args: Args<'b>) -> Result<Command<'b>, Refusal<'b>> {
        match (args.next(), args.next(), args.len()) {
            (Some(key), Some(field), 0) => {
                Ok(Command::Hash(Self { command: "hget", key, part: HashPart::Field(field) }))
            }
            _ => Err(Refusal::WrongArity { command: "hget" }),
        }
    }

    /// The same of `HMGET`.
    #[inline]
    pub(super) fn fields(mut args: Args<'b>) -> Result<Command<'b>, Refusal<'b>> {
        match (args.next(), args.len()) {
            (Some(key), 1..=HASH_FIELDS_MAX) => {
                Ok(Command::Hash(Self { command: "hmget", key, part: HashPart::Fields(args) }))
            }
            (Some(_), found) if found > HASH_FIELDS_MAX => {
                Err(Refusal::TooManyArguments { most: HASH_FIELDS_MAX + 1, found: found + 1 })
            }
            _ => Err(Refusal::WrongArity { command: "hmget" }),
        }
    }
}

/// Reads the arguments of the command called `name`, in lower case; `None` where it reads no hash.
pub(super) fn parse<'b>(name: &[u8], mut args: Args<'b>) -> Option<Result<Command<'b>, Refusal<'b>>> {
    let (command, arity) = match name {
        b"hget" => return Some(HashRead::field(args)),
        b"hmget" => return Some(HashRead::fields(args)),
        b"hgetall" => ("hgetall", 1..=1),
        b"hkeys" => ("hkeys", 1..=1),
        b"hvals" => ("hvals", 1..=1),
        b"hlen" => ("hlen", 1..=1),
        b"hexists" => ("hexists", 2..=2),
        b"hstrlen" => ("hstrlen", 2..=2),
        b"hscan" => ("hscan", 2..=usize::MAX),
        b"hrandfield" => ("hrandfield", 1..=usize::MAX),
        _ => return None,
    };
    if !arity.contains(&args.len()) {
        return Some(Err(Refusal::WrongArity { command }));
    }
    let key = args.next().unwrap_or_default();
    let field = args.at(0).unwrap_or_default();
    let part = match command {
        "hgetall" => HashPart::All,
        "hkeys" => HashPart::Names,
        "hvals" => HashPart::Values,
        "hlen" => HashPart::Count,
        "hexists" => HashPart::Exists(field),
        "hstrlen" => HashPart::Length(field),
        "hscan" => match decimal::unsigned(field) {
            Some(_) => HashPart::Scan(scan_options(args)),
            None => return Some(Err(Refusal::InvalidCursor)),
        },
        _ => match random(args) {
            Ok(part) => part,
            Err(refusal) => return Some(Err(refusal)),
        },
    };
    Some(Ok(Command::Hash(HashRead { command, key, part })))
}

/// What is behind the key of `HSCAN`.
fn scan_options<'b>(mut args: Args<'b>) -> Result<HashScan<'b>, ScanOptionError> {
    let mut scan = HashScan { pattern: None, without_values: false };
    args.next();
    while let Some(option) = args.next() {
        if option.eq_ignore_ascii_case(b"novalues") {
            scan.without_values = true;
            continue;
        }
        let value = args.next().ok_or(ScanOptionError::Syntax)?;
        if option.eq_ignore_ascii_case(b"match") {
            scan.pattern = Some(value);
        } else if option.eq_ignore_ascii_case(b"count") {
            let count = decimal::canonical(value).ok_or(ScanOptionError::NotAnInteger)?;
            if count < 1 {
                return Err(ScanOptionError::Syntax);
            }
        } else {
            return Err(ScanOptionError::Syntax);
        }
    }
    Ok(scan)
}

/// What is behind the key of `HRANDFIELD`.
fn random<'b>(args: Args<'b>) -> Result<HashPart<'b>, Refusal<'b>> {
    let Some(count) = args.at(0) else { return Ok(HashPart::Random) };
    let count = random_count(count, args.skip(1), b"withvalues")?;
    Ok(HashPart::RandomMany { count, with_values: args.len() > 1 })
}

/// The count of `HRANDFIELD` and `ZRANDMEMBER`, behind which only the option `with` may stand.
pub(super) fn random_count<'b>(
    count: &[u8],
    mut options: impl Iterator<Item = &'b [u8]>,
    with: &[u8],
) -> Result<i64, Refusal<'static>> {
    let count = decimal::canonical(count).ok_or(Refusal::NotAnInteger)?;
    if count == i64::MIN {
        return Err(Refusal::Fixed(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ));
    }
    if let Some(option) = options.next() {
        if options.next().is_some() || !option.eq_ignore_ascii_case(with) {
            return Err(Refusal::Syntax);
        }
        if count.unsigned_abs() > i64::MAX as u64 / 2 {
            return Err(Refusal::Fixed("ERR value is out of range"));
        }
    }
    Ok(count)
}

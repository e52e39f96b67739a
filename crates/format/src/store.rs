//! The reader: a carved table that is open.
//!
//! Lookups are in `lookup.rs`, where buckets and values lie in `locate.rs` and `stored.rs`.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bucket::{BucketShape, Widths};
use crate::change::Origin;
use crate::checksum::crc32c;
use crate::codec::{Alphabet, Codec, Decoder, LongDecoder, SharedReader, SymbolTable, Values};
#[cfg(target_arch = "x86_64")]
use crate::cpu::X86;
use crate::disk::Disk;
use crate::error::{Error, Problem};
use crate::header::{HEAD_BYTES_MAX, Header};
use crate::home::Home;
use crate::index::Groups;
use crate::key::{KeyKind, KeyMap};
use crate::layout::{JSON_TYPE, Section};
use crate::region::Region;
use crate::row::{Row, Schema};

/// An index larger than this is checked before there is memory taken for it: a sparse file may say
/// that it has any size.
const INDEX_BYTES_DOUBTED: u64 = 64 << 20;

/// Where the bytes of a carved file are while it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// In memory of the process, once [`Store::load`] has brought them there; until then lookups
    /// read the file. What is in memory was checked once and is not checked again.
    #[default]
    Memory,
    /// In the system's page cache, for as long as the system keeps them there. Every lookup copies
    /// its bucket and checks it, so that a file which is damaged or cut while it is served costs
    /// typed errors.
    Mapped,
    /// On disk. The index alone is in memory, and was checked. Lookups read one piece of the file
    /// each, past the page cache where the file system allows that; see [`Store::piece`] for
    /// readers that wait for many at a time.
    Disk,
}

/// A table that is complete: it only answers.
///
/// No answer is wrong whatever happened to the bytes: those in memory were all checked when they
/// were loaded, and those that are read from a file are checked as they are read.
#[derive(Debug)]
pub struct Store {
    serial: u64,
    pub(crate) header: Header,
    pub(crate) keys: KeyMap,
    pub(crate) buckets: BucketShape,
    pub(crate) groups: Groups,
    /// Where index and records lie in the file.
    pub(crate) index_start: usize,
    pub(crate) records_start: usize,
    pub(crate) records_len: u64,
    pub(crate) key_decoder: Option<Decoder>,
    pub(crate) values: Values,
    schema: Option<Box<Schema>>,
    values_are_json: bool,
    pub(crate) home: Home,
    pub(crate) origin: Option<Origin>,
    #[cfg(target_arch = "x86_64")]
    pub(crate) cpu: Option<X86>,
}

impl Store {
    /// Opens the carved file at `path`, which takes the same time whatever its size. It answers
    /// from the file until [`Self::load`] has brought it into memory.
    ///
    /// # Errors
    /// [`Error::NotCarved`] when the file is something else, [`Error::Io`] when it cannot be read,
    /// and the other errors when it is not whole.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_as(path, Storage::Memory)
    }

    /// As [`Self::open`], for a file that is kept in `storage`.
    ///
    /// # Errors
    /// As [`Self::open`], and [`Error::Damaged`] when the file is to stay on disk and its index is
    /// not whole.
    pub fn open_as(path: &Path, storage: Storage) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| Error::Io { doing: "open the file", source })?;
        let mut store = Self::from_file(file, storage)?;
        store.origin = store.origin.map(|origin| origin.at(path));
        Ok(store)
    }

    /// As [`Self::open_as`], for a file that is open. Header, index and records all come from this
    /// file, whatever is at its path by now.
    ///
    /// # Errors
    /// As [`Self::open_as`].
    pub fn from_file(file: File, storage: Storage) -> Result<Self, Error> {
        Self::from_shared(Arc::new(file), storage)
    }

    fn from_shared(file: Arc<File>, storage: Storage) -> Result<Self, Error> {
        let origin = Origin::of(&file)?;
        let mut store = match storage {
            Storage::Memory => Self::from_home(Home::file(file)?)?,
            Storage::Mapped => Self::from_home(Home::mapped(&file)?)?,
            Storage::Disk => Self::on_disk(file)?,
        };
        store.origin = Some(origin);
        Ok(store)
    }

    /// The same file, the very one that is open, kept in `storage` from now on.
    ///
    /// # Errors
    /// As [`Self::open_as`], and [`Error::Io`] for a table that was not opened from a file, or is
    /// kept elsewhere already.
    pub fn keep_in(self, storage: Storage) -> Result<Self, Error> {
        match self.home {
            Home::File { file, .. } => {
                let mut store = Self::from_shared(file, storage)?;
                // What it was when it was opened first.
                store.origin = self.origin;
                Ok(store)
            }
            _ => Err(Error::Io {
                doing: "keep the table elsewhere",
                source: std::io::ErrorKind::Unsupported.into(),
            }),
        }
    }

    fn on_disk(file: Arc<File>) -> Result<Self, Error> {
        let mut store = Self::from_home(Home::file(file)?)?;
        let section = store.header.section(Section::Index);
        if section.len > INDEX_BYTES_DOUBTED {
            store.check_section(Section::Index, |_| {})?;
        }
        let Home::File { file, .. } = store.home else { unreachable!("a file was opened") };
        let cannot = |doing| move |source| Error::Io { doing, source };
        let index = Region::read_at(&file, section.offset, section.len as usize)
            .map_err(cannot("read the index into memory"))?;
        let (expected, found) = (section.crc, crc32c(0, index.bytes()));
        if expected != found {
            let problem = Problem::Checksum { expected, found };
            return Err(damaged(Section::Index, section.offset as usize, problem));
        }
        let disk = Disk::of(file, store.header.file_bytes, section.offset as usize, index);
        store.home = Home::Disk(disk.map_err(cannot("prepare the file for reads"))?);
        Ok(store)
    }

    /// Opens a carved table that is in memory, whose bytes are copied and checked.
    ///
    /// # Errors
    /// As [`Self::open`].
    ///
    /// ```
    /// use graven_format::{Error, Store};
    ///
    /// assert!(matches!(Store::from_bytes(b"key value\n"), Err(Error::NotCarved)));
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let region =
            Region::read(bytes, bytes.len()).map_err(|source| Error::Io { doing: "get memory", source })?;
        let mut store = Self::from_home(Home::Doubtful(region))?;
        if let Home::Doubtful(region) = &store.home
            && store.check_whole(region).is_ok()
        {
            store.home = store.home.trusted();
        }
        Ok(store)
    }

    /// A table that was just carved.
    pub(crate) fn from_region(region: Region) -> Result<Self, Error> {
        Self::from_home(Home::Memory(region))
    }

    fn from_home(home: Home) -> Result<Self, Error> {
        let mut scratch = Vec::new();
        let head_len = home.len().min(HEAD_BYTES_MAX as u64) as usize;
        let mut header = Header::from_bytes(&home.read(0..head_len, &mut scratch)?[..head_len], home.len())?;
        let small = |section| small_section(&home, &header, section);
        let prefix = small(Section::Prefix)?;
        let key_decoder = read_code(header.key_codec, &small(Section::KeyCode)?, &header, Section::KeyCode)?;
        let code = small(Section::ValueCode)?;
        let at = header.section(Section::ValueCode).offset as usize;
        let mut values = match header.value_codec {
            Codec::Packed => {
                let alphabet = Alphabet::new(&code);
                let alphabet = alphabet.ok_or_else(|| damaged(Section::ValueCode, at, Problem::Codec))?;
                Values { alphabet: Some(alphabet), ..Values::default() }
            }
            codec => {
                Values { decoder: read_code(codec, &code, &header, Section::ValueCode)?, ..Values::default() }
            }
        };
        let dictionary = small(Section::Dictionary)?;
        if header.long_codec == Codec::Zstd {
            values.long = LongDecoder::new(&dictionary);
        }
        if values.long.is_none() && (header.long_codec == Codec::Zstd || !dictionary.is_empty()) {
            let at = header.section(Section::Dictionary).offset as usize;
            return Err(damaged(Section::Dictionary, at, Problem::Codec));
        }
        let shared = SharedReader::read(&small(Section::Shared)?, header.shared_values as usize);
        values.shared = shared.ok_or_else(|| {
            let at = header.section(Section::Shared).offset as usize;
            damaged(Section::Shared, at, Problem::Codec)
        })?;
        let schema = match header.has(Section::Schema) {
            false => None,
            true => {
                let at = header.section(Section::Schema).offset as usize;
                let schema = Schema::from_bytes(&small(Section::Schema)?);
                Some(Box::new(schema.ok_or_else(|| damaged(Section::Schema, at, Problem::Codec))?))
            }
        };
        let values_are_json = header.has(Section::ValueType) && small(Section::ValueType)? == JSON_TYPE;
        header.keys.prefix = prefix;
        let keys = KeyMap::new(header.keys.clone(), header.seed, header.bucket_bits);
        let buckets = BucketShape::new(Widths {
            count_width: header.count_width,
            numeric: header.keys.kind != KeyKind::Bytes,
            rest_bits: keys.rest_bits(),
            key_bits: header.key_length_bits,
            key_base: header.key_length_base,
            word_bits: header.value_word_bits,
            word_base: header.value_word_base,
            shared: header.shared_values,
            symbol_bits: values.alphabet.as_ref().map_or(0, Alphabet::bits),
        });
        let records = header.section(Section::Records);
        static NEXT_SERIAL: AtomicU64 = AtomicU64::new(0);
        Ok(Self {
            serial: NEXT_SERIAL.fetch_add(1, Ordering::Relaxed),
            index_start: header.section(Section::Index).offset as usize,
            records_start: records.offset as usize,
            records_len: records.len,
            groups: Groups::of(header.group_buckets),
            header,
            keys,
            buckets,
            key_decoder,
            values,
            schema,
            values_are_json,
            home,
            origin: None,
            #[cfg(target_arch = "x86_64")]
            cpu: X86::detect(),
        })
    }

    /// Brings the whole file into memory and checks it, after which lookups neither read the file
    /// nor check again. Lookups go on meanwhile, on other threads. A table that is in memory is
    /// left as it is.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read or there is no memory, [`Error::Damaged`] when
    /// it is not whole; the table then goes on answering from the file, with errors for what is
    /// damaged.
    pub fn load(&self) -> Result<(), Error> {
        let Home::File { memory, .. } = &self.home else { return Ok(()) };
        if memory.get().is_some() {
            return Ok(());
        }
        let region = self.home.load()?;
        self.check_whole(&region)?;
        let _ = memory.set(region);
        Ok(())
    }

    /// Whether the table is in memory, and checked.
    pub fn is_loaded(&self) -> bool {
        self.home.memory().is_some()
    }

    /// Whether the table lies in the system's page cache, as [`Storage::Mapped`] has it.
    pub fn is_mapped(&self) -> bool {
        matches!(self.home, Home::Mapped(_))
    }

    /// A number that no other store of this process has or will have.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// What tells this table from every other: the same for the same pairs, options and release,
    /// whatever the order in which the pairs came.
    pub fn identity(&self) -> u64 {
        self.header.identity
    }

    /// Whether the values are JSON texts, each a whole one, as was said when they were carved.
    #[inline]
    pub fn values_are_json(&self) -> bool {
        self.values_are_json
    }

    /// The columns, where values have columns.
    #[inline]
    pub fn schema(&self) -> Option<&Schema> {
        self.schema.as_deref()
    }

    /// The row that `value` is, which was found in this table.
    ///
    /// # Errors
    /// [`Error::NoColumns`] when values have no columns, [`Error::Row`] when it is no row.
    #[inline]
    pub fn row<'r>(&'r self, value: &'r [u8]) -> Result<Row<'r>, Error> {
        self.schema().ok_or(Error::NoColumns)?.row(value)
    }

    /// The number of pairs.
    pub fn len(&self) -> u64 {
        self.header.pairs
    }

    /// Whether the table holds nothing.
    pub fn is_empty(&self) -> bool {
        self.header.pairs == 0
    }

    /// Bytes of the carved table.
    pub fn carved_bytes(&self) -> u64 {
        self.header.file_bytes
    }

    /// The table's bytes in memory, which stay as and where they are; none unless
    /// [`Self::is_loaded`]. A value that is [`Found::InTable`](crate::Found::InTable) is a part of
    /// them.
    pub fn memory(&self) -> &[u8] {
        self.home.memory().map(Region::bytes).unwrap_or_default()
    }
}

#[cold]
pub(crate) fn damaged(section: Section, offset: usize, problem: Problem) -> Error {
    Error::Damaged { section: section.name(), offset: offset as u64, problem }
}

/// The content of a section that is held in memory while the table is open.
pub(crate) fn small_section(home: &Home, header: &Header, section: Section) -> Result<Vec<u8>, Error> {
    let entry = header.section(section);
    let (range, mut scratch) = (entry.offset as usize..entry.end() as usize, Vec::new());
    let bytes = &home.read(range.clone(), &mut scratch)?[..range.len()];
    let (expected, found) = (entry.crc, crc32c(0, bytes));
    if expected != found {
        return Err(damaged(section, range.start, Problem::Checksum { expected, found }));
    }
    Ok(bytes.to_vec())
}

/// The decoder of `codec`, of which `code` is the whole table.
fn read_code(codec: Codec, code: &[u8], header: &Header, section: Section) -> Result<Option<Decoder>, Error> {
    let none = || damaged(section, header.section(section).offset as usize, Problem::Codec);
    if codec == Codec::Raw {
        return if code.is_empty() { Ok(None) } else { Err(none()) };
    }
    match SymbolTable::read(codec, code) {
        Some((table, [])) => Ok(Decoder::new(codec, &table)),
        _ => Err(none()),
    }
}

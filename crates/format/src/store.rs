//! The reader: a carved table that answers lookups.
//!
//! `unsafe` here is nothing but calls of functions compiled for the processor that was found.
#![allow(unsafe_code)]

use std::ops::Range;
use std::path::Path;

use crate::bucket::{Bucket, BucketShape, LargeReference, ValuePlace};
use crate::checksum::crc32c;
use crate::codec::{ABREAST, Codec, Decoder, Rooms, StoredValue, SymbolTable};
#[cfg(target_arch = "x86_64")]
use crate::cpu::X86;
use crate::cpu::{Cpu, Portable};
use crate::disk::Disk;
use crate::error::{Error, Problem};
use crate::header::Header;
use crate::home::{Home, Window};
use crate::index::{self, Line};
use crate::key::{KeyMap, Place};
use crate::layout::{BUCKET_BYTES_MAX, HEADER_BYTES, LINE_BYTES, Section};
use crate::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::region::Region;

/// Keys of a batch whose waits for memory overlap: more than a processor core can wait for at a time.
const OVERLAP: usize = 32;

/// Buckets of a batch that are asked for ahead of the one that is looked into: enough for their waits to overlap, and so few
/// that the core has room to ask for them without waiting for the ones before.
const LEAD: usize = 8;

/// A table that is complete: it only answers.
///
/// No answer is wrong whatever happened to the bytes: those in memory were all checked when they were loaded, and those
/// that are read from a file are checked as they are read.
#[derive(Debug)]
pub struct Store {
    pub(crate) header: Header,
    pub(crate) keys: KeyMap,
    pub(crate) buckets: BucketShape,
    key_decoder: Option<Decoder>,
    value_decoder: Option<Decoder>,
    pub(crate) home: Home,
    #[cfg(target_arch = "x86_64")]
    cpu: Option<X86>,
}

/// The answers to a batch of keys; reused, it allocates nothing once it has grown.
#[derive(Clone, Debug, Default)]
pub struct Batch<'s> {
    places: Vec<Option<(Place, Range<usize>)>>,
    bytes: Vec<u8>,
    found: Vec<Found<'s>>,
    rooms: Rooms,
}

impl<'s> Batch<'s> {
    /// Notes the answer to the next key; what was appended for it begins at `start`.
    #[inline(always)]
    fn push(&mut self, got: Got<'s>, start: usize) {
        self.found.push(got.found(start..self.bytes.len()));
    }

    /// The value of the `i`th key of the batch, or `None` when the table does not hold that key.
    ///
    /// # Panics
    /// When the batch had no `i`th key.
    #[inline]
    pub fn value(&self, i: usize) -> Option<&[u8]> {
        match &self.found[i] {
            Found::Nothing => None,
            Found::Copied(range) => Some(&self.bytes[range.clone()]),
            Found::Lent(value) => Some(value),
        }
    }
}

/// What one key of a batch is answered.
#[derive(Clone, Debug)]
enum Found<'s> {
    Nothing,
    /// The value is in the room of the batch.
    Copied(Range<usize>),
    /// The value lies in the table's memory as it is.
    Lent(&'s [u8]),
}

/// What came of a lookup of one key.
#[derive(Clone, Copy, Debug)]
enum Got<'s> {
    Nothing,
    /// The value was appended.
    Appended,
    /// The value lies in the table's memory as it is.
    Lent(&'s [u8]),
}

impl<'s> Got<'s> {
    /// The same in a batch; what was appended is `range` of its room.
    #[inline(always)]
    fn found(self, range: Range<usize>) -> Found<'s> {
        match self {
            Self::Nothing => Found::Nothing,
            Self::Appended => Found::Copied(range),
            Self::Lent(value) => Found::Lent(value),
        }
    }
}

impl Store {
    /// Opens a carved file, which takes the same time whatever its size. Lookups read the file until [`Self::load`] has
    /// brought it into memory.
    ///
    /// # Errors
    /// [`Error::NotCarved`] when the file is something else, [`Error::Io`] when it cannot be read, and the other errors when
    /// it is not whole.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::from_home(Home::file(path)?)
    }

    /// Opens a carved file whose records stay on disk: the index alone comes into memory, and is checked. Lookups read one
    /// piece of the file each, past the page cache where the file system allows that; see [`Self::piece`] for who wants to
    /// wait for many at a time.
    ///
    /// # Errors
    /// As [`Self::open`], and [`Error::Damaged`] when the index is not whole.
    pub fn open_on_disk(path: &Path) -> Result<Self, Error> {
        let mut store = Self::open(path)?;
        let section = store.header.section(Section::Index);
        let range = section.offset as usize..(section.offset + section.len) as usize;
        let mut scratch = Vec::new();
        let bytes = &store.home.read(range.clone(), &mut scratch)?[..range.len()];
        let (expected, found) = (section.crc, crc32c(0, bytes));
        if expected != found {
            return Err(damaged(Section::Index, range.start, Problem::Checksum { expected, found }));
        }
        let index = Region::read(bytes, bytes.len())
            .map_err(|source| Error::Io { doing: "get memory for the index", source })?;
        store.home = Home::Disk(Disk::open(path, store.header.file_bytes, range.start, index)?);
        Ok(store)
    }

    /// Opens a carved file that lies in the system's page cache for as long as the system keeps it there. Every lookup copies
    /// its bucket and checks it, so that a file which is damaged or cut while it is served costs typed errors.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_mapped(path: &Path) -> Result<Self, Error> {
        Self::from_home(Home::mapped(path)?)
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
        let header_len = home.len().min(HEADER_BYTES as u64) as usize;
        let header = Header::from_bytes(&home.read(0..header_len, &mut scratch)?[..header_len], home.len())?;
        let tables = header.section(Section::Tables);
        let range = tables.offset as usize..(tables.offset + tables.len) as usize;
        let mut scratch = Vec::new();
        let bytes = &home.read(range.clone(), &mut scratch)?[..range.len()];
        let (expected, found) = (tables.crc, crc32c(0, bytes));
        if expected != found {
            return Err(damaged(Section::Tables, range.start, Problem::Checksum { expected, found }));
        }
        let (key_decoder, rest) = read_table(header.key_codec, bytes, range.start)?;
        let (value_decoder, rest) = read_table(header.value_codec, rest, range.end - rest.len())?;
        if !rest.is_empty() {
            return Err(damaged(Section::Tables, range.end - rest.len(), Problem::Codec));
        }
        let keys = KeyMap::new(header.keys.clone(), header.seed, header.bucket_bits);
        let buckets = BucketShape {
            count_width: header.count_width,
            key_width: header.key_width,
            rest_bits: keys.rest_bits(),
            rest_mask: u128::MAX.unbounded_shr(128 - keys.rest_bits()),
            value_width: header.value_width,
            value_fixed: header.value_fixed,
        };
        Ok(Self {
            header,
            keys,
            buckets,
            key_decoder,
            value_decoder,
            home,
            #[cfg(target_arch = "x86_64")]
            cpu: X86::detect(),
        })
    }

    /// Brings the whole file into memory and checks it, after which lookups neither read the file nor check again. Lookups
    /// go on meanwhile, on other threads. A table that is in memory is left as it is.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read or there is no memory, [`Error::Damaged`] when it is not whole; the table
    /// then goes on answering from the file, with errors for what is damaged.
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

    /// Appends the value of `key` to `value`; `false`, and nothing appended, when the table does not hold the key. Takes the
    /// same time whatever the number of pairs, and in memory waits for memory twice.
    ///
    /// # Errors
    /// When the table is damaged where the key would lie, or its file cannot be read.
    #[inline]
    pub fn get(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Error> {
        match self.look_up(key, value)? {
            Got::Nothing => return Ok(false),
            Got::Appended => {}
            Got::Lent(lent) => value.extend_from_slice(lent),
        }
        Ok(true)
    }

    /// The value of `key`, or `None` when the table does not hold the key. It is brought into `room`, whose former content is
    /// lost, unless it lies in the table's memory as it is and is large: such a value is not copied. Costs what [`Self::get`]
    /// costs.
    ///
    /// # Errors
    /// As [`Self::get`].
    ///
    /// ```
    /// use graven_format::{Builder, Codec, CodecChoice, Options};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let picture = vec![7; 1_000_000];
    /// let mut builder = Builder::new(Options { codec: CodecChoice::Fixed(Codec::Raw), ..Options::default() });
    /// builder.add(b"picture", &picture)?;
    /// let (store, _) = builder.finish()?;
    ///
    /// let mut room = Vec::new();
    /// assert_eq!(store.value(b"picture", &mut room)?, Some(&picture[..]));
    /// assert_eq!(room.capacity(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn value<'s>(&'s self, key: &[u8], room: &'s mut Vec<u8>) -> Result<Option<&'s [u8]>, Error> {
        room.clear();
        Ok(match self.look_up(key, room)? {
            Got::Nothing => None,
            Got::Appended => Some(room),
            Got::Lent(lent) => Some(lent),
        })
    }

    /// The table's bytes in memory, which stay as and where they are; none unless [`Self::is_loaded`]. A value that
    /// [`Self::value`] or [`Self::get_many`] did not copy is a part of them.
    pub fn memory(&self) -> &[u8] {
        self.home.memory().map(Region::bytes).unwrap_or_default()
    }

    #[inline]
    fn look_up(&self, key: &[u8], room: &mut Vec<u8>) -> Result<Got<'_>, Error> {
        #[cfg(target_arch = "x86_64")]
        if let Some(cpu) = self.cpu {
            // SAFETY: `cpu` says that the processor has the features.
            return unsafe { self.look_up_x86(cpu, key, room) };
        }
        self.look_up_on(Portable, key, room)
    }

    /// Answers all of `keys` into `batch`, whose former answers are dropped. The memory that the answers lie in is asked for
    /// before the first is read, so that the waits overlap. Values are copied but for those that [`Self::value`] would not copy.
    ///
    /// # Errors
    /// When the table is damaged where one of the keys would lie, or its file cannot be read.
    pub fn get_many<'s>(&'s self, keys: &[&[u8]], batch: &mut Batch<'s>) -> Result<(), Error> {
        #[cfg(target_arch = "x86_64")]
        if let Some(cpu) = self.cpu {
            // SAFETY: `cpu` says that the processor has the features.
            return unsafe { self.get_many_x86(cpu, keys, batch) };
        }
        self.get_many_on(Portable, keys, batch)
    }

    /// Whether the table holds `key`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn contains(&self, key: &[u8]) -> Result<bool, Error> {
        let Some(order) = self.keys.order(Portable, key) else { return Ok(false) };
        let place = self.keys.place(order);
        let mut scratch = Vec::new();
        let range = self.range(place.bucket, &mut scratch)?;
        let mut scratch = Vec::new();
        let bucket = self.bucket(Portable, place.bucket, range.clone(), &mut scratch)?;
        Ok(self.find(&bucket, range.start, place, key)?.is_some())
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,sse4.2")]
    fn look_up_x86(&self, cpu: X86, key: &[u8], room: &mut Vec<u8>) -> Result<Got<'_>, Error> {
        self.look_up_on(cpu, key, room)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,sse4.2")]
    fn get_many_x86<'s>(&'s self, cpu: X86, keys: &[&[u8]], batch: &mut Batch<'s>) -> Result<(), Error> {
        self.get_many_on(cpu, keys, batch)
    }

    #[inline(always)]
    fn look_up_on(&self, cpu: impl Cpu, key: &[u8], room: &mut Vec<u8>) -> Result<Got<'_>, Error> {
        let Some(order) = self.keys.order(cpu, key) else { return Ok(Got::Nothing) };
        let place = self.keys.place(order);
        match self.home.memory() {
            Some(region) => {
                let range = self.range_in(region, place)?;
                region.prefetch(range.start, range.len());
                self.get_in(cpu, region, place, range, key, room)
            }
            None => {
                let found = self.get_checked(place, key, room)?;
                Ok(if found { Got::Appended } else { Got::Nothing })
            }
        }
    }

    #[inline(always)]
    fn get_many_on<'s>(&'s self, cpu: impl Cpu, keys: &[&[u8]], batch: &mut Batch<'s>) -> Result<(), Error> {
        batch.bytes.clear();
        batch.found.clear();
        let Some(region) = self.home.memory() else {
            for key in keys {
                let start = batch.bytes.len();
                let got = self.look_up(key, &mut batch.bytes)?;
                batch.push(got, start);
            }
            return Ok(());
        };
        for keys in keys.chunks(OVERLAP) {
            batch.places.clear();
            for key in keys {
                let place = self.keys.order(cpu, key).map(|order| self.keys.place(order));
                if let Some(place) = place {
                    region.prefetch_line(self.line_offset(place.bucket));
                }
                batch.places.push(place.map(|place| (place, 0..0)));
            }
            for place in batch.places.iter_mut().take(LEAD) {
                self.fetch(region, place)?;
            }
            match &self.value_decoder {
                Some(decoder) => self.decode_found(cpu, region, decoder, keys, batch)?,
                None => self.copy_found(cpu, region, keys, batch)?,
            }
        }
        Ok(())
    }

    /// Finds the range of a bucket, and asks for it.
    #[inline(always)]
    fn fetch(&self, region: &Region, place: &mut Option<(Place, Range<usize>)>) -> Result<(), Error> {
        if let Some((place, range)) = place {
            *range = self.range_in(region, *place)?;
            region.prefetch(range.start, range.len());
        }
        Ok(())
    }

    /// Appends the values of `keys`, which are raw and whose places are known, to the batch.
    #[inline(always)]
    fn copy_found<'s>(
        &self,
        cpu: impl Cpu,
        region: &'s Region,
        keys: &[&[u8]],
        batch: &mut Batch<'s>,
    ) -> Result<(), Error> {
        for (i, key) in keys.iter().enumerate() {
            if let Some(place) = batch.places.get_mut(i + LEAD) {
                self.fetch(region, place)?;
            }
            let start = batch.bytes.len();
            let got = match &batch.places[i] {
                Some((place, range)) => {
                    self.get_in(cpu, region, *place, range.clone(), key, &mut batch.bytes)?
                }
                None => Got::Nothing,
            };
            batch.push(got, start);
        }
        Ok(())
    }

    /// As [`Self::copy_found`] of values that have to be decoded, several at a time.
    #[inline(always)]
    fn decode_found<'s>(
        &self,
        cpu: impl Cpu,
        region: &'s Region,
        decoder: &Decoder,
        keys: &[&[u8]],
        batch: &mut Batch<'s>,
    ) -> Result<(), Error> {
        let Batch { places, bytes, found, rooms } = batch;
        let mut stored = [StoredValue::default(); ABREAST];
        // Where the answers belong, and where the buckets begin.
        let mut asked = [(0, 0); ABREAST];
        let mut waiting = 0;
        for i in 0..=keys.len() {
            // In one place, so that it is compiled for the processor with the lookup around it.
            if waiting == ABREAST || i == keys.len() {
                stored[waiting..].fill(StoredValue::default());
                let ranges = decoder.decode_abreast(stored, VALUE_BYTES_MAX, rooms, bytes);
                let ranges = ranges.map_err(|at| damaged(Section::Records, asked[at].1, Problem::Codec))?;
                for (&(answer, _), range) in asked[..waiting].iter().zip(ranges) {
                    found[answer] = Found::Copied(range);
                }
                waiting = 0;
            }
            let Some(key) = keys.get(i) else { break };
            if let Some(place) = places.get_mut(i + LEAD) {
                self.fetch(region, place)?;
            }
            found.push(Found::Nothing);
            let Some((place, range)) = &places[i] else { continue };
            let at = |problem| damaged(Section::Records, range.start, problem);
            let bucket = self.buckets.open(cpu, region.bytes_from(range.start), range.len()).map_err(at)?;
            let Some(record) = self.find(&bucket, range.start, *place, key)? else { continue };
            match bucket.value(record).map_err(at)? {
                ValuePlace::Inline(inside) => {
                    stored[waiting] =
                        StoredValue { bytes: bucket.bytes_from(inside.start), len: inside.len() };
                    asked[waiting] = (found.len() - 1, range.start);
                    waiting += 1;
                }
                ValuePlace::Large(reference) => {
                    let start = bytes.len();
                    let got = self.large_in(region, place.bucket, reference, bytes)?;
                    *found.last_mut().expect("one was just pushed") = got.found(start..bytes.len());
                }
            }
        }
        Ok(())
    }

    /// Where the line of the index that `bucket` is in lies in the file.
    #[inline(always)]
    fn line_offset(&self, bucket: u64) -> usize {
        self.header.section(Section::Index).offset as usize + index::line_of(bucket).0 as usize * LINE_BYTES
    }

    /// Where a bucket lies in the file, by its line of the index.
    #[inline(always)]
    fn range_by(&self, line: &Line, bucket: u64) -> Result<Range<usize>, Error> {
        let range = index::range(line, index::line_of(bucket).1);
        let records = self.header.section(Section::Records);
        if range.end > records.len {
            return Err(self.beyond_records(bucket, range.end));
        }
        Ok((records.offset + range.start) as usize..(records.offset + range.end) as usize)
    }

    #[cold]
    fn beyond_records(&self, bucket: u64, found: u64) -> Error {
        let most = self.header.section(Section::Records).len;
        let problem = Problem::Range { field: "the end of a bucket", most, found };
        damaged(Section::Index, self.line_offset(bucket), problem)
    }

    #[inline(always)]
    fn range_in(&self, region: &Region, place: Place) -> Result<Range<usize>, Error> {
        let offset = self.line_offset(place.bucket);
        match region.bytes().get(offset..).and_then(|bytes| bytes.first_chunk()) {
            Some(line) => self.range_by(line, place.bucket),
            None => Err(self.beyond_records(place.bucket, u64::MAX)),
        }
    }

    /// Where a bucket lies in the file.
    pub(crate) fn range(&self, bucket: u64, scratch: &mut Vec<u8>) -> Result<Range<usize>, Error> {
        let line = self.line(bucket, scratch)?;
        self.range_by(&line, bucket)
    }

    /// As [`Self::range`], for who goes through the buckets.
    pub(crate) fn range_ahead(
        &self,
        bucket: u64,
        ahead: usize,
        window: &mut Window,
    ) -> Result<Range<usize>, Error> {
        let offset = self.line_offset(bucket);
        let bytes = self.home.read_ahead(offset..offset + LINE_BYTES, ahead, window)?;
        let line = bytes.first_chunk().ok_or_else(|| self.beyond_records(bucket, u64::MAX))?;
        self.range_by(line, bucket)
    }

    fn line(&self, bucket: u64, scratch: &mut Vec<u8>) -> Result<Line, Error> {
        let offset = self.line_offset(bucket);
        let bytes = self.home.read(offset..offset + LINE_BYTES, scratch)?;
        bytes.first_chunk().copied().ok_or_else(|| self.beyond_records(bucket, u64::MAX))
    }

    /// Refuses what no bucket is as long as, before memory is taken for it.
    pub(crate) fn check_length(&self, bucket: u64, range: &Range<usize>) -> Result<(), Error> {
        let (most, found) = (BUCKET_BYTES_MAX as u64, range.len() as u64);
        if found <= most {
            return Ok(());
        }
        let problem = Problem::Range { field: "the length of a bucket", most, found };
        Err(damaged(Section::Index, self.line_offset(bucket), problem))
    }

    /// A bucket that was not checked before.
    pub(crate) fn bucket<'s, C: Cpu>(
        &'s self,
        cpu: C,
        number: u64,
        range: Range<usize>,
        scratch: &'s mut Vec<u8>,
    ) -> Result<Bucket<'s, C>, Error> {
        self.check_length(number, &range)?;
        let bytes = self.home.read(range.clone(), scratch)?;
        let opened = self.buckets.open_checked(cpu, number, bytes, range.len());
        opened.map_err(|problem| damaged(Section::Records, range.start, problem))
    }

    #[inline(always)]
    pub(crate) fn find<C: Cpu>(
        &self,
        bucket: &Bucket<'_, C>,
        start: usize,
        place: Place,
        key: &[u8],
    ) -> Result<Option<usize>, Error> {
        if self.keys.is_numeric() {
            return Ok(bucket.find_number(place));
        }
        self.find_bytes(bucket, place, key).map_err(|problem| damaged(Section::Records, start, problem))
    }

    #[inline(never)]
    fn find_bytes<C: Cpu>(
        &self,
        bucket: &Bucket<'_, C>,
        place: Place,
        key: &[u8],
    ) -> Result<Option<usize>, Problem> {
        let wanted = self.keys.stored_bytes(key);
        let mut decoded = Vec::new();
        let mut problem = None;
        let found = bucket.find(place.tag, |i| {
            decoded.clear();
            let same = self.append_key(bucket, i, &mut decoded).map(|()| decoded == wanted);
            same.unwrap_or_else(|why| {
                problem = Some(why);
                true
            })
        });
        problem.map_or(Ok(found), Err)
    }

    /// Appends the key of record `i`, but for the prefix, where keys are bytes.
    fn append_key<C: Cpu>(&self, bucket: &Bucket<'_, C>, i: usize, key: &mut Vec<u8>) -> Result<(), Problem> {
        let range = bucket.key(i)?;
        append(self.key_decoder.as_ref(), bucket.bytes_from(range.start), range.len(), KEY_BYTES_MAX, key)
    }

    /// A lookup in memory that was checked.
    #[inline(always)]
    fn get_in<'s>(
        &self,
        cpu: impl Cpu,
        region: &'s Region,
        place: Place,
        range: Range<usize>,
        key: &[u8],
        value: &mut Vec<u8>,
    ) -> Result<Got<'s>, Error> {
        let at = |problem| damaged(Section::Records, range.start, problem);
        let bucket = self.buckets.open(cpu, region.bytes_from(range.start), range.len()).map_err(at)?;
        let Some(i) = self.find(&bucket, range.start, place, key)? else { return Ok(Got::Nothing) };
        match bucket.value(i).map_err(at)? {
            ValuePlace::Inline(inside) => {
                self.append_stored_value(bucket.bytes_from(inside.start), inside.len(), value).map_err(at)?;
            }
            ValuePlace::Large(reference) => return self.large_in(region, place.bucket, reference, value),
        }
        Ok(Got::Appended)
    }

    /// A lookup in bytes that were not checked.
    #[inline(never)]
    fn get_checked(&self, place: Place, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Error> {
        let mut scratch = Vec::new();
        let range = self.range(place.bucket, &mut scratch)?;
        let start = range.start;
        let bucket = self.bucket(Portable, place.bucket, range, &mut scratch)?;
        let Some(i) = self.find(&bucket, start, place, key)? else { return Ok(false) };
        let at = |problem| damaged(Section::Records, start, problem);
        match bucket.value(i).map_err(at)? {
            ValuePlace::Inline(inside) => {
                self.append_stored_value(bucket.bytes_from(inside.start), inside.len(), value).map_err(at)?;
            }
            ValuePlace::Large(reference) => self.append_large(place.bucket, reference, value)?,
        }
        Ok(true)
    }

    /// Appends the key of record `i` of bucket `number`.
    pub(crate) fn append_whole_key<C: Cpu>(
        &self,
        bucket: &Bucket<'_, C>,
        number: u64,
        i: usize,
        key: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        if self.keys.is_numeric() {
            let place = Place { bucket: number, tag: bucket.tag(i), rest: bucket.rest(i) };
            self.keys.write_number(place, key);
            return Ok(());
        }
        key.extend_from_slice(&self.keys.shape().prefix);
        self.append_key(bucket, i, key)
    }

    /// Appends the value whose stored bytes are the first `len` of `stored`.
    #[inline(always)]
    pub(crate) fn append_stored_value(
        &self,
        stored: &[u8],
        len: usize,
        value: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        append(self.value_decoder.as_ref(), stored, len, VALUE_BYTES_MAX, value)
    }

    /// Bytes of the file.
    pub(crate) fn read<'s>(
        &'s self,
        range: Range<usize>,
        scratch: &'s mut Vec<u8>,
    ) -> Result<&'s [u8], Error> {
        self.home.read(range, scratch)
    }

    /// Where a value that is not in its bucket lies in the file.
    pub(crate) fn large_range(&self, bucket: u64, reference: LargeReference) -> Result<Range<usize>, Error> {
        let records = self.header.section(Section::Records);
        let base = index::base(&self.line(bucket, &mut Vec::new())?);
        let start = base.saturating_add(reference.offset);
        let end = start.saturating_add(reference.len.into());
        if end > records.len {
            let problem = Problem::Range { field: "the end of a large value", most: records.len, found: end };
            return Err(damaged(
                Section::Records,
                (records.offset + base.min(records.len)) as usize,
                problem,
            ));
        }
        Ok((records.offset + start) as usize..(records.offset + end) as usize)
    }

    /// A value that is not in its bucket, in memory: lent if it needs no decoder, else appended.
    #[inline(never)]
    fn large_in<'s>(
        &self,
        region: &'s Region,
        bucket: u64,
        reference: LargeReference,
        value: &mut Vec<u8>,
    ) -> Result<Got<'s>, Error> {
        let Range { start, end } = self.large_range(bucket, reference)?;
        let (stored, len) = (region.bytes_from(start), end - start);
        check_large(reference, &stored[..len], start)?;
        if self.value_decoder.is_none() && len <= VALUE_BYTES_MAX {
            return Ok(Got::Lent(&stored[..len]));
        }
        self.append_stored_value(stored, len, value)
            .map_err(|problem| damaged(Section::Records, start, problem))?;
        Ok(Got::Appended)
    }

    /// Appends a value that is not in its bucket.
    #[inline(never)]
    pub(crate) fn append_large(
        &self,
        bucket: u64,
        reference: LargeReference,
        value: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let Range { start, end } = self.large_range(bucket, reference)?;
        let (len, mut scratch) = (end - start, Vec::new());
        let stored = self.home.read(start..end, &mut scratch)?;
        check_large(reference, &stored[..len], start)?;
        self.append_stored_value(stored, len, value)
            .map_err(|problem| damaged(Section::Records, start, problem))
    }
}

/// Whether the stored bytes of a large value, which begin at `start` in the file, are those that its bucket refers to. In
/// memory, too: a reference is the one thing in a bucket that says where else to look.
fn check_large(reference: LargeReference, stored: &[u8], start: usize) -> Result<(), Error> {
    let (expected, found) = (reference.crc, crc32c(0, stored));
    if expected == found {
        return Ok(());
    }
    Err(damaged(Section::Records, start, Problem::Checksum { expected, found }))
}

/// Appends what the first `len` of `stored` stand for, at most `most` bytes.
#[inline(always)]
fn append(
    decoder: Option<&Decoder>,
    stored: &[u8],
    len: usize,
    most: usize,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    match decoder {
        Some(decoder) => {
            let start = out.len();
            decoder.decode(stored, len, most, out).map_err(|_| {
                out.truncate(start);
                Problem::Codec
            })
        }
        None if len > most => Err(Problem::Range {
            field: "the length of a key or value",
            most: most as u64,
            found: len as u64,
        }),
        None => {
            copy(stored, len, out);
            Ok(())
        }
    }
}

/// Appends the first `len` of `stored`. Short values are copied in one block of fixed size, because a length that has just
/// been loaded is a branch that cannot be predicted.
#[inline(always)]
fn copy(stored: &[u8], len: usize, out: &mut Vec<u8>) {
    match stored.first_chunk::<64>() {
        Some(block) if len <= 64 => {
            let start = out.len();
            out.extend_from_slice(block);
            out.truncate(start + len);
        }
        _ => out.extend_from_slice(&stored[..len]),
    }
}

#[cold]
pub(crate) fn damaged(section: Section, offset: usize, problem: Problem) -> Error {
    Error::Damaged { section: section.name(), offset: offset as u64, problem }
}

fn read_table(codec: Codec, bytes: &[u8], offset: usize) -> Result<(Option<Decoder>, &[u8]), Error> {
    if codec == Codec::Raw {
        return Ok((None, bytes));
    }
    match SymbolTable::read(codec, bytes) {
        Some((table, rest)) => Ok((Decoder::new(codec, &table), rest)),
        None => Err(damaged(Section::Tables, offset, Problem::Codec)),
    }
}

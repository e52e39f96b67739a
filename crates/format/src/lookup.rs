//! Lookups: one key, or several whose waits for memory overlap.
//!
//! `unsafe` here is nothing but calls of functions compiled for the processor that was found.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ops::Range;

use crate::bucket::{Bucket, Form, ValuePlace};
use crate::codec::{ABREAST, Alphabet, BLOCK_BYTES, Decoder, Rooms, SharedReader, StoredValue, UNPACKED};
#[cfg(target_arch = "x86_64")]
use crate::cpu::X86;
use crate::cpu::{Baseline, Cpu};
use crate::error::{Error, Problem};
use crate::index;
use crate::key::Place;
use crate::layout::{LINE_BYTES, Section};
use crate::limits::VALUE_BYTES_MAX;
use crate::parts::LargeValue;
use crate::region::{Region, prefetch_line, prefetch_lines};
use crate::store::{Store, damaged};

/// Keys of a batch whose waits for memory overlap: more than a processor core can wait for at a
/// time.
const OVERLAP: usize = 32;

/// Buckets of a batch that are asked for ahead of the one that is looked into: enough for their
/// waits to overlap, and so few that the core has room to ask for them without waiting for the
/// ones before.
const LEAD: usize = 8;

/// The same of groups of a mapping, each of which has more bytes; and the most of it that is asked
/// for.
const MAPPED_LEAD: usize = 2;
const ASKED_BYTES_MAX: usize = 2048;

/// What a lookup found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The table does not hold the key.
    Missing,
    /// The value was appended to the caller's room, of which it is this range.
    Copied(Range<usize>),
    /// The value lies in the table's memory as it is: this range of [`Store::memory`], for as long
    /// as the store lives.
    InTable(Range<usize>),
    /// The value was left where it is, as [`Store::seek`] and [`Batch::leaving`] do.
    Large(LargeValue),
}

/// The most bytes that a value may have which has to be decoded, or read, and is not left where it
/// is.
trait Most: std::marker::Copy {
    fn bytes(self) -> usize;
}

/// None is left.
#[derive(Clone, Copy)]
struct Everything;

impl Most for Everything {
    #[inline(always)]
    fn bytes(self) -> usize {
        usize::MAX
    }
}

impl Most for usize {
    #[inline(always)]
    fn bytes(self) -> usize {
        self
    }
}

impl Found {
    /// The value, in the `room` that it was brought into or in the memory of the `store` that was
    /// asked; `None` also where it was left elsewhere.
    ///
    /// # Panics
    /// When `room` or `store` is another.
    #[inline]
    pub fn value<'a>(&self, room: &'a [u8], store: &'a Store) -> Option<&'a [u8]> {
        match self {
            Self::Missing | Self::Large(_) => None,
            Self::Copied(range) => Some(&room[range.clone()]),
            Self::InTable(range) => Some(&store.memory()[range.clone()]),
        }
    }
}

/// The answers to a batch of keys; reused, it allocates nothing once it has grown.
#[derive(Clone, Debug)]
pub struct Batch {
    decoded_bytes_max: usize,
    value_bytes_max: usize,
    asked: Vec<BatchKey>,
    bytes: Vec<u8>,
    /// How much of `bytes` the values take where they are copied as they are; there may be older
    /// bytes behind.
    used: usize,
    found: Vec<Found>,
    rooms: Rooms,
}

/// Where a key of a batch would be.
#[derive(Clone, Debug, Default)]
struct BatchKey {
    place: Place,
    /// Where the line of its bucket lies in the file, or [`NOWHERE`], and which bucket of that line
    /// it is.
    line: usize,
    at: usize,
    /// Where its bucket lies in the file, once that is known.
    range: Range<usize>,
}

/// The line of a key that no key of the table is spelled like.
const NOWHERE: usize = usize::MAX;

impl Default for Batch {
    fn default() -> Self {
        Self::bounded(usize::MAX)
    }
}

impl Batch {
    /// A batch that ends early when the values that had to be decoded come to more than
    /// `decoded_bytes_max` bytes: behind the large value, or the few smaller ones decoded
    /// together, that passed the bound. By default, none does.
    pub fn bounded(decoded_bytes_max: usize) -> Self {
        Self {
            decoded_bytes_max,
            value_bytes_max: usize::MAX,
            asked: Vec::new(),
            bytes: Vec::new(),
            used: 0,
            found: Vec::new(),
            rooms: Rooms::default(),
        }
    }

    /// The same batch, which leaves where it is each value that has to be decoded, or read, and has
    /// more than `value_bytes_max` bytes: it is [`Found::Large`].
    pub fn leaving(self, value_bytes_max: usize) -> Self {
        Self { value_bytes_max, ..self }
    }

    /// How many keys are answered.
    #[inline]
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether no key is answered.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What was found of the `i`th key of the batch.
    ///
    /// # Panics
    /// When the batch had no `i`th key.
    #[inline]
    pub fn found(&self, i: usize) -> &Found {
        &self.found[i]
    }

    /// What was found of each key of the batch, in their order.
    #[inline]
    pub fn all(&self) -> &[Found] {
        &self.found
    }

    /// The room that values were copied into; there may be more behind the last of them.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The value of the `i`th key of the batch, or `None` when the table does not hold that key, or
    /// the value was [left](Self::leaving) where it is. `store` is the one that was asked.
    ///
    /// # Panics
    /// When the batch had no `i`th key, or another store was asked.
    #[inline]
    pub fn value<'a>(&'a self, i: usize, store: &'a Store) -> Option<&'a [u8]> {
        self.found[i].value(&self.bytes, store)
    }
}

impl Store {
    /// Appends the value of `key` to `value`; `false`, and nothing appended, when the table does
    /// not hold the key. Takes the same time whatever the number of pairs, and in memory waits for
    /// memory twice.
    ///
    /// # Errors
    /// When the table is damaged where the key would lie, or its file cannot be read.
    #[inline]
    pub fn get(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Error> {
        match self.look_up(key, value, Everything)? {
            Found::Missing | Found::Large(_) => return Ok(false),
            Found::Copied(_) => {}
            Found::InTable(range) => value.extend_from_slice(&self.memory()[range]),
        }
        Ok(true)
    }

    /// Looks `key` up. The value is brought into `room`, whose former content is lost, unless it
    /// lies in the table's memory as it is and is large: such a value is not copied. Costs what
    /// [`Self::get`] costs.
    ///
    /// # Errors
    /// As [`Self::get`].
    ///
    /// ```
    /// use graven_format::{Builder, Codec, CodecChoice, Found, Options};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let picture = vec![7; 1_000_000];
    /// let mut builder = Builder::new(Options { codec: CodecChoice::Fixed(Codec::Raw), ..Options::default() });
    /// builder.add(b"picture", &picture)?;
    /// let (store, _) = builder.finish()?;
    ///
    /// let mut room = Vec::new();
    /// let found = store.find(b"picture", &mut room)?;
    /// assert!(matches!(found, Found::InTable(_)) && room.is_empty());
    /// assert_eq!(found.value(&room, &store), Some(&picture[..]));
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn find(&self, key: &[u8], room: &mut Vec<u8>) -> Result<Found, Error> {
        room.clear();
        self.look_up(key, room, Everything)
    }

    /// As [`Self::find`], but that a value which has to be decoded, or read, and has more than
    /// `most` bytes is [left](Found::Large) where it is. Values that lie in their buckets are never
    /// left.
    ///
    /// # Errors
    /// As [`Self::get`].
    #[inline]
    pub fn seek(&self, key: &[u8], room: &mut Vec<u8>, most: usize) -> Result<Found, Error> {
        room.clear();
        self.look_up(key, room, most)
    }

    #[inline]
    fn look_up(&self, key: &[u8], room: &mut Vec<u8>, most: impl Most) -> Result<Found, Error> {
        #[cfg(target_arch = "x86_64")]
        if let Some(cpu) = self.cpu {
            // SAFETY: `cpu` says that the processor has the features.
            return unsafe { self.look_up_x86(cpu, key, room, most) };
        }
        self.look_up_on(Baseline, key, room, most)
    }

    /// Answers `keys` into `batch`, whose former answers are dropped: all of them, unless the
    /// batch is [bounded](Batch::bounded), and one at least. The memory that the answers lie in is
    /// asked for before the first is read, so that the waits overlap. Values are copied but for
    /// those that [`Self::find`] would not copy.
    ///
    /// # Errors
    /// When the table is damaged where one of the keys would lie, or its file cannot be read.
    pub fn get_many(&self, keys: &[&[u8]], batch: &mut Batch) -> Result<(), Error> {
        #[cfg(target_arch = "x86_64")]
        if let Some(cpu) = self.cpu {
            // SAFETY: `cpu` says that the processor has the features.
            return unsafe { self.get_many_x86(cpu, keys, batch) };
        }
        self.get_many_on(Baseline, keys, batch)
    }

    /// Whether the table holds `key`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn contains(&self, key: &[u8]) -> Result<bool, Error> {
        let Some(order) = self.keys.order(Baseline, key) else { return Ok(false) };
        let place = self.keys.place(order);
        if let Some(region) = self.home.memory() {
            let range = self.range_in(region, place)?;
            let at = |problem| damaged(Section::Records, range.start, problem);
            let bucket =
                self.buckets.open(Baseline, region.bytes_from(range.start), range.len()).map_err(at)?;
            return Ok(self.find_record(&bucket, range.start, place, key)?.is_some());
        }
        with_scratch(|scratch| {
            let line = self.line(place.bucket)?;
            let (bucket, start) = self.bucket(Baseline, place.bucket, &line, scratch)?;
            Ok(self.find_record(&bucket, start, place, key)?.is_some())
        })
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,sse4.2")]
    fn look_up_x86(&self, cpu: X86, key: &[u8], room: &mut Vec<u8>, most: impl Most) -> Result<Found, Error> {
        self.look_up_on(cpu, key, room, most)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,sse4.2")]
    fn get_many_x86(&self, cpu: X86, keys: &[&[u8]], batch: &mut Batch) -> Result<(), Error> {
        self.get_many_on(cpu, keys, batch)
    }

    #[inline(always)]
    fn look_up_on(
        &self,
        cpu: impl Cpu,
        key: &[u8],
        room: &mut Vec<u8>,
        most: impl Most,
    ) -> Result<Found, Error> {
        let Some(order) = self.keys.order(cpu, key) else { return Ok(Found::Missing) };
        let place = self.keys.place(order);
        match self.home.memory() {
            Some(region) => {
                let range = self.range_in(region, place)?;
                region.prefetch(range.start, range.len());
                self.get_in(cpu, region, place, range, key, room, most)
            }
            None => self.get_checked(cpu, place, key, room, most.bytes()),
        }
    }

    #[inline(always)]
    fn get_many_on(&self, cpu: impl Cpu, keys: &[&[u8]], batch: &mut Batch) -> Result<(), Error> {
        batch.found.clear();
        batch.used = 0;
        if self.values.decoder.is_some() || self.home.memory().is_none() {
            batch.bytes.clear();
        }
        let Some(region) = self.home.memory() else {
            if let Some(mapped) = self.home.mapped_bytes() {
                return self.get_many_mapped(cpu, mapped, keys, batch);
            }
            for key in keys {
                let found = self.look_up(key, &mut batch.bytes, batch.value_bytes_max)?;
                batch.found.push(found);
                if batch.bytes.len() > batch.decoded_bytes_max {
                    break;
                }
            }
            return Ok(());
        };
        for keys in keys.chunks(OVERLAP) {
            self.ask(cpu, region.bytes(), keys, &mut batch.asked);
            for asked in batch.asked.iter_mut().take(keys.len().min(LEAD)) {
                self.fetch(region, asked)?;
            }
            let before = batch.found.len();
            match (&self.values.decoder, &self.values.alphabet) {
                (Some(decoder), _) => self.decode_found(cpu, region, decoder, keys, batch)?,
                (None, Some(alphabet)) => {
                    let unpack = Unpack(alphabet, &self.values.shared);
                    self.copy_found(cpu, region, keys, batch, &unpack)?;
                }
                (None, None) => {
                    self.copy_found(cpu, region, keys, batch, &Copy(&self.values.shared))?;
                }
            }
            if batch.found.len() < before + keys.len() {
                break;
            }
        }
        Ok(())
    }

    /// As [`Self::get_many_on`], from a mapping: what has to be read is asked for ahead, too.
    #[inline(never)]
    fn get_many_mapped(
        &self,
        cpu: impl Cpu,
        mapped: &[u8],
        keys: &[&[u8]],
        batch: &mut Batch,
    ) -> Result<(), Error> {
        for keys in keys.chunks(OVERLAP) {
            self.ask(cpu, mapped, keys, &mut batch.asked);
            // A line is read again when its bucket's turn has come: it may be another by then.
            let fetch = |asked: &BatchKey| {
                if asked.line == NOWHERE {
                    return;
                }
                let line = self.line(asked.place.bucket);
                let group = line.and_then(|line| self.group_by(&line, asked.place.bucket));
                if let Ok(group) = group {
                    prefetch_lines(mapped, group.start, group.len().min(ASKED_BYTES_MAX));
                }
            };
            let all = &batch.asked[..keys.len()];
            all.iter().take(MAPPED_LEAD).for_each(fetch);
            for (i, key) in keys.iter().enumerate() {
                all.get(i + MAPPED_LEAD).into_iter().for_each(fetch);
                let found = if all[i].line == NOWHERE {
                    Found::Missing
                } else {
                    self.get_checked(cpu, all[i].place, key, &mut batch.bytes, batch.value_bytes_max)?
                };
                batch.found.push(found);
                if batch.bytes.len() > batch.decoded_bytes_max {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Says where `keys` would be, and asks for their lines of the index in `bytes`, all of the
    /// file.
    #[inline(always)]
    fn ask(&self, cpu: impl Cpu, bytes: &[u8], keys: &[&[u8]], asked: &mut Vec<BatchKey>) {
        if asked.len() < OVERLAP {
            asked.resize(OVERLAP, BatchKey::default());
        }
        for (key, asked) in keys.iter().zip(asked) {
            asked.line = NOWHERE;
            if let Some(order) = self.keys.order(cpu, key) {
                asked.place = self.keys.place(order);
                let (line, at) = index::line_of(asked.place.bucket);
                asked.line = self.index_start + line as usize * LINE_BYTES;
                asked.at = at;
                prefetch_line(bytes, asked.line);
            }
        }
    }

    /// Finds the range of a bucket, and asks for it.
    #[inline(always)]
    fn fetch(&self, region: &Region, asked: &mut BatchKey) -> Result<(), Error> {
        if asked.line != NOWHERE {
            asked.range = self.range_at(region.bytes(), asked.place.bucket, asked.line, asked.at)?;
            region.prefetch(asked.range.start, asked.range.len());
        }
        Ok(())
    }

    /// Appends the values of `keys`, which need no decoder and whose places are known, to the
    /// batch.
    #[inline(always)]
    fn copy_found(
        &self,
        cpu: impl Cpu,
        region: &Region,
        keys: &[&[u8]],
        batch: &mut Batch,
        bring: &impl Bring,
    ) -> Result<(), Error> {
        let Batch { asked, bytes, used, found, decoded_bytes_max, value_bytes_max, .. } = batch;
        let all = &mut asked[..keys.len()];
        found.reserve(keys.len());
        for (i, key) in keys.iter().enumerate() {
            if let Some(asked) = all.get_mut(i + LEAD) {
                self.fetch(region, asked)?;
            }
            let BatchKey { place, line, range, .. } = &all[i];
            if *line == NOWHERE {
                found.push(Found::Missing);
                continue;
            }
            let at = |problem| damaged(Section::Records, range.start, problem);
            let bucket = self.buckets.open(cpu, region.bytes_from(range.start), range.len()).map_err(at)?;
            let Some(record) = self.find_record(&bucket, range.start, *place, key)? else {
                found.push(Found::Missing);
                continue;
            };
            let start = *used;
            if let Some(end) = bring.near(cpu, &bucket, record, bytes, start) {
                *used = end;
                found.push(Found::Copied(start..end));
                continue;
            }
            let value = bucket.value(record).map_err(at)?;
            if let Some(end) = bring.bring(cpu, &bucket, &value, bytes, start) {
                *used = end;
                found.push(Found::Copied(start..end));
                continue;
            }
            bytes.truncate(start);
            let at = (place.bucket, range.start);
            found.push(self.other_in(cpu, region, at, &bucket, value, bytes, *value_bytes_max)?);
            *used = bytes.len();
            if *used > *decoded_bytes_max {
                return Ok(());
            }
        }
        Ok(())
    }

    /// As [`Self::copy_found`] of values that have to be decoded, several at a time.
    #[inline(always)]
    fn decode_found(
        &self,
        cpu: impl Cpu,
        region: &Region,
        decoder: &Decoder,
        mut keys: &[&[u8]],
        batch: &mut Batch,
    ) -> Result<(), Error> {
        let Batch { asked: all, bytes, found, rooms, decoded_bytes_max, value_bytes_max, .. } = batch;
        let all = &mut all[..keys.len()];
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
                if bytes.len() > *decoded_bytes_max {
                    keys = &keys[..i];
                }
            }
            let Some(key) = keys.get(i) else { break };
            if let Some(asked) = all.get_mut(i + LEAD) {
                self.fetch(region, asked)?;
            }
            found.push(Found::Missing);
            let BatchKey { place, line, range, .. } = &all[i];
            if *line == NOWHERE {
                continue;
            }
            let at = |problem| damaged(Section::Records, range.start, problem);
            let bucket = self.buckets.open(cpu, region.bytes_from(range.start), range.len()).map_err(at)?;
            let Some(record) = self.find_record(&bucket, range.start, *place, key)? else { continue };
            let (start, len) = match bucket.near_inline(record) {
                Some(near) => near,
                None => match bucket.value(record).map_err(at)? {
                    ValuePlace::Inline(inside) => (inside.start, inside.len()),
                    value => {
                        let at = (place.bucket, range.start);
                        let value =
                            self.other_in(cpu, region, at, &bucket, value, bytes, *value_bytes_max)?;
                        *found.last_mut().expect("one was just pushed") = value;
                        if bytes.len() > *decoded_bytes_max {
                            keys = &keys[..=i];
                        }
                        continue;
                    }
                },
            };
            stored[waiting] = StoredValue { bytes: bucket.bytes_from(start), len };
            asked[waiting] = (found.len() - 1, range.start);
            waiting += 1;
        }
        Ok(())
    }

    /// A lookup in memory that was checked.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn get_in(
        &self,
        cpu: impl Cpu,
        region: &Region,
        place: Place,
        range: Range<usize>,
        key: &[u8],
        value: &mut Vec<u8>,
        most: impl Most,
    ) -> Result<Found, Error> {
        let at = |problem| damaged(Section::Records, range.start, problem);
        let bucket = self.buckets.open(cpu, region.bytes_from(range.start), range.len()).map_err(at)?;
        let Some(i) = self.find_record(&bucket, range.start, place, key)? else { return Ok(Found::Missing) };
        let start = value.len();
        if self.values.alphabet.is_none() {
            if let Some((at_byte, len)) = bucket.near_inline(i) {
                self.values.append_main(bucket.bytes_from(at_byte), len, value).map_err(at)?;
                return Ok(Found::Copied(start..value.len()));
            }
        } else if let Some((bit, len)) = bucket.near_packed(i) {
            self.values.unpack(cpu, bucket.bytes_from(0), bit, len, value).map_err(at)?;
            return Ok(Found::Copied(start..value.len()));
        }
        let other = bucket.value(i).map_err(at)?;
        self.other_in(cpu, region, (place.bucket, range.start), &bucket, other, value, most.bytes())
    }

    /// A lookup in bytes that were not checked.
    #[inline(never)]
    fn get_checked(
        &self,
        cpu: impl Cpu,
        place: Place,
        key: &[u8],
        value: &mut Vec<u8>,
        most: usize,
    ) -> Result<Found, Error> {
        with_scratch(|scratch| {
            let line = self.line(place.bucket)?;
            let (bucket, start) = self.bucket(cpu, place.bucket, &line, scratch)?;
            let Some(i) = self.find_record(&bucket, start, place, key)? else { return Ok(Found::Missing) };
            let at = |problem| damaged(Section::Records, start, problem);
            let from = value.len();
            match bucket.value(i).map_err(at)? {
                ValuePlace::Large(reference) if reference.len as usize > most => {
                    return Ok(Found::Large(self.large_value(self.large(&line, reference)?)));
                }
                ValuePlace::Large(reference) => self.append_large(&line, reference, value)?,
                inside => self.append_inside(cpu, &bucket, inside, value).map_err(at)?,
            }
            Ok(Found::Copied(from..value.len()))
        })
    }
}

/// Room that is used again by all lookups of a thread that have to read, so that they need not ask
/// for memory.
pub(crate) fn with_scratch<T>(look: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    /// Room above this many bytes is given back.
    const KEPT_BYTES: usize = 1 << 20;
    thread_local! {
        static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    let mut scratch = SCRATCH.take();
    let result = look(&mut scratch);
    if scratch.capacity() <= KEPT_BYTES {
        SCRATCH.set(scratch);
    }
    result
}

/// How values that need no decoder come into the room of a batch.
trait Bring {
    /// Brings the value of record `i` to `bytes` from `start` on, if it is one of those that nearly
    /// all are, and says where it ends there. `None` says nothing: then ask [`Self::bring`].
    fn near<C: Cpu>(
        &self,
        cpu: C,
        bucket: &Bucket<'_, C>,
        i: usize,
        bytes: &mut Vec<u8>,
        start: usize,
    ) -> Option<usize>;

    /// The same of a value whose place is known; `None` where it is in another form.
    fn bring<C: Cpu>(
        &self,
        cpu: C,
        bucket: &Bucket<'_, C>,
        value: &ValuePlace,
        bytes: &mut Vec<u8>,
        start: usize,
    ) -> Option<usize>;
}

/// Values that are stored as they are.
struct Copy<'a>(&'a SharedReader);

impl Bring for Copy<'_> {
    #[inline(always)]
    fn near<C: Cpu>(
        &self,
        _: C,
        bucket: &Bucket<'_, C>,
        i: usize,
        bytes: &mut Vec<u8>,
        start: usize,
    ) -> Option<usize> {
        let (at, len) = bucket.near_inline(i)?;
        Some(copy_to(bytes, start, bucket.bytes_from(at), len))
    }

    #[inline(never)]
    fn bring<C: Cpu>(
        &self,
        _: C,
        bucket: &Bucket<'_, C>,
        value: &ValuePlace,
        bytes: &mut Vec<u8>,
        start: usize,
    ) -> Option<usize> {
        match value {
            ValuePlace::Inline(inside) | ValuePlace::Other(Form::Raw, inside) => {
                Some(copy_to(bytes, start, bucket.bytes_from(inside.start), inside.len()))
            }
            ValuePlace::Shared(number) => copy_shared(self.0, *number, bytes, start),
            _ => None,
        }
    }
}

/// Values that are packed.
struct Unpack<'a>(&'a Alphabet, &'a SharedReader);

impl Bring for Unpack<'_> {
    #[inline(always)]
    fn near<C: Cpu>(
        &self,
        cpu: C,
        bucket: &Bucket<'_, C>,
        i: usize,
        bytes: &mut Vec<u8>,
        start: usize,
    ) -> Option<usize> {
        let (bit, len) = bucket.near_packed(i)?;
        Some(self.unpack_to(cpu, bytes, start, bucket.bytes_from(0), bit, len))
    }

    #[inline(always)]
    fn bring<C: Cpu>(
        &self,
        cpu: C,
        bucket: &Bucket<'_, C>,
        value: &ValuePlace,
        bytes: &mut Vec<u8>,
        start: usize,
    ) -> Option<usize> {
        match *value {
            ValuePlace::Packed { bit, len } => {
                Some(self.unpack_to(cpu, bytes, start, bucket.bytes_from(0), bit, len))
            }
            ValuePlace::Other(Form::Raw, ref inside) => {
                Some(copy_to(bytes, start, bucket.bytes_from(inside.start), inside.len()))
            }
            ValuePlace::Shared(number) => copy_shared(self.1, number, bytes, start),
            _ => None,
        }
    }
}

impl Unpack<'_> {
    /// Unpacks `len` bytes, packed from bit `bit` of `stored` on, to `bytes` from `start` on, and
    /// says where they end.
    #[inline(always)]
    fn unpack_to(
        &self,
        cpu: impl Cpu,
        bytes: &mut Vec<u8>,
        start: usize,
        stored: &[u8],
        bit: usize,
        len: usize,
    ) -> usize {
        let room = len.next_multiple_of(UNPACKED).max(2 * UNPACKED);
        if bytes.len() < start + room {
            make_longer(bytes, start + room);
        }
        // Two without a branch on the length, which cannot be predicted.
        let (rooms, _) = bytes[start..start + room].as_chunks_mut::<UNPACKED>();
        rooms[0] = cpu.unpack(self.0, stored, bit);
        rooms[1] = cpu.unpack(self.0, stored, bit + UNPACKED * self.0.bits() as usize);
        for (i, room) in rooms.iter_mut().enumerate().skip(2) {
            *room = cpu.unpack(self.0, stored, bit + i * UNPACKED * self.0.bits() as usize);
        }
        start + len
    }
}

/// As [`copy_to`], of a shared value; `None` where there is none of this number.
#[inline(always)]
fn copy_shared(shared: &SharedReader, number: u32, bytes: &mut Vec<u8>, start: usize) -> Option<usize> {
    let range = shared.range(number)?;
    Some(copy_to(bytes, start, &shared.bytes()[range.start..], range.len()))
}

/// Copies the first `len` of `stored` to `bytes` from `start` on, which grow where they have to,
/// and says where the copy ends.
///
/// Short values are copied in one block of fixed size, because a length that has just been loaded
/// is a branch that cannot be predicted; and over bytes that are there, because growing a `Vec` by
/// so few costs a call: 45 instructions of 1,220 for a request of a pipeline.
#[inline(always)]
fn copy_to(bytes: &mut Vec<u8>, start: usize, stored: &[u8], len: usize) -> usize {
    let room = bytes.get_mut(start..).and_then(|room| room.first_chunk_mut::<BLOCK_BYTES>());
    match (stored.first_chunk::<BLOCK_BYTES>(), room) {
        (Some(block), Some(room)) if len <= BLOCK_BYTES => *room = *block,
        _ => copy_slowly(bytes, start, stored, len),
    }
    start + len
}

/// As [`copy_to`], of any length, and into a room that is too short.
#[inline(never)]
fn copy_slowly(bytes: &mut Vec<u8>, start: usize, stored: &[u8], len: usize) {
    if bytes.len() < start + len {
        make_longer(bytes, start + len);
    }
    bytes[start..start + len].copy_from_slice(&stored[..len]);
}

#[cold]
fn make_longer(bytes: &mut Vec<u8>, len: usize) {
    bytes.resize(len.max(2 * bytes.len()).max(4096), 0);
}

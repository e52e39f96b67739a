//! The builder: pairs in, a carved table out, in bounded memory, on all cores, and always the same
//! bytes for the same pairs and options.
//!
//! Everything is read once to learn what keys and values have in common (`survey`), then a second
//! time into partitions, each a run of whole lines of the index, records already in their stored
//! form (`partitions`). Each partition is then sorted, rid of duplicates and carved into buckets
//! (`carve`), and written in its turn (`output`).

mod carve;
mod encode;
mod input;
mod options;
mod output;
mod pair_streams;
mod partitions;
mod plan;
mod progress;
mod record;
mod rows;
mod sample;
mod share;
mod spool;
mod survey;
mod temporary;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::checksum::{crc32c, pair};
use crate::codec::Encoder;
use crate::cpu::Portable;
use crate::error::Error;
use crate::header::SectionEntry;
use crate::index;
use crate::layout::{
    HEADER_BYTES, JSON_TYPE, LINE_BYTES, SCHEMA_BYTES_MAX, SECTION_ALIGNMENT, SECTION_BYTES, Section,
    TAIL_BYTES,
};
use crate::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::store::Store;
use crate::text::{self, Block};
use carve::Carved;
use encode::Encoded;
pub use input::Source;
use input::{Chunk, FRAMED_BYTES, FirstPass, Keeping, Kept, Packer, SecondPass};
pub use options::{BUCKET_RECORDS_MAX, Built, CodecChoice, Duplicates, Options, Purpose};
use output::Output;
use partitions::Partitions;
use plan::{Drafts, Encodings, Plan};
pub use progress::{Progress, Stage};
use record::Unplaced;
pub use rows::{FieldInput, RowBuilder};
use survey::{Survey, Totals};

/// Takes pairs and carves a table of them.
///
/// ```
/// use graven_format::{Builder, Options};
///
/// let mut builder = Builder::new(Options::default());
/// builder.add(b"answer", b"42")?;
/// let (store, built) = builder.finish()?;
/// assert_eq!(built.pairs, 1);
/// let mut value = Vec::new();
/// assert!(store.get(b"answer", &mut value)?);
/// assert_eq!(value, b"42");
/// # Ok::<(), graven_format::Error>(())
/// ```
pub struct Builder {
    options: Options,
    survey: Survey,
    kept: Kept,
    chunk: Chunk,
    /// The section of the columns; empty where values have none.
    schema: Vec<u8>,
    /// The section of the type of values; empty where it was not said.
    value_type: &'static [u8],
}

impl Builder {
    /// A table without pairs yet.
    pub fn new(options: Options) -> Self {
        let kept = Kept::new(&options.temporary_dir, options.memory_bytes / 3);
        let survey = Survey::new(options.duplicates);
        Self { options, survey, kept, chunk: Chunk::framed(), schema: Vec::new(), value_type: &[] }
    }

    /// Says that every value that is added is one JSON text, as who answers with it then says.
    ///
    /// ```
    /// use graven_format::{Builder, Options};
    ///
    /// let mut builder = Builder::new(Options::default());
    /// builder.values_are_json(true);
    /// builder.add(b"answer", br#"{"n":42}"#)?;
    /// assert!(builder.finish()?.0.values_are_json());
    /// # Ok::<(), graven_format::Error>(())
    /// ```
    pub fn values_are_json(&mut self, are_json: bool) {
        self.value_type = if are_json { JSON_TYPE } else { &[] };
    }

    /// The number of pairs that were added, those of one key all counted.
    pub fn pairs(&self) -> u64 {
        self.survey.totals.pairs
    }

    /// Adds a pair.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when key or value exceed [`KEY_BYTES_MAX`] or [`VALUE_BYTES_MAX`],
    /// [`Error::Io`] when a temporary file cannot be written.
    pub fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        check_lengths(key, value)?;
        if self.chunk.block.bytes.is_empty() {
            self.survey.begin_block(self.kept.blocks());
        }
        self.survey.see(key, value);
        self.chunk.push(key, value);
        if self.chunk.block.bytes.len() >= FRAMED_BYTES { self.flush() } else { Ok(()) }
    }

    /// Adds all pairs of a text in the `.data` form; see [`crate::text`].
    ///
    /// # Errors
    /// [`Error::Text`] at the first line that is not a pair, [`Error::Io`] when a temporary file
    /// cannot be written.
    pub fn add_text(&mut self, source: Source<'_>) -> Result<(), Error> {
        self.flush()?;
        let progress = self.options.progress.clone();
        let threads = self.threads();
        let duplicates = self.options.duplicates;
        let pass = Mutex::new(FirstPass::new(source, &mut self.kept)?);
        let surveys = on_threads(threads, |failed| {
            let (mut survey, mut block) = (Survey::new(duplicates), Block::default());
            let mut packer = Packer::default();
            loop {
                progress.check()?;
                let next = {
                    let mut pass = lock(&pass);
                    progress.set(pass.bytes());
                    pass.next(&mut block)?
                };
                let Some((number, keeping)) = next.filter(|_| !failed()) else { return Ok(survey) };
                survey.begin_block(number);
                for pair in block.lines() {
                    let pair = pair?;
                    survey.see(pair.key, pair.value);
                }
                match keeping {
                    Keeping::Memory => lock(&pass).give_back(number, std::mem::take(&mut block)),
                    Keeping::Spool(spool) => packer.write_lines(&mut block, &spool, number)?,
                    Keeping::File => {}
                }
            }
        })?;
        surveys.into_iter().for_each(|survey| self.survey.merge(survey));
        Ok(())
    }

    /// Adds pairs that were kept, with other values: what `encode` makes of them, on all threads,
    /// each with what `encoder` gives it. Gives that back.
    fn add_kept<E: Send>(
        &mut self,
        kept: Kept,
        encoder: impl Fn() -> E + Sync,
        encode: impl Fn(&mut E, &[u8], &mut Vec<u8>) -> Result<(), Error> + Sync,
    ) -> Result<Vec<E>, Error> {
        self.flush()?;
        let progress = self.options.progress.clone();
        let threads = self.threads();
        let duplicates = self.options.duplicates;
        let blocks = Mutex::new((SecondPass::new(kept), &mut self.kept));
        let done = on_threads(threads, |failed| {
            let (mut survey, mut encoder) = (Survey::new(duplicates), encoder());
            let (mut chunk, mut value, mut packer) = (Chunk::default(), Vec::new(), Packer::default());
            loop {
                progress.check()?;
                let next = {
                    let (pass, kept) = &mut *lock(&blocks);
                    let before = pass.bytes();
                    let is_one = pass.next(&mut chunk)?.is_some() && !failed();
                    // In most tables it will not be longer than it was.
                    let reserved = pass.bytes() - before;
                    if is_one { Some((kept.reserve(reserved)?, reserved)) } else { None }
                };
                let Some(((number, spool), reserved)) = next else { return Ok((survey, encoder)) };
                survey.begin_block(number);
                let mut encoded = Chunk::framed();
                chunk.for_each(|pair| {
                    encode(&mut encoder, pair.value, &mut value)?;
                    check_lengths(pair.key, &value)?;
                    survey.see(pair.key, &value);
                    encoded.push(pair.key, &value);
                    Ok(())
                })?;
                let bytes = encoded.block.bytes.len() as u64;
                let unwritten = match spool {
                    Some(spool) => {
                        packer.write(&mut encoded, &spool, number)?;
                        None
                    }
                    None => Some(encoded),
                };
                lock(&blocks).1.settle(number, bytes, reserved, unwritten);
            }
        })?;
        let (surveys, encoders): (Vec<Survey>, Vec<E>) = done.into_iter().unzip();
        surveys.into_iter().for_each(|survey| self.survey.merge(survey));
        Ok(encoders)
    }

    /// Carves the table in memory.
    ///
    /// # Errors
    /// [`Error::DuplicateKey`] where duplicates are errors, [`Error::Io`] when a temporary file or
    /// memory fails.
    pub fn finish(self) -> Result<(Store, Built), Error> {
        let (output, built) = self.carve_to(Output::memory())?;
        Ok((Store::from_region(output.into_region(built.carved_bytes)?)?, built))
    }

    /// Carves the table into a file, which appears under its name when it is whole and on disk;
    /// until then a file that had the name keeps it.
    ///
    /// # Errors
    /// As [`Self::finish`], [`Error::Io`] when the file cannot be written, and
    /// [`Error::NotDurable`].
    pub fn write(self, path: &Path) -> Result<Built, Error> {
        self.carve(path)?.publish()
    }

    /// As [`Self::write`], for whoever wants to see what it came to before the file replaces
    /// another.
    ///
    /// # Errors
    /// As [`Self::finish`], and [`Error::Io`] when the file cannot be written.
    pub fn carve(self, path: &Path) -> Result<CarvedFile, Error> {
        let (output, built) = self.carve_to(Output::file(path)?)?;
        Ok(CarvedFile { output, built })
    }

    /// The same, of values that are rows of this schema.
    fn with_schema(self, schema: Vec<u8>) -> Result<Self, Error> {
        let (found, most) = (schema.len() as u64, SCHEMA_BYTES_MAX);
        if found > most {
            return Err(Error::TooLarge { what: "the length of the section of columns", most, found });
        }
        Ok(Self { schema, ..self })
    }

    fn threads(&self) -> usize {
        match self.options.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.chunk.block.bytes.is_empty() {
            return Ok(());
        }
        self.kept.push(std::mem::replace(&mut self.chunk, Chunk::framed()))
    }
}

fn check_lengths(key: &[u8], value: &[u8]) -> Result<(), Error> {
    let limits =
        [("a key's length", key.len(), KEY_BYTES_MAX), ("a value's length", value.len(), VALUE_BYTES_MAX)];
    match limits.iter().find(|(_, len, most)| len > most) {
        Some(&(what, found, most)) => Err(Error::TooLarge { what, most: most as u64, found: found as u64 }),
        None => Ok(()),
    }
}

/// A carved file that is whole and not in its place yet; dropped, it is gone.
#[derive(Debug)]
#[must_use = "it is not in its place"]
pub struct CarvedFile {
    output: Output,
    built: Built,
}

impl CarvedFile {
    /// What it came to.
    pub fn built(&self) -> Built {
        self.built
    }

    /// Gives it its name, when all of it is on disk.
    ///
    /// # Errors
    /// [`Error::Io`] when it is not in its place, and [`Error::NotDurable`] when it is.
    pub fn publish(self) -> Result<Built, Error> {
        self.output.publish()?;
        Ok(self.built)
    }
}

/// Partitions that were carved, waiting for their turn to be written.
struct Ordered {
    output: Output,
    next: usize,
    waiting: std::collections::BTreeMap<usize, Carved>,
    index_offset: u64,
    index_bytes: u64,
    index_crc: u32,
    records_offset: u64,
    records_bytes: u64,
    records_crc: u32,
    /// Of each partition that was written, where its records lie and how many bytes they have.
    extents: Vec<(u64, usize)>,
    built: Built,
    removed: u64,
    totals: Totals,
    stored_key_bytes: u64,
    stored_value_bytes: u64,
}

impl Ordered {
    /// Takes a carved partition and writes all whose turn has come.
    fn add(&mut self, number: usize, carved: Carved) -> Result<(), Error> {
        self.waiting.insert(number, carved);
        while let Some(mut carved) = self.waiting.remove(&self.next) {
            self.next += 1;
            carved.lines.iter_mut().for_each(|line| index::rebase(line, self.records_bytes));
            let lines = carved.lines.concat();
            self.index_crc = crc32c(self.index_crc, &lines);
            self.records_crc = crc32c(self.records_crc, &carved.records);
            let (lines_len, records_len) = (lines.len() as u64, carved.records.len() as u64);
            self.output.write(self.index_offset + self.index_bytes, lines)?;
            self.extents.push((self.records_offset + self.records_bytes, carved.records.len()));
            self.removed = self.removed.wrapping_add(carved.removed);
            self.output.write(self.records_offset + self.records_bytes, carved.records)?;
            self.index_bytes += lines_len;
            self.records_bytes += records_len;
            self.built.pairs += carved.totals.pairs;
            self.built.duplicates += carved.duplicates;
            self.totals.merge(carved.totals);
            self.stored_key_bytes += carved.stored_key_bytes;
            self.stored_value_bytes += carved.stored_value_bytes;
        }
        Ok(())
    }

    /// Gives all buckets the checks of another identity: where keys came more than once, it was
    /// not known before which pairs there would be.
    fn reseal(&mut self, plan: &Plan, identity: u64) -> Result<(), Error> {
        self.records_crc = 0;
        for (number, &(offset, len)) in self.extents.iter().enumerate().filter(|(_, (_, len))| *len > 0) {
            let first = number as u64 * plan.partition_lines;
            let lines = (index::lines(1 << plan.bucket_bits) - first).min(plan.partition_lines);
            let lines = self
                .output
                .read(self.index_offset + first * LINE_BYTES as u64, lines as usize * LINE_BYTES)?;
            let mut records = self.output.read(offset, len)?;
            plan.reseal(identity, first, &lines, &mut records);
            self.records_crc = crc32c(self.records_crc, &records);
            self.output.rewrite(offset, records)?;
        }
        Ok(())
    }
}

impl Builder {
    fn carve_to(mut self, output: Output) -> Result<(Output, Built), Error> {
        self.flush()?;
        let threads = self.threads();
        let Self { options, survey, mut kept, schema, value_type, .. } = self;
        let (drafts, input_bytes) = (Drafts::new(&survey, &options, &schema, value_type), kept.bytes());
        let mut candidates = drafts.candidates();
        if candidates.len() > 1 {
            kept = kept.compact()?;
            let mut sized = Vec::new();
            for codecs in candidates {
                let plan = drafts.plan(codecs, threads);
                let (_, tried) = carve_kept(plan, kept.copy(), Output::memory(), &options, threads)?;
                sized.push((tried.built.carved_bytes, codecs));
            }
            // Of those that are alike the first, which is the one that is decoded fastest.
            sized.sort_by_key(|&(bytes, _)| bytes);
            candidates = vec![sized[0].1];
        }
        let plan = drafts.plan(candidates[0], threads);
        let (output, mut done) = carve_kept(plan, kept, output, &options, threads)?;
        done.built.input_bytes = input_bytes;
        if done.built.duplicates == 0 || drafts.basis(&done.totals) == drafts.basis(&survey.totals) {
            return Ok((output, done.built));
        }
        // What the pairs that are gone have in common shaped the table: it is carved anew from
        // those that are left.
        let (left, output) = output.into_store(done.built.carved_bytes)?;
        let mut again = Self { schema, value_type, ..Self::new(options) };
        for pair in left.iter() {
            let (key, value) = pair?;
            again.options.progress.check()?;
            again.add(&key, &value)?;
        }
        drop(left);
        let (output, built) = again.carve_to(output)?;
        let Built { duplicates, input_bytes, .. } = done.built;
        Ok((output, Built { duplicates, input_bytes, ..built }))
    }
}

/// What carving came to.
struct Done {
    built: Built,
    /// Of the pairs that are in the table.
    totals: Totals,
}

/// Carves the pairs that were kept, as `plan` says.
fn carve_kept(
    mut plan: Plan,
    kept: Kept,
    output: Output,
    options: &Options,
    threads: usize,
) -> Result<(Output, Done), Error> {
    let partitions = index::lines(1 << plan.bucket_bits).div_ceil(plan.partition_lines) as usize;
    let partitions = Partitions::new(partitions, options.memory_bytes / 3, &options.temporary_dir);
    let input_bytes = kept.bytes();
    let progress = &options.progress;
    progress.begin(Stage::Partition, input_bytes);
    let encodings = partition(&plan, SecondPass::new(kept), &partitions, threads, progress)?;
    plan.settle(&encodings);

    let small = plan.small_sections();
    let contents: Vec<(Section, &[u8])> =
        small.iter().map(|(section, bytes)| (*section, bytes.as_slice())).collect();
    let mut header = plan.header();
    plan.identity = header.identity_of(&contents, encodings.sum);
    // What is empty is left out; the index and the records are always there.
    let small: Vec<(Section, &[u8])> =
        contents.iter().copied().filter(|(_, bytes)| !bytes.is_empty()).collect();
    let mut end = (HEADER_BYTES + (small.len() + 2) * SECTION_BYTES) as u64;
    for &(section, bytes) in &small {
        let offset = end.next_multiple_of(SECTION_ALIGNMENT as u64);
        end = offset + bytes.len() as u64;
        header.sections.push(SectionEntry::of(section, offset, bytes.len() as u64, crc32c(0, bytes)));
    }
    let index_offset = end.next_multiple_of(SECTION_ALIGNMENT as u64);
    let index_len = index::lines(1 << plan.bucket_bits) * LINE_BYTES as u64;
    let ordered = Mutex::new(Ordered {
        output,
        next: 0,
        waiting: Default::default(),
        index_offset,
        index_bytes: 0,
        index_crc: 0,
        records_offset: index_offset + index_len,
        records_bytes: 0,
        records_crc: 0,
        extents: Vec::new(),
        removed: 0,
        built: Built { input_bytes, ..Built::default() },
        totals: Totals::default(),
        stored_key_bytes: 0,
        stored_value_bytes: 0,
    });
    progress.begin(Stage::Carve, partitions.len() as u64);
    let turn = AtomicUsize::new(0);
    on_threads(threads, |failed| {
        loop {
            progress.check()?;
            let number = turn.fetch_add(1, Ordering::Relaxed);
            if number >= partitions.len() || failed() {
                return Ok(());
            }
            let taken = partitions.take(number)?;
            let carved = plan.carve(number, &taken.blocks())?;
            drop(taken);
            lock(&ordered).add(number, carved)?;
            progress.set(number as u64 + 1);
        }
    })?;

    let mut ordered = ordered.into_inner().unwrap_or_else(PoisonError::into_inner);
    if ordered.built.duplicates > 0 {
        let sum = encodings.sum.wrapping_sub(ordered.removed);
        ordered.reseal(&plan, header.identity_of(&contents, sum))?;
        plan.identity = header.identity_of(&contents, sum);
    }
    let Ordered {
        mut output, mut built, totals, index_crc, records_crc, records_offset, records_bytes, ..
    } = ordered;
    let end = (records_offset + records_bytes).next_multiple_of(SECTION_ALIGNMENT as u64);
    built.carved_bytes = end + TAIL_BYTES as u64;
    header.identity = plan.identity;
    header.file_bytes = built.carved_bytes;
    header.pairs = built.pairs;
    header.key_bytes = totals.key_bytes;
    header.value_bytes = totals.value_bytes;
    header.stored_key_bytes = ordered.stored_key_bytes;
    header.stored_value_bytes = ordered.stored_value_bytes;
    header.sections.push(SectionEntry::of(Section::Index, index_offset, index_len, index_crc));
    header.sections.push(SectionEntry::of(Section::Records, records_offset, records_bytes, records_crc));
    let mut head = header.to_bytes();
    for &(_, bytes) in &small {
        head.resize(head.len().next_multiple_of(SECTION_ALIGNMENT), 0);
        head.extend_from_slice(bytes);
    }
    output.write(0, head)?;
    let behind = built.carved_bytes - records_offset - records_bytes;
    output.write(records_offset + records_bytes, vec![0; behind as usize])?;
    Ok((output, Done { built, totals }))
}

/// The second reading: every pair in its stored form into its partition.
fn partition(
    plan: &Plan,
    pass: SecondPass,
    partitions: &Partitions,
    threads: usize,
    progress: &Progress,
) -> Result<Encodings, Error> {
    let pass = Mutex::new(pass);
    let key_encoder = plan.key_table.as_ref().map(Encoder::new);
    let encodings = on_threads(threads, |failed| {
        let mut chunk = Chunk::default();
        let mut records = vec![Vec::new(); partitions.len()];
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let mut value_encoder = plan.value_encoder();
        let mut encodings = Encodings::default();
        loop {
            progress.check()?;
            let next = {
                let mut pass = lock(&pass);
                progress.set(pass.bytes());
                pass.next(&mut chunk)?
            };
            let Some(number) = next.filter(|_| !failed()) else { return Ok(encodings) };
            chunk.for_each(|given_pair| {
                // The survey has seen every key, so one that does not fit was not there then.
                let order = plan.keys.order(Portable, given_pair.key).ok_or(Error::InputChanged)?;
                let given = (given_pair.key.len(), given_pair.value.len());
                let Encoded { form, is_large } = value_encoder.encode(given_pair.value, &mut value);
                let mut record = Unplaced { order, key: &[], value: &value, form, is_large, given };
                encodings.sum = encodings.sum.wrapping_add(pair(order, given_pair.value));
                if !plan.keys.is_numeric() {
                    record.key = plan.keys.stored_bytes(given_pair.key);
                    if let Some(encoder) = &key_encoder {
                        key.clear();
                        encoder.encode(record.key, &mut key);
                        record.key = &key;
                    }
                }
                encodings.shortest_key = encodings.shortest_key.min(record.key.len());
                encodings.longest_key = encodings.longest_key.max(record.key.len());
                record::write(&plan.keys, record, &mut records[plan.partition_of(order)]);
                Ok(())
            })?;
            partitions.add(number, &mut records)?;
        }
    })?;
    Ok(encodings.into_iter().fold(Encodings::default(), Encodings::merge))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` on so many threads, of which the calling one is the first, and gathers what they
/// return, or the first error in the order of the input. `work` is given a function that says
/// whether another thread has failed.
fn on_threads<T: Send>(
    threads: usize,
    work: impl Fn(&dyn Fn() -> bool) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Error> {
    let failed = AtomicBool::new(false);
    let work = || {
        let result = work(&|| failed.load(Ordering::Relaxed));
        failed.fetch_or(result.is_err(), Ordering::Relaxed);
        result
    };
    let results: Vec<Result<T, Error>> = std::thread::scope(|scope| {
        let (mut handles, mut refused) = (Vec::new(), None);
        while handles.len() + 1 < threads && refused.is_none() {
            match std::thread::Builder::new().name("build".into()).spawn_scoped(scope, work) {
                Ok(handle) => handles.push(handle),
                Err(source) => {
                    failed.store(true, Ordering::Relaxed);
                    refused = Some(Error::Thread { source });
                }
            }
        }
        let own = refused.map_or_else(work, Err);
        let join = |handle: std::thread::ScopedJoinHandle<'_, _>| {
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        std::iter::once(own).chain(handles.into_iter().map(join)).collect()
    });
    let (mut done, mut first) = (Vec::new(), None);
    for result in results {
        match result {
            Ok(value) => done.push(value),
            Err(error) if first.as_ref().is_none_or(|first| line(&error) < line(first)) => {
                first = Some(error)
            }
            Err(_) => {}
        }
    }
    first.map_or(Ok(done), Err)
}

/// Where in the input an error is.
fn line(error: &Error) -> u64 {
    match error {
        Error::Text(text::Error::Line { line, .. } | text::Error::Read { line, .. }) => *line,
        _ => u64::MAX,
    }
}

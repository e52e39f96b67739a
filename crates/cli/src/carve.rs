//! From an input to a table, in memory or in a file, with a bar, and with the sentences for what
//! goes wrong.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use graven_format::{Builder, Built, CarvedFile, Error, Options, RowBuilder, Store};
use graven_ingest::{
    Cause, ColumnOptions, Content, Format, Input, Meter, Pairs, ReadOptions, RedisBuilder, TableRows,
};

use crate::advice::{self, Reads};
use crate::console::count;
use crate::duplicates::{Keep, are_too_many};
use crate::failure::{Failure, Outcome, cannot_start_thread, reason};
use crate::progress::{BuildBar, follow};
use crate::redis::{ReadRedis, RedisBuildOptions, RedisSource};
use crate::signals::{STOPPED, stop_on_signals};

/// A table and what it was read from.
pub(crate) struct InMemoryTable {
    pub(crate) store: Store,
    /// Bytes of text.
    pub(crate) text_bytes: u64,
    /// Pairs whose key came more than once.
    pub(crate) duplicates: u64,
}

/// Carves an input in memory, as rows where it is to have columns. Where nothing is said of
/// duplicates the last value of a key counts, unless they are more than half of all.
pub(crate) fn in_memory(
    input: Input,
    read: &ReadOptions,
    columns: Option<&ColumnOptions>,
    keep: Option<Keep>,
) -> Outcome<InMemoryTable> {
    let read = &ReadOptions { repeated_keys: keep.is_some(), ..read.clone() };
    // What is carved in memory is not written to disk in between.
    let duplicates = keep.unwrap_or(Keep::Last).into();
    let options = Options { duplicates, memory_bytes: u64::MAX, ..Options::default() };
    let (name, meter) = (input.name().to_owned(), input.meter());
    let bar = BuildBar::new(&options.progress, &meter, input.bytes());
    let carved = follow(
        || bar.step(),
        || {
            let explain_input = |error| explain_input(error, None, Reads::WhatNeedsNoFlags);
            let read = match columns {
                None => ReadInput::pairs_of(input, read, keep, options.clone()),
                Some(columns) => ReadInput::rows_of(input, read, columns, options.clone()),
            };
            let read = read.map_err(explain_input)?;
            let format = read.format();
            let (store, built) = read.finish().map_err(|error| explain(&name, None, error))?;
            if let Some(format) = format {
                check_duplicates(&name, format, built, keep)?;
            }
            Ok((store, built))
        },
    )?;
    drop(bar);
    let (store, built) = carved?;
    let text_bytes = if meter.read() > 0 { meter.read() } else { built.input_bytes };
    if store.is_empty() {
        return Err(empty(&name, text_bytes, "serve"));
    }
    Ok(InMemoryTable { store, text_bytes, duplicates: built.duplicates })
}

/// Adds all pairs, those of a key as one where that is asked for.
fn add(
    pairs: &mut Pairs,
    builder: &mut Builder,
    keep: Option<Keep>,
    options: &Options,
) -> Result<(), graven_ingest::Error> {
    match keep {
        Some(Keep::List) => pairs.add_lists_to(builder, options.memory_bytes / 4, &options.temporary_dir),
        _ => pairs.add_to(builder),
    }
}

/// Refuses a table of which most pairs are gone, where nobody said that this is meant.
fn check_duplicates(name: &str, format: Format, built: Built, keep: Option<Keep>) -> Outcome<()> {
    if keep.is_some() || !are_too_many(built.duplicates, built.pairs) {
        return Ok(());
    }
    let other = match format {
        Format::Data => "say the form of the input with `--format`",
        _ => "choose another key with `--key`",
    };
    Err(Failure::new(format!(
        "{name}: {} of {} have a key that comes again, more than half of all: is it read as it is meant? {other}, or \
         keep the last value of each key with `--duplicates last`",
        built.duplicates,
        count(built.duplicates + built.pairs, "pair"),
    )))
}

/// What a build came to.
#[derive(Default)]
pub(crate) struct BuildSummary {
    /// Bytes of input.
    pub(crate) input_bytes: u64,
    /// Pairs whose key came more than once.
    pub(crate) duplicates: u64,
    pub(crate) took: Duration,
    /// The first pair that was read; of rows none.
    pub(crate) first: Option<(Vec<u8>, Vec<u8>)>,
    /// Columns that are in no pair.
    pub(crate) ignored: Vec<String>,
    /// Whether most values begin with a blank.
    pub(crate) are_values_aligned: bool,
    /// Whether it was read from a server, so that keys stand for bytes of input.
    pub(crate) is_of_server: bool,
    /// What else is to be known of it.
    pub(crate) notes: Vec<String>,
}

/// Whether the input is read as Parquet.
fn is_parquet(input: &Input) -> bool {
    input.foreign() == Some(Content::Parquet) || input.path().and_then(Format::of) == Some(Format::Parquet)
}

/// An input that was read, with the builder that has all of it.
enum ReadInput {
    Pairs(Box<Builder>, Pairs),
    Rows(Box<RowBuilder>, Box<TableRows>),
    Redis(ReadRedis),
}

impl ReadInput {
    /// Reads `input`: rows, where it is to have columns.
    fn read(
        input: Input,
        read: &ReadOptions,
        columns: Option<&ColumnOptions>,
        keep: Option<Keep>,
        options: Options,
    ) -> Result<Self, graven_ingest::Error> {
        let all = ColumnOptions::default();
        // Columns that have types are kept, where nothing is said.
        let is_row = columns.is_none() && read.value.is_none() && is_parquet(&input);
        match columns.or(is_row.then_some(&all)) {
            None => Self::pairs_of(input, read, keep, options),
            Some(columns) => Self::rows_of(input, read, columns, options),
        }
    }

    fn pairs_of(
        input: Input,
        read: &ReadOptions,
        keep: Option<Keep>,
        options: Options,
    ) -> Result<Self, graven_ingest::Error> {
        let given = options.clone();
        let mut builder = Builder::new(options);
        let mut pairs = Pairs::new(input, read)?;
        add(&mut pairs, &mut builder, keep, &given)?;
        Ok(Self::Pairs(Box::new(builder), pairs))
    }

    fn rows_of(
        input: Input,
        read: &ReadOptions,
        columns: &ColumnOptions,
        options: Options,
    ) -> Result<Self, graven_ingest::Error> {
        let mut rows = TableRows::new(input, read, columns)?;
        let mut builder = rows.builder(options)?;
        rows.add_to(&mut builder)?;
        Ok(Self::Rows(Box::new(builder), Box::new(rows)))
    }

    /// Carves it in memory.
    fn finish(self) -> Result<(Store, Built), Error> {
        match self {
            Self::Pairs(builder, _) => builder.finish(),
            Self::Rows(builder, _) => builder.finish(),
            Self::Redis(redis) => match redis.builder {
                RedisBuilder::Pairs(builder) => builder.finish(),
                RedisBuilder::Rows(builder) => builder.finish(),
            },
        }
    }

    fn pairs(&self) -> u64 {
        match self {
            Self::Pairs(builder, _) => builder.pairs(),
            Self::Rows(builder, _) => builder.rows(),
            Self::Redis(redis) => redis.pairs(),
        }
    }

    /// The form of text; a Redis has none.
    fn format(&self) -> Option<Format> {
        match self {
            Self::Pairs(_, pairs) => Some(pairs.format()),
            Self::Rows(_, rows) => Some(rows.format()),
            Self::Redis(_) => None,
        }
    }

    /// What is said of it when it is carved.
    fn carve(self, output: &Path) -> Result<(CarvedFile, BuildSummary), Error> {
        let mut summary = BuildSummary::default();
        let carved = match self {
            Self::Pairs(builder, pairs) => {
                summary.first = pairs.first().map(|(key, value)| (key.to_vec(), value.to_vec()));
                summary.ignored = pairs.ignored().to_vec();
                summary.are_values_aligned = pairs.are_values_aligned();
                builder.carve(output)?
            }
            Self::Rows(builder, rows) => {
                summary.ignored = rows.ignored().to_vec();
                builder.carve(output)?
            }
            Self::Redis(redis) => {
                summary.first = redis.first;
                summary.ignored = redis.ignored;
                summary.notes = redis.notes;
                summary.is_of_server = redis.is_of_server;
                match redis.builder {
                    RedisBuilder::Pairs(builder) => builder.carve(output)?,
                    RedisBuilder::Rows(builder) => builder.carve(output)?,
                }
            }
        };
        Ok((carved, summary))
    }
}

/// Carves `input` into the file `output`, which is there when it is whole. Duplicates are as in
/// [`in_memory`].
pub(crate) fn to_file(
    input: Input,
    read: &ReadOptions,
    columns: Option<&ColumnOptions>,
    keep: Option<Keep>,
    options: Options,
    output: &Path,
) -> Outcome<BuildSummary> {
    let (name, meter) = (input.name().to_owned(), input.meter());
    let progress = Arc::clone(&options.progress);
    let bar = BuildBar::new(&progress, &meter, input.bytes());
    let source = SourceInBuild { name: &name, meter: &meter, bar };
    let read = &ReadOptions { repeated_keys: keep.is_some(), ..read.clone() };
    let explain_input = |error| explain_input(error, Some(output), Reads::Anything);
    build(source, keep, options, output, |options| {
        ReadInput::read(input, read, columns, keep, options).map_err(explain_input)
    })
}

/// As [`to_file`], of a Redis: a dump or a server.
pub(crate) fn redis_to_file(
    source: RedisSource,
    how: &RedisBuildOptions,
    keep: Option<Keep>,
    options: Options,
    output: &Path,
) -> Outcome<BuildSummary> {
    let (name, meter) = (source.name().to_owned(), source.meter());
    let progress = Arc::clone(&options.progress);
    let bar = match &source {
        RedisSource::Dump(input) => BuildBar::new(&progress, &meter, input.bytes()),
        RedisSource::Server(server) => BuildBar::of_keys(&progress, &meter, server.keys()),
    };
    let in_build = SourceInBuild { name: &name, meter: &meter, bar };
    let explain_input = |error| explain_input(error, Some(output), Reads::Anything);
    build(in_build, keep, options, output, |options| {
        ReadRedis::read(source, how, options, explain_input).map(ReadInput::Redis)
    })
}

/// What a build reads from, for messages and the bar.
struct SourceInBuild<'a> {
    name: &'a str,
    meter: &'a Meter,
    bar: BuildBar<'a>,
}

/// Reads with `read`, and carves what that read.
fn build(
    source: SourceInBuild<'_>,
    keep: Option<Keep>,
    options: Options,
    output: &Path,
    read: impl FnOnce(Options) -> Outcome<ReadInput>,
) -> Outcome<BuildSummary> {
    let started = Instant::now();
    let options = Options { duplicates: keep.unwrap_or(Keep::Last).into(), ..options };
    let SourceInBuild { name, meter, bar } = source;
    let progress = Arc::clone(&options.progress);
    let stopped = Arc::new(AtomicBool::new(false));
    let step = || {
        bar.step();
        if stopped.load(Ordering::Relaxed) {
            progress.stop();
            meter.stop();
        }
    };
    let work = || {
        let explain = |error| explain(name, Some(output), error);
        let read = read(options.clone())?;
        let format = read.format();
        match (read.pairs(), format) {
            (0, Some(Format::Data)) => {
                return Err(empty(name, progress.now().1.max(meter.read()), "carve"));
            }
            (0, Some(_)) => {
                return Err(Failure::new(format!(
                    "{name} holds no pair, so there is nothing to carve; check `--format` and `--header`"
                )));
            }
            _ => {}
        }
        // Until now there was nothing to remove, and a reader that waits for a pipe could not
        // stop.
        stop_on_signals(&stopped)?;
        let (carved, summary) = read.carve(output).map_err(explain)?;
        if let Some(format) = format {
            check_duplicates(name, format, carved.built(), keep)?;
        }
        Ok((carved.publish().map_err(explain)?, summary))
    };
    let (built, summary) = follow(step, work)??;
    let input_bytes = if meter.read() > 0 { meter.read() } else { built.input_bytes };
    Ok(BuildSummary { input_bytes, duplicates: built.duplicates, took: started.elapsed(), ..summary })
}

fn empty(name: &str, bytes: u64, what: &str) -> Failure {
    let is = if bytes == 0 { "is empty" } else { "holds only empty lines" };
    Failure::new(format!(
        "{name} {is}, so there is nothing to {what}; write one `key value` pair a line into it"
    ))
}

/// A failure of what is read, or of the table that takes it.
fn explain_input(error: graven_ingest::Error, output: Option<&Path>, reads: Reads) -> Failure {
    match error.cause {
        Cause::Table(table) if matches!(*table, Error::Field { .. }) => {
            explain(&format!("{}:{}", error.input, error.position), output, *table)
        }
        Cause::Table(table) => explain(&error.input, output, *table),
        Cause::Stopped => explain(&error.input, output, Error::Stopped),
        _ => advice::explain(&error, reads),
    }
}

/// A failure of a build from the input `name`, which goes to `output` unless it stays in memory.
fn explain(name: &str, output: Option<&Path>, error: Error) -> Failure {
    let output = output.map(|path| path.display().to_string());
    match (error, output) {
        (Error::Thread { source }, _) => cannot_start_thread(&source),
        (Error::DuplicateKey { key }, _) => Failure::new(format!(
            "{name}: the key {} comes more than once; keep one of its values with `--duplicates last` or \
             `--duplicates first`",
            key.escape_ascii()
        )),
        (error @ Error::Field { .. }, _) => {
            Failure::new(format!("{name}: {error}; say another type with `--types`"))
        }
        (Error::NotDurable { source }, Some(output)) => Failure::new(format!(
            "{output} is in its place, but may be gone after a crash of the system: cannot sync its directory: {}",
            reason(&source)
        )),
        (Error::Stopped, Some(output)) => Failure::new(format!("cannot write {output}: {STOPPED}")),
        (Error::Io { doing, source }, Some(output)) if doing.contains("output") => {
            let advice = match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                    "; make room there, or name another place with -o; what was there before is untouched"
                }
                _ => "; what was there before is untouched",
            };
            Failure::new(format!("{output}: cannot {doing}: {}{advice}", reason(&source)))
        }
        (Error::Io { doing, source }, _) => {
            Failure::new(format!("{name}: cannot {doing}: {}", reason(&source)))
        }
        (other, _) => Failure::new(format!("{name}: {other}")),
    }
}

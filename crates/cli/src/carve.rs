//! From an input to a table, in memory or in a file, with a bar, and with the sentences for what goes wrong.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use graven_format::{Builder, Duplicates, Error, Options, Store};
use graven_ingest::{Cause, Format, Input, Pairs, ReadOptions};

use crate::failure::{Failure, Outcome, reason};
use crate::input::{self, Reads};
use crate::progress::{BuildBar, follow};
use crate::signals::{STOPPED, stop_on_signals};

/// A table and what it was read from.
pub(crate) struct Loaded {
    pub(crate) store: Store,
    /// Bytes of text.
    pub(crate) text_bytes: u64,
    /// Pairs whose key came more than once.
    pub(crate) duplicates: u64,
}

/// Carves an input in memory.
pub(crate) fn in_memory(input: Input, duplicates: Duplicates) -> Outcome<Loaded> {
    // What is carved in memory is not written to disk in between.
    let options = Options { duplicates, memory_bytes: u64::MAX, ..Options::default() };
    let (name, meter) = (input.name().to_owned(), input.meter());
    let bar = BuildBar::new(&options.progress, &meter, input.bytes());
    let carved = follow(
        || bar.step(),
        || {
            let mut builder = Builder::new(options.clone());
            let added =
                Pairs::new(input, &ReadOptions::default()).and_then(|mut pairs| pairs.add_to(&mut builder));
            added.map_err(|error| explain_input(error, None, Reads::WhatNeedsNoFlags))?;
            builder.finish().map_err(|error| explain(&name, None, error))
        },
    );
    drop(bar);
    let (store, built) = carved?;
    let text_bytes = if meter.read() > 0 { meter.read() } else { built.input_bytes };
    if store.is_empty() {
        return Err(empty(&name, text_bytes, "serve"));
    }
    Ok(Loaded { store, text_bytes, duplicates: built.duplicates })
}

/// What a build came to.
pub(crate) struct Carved {
    /// Bytes of input.
    pub(crate) input_bytes: u64,
    /// Pairs whose key came more than once.
    pub(crate) duplicates: u64,
    pub(crate) took: Duration,
}

/// Carves `input` into the file `output`, which is there when it is whole.
pub(crate) fn to_file(input: Input, read: &ReadOptions, options: Options, output: &Path) -> Outcome<Carved> {
    let started = Instant::now();
    let (name, meter) = (input.name().to_owned(), input.meter());
    let progress = Arc::clone(&options.progress);
    let bar = BuildBar::new(&progress, &meter, input.bytes());
    let stopped = Arc::new(AtomicBool::new(false));
    let step = || {
        bar.step();
        if stopped.load(Ordering::Relaxed) {
            progress.stop();
            meter.stop();
        }
    };
    let work = || {
        let explain_input = |error| explain_input(error, Some(output), Reads::Anything);
        let mut builder = Builder::new(options.clone());
        let mut pairs = Pairs::new(input, read).map_err(explain_input)?;
        pairs.add_to(&mut builder).map_err(explain_input)?;
        match (builder.pairs(), pairs.format()) {
            (0, Format::Data) => return Err(empty(&name, progress.now().1, "carve")),
            (0, _) => {
                return Err(Failure::new(format!(
                    "{name} holds no pair, so there is nothing to carve; check `--format` and `--header`"
                )));
            }
            _ => {}
        }
        // Until now there was nothing to remove, and a reader that waits for a pipe could not stop.
        stop_on_signals(&stopped)?;
        builder.write(output).map_err(|error| explain(&name, Some(output), error))
    };
    let built = follow(step, work)?;
    let input_bytes = if meter.read() > 0 { meter.read() } else { built.input_bytes };
    Ok(Carved { input_bytes, duplicates: built.duplicates, took: started.elapsed() })
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
        Cause::Table(table) => explain(&error.input, output, table),
        Cause::Stopped => explain(&error.input, output, Error::Stopped),
        _ => input::explain(&error, reads),
    }
}

/// A failure of a build from the input `name`, which goes to `output` unless it stays in memory.
fn explain(name: &str, output: Option<&Path>, error: Error) -> Failure {
    let output = output.map(|path| path.display().to_string());
    match (error, output) {
        (Error::DuplicateKey { key }, _) => Failure::new(format!(
            "{name}: the key {} comes more than once; keep one of its values with `--duplicates last` or \
             `--duplicates first`",
            key.escape_ascii()
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

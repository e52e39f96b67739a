//! From an input to a table, in memory or in a file, with a bar, and with the sentences for what goes wrong.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use graven_format::{Builder, Duplicates, Error, Options, Store};

use crate::failure::{Failure, Outcome, cannot_start_thread, reason};
use crate::input::{Input, reader};
use crate::pairs::{self, Fields, Format};
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

/// Carves `.data` text in memory.
pub(crate) fn in_memory(input: Input, duplicates: Duplicates) -> Outcome<Loaded> {
    // What is carved in memory is not written to disk in between.
    let options = Options { duplicates, memory_bytes: u64::MAX, ..Options::default() };
    let Input { name, source, bytes, .. } = input;
    let bar = BuildBar::new(&options.progress, bytes);
    let carved = follow(
        || bar.step(None),
        || {
            let mut builder = Builder::new(options.clone());
            builder.add_text(source)?;
            builder.finish()
        },
    )?;
    drop(bar);
    let (store, built) = carved.map_err(|error| explain(&name, None, error))?;
    if store.is_empty() {
        return Err(empty(&name, built.input_bytes, "serve"));
    }
    let (text_bytes, duplicates) = (built.input_bytes, built.duplicates);
    Ok(Loaded { store, text_bytes, duplicates })
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
pub(crate) fn to_file(
    input: Input,
    format: Format,
    fields: &Fields,
    options: Options,
    output: &Path,
) -> Outcome<Carved> {
    let started = Instant::now();
    let Input { name, source, bytes, .. } = input;
    let progress = Arc::clone(&options.progress);
    let bar = BuildBar::new(&progress, bytes);
    let read = AtomicU64::new(0);
    let stopped = Arc::new(AtomicBool::new(false));
    let counted = (format != Format::Data).then_some(&read);
    let step = || {
        bar.step(counted);
        if stopped.load(Ordering::Relaxed) {
            progress.stop();
        }
    };
    let work = || {
        let cannot = |error| explain(&name, Some(output), error);
        let mut builder = Builder::new(options.clone());
        match format {
            Format::Data => builder.add_text(source).map_err(cannot)?,
            _ => {
                let source = Counted { source: reader(source), read: &read };
                pairs::for_each(format, fields, &name, source, |pair| {
                    builder.add(pair.key, pair.value).map_err(|error| match error {
                        error @ Error::TooLarge { .. } => pairs::at(&name, pair.line, error),
                        error => cannot(error),
                    })
                })?;
            }
        }
        match (builder.pairs(), format) {
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
        builder.write(output).map_err(cannot)
    };
    let built = follow(step, work)??;
    let input_bytes = counted.map_or(built.input_bytes, |read| read.load(Ordering::Relaxed));
    Ok(Carved { input_bytes, duplicates: built.duplicates, took: started.elapsed() })
}

/// A reader that tells another thread how much it has read.
struct Counted<'c, R> {
    source: R,
    read: &'c AtomicU64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(bytes)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

fn empty(name: &str, bytes: u64, what: &str) -> Failure {
    let is = if bytes == 0 { "is empty" } else { "holds only empty lines" };
    Failure::new(format!(
        "{name} {is}, so there is nothing to {what}; write one `key value` pair a line into it"
    ))
}

/// A failure of a build from the input `name`, which goes to `output` unless it stays in memory.
fn explain(name: &str, output: Option<&Path>, error: Error) -> Failure {
    let output = output.map(|path| path.display().to_string());
    match (error, output) {
        (Error::Text(error), _) => pairs::explain(name, &error),
        (Error::Thread { source }, _) => cannot_start_thread(&source),
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

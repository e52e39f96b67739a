//! `.data` text from a path or from standard input, read with a progress bar; what goes wrong is said with file and line.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use graven_format::text::{Block, Blocks, Error, Pair};
use graven_format::{Builder, Duplicates, Options, Progress, Source, Store};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::{Failure, Outcome, reason};

/// What people call the text in messages when the path is `-`.
const STANDARD_INPUT: &str = "standard input";

/// Text that is open for reading.
pub(crate) struct TextFile {
    source: Box<dyn Read + Send>,
    name: String,
    /// Unknown for a pipe.
    bytes: Option<u64>,
}

/// A table and what it took to read it.
pub(crate) struct Loaded {
    pub(crate) store: Store,
    /// Bytes of text.
    pub(crate) text_bytes: u64,
    /// Pairs whose key came more than once.
    pub(crate) duplicates: u64,
    pub(crate) took: Duration,
}

impl TextFile {
    /// Opens `path`, where `-` is standard input.
    pub(crate) fn open(path: &Path) -> Outcome<Self> {
        if path == Path::new("-") {
            return Ok(Self { source: Box::new(io::stdin()), name: STANDARD_INPUT.into(), bytes: None });
        }
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| Failure::new(match error.kind() {
            io::ErrorKind::NotFound => {
                format!("{name} does not exist; check the path, or make a sample with `graven gen -n 10000 -o {name}`")
            }
            io::ErrorKind::PermissionDenied => {
                format!("{name} may not be read by this user; allow it with `chmod a+r {name}` or run as its owner")
            }
            _ => format!("cannot open {name}: {}", reason(&error)),
        }))?;
        let about = file
            .metadata()
            .map_err(|error| Failure::new(format!("cannot open {name}: {}", reason(&error))))?;
        if about.is_dir() {
            return Err(Failure::new(format!("{name} is a directory; name one file in it")));
        }
        Ok(Self { source: Box::new(file), name, bytes: about.is_file().then_some(about.len()) })
    }

    /// What people call this text.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Reads all pairs into a table.
    pub(crate) fn load(self, duplicates: Duplicates) -> Outcome<Loaded> {
        let started = Instant::now();
        let name = self.name.clone();
        // What is carved in memory is not written to disk in between.
        let options = Options { duplicates, memory_bytes: u64::MAX, ..Options::default() };
        let bar = progress_bar(self.bytes);
        let done = Done::default();
        let carved = thread::scope(|scope| {
            scope.spawn(|| follow(&options.progress, &bar, &done));
            let _last = done.at_the_end();
            let mut builder = Builder::new(options.clone());
            builder.add_text(Source::Stream(self.source))?;
            builder.finish()
        });
        bar.finish_and_clear();
        let (store, built) = carved.map_err(|error| explain(&name, error))?;
        let (text_bytes, duplicates) = (built.input_bytes, built.duplicates);
        if store.is_empty() {
            let what = if text_bytes == 0 { "is empty" } else { "holds only empty lines" };
            return Err(Failure::new(format!(
                "{name} {what}, so there is nothing to serve; write one `key value` pair a line into it"
            )));
        }
        Ok(Loaded { store, text_bytes, duplicates, took: started.elapsed() })
    }

    /// Calls `each` with every pair and gives the number of bytes read. What `each` objects to is reported with the line.
    pub(crate) fn for_each_pair(self, mut each: impl FnMut(Pair<'_>) -> Result<(), String>) -> Outcome<u64> {
        let Self { source, name, bytes } = self;
        let bar = progress_bar(bytes);
        let mut blocks = Blocks::new(source);
        let mut block = Block::default();
        let mut bytes_read = 0;
        let at = |error: Error| explain(&name, error.into());
        while blocks.next_into(&mut block).map_err(at)? {
            for pair in block.lines() {
                let pair = pair.map_err(at)?;
                each(pair).map_err(|objection| Failure::new(format!("{name}:{}: {objection}", pair.line)))?;
            }
            bytes_read += block.bytes.len() as u64;
            bar.set_position(bytes_read);
        }
        bar.finish_and_clear();
        Ok(bytes_read)
    }
}

/// A failure with the place in the text that `name` is.
fn explain(name: &str, error: graven_format::Error) -> Failure {
    Failure::new(match error {
        graven_format::Error::Text(Error::Line { line, reason }) => format!("{name}:{line}: {reason}"),
        graven_format::Error::Text(Error::Read { line, source }) => {
            format!("{name}:{line}: cannot read further: {}", reason(&source))
        }
        graven_format::Error::DuplicateKey { key } => format!(
            "{name}: the key {} comes more than once; keep one of its values with `--duplicates last` or \
             `--duplicates first`",
            key.escape_ascii()
        ),
        other => format!("{name}: {other}"),
    })
}

/// Whether the work that a bar follows is done.
#[derive(Default)]
struct Done {
    done: Mutex<bool>,
    changed: Condvar,
}

impl Done {
    /// Says so when what it returns is dropped, however the work ends.
    fn at_the_end(&self) -> impl Drop {
        struct AtTheEnd<'a>(&'a Done);
        impl Drop for AtTheEnd<'_> {
            fn drop(&mut self) {
                *self.0.done.lock().unwrap_or_else(PoisonError::into_inner) = true;
                self.0.changed.notify_all();
            }
        }
        AtTheEnd(self)
    }
}

/// How often a bar moves.
const REDRAW: Duration = Duration::from_millis(100);

/// Moves `bar` until the work is done.
fn follow(progress: &Progress, bar: &ProgressBar, done: &Done) {
    let mut finished = done.done.lock().unwrap_or_else(PoisonError::into_inner);
    while !*finished {
        bar.set_position(progress.now().1);
        finished = done.changed.wait_timeout(finished, REDRAW).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// A bar on standard error that shows itself only when that is a terminal, and takes itself away when it is dropped.
fn progress_bar(bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => (
            ProgressBar::new(bytes),
            "reading {bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        ),
        None => (ProgressBar::no_length(), "reading {spinner} {bytes}, {bytes_per_sec}"),
    };
    let style = ProgressStyle::with_template(template).expect("the templates above are well formed");
    bar.with_style(style).with_finish(indicatif::ProgressFinish::AndClear)
}

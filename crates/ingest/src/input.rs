//! An opened input: a file or a stream, decompressed, with its first bytes looked at.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use graven_format::{PositionalFile, Source};

use crate::compressed::Compression;
use crate::content::Content;
use crate::error::{Cause, Error, Fault, Position};
use crate::parts::PartFile;

/// Bytes of the content that are looked at before it is read: some hundred lines of most files.
const HEAD_BYTES: usize = 64 * 1024;

/// How much of an input was read, for another thread to look at, and whether the reading is to
/// stop.
#[derive(Debug, Default)]
pub struct Meter {
    read: AtomicU64,
    stopped: AtomicBool,
}

impl Meter {
    /// Bytes of the file or stream that were read; compressed ones where it is compressed.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Counts `more`: bytes, or whatever else who reads counts in.
    pub fn add(&self, more: u64) {
        self.read.fetch_add(more, Ordering::Relaxed);
    }

    /// Has the reading end at the next read, with [`Cause::Stopped`].
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it is to end.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// A source that counts what is read of it, and ends when it is told to.
struct Metered<R> {
    source: R,
    meter: Arc<Meter>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.meter.is_stopped() {
            return Err(io::Error::other("stopped"));
        }
        let read = self.source.read(bytes)?;
        self.meter.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// An open input.
///
/// ```
/// use graven_ingest::Input;
///
/// let input = Input::from_reader("the answer", &b"answer 42\n"[..])?;
/// assert_eq!(input.head(), b"answer 42\n");
/// # Ok::<(), graven_ingest::Error>(())
/// ```
#[allow(missing_debug_implementations)]
pub struct Input {
    name: String,
    path: Option<PathBuf>,
    /// The files of it, this one first.
    parts: Vec<PartFile>,
    bytes: Option<u64>,
    source: Source<'static>,
    compression: Option<Compression>,
    head: Vec<u8>,
    meter: Arc<Meter>,
}

impl Input {
    /// Opens a file, or a pipe that has a name.
    ///
    /// # Errors
    /// [`Cause::Open`], [`Cause::Directory`], and those of [`Self::from_reader`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_metered(path, Arc::default())
    }

    /// As [`Self::open`]; what is read is counted by `meter`.
    pub(crate) fn open_metered(path: &Path, meter: Arc<Meter>) -> Result<Self, Error> {
        let name = path.display().to_string();
        let fail = |cause| Fault::new(Position::WHOLE, cause).of(&name);
        let file = File::open(path).map_err(|error| fail(Cause::Open(error)))?;
        let about = file.metadata().map_err(|error| fail(Cause::Open(error)))?;
        if about.is_dir() {
            return Err(fail(Cause::Directory));
        }
        let mut input = if about.is_file() {
            Self { bytes: Some(about.len()), ..Self::from_file(name, file, meter)? }
        } else {
            Self::from_metered_reader(name, file, meter)?
        };
        input.path = Some(path.to_owned());
        input.parts = vec![PartFile::new(path)];
        Ok(input)
    }

    /// Opens the first of several files that are one table, all of which [`Self::parts`] names.
    ///
    /// # Errors
    /// As [`Self::open`], and [`Cause::NoFiles`] where there is none.
    pub fn open_parts(name: &str, parts: Vec<PartFile>) -> Result<Self, Error> {
        let Some(first) = parts.first() else {
            return Err(Fault::new(Position::WHOLE, Cause::NoFiles).of(name));
        };
        let mut input = Self::open(&first.path)?;
        if parts.len() > 1 {
            let bytes = parts.iter().map(|part| Some(part.path.metadata().ok()?.len()));
            input.bytes = bytes.sum();
            name.clone_into(&mut input.name);
        }
        input.parts = parts;
        Ok(input)
    }

    /// The files that it lies in; a stream lies in none.
    pub fn parts(&self) -> &[PartFile] {
        &self.parts
    }

    /// An input from a stream of bytes; people call it `name`.
    ///
    /// # Errors
    /// [`Cause::Read`] and [`Cause::Compressed`], because its first bytes are read at once.
    pub fn from_reader(name: impl Into<String>, source: impl Read + Send + 'static) -> Result<Self, Error> {
        Self::from_metered_reader(name.into(), source, Arc::default())
    }

    fn from_metered_reader(
        name: String,
        source: impl Read + Send + 'static,
        meter: Arc<Meter>,
    ) -> Result<Self, Error> {
        let fail = |error| Fault::new(Position::WHOLE, Cause::reading(error)).of(&name);
        let mut source: Box<dyn Read + Send> = Box::new(Metered { source, meter: Arc::clone(&meter) });
        let head = read_head(&mut source).map_err(fail)?;
        let compression = Compression::of(&head);
        source = Box::new(Cursor::new(head.clone()).chain(source));
        let mut input = Self {
            name,
            path: None,
            parts: Vec::new(),
            bytes: None,
            source: Source::Stream(source),
            compression,
            head,
            meter,
        };
        input.decompress()?;
        Ok(input)
    }

    /// A file, which can be read again where it is not compressed.
    fn from_file(name: String, file: File, meter: Arc<Meter>) -> Result<Self, Error> {
        // Who goes on to read it says why it cannot be read, and where.
        let head = head_of(&file).unwrap_or_default();
        let compression = Compression::of(&head);
        let mut input = Self {
            name,
            path: None,
            parts: Vec::new(),
            bytes: None,
            source: Source::File(file),
            compression,
            head,
            meter,
        };
        input.decompress()?;
        Ok(input)
    }

    /// Puts the decoder before a source that is compressed.
    fn decompress(&mut self) -> Result<(), Error> {
        let Some(compression) = self.compression else { return Ok(()) };
        let source = std::mem::replace(&mut self.source, Source::Stream(Box::new(io::empty())));
        let source: Box<dyn Read + Send> = match source {
            Source::File(file) => Box::new(Metered { source: file, meter: Arc::clone(&self.meter) }),
            Source::Stream(stream) => stream,
        };
        let unread = |error| Fault::new(Position::WHOLE, Cause::reading(error)).of(&self.name);
        let mut decoded = compression.decode(source).map_err(unread)?;
        self.head = read_head(&mut decoded).map_err(unread)?;
        self.source = Source::Stream(Box::new(Cursor::new(self.head.clone()).chain(decoded)));
        Ok(())
    }

    /// Passes over so many lines at the beginning, and looks at what comes then. How many there were.
    ///
    /// # Errors
    /// As [`Self::from_reader`].
    pub(crate) fn skip_lines(&mut self, lines: u64) -> Result<u64, Error> {
        // What is no text has no lines.
        if lines == 0 || self.foreign().is_some() {
            return Ok(0);
        }
        let source = std::mem::replace(&mut self.source, Source::Stream(Box::new(io::empty())));
        let source: Box<dyn Read + Send> = match source {
            Source::File(file) => Box::new(Metered { source: file, meter: Arc::clone(&self.meter) }),
            Source::Stream(stream) => stream,
        };
        let mut source = BufReader::new(source);
        let mut skipped = 0;
        let mut skip = || {
            while skipped < lines && source.skip_until(b'\n')? > 0 {
                skipped += 1;
            }
            read_head(&mut source)
        };
        self.head =
            skip().map_err(|error| Fault::new(Position::WHOLE, Cause::reading(error)).of(&self.name))?;
        self.source = Source::Stream(Box::new(Cursor::new(self.head.clone()).chain(source)));
        Ok(skipped)
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is; a stream is nowhere.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Its length as it lies on disk; unknown for a stream.
    pub fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// How it is compressed.
    pub fn compression(&self) -> Option<Compression> {
        self.compression
    }

    /// The first bytes of the content, 64 KiB where there are as many, after decompression.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Whether the head is all that there is.
    pub fn is_all_head(&self) -> bool {
        self.head.len() < HEAD_BYTES
    }

    /// What the content is where it is no text; what reads pairs refuses it.
    pub fn foreign(&self) -> Option<Content> {
        match (self.compression, Compression::of(&self.head)) {
            (Some(_), Some(_)) => Some(Content::CompressedTwice),
            _ => Content::of(&self.head),
        }
    }

    /// Tells how much was read.
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// The content: the opened file itself where it is one that is not compressed, at its
    /// beginning.
    pub fn into_source(self) -> Source<'static> {
        self.source
    }

    /// The content, in order.
    pub(crate) fn into_reader(self) -> Box<dyn Read + Send> {
        match self.source {
            Source::File(file) => Box::new(Metered { source: file, meter: self.meter }),
            Source::Stream(stream) => stream,
        }
    }
}

/// The first bytes of a stream, fewer only where it ends.
fn read_head(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    source.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The first bytes of a file, which is then at its beginning still.
fn head_of(file: &File) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD_BYTES];
    let mut filled = 0;
    while filled < head.len() {
        match file.read_at(&mut head[filled..], filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if cfg!(windows) {
        // There reading has moved it.
        (&mut &*file).rewind()?;
    }
    head.truncate(filled);
    Ok(head)
}

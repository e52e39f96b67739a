//! Values in a file of their own, byte for byte and one behind the other, and many reads of them under way at once.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use graven_blocks::{BlockReader, FileReader, Read};
use graven_format::{Piece, Span, Store};
use rustix::fs::OFlags;

use super::pointer::Pointer;
use crate::buckets::TAKEN_MAX;
use crate::closed_loop::{Answers, Lookup, Run};
use crate::pairs::Pairs;

/// The values of some pairs, in the order of the pairs.
pub(super) struct ValueFile {
    /// Read past the page cache
    file: Arc<File>,
    /// Bytes
    pub(super) len: u64,
    /// What reads have to be aligned to
    alignment: usize,
    /// What the reads that are under way at once are known by. A reader tells its reads apart by the pieces of a table; where
    /// each lies is told beside it.
    names: Vec<Piece>,
}

impl ValueFile {
    /// Writes the values of `pairs` to `path`, for at most `in_flight` reads at once. `store` is a table on the same disk, which
    /// has found out how that can be read; it lends its pieces.
    pub(super) fn make(path: &Path, pairs: &Pairs, store: &Store, in_flight: usize) -> Result<Self> {
        let names = names(pairs, store, in_flight)?;
        let alignment = store.span(names.first().context("some reads are under way")?).alignment;
        ensure!(
            alignment > 1,
            "files in {} are read through the page cache, that is from memory; name a folder whose file system \
             allows direct reads with --folder",
            path.parent().unwrap_or(path).display()
        );
        let context = || format!("cannot write {}", path.display());
        let mut writer = BufWriter::new(File::create(path).with_context(context)?);
        for number in 0..pairs.len() {
            writer.write_all(pairs.value(number)).with_context(context)?;
        }
        let file = writer.into_inner().map_err(|error| error.into_error()).with_context(context)?;
        file.sync_all().with_context(context)?;
        let len = file.metadata()?.len();
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::DIRECT.bits().cast_signed())
            .open(path)
            .with_context(|| format!("cannot read {} past the page cache", path.display()))?;
        Ok(Self { file: Arc::new(file), len, alignment, names })
    }

    /// Which bytes to read for a value; for one of no bytes a sector as well, so that a hit is always a read.
    fn span(&self, pointer: Pointer) -> Span {
        let alignment = self.alignment;
        let skip = (pointer.offset % alignment as u64) as usize;
        let len = (skip + pointer.len).next_multiple_of(alignment).max(alignment);
        Span { offset: pointer.offset - skip as u64, len, skip, alignment }
    }
}

/// As many pieces of `store` that begin at different places.
fn names(pairs: &Pairs, store: &Store, count: usize) -> Result<Vec<Piece>> {
    let mut names = Vec::new();
    let mut starts = HashSet::new();
    for number in 0..pairs.len() {
        if names.len() == count {
            break;
        }
        let piece = store.piece(pairs.key(number))?.context("a table may hold its own keys")?;
        if starts.insert(piece.start()) {
            names.push(piece);
        }
    }
    ensure!(
        names.len() == count,
        "these pairs fill {} buckets, and {count} reads are to be under way; take more pairs",
        names.len()
    );
    Ok(names)
}

/// Reads of values that are under way.
pub(super) struct ValueReads<'f> {
    /// Their file
    values: &'f ValueFile,
    /// What reads them
    pub(super) reader: FileReader,
    /// Names that no read has
    free: Vec<Piece>,
    /// Lookups that wait for their values, by where their reads' names begin
    waiting: HashMap<u64, (Lookup, Pointer)>,
    /// Reads that were asked for
    pub(super) reads: u64,
}

impl<'f> ValueReads<'f> {
    /// Reads of `values`, made as `run` says.
    pub(super) fn new(values: &'f ValueFile, Run { how, .. }: Run) -> Result<Self> {
        let free = values.names.clone();
        let reader = FileReader::new(how, free.len())?;
        Ok(Self { values, reader, free, waiting: HashMap::new(), reads: 0 })
    }

    /// Whether reads are under way.
    pub(super) fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Has the value of `lookup` read, which lies where `pointer` says.
    pub(super) fn ask(&mut self, lookup: Lookup, pointer: Pointer) -> Result<()> {
        let name = self.free.pop().context("more lookups are under way than may be")?;
        self.waiting.insert(name.start(), (lookup, pointer));
        let (file, span) = (Arc::clone(&self.values.file), self.values.span(pointer));
        self.reader.ask(Read { file, store: 0, piece: name, span });
        self.reads += 1;
        Ok(())
    }

    /// Answers some lookups whose values have come, and tells how many.
    pub(super) fn take_in(&mut self, answers: &mut Answers<'_>) -> Result<usize> {
        let Self { reader, free, waiting, .. } = self;
        let mut given = Ok(());
        let taken = reader.take(TAKEN_MAX, &mut |Read { piece: name, .. }, bytes| {
            free.push(*name);
            let Some((lookup, pointer)) = waiting.remove(&name.start()) else { return };
            let answer = || {
                let bytes = bytes.context("a value cannot be read")?;
                let value = bytes.get(..pointer.len).context("the file of values was cut short")?;
                answers.give(lookup, Some(value))
            };
            if given.is_ok() {
                given = answer();
            }
        });
        given.map(|()| taken)
    }
}

//! An object as a file, read in ranges that are under way at once, and gone on with where it was
//! broken off.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use object_store::{GetOptions, GetRange};

use crate::error::{ObjectError, ObjectProblem};
use crate::objects::{ObjectInfo, Objects, check_length};

/// Ranges that are read at once.
pub const PARALLEL_READS: usize = 8;

/// Bytes of a range: a request each.
const PART_BYTES: u64 = 16 << 20;

/// Bytes of an object that is downloaded, at most: as many as any store has in one, and a million
/// ranges.
const OBJECT_BYTES_MAX: u64 = 16 << 40;

/// What the notes about a download begin with.
const NOTES: &str = "graven download 1";

/// Bytes of such notes that are read, at most: a line for each range of the largest object there
/// can be.
const NOTES_BYTES_MAX: u64 = 16 << 20;

/// The longest sleep that keeps a download slow, so that it can be stopped meanwhile.
const SLEEP_MAX: Duration = Duration::from_millis(200);

/// How an object is downloaded.
pub struct Download<'d> {
    /// Bytes a second at most; `None` as fast as it goes.
    pub rate: Option<u64>,
    /// Told how many bytes are there, and of how many; `false` stops.
    pub progress: &'d mut dyn FnMut(u64, u64) -> bool,
}

impl Objects {
    /// Downloads the object that `info` is of into the file `partial`, and gives it back, open
    /// for reading. Beside it are notes of which ranges are there, so that another call goes on
    /// where this one was broken off; both files are the caller's to remove or rename. What an
    /// earlier process has left is taken as it is: the caller checks the whole, and where that is
    /// damaged, removes both with [`remove_partial`] and downloads again, for it may be this copy.
    ///
    /// # Errors
    /// When it cannot be read or written, and [`ObjectProblem::Changed`] when another object is
    /// there by now. What was read stays.
    pub fn download(
        &self,
        info: &ObjectInfo,
        partial: &Path,
        options: Download<'_>,
    ) -> Result<File, ObjectError> {
        if info.bytes > OBJECT_BYTES_MAX {
            let problem = ObjectProblem::TooLarge { bytes_max: OBJECT_BYTES_MAX };
            return Err(self.failed("read", &info.key)(problem));
        }
        let cannot = |doing: &'static str, path: &Path| {
            let url = path.display().to_string();
            move |error| ObjectError { doing, url, problem: ObjectProblem::File(error) }
        };
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(partial);
        let file = file.map_err(cannot("open", partial))?;
        let path = notes_of(partial);
        // Notes may have outlived the file that they are about.
        let bytes_there = file.metadata().map_err(cannot("look at", partial))?.len();
        let mut notes = Notes::open(&path, info, bytes_there == info.bytes).map_err(cannot("open", &path))?;
        // What is there of another object does not count. An empty file is not emptied: ext4 writes
        // one that was to disk when it is closed.
        if notes.done.is_empty() && bytes_there > 0 {
            file.set_len(0).map_err(cannot("write", partial))?;
        }
        file.set_len(info.bytes).map_err(cannot("write", partial))?;
        let done = notes.done.clone();
        let missing = (0..parts(info.bytes)).filter(|part| !done.contains(part));
        let there: u64 = notes.done.iter().map(|part| length(&part_range(*part, info.bytes))).sum();
        let transfer = Transfer {
            objects: self,
            info,
            file: &file,
            began: Instant::now(),
            rate: options.rate,
            there,
            came: Cell::new(0),
            progress: RefCell::new(options.progress),
        };
        let reading = async {
            let parts = missing.map(|part| transfer.fetch(part));
            let mut parts = stream::iter(parts).buffer_unordered(PARALLEL_READS);
            while let Some(part) = parts.try_next().await? {
                notes.add(part).map_err(ObjectProblem::File)?;
            }
            Ok(())
        };
        self.wait(reading).map_err(self.failed("read", &info.key))?;
        Ok(file)
    }
}

/// What the name of the notes about a download ends with, behind the name of its file.
pub const NOTES_SUFFIX: &str = ".notes";

/// Where the notes about a download are.
fn notes_of(partial: &Path) -> PathBuf {
    let mut name = partial.as_os_str().to_owned();
    name.push(NOTES_SUFFIX);
    name.into()
}

/// Removes the notes about a download; those that cannot be removed count for nothing without its
/// file.
pub fn remove_notes(partial: &Path) {
    let _ = fs::remove_file(notes_of(partial));
}

/// Removes what was downloaded, and the notes about it first: they say what is there.
///
/// # Errors
/// When the file cannot be removed.
pub fn remove_partial(partial: &Path) -> io::Result<()> {
    remove_notes(partial);
    fs::remove_file(partial)
}

/// Ranges of an object of so many bytes.
fn parts(bytes: u64) -> u64 {
    bytes.div_ceil(PART_BYTES)
}

fn part_range(part: u64, bytes: u64) -> Range<u64> {
    part * PART_BYTES..((part + 1) * PART_BYTES).min(bytes)
}

fn length(range: &Range<u64>) -> u64 {
    range.end - range.start
}

/// A download that is under way. It is polled by the thread that waits for it alone.
struct Transfer<'t> {
    objects: &'t Objects,
    info: &'t ObjectInfo,
    file: &'t File,
    began: Instant,
    rate: Option<u64>,
    /// Bytes that were there before.
    there: u64,
    /// Bytes that came since.
    came: Cell<u64>,
    progress: RefCell<&'t mut dyn FnMut(u64, u64) -> bool>,
}

impl Transfer<'_> {
    /// Reads a range into its place; gives the number of the range.
    async fn fetch(&self, part: u64) -> Result<u64, ObjectProblem> {
        let range = part_range(part, self.info.bytes);
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_match: self.info.tag.clone(),
            // A web server may have no tags, and a time.
            if_unmodified_since: match &self.info.tag {
                None if self.info.modified > UNIX_EPOCH => Some(self.info.modified.into()),
                _ => None,
            },
            ..GetOptions::default()
        };
        let path = self.objects.url().path(&self.info.key);
        let got = self.objects.store.get_opts(&path, options).await?;
        if got.meta.size != self.info.bytes {
            return Err(ObjectProblem::Changed);
        }
        check_length(length(&range), length(&got.range))?;
        let mut at = range.start;
        let mut chunks = got.into_stream();
        while let Some(chunk) = chunks.try_next().await? {
            let end = at + chunk.len() as u64;
            if end > range.end {
                return Err(ObjectProblem::Length { expected: length(&range), found: end - range.start });
            }
            self.file.write_all_at(&chunk, at).map_err(ObjectProblem::File)?;
            at = end;
            self.came.set(self.came.get() + chunk.len() as u64);
            self.report()?;
            self.slow_down().await?;
        }
        check_length(length(&range), at - range.start)?;
        Ok(part)
    }

    fn report(&self) -> Result<(), ObjectProblem> {
        // A range that is read anew counts again.
        let done = (self.there + self.came.get()).min(self.info.bytes);
        let goes_on = (self.progress.borrow_mut())(done, self.info.bytes);
        if goes_on { Ok(()) } else { Err(ObjectProblem::Stopped) }
    }

    /// Waits until no more has come than may have.
    async fn slow_down(&self) -> Result<(), ObjectProblem> {
        let Some(rate) = self.rate else { return Ok(()) };
        loop {
            let due = Duration::from_secs_f64(self.came.get() as f64 / rate.max(1) as f64);
            let early = due.saturating_sub(self.began.elapsed());
            if early.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(early.min(SLEEP_MAX)).await;
            self.report()?;
        }
    }
}

/// Which ranges of a download are there: a file whose first line says of which object, and that
/// has a line for each.
struct Notes {
    file: File,
    done: BTreeSet<u64>,
}

impl Notes {
    /// The notes at `path`, which are begun anew where they are about another object, or where a
    /// file of that length is not there.
    fn open(path: &Path, info: &ObjectInfo, is_there: bool) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        let mut text = Vec::new();
        (&mut file).take(NOTES_BYTES_MAX).read_to_end(&mut text)?;
        let head = head(info);
        let parts = if is_there { parts(info.bytes) } else { 0 };
        let done = read_notes(&text, &head, parts);
        // Written anew, so that nothing is left of a line that was broken off.
        let mut lines = head;
        done.iter().for_each(|part| lines.push_str(&format!("{part}\n")));
        file.set_len(0)?;
        file.write_all_at(lines.as_bytes(), 0)?;
        drop(file);
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Self { file, done })
    }

    fn add(&mut self, part: u64) -> io::Result<()> {
        self.file.write_all(format!("{part}\n").as_bytes())
    }
}

fn head(info: &ObjectInfo) -> String {
    let tag = info.tag.as_ref().map_or_else(
        || {
            let since = info.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
            format!("of {}", since.as_millis())
        },
        |tag| tag.chars().filter(|found| !found.is_control()).collect(),
    );
    format!("{NOTES} {} {PART_BYTES} {tag}\n", info.bytes)
}

/// The ranges that notes with this first line say are there, of so many.
fn read_notes(text: &[u8], head: &str, parts: u64) -> BTreeSet<u64> {
    let Some(rest) = text.strip_prefix(head.as_bytes()) else { return BTreeSet::new() };
    let lines = rest.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    let numbers = lines.filter_map(|line| std::str::from_utf8(line).ok()?.parse::<u64>().ok());
    numbers.filter(|number| *number < parts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_count_for_their_object_alone_and_up_to_the_last_whole_line() {
        let head = "graven download 1 100 16 tag\n";
        for (text, expected) in [
            ("", &[][..]),
            ("graven download 1 100 16 tag\n", &[]),
            ("graven download 1 100 16 tag\n0\n2\n", &[0, 2]),
            ("graven download 1 100 16 tag\n0\n1", &[0]),
            ("graven download 1 100 16 tag\n0\n7\n99999999999999999999\nx\n-1\n\u{e9}\n", &[0]),
            ("graven download 1 100 16 other\n0\n", &[]),
            ("graven download 1 101 16 tag\n0\n", &[]),
        ] {
            let found: Vec<u64> = read_notes(text.as_bytes(), head, 7).into_iter().collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn ranges_are_the_whole_object_and_nothing_else() {
        for bytes in [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES + 7] {
            let mut at = 0;
            for part in 0..parts(bytes) {
                let range = part_range(part, bytes);
                assert!(range.start == at && range.end > at, "{bytes}: {range:?}");
                at = range.end;
            }
            assert_eq!(at, bytes);
        }
    }
}

//! One carved file in an object store or behind a web server, of which no more is read than a key
//! needs: its beginning once, and then a line of the index and a bucket for each key.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use graven_catalog::root::{VERSION_SUFFIX, copy_front};
use graven_catalog::{BucketRoot, Root, RootError};
use graven_format::{Looked, Storage, Store};
use graven_objects::{ObjectError, ObjectUrl, Objects};

use crate::failure::{Failure, Outcome};
use crate::output::Stop;
use crate::root::{TablePath, explain};
use crate::table;

/// A carved file elsewhere.
pub(crate) struct ObjectTable {
    url: String,
    objects: Objects,
    tag: Option<String>,
    /// A file of the same length that has what was read so far.
    copy: File,
    store: Store,
    /// Where lines of the index are in the copy.
    lines: RefCell<BTreeSet<u64>>,
}

impl ObjectTable {
    /// Opens what a URL names: a carved file, or a table of a root, of which the version that
    /// answers is taken.
    pub(crate) fn open(url: &str) -> Outcome<Self> {
        let failed = |error: ObjectError| explain(&RootError::from(error), "");
        ObjectUrl::parse(url).map_err(failed)?;
        let url = match url.ends_with(VERSION_SUFFIX) {
            true => url.to_owned(),
            false => current_version(url)?,
        };
        let objects = Objects::open(&url).map_err(failed)?;
        let info = objects.info_of("").map_err(failed)?;
        let info = info.ok_or_else(|| Failure::new(format!("{url}: there is no such object")))?;
        let copy = copy_front(&objects, &info).map_err(|error| explain(&error, ""))?;
        let opened = copy.try_clone().map_err(|error| cannot_copy(&error))?;
        let store =
            Store::from_file(opened, Storage::Memory).map_err(|error| table::explain(&url, &error))?;
        Ok(Self { url, objects, tag: info.tag, copy, store, lines: RefCell::default() })
    }

    /// Whether values have columns, and are given as JSON.
    pub(crate) fn has_rows(&self) -> bool {
        self.store.schema().is_some()
    }

    /// Appends the value of a key; whether there is one.
    pub(crate) fn get(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        let wrong = |error| Stop::Failure(table::explain(&self.url, &error));
        let Some(line) = self.store.line_of_key(key) else { return Ok(false) };
        if !self.lines.borrow().contains(&line.start) {
            let bytes = self.read(line.clone())?;
            self.copy.write_all_at(&bytes, line.start).map_err(|error| cannot_copy(&error))?;
            self.lines.borrow_mut().insert(line.start);
        }
        let Some(mut piece) = self.store.piece(key).map_err(wrong)? else { return Ok(false) };
        let mut stored = Vec::new();
        loop {
            let bytes = self.read(piece.start()..piece.start() + piece.len() as u64)?;
            let block = self.store.block(&piece, &bytes).map_err(wrong)?;
            match self.store.look(key, &piece, &block, &mut stored).map_err(wrong)? {
                Looked::Found => break,
                Looked::Missing => return Ok(false),
                Looked::Elsewhere(next) => piece = next,
            }
        }
        match self.has_rows() {
            true => {
                let row = self.store.row(&stored).map_err(wrong)?;
                row.write_json(value).map_err(wrong)?;
            }
            false => value.append(&mut stored),
        }
        Ok(true)
    }

    fn read(&self, range: Range<u64>) -> Result<Vec<u8>, Stop> {
        let read = self.objects.read_range("", range, self.tag.as_deref());
        read.map_err(|error| Stop::Failure(explain(&RootError::from(error), "")))
    }
}

fn cannot_copy(error: &io::Error) -> Failure {
    let folder = std::env::temp_dir();
    Failure::new(format!("cannot write to {}: {}", folder.display(), crate::failure::reason(error)))
}

/// The URL of the version of a table that answers.
fn current_version(url: &str) -> Outcome<String> {
    let at: TablePath = url.parse().map_err(|error| Failure::new(format!("{url}: {error}")))?;
    let root = at.root.display().to_string();
    let bucket = BucketRoot::open(&root).map_err(|error| explain(&error, ""))?;
    let state = bucket.current(&at.table).map_err(|error| explain(&error, ""))?;
    match &state.current {
        Some(Ok(current)) => Ok(format!("{root}/{}/{}{VERSION_SUFFIX}", at.table, current.version())),
        Some(Err(reason)) => Err(Failure::new(format!("CURRENT of {url}: {reason}"))),
        None => Err(Failure::new(format!(
            "no version of {url} answers; name a carved file, or look with `graven versions {url}`"
        ))),
    }
}

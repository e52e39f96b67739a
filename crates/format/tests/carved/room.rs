//! How much room a build takes on disk while it goes on, by what Linux tells of open files.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use graven_format::{Builder, Options, Purpose, Source};
use tempfile::TempDir;

use crate::samples::{Keys, Values, pairs};

/// Bytes that files in `directory` take on disk which this process has open, those without a name
/// too.
fn taken(directory: &Path) -> u64 {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fd").unwrap().flatten() {
        if let Ok(target) = fs::read_link(entry.path())
            && target.starts_with(directory)
            && let Ok(file) = fs::metadata(entry.path())
        {
            files.insert(file.ino(), file.blocks() * 512);
        }
    }
    files.into_values().sum()
}

/// Ends the looking, also where a build fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Text that is read in pieces, with a look at the room that is taken before each.
struct Watched<'a> {
    text: &'a [u8],
    look: &'a (dyn Fn() + Sync),
}

impl Read for Watched<'_> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        (self.look)();
        let len = room.len().min(100_000);
        self.text.read(&mut room[..len])
    }
}

#[test]
fn a_build_from_a_stream_takes_less_room_than_its_text_while_it_goes_on() {
    let (dir, count) = (TempDir::new().unwrap(), 200_000);
    let mut text = Vec::new();
    for (key, value) in pairs(Keys::Uuid4, Values::Letters, count, 5) {
        text.extend_from_slice(&[key, value].join(&b' '));
        text.push(b'\n');
    }
    let most = AtomicU64::new(0);
    let look = || {
        most.fetch_max(taken(dir.path()), Ordering::Relaxed);
    };
    let is_done = AtomicBool::new(false);
    let built = std::thread::scope(|scope| {
        let _done = Done(&is_done);
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                look();
                std::thread::yield_now();
            }
        });
        let options = Options {
            memory_bytes: 1 << 20,
            threads: 2,
            purpose: Purpose::Disk,
            temporary_dir: dir.path().into(),
            ..Options::default()
        };
        let mut builder = Builder::new(options);
        let text = Watched { text: &text, look: &look };
        builder.add_text(Source::Stream(Box::new(text))).unwrap();
        look();
        builder.write(&dir.path().join("table")).unwrap()
    });
    let most = most.into_inner();
    // The input in its short form, and nothing else, is there when all of it was read.
    assert!(most > count * 30, "{} bytes a pair: it does not fit into memory", most / count);
    assert!(
        most <= count * 58 && most < text.len() as u64,
        "{} bytes a pair, of a text of {} and a table of {}",
        most / count,
        text.len() as u64 / count,
        built.carved_bytes / count
    );
}

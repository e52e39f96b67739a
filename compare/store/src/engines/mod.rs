//! The engines, one file each, and the list of them. An engine is made from a text; one that lies in files is written
//! first and opened afterwards, as it would be in use.

mod art;
mod cdb;
mod fst;
mod graven;
mod lmdb;
mod maps;
mod perfect;
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;

use std::path::Path;

use anyhow::Result;
use graven_format::{Codec, CodecChoice};

#[cfg(feature = "rocksdb")]
use self::rocksdb::Reads;
use crate::engine::Timed;

/// How an engine comes to be.
pub(crate) enum Recipe {
    /// It lies on the heap, and is made from the text at every start.
    Heap(fn(&Path) -> Result<Box<dyn Timed>>),
    /// It lies in files of a folder of its own, written once from the text.
    Files {
        /// Makes the files from the text.
        write: fn(&Path, &Path) -> Result<()>,
        /// Opens them, ready for the first lookup.
        open: fn(&Path) -> Result<Box<dyn Timed>>,
    },
}

/// A way to keep pairs.
pub(crate) struct Rival {
    pub(crate) name: &'static str,
    pub(crate) recipe: Recipe,
}

/// What all others are compared with.
pub(crate) const REFERENCE: &str = "hashbrown";

const fn graven(name: &'static str, write: fn(&Path, &Path) -> Result<()>) -> Rival {
    Rival { name, recipe: Recipe::Files { write, open: graven::open } }
}

#[cfg(feature = "rocksdb")]
const fn rocksdb(
    name: &'static str,
    write: fn(&Path, &Path) -> Result<()>,
    open: fn(&Path) -> Result<Box<dyn Timed>>,
) -> Rival {
    Rival { name, recipe: Recipe::Files { write, open } }
}

/// All of them, in the order in which they run.
pub(crate) const ALL: &[Rival] = &[
    Rival { name: "std-hashmap", recipe: Recipe::Heap(maps::standard) },
    Rival { name: REFERENCE, recipe: Recipe::Heap(maps::hashbrown) },
    Rival { name: "perfect-hash", recipe: Recipe::Heap(perfect::build) },
    Rival { name: "art", recipe: Recipe::Heap(art::build) },
    Rival { name: "fst", recipe: Recipe::Files { write: fst::write, open: fst::open } },
    Rival { name: "cdb", recipe: Recipe::Files { write: cdb::write, open: cdb::open } },
    Rival { name: "lmdb", recipe: Recipe::Files { write: lmdb::write, open: lmdb::open } },
    Rival { name: "redb", recipe: Recipe::Files { write: redb::write, open: redb::open } },
    #[cfg(feature = "rocksdb")]
    rocksdb(
        "rocksdb-raw",
        |text, folder| rocksdb::write(text, folder, None),
        |folder| rocksdb::open(folder, Reads::AllCached),
    ),
    #[cfg(feature = "rocksdb")]
    rocksdb(
        "rocksdb-zstd",
        |text, folder| rocksdb::write(text, folder, Some(3)),
        |folder| rocksdb::open(folder, Reads::AllCached),
    ),
    #[cfg(feature = "rocksdb")]
    rocksdb(
        "rocksdb-zstd19-mapped",
        |text, folder| rocksdb::write(text, folder, Some(19)),
        |folder| rocksdb::open(folder, Reads::Mapped),
    ),
    graven("graven-raw", |text, folder| graven::write(text, folder, CodecChoice::Fixed(Codec::Raw))),
    graven("graven-huffman", |text, folder| graven::write(text, folder, CodecChoice::Fixed(Codec::Huffman))),
    graven("graven-auto", |text, folder| graven::write(text, folder, CodecChoice::Auto)),
    graven("graven-smallest", |text, folder| graven::write(text, folder, CodecChoice::Smallest)),
];

/// The engine of this name.
pub(crate) fn named(name: &str) -> Result<&'static Rival> {
    ALL.iter().find(|rival| rival.name == name).ok_or_else(|| {
        let names: Vec<_> = ALL.iter().map(|rival| rival.name).collect();
        anyhow::anyhow!("there is no engine {name}; there are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::{ALL, Recipe};
    use crate::keys::Keys;
    use crate::pairs::Pairs;

    /// Keys of one length that differ in every byte or in the last only, values empty, short, and longer than a page.
    fn text() -> String {
        let mut text = String::new();
        for i in 0..200_usize {
            writeln!(text, "{:08x} {}", i.wrapping_mul(0x9e37_79b9) as u32, "value".repeat(i % 7)).unwrap();
            writeln!(text, "key{i:05} {}", "v".repeat(i * 50)).unwrap();
        }
        text
    }

    #[test]
    fn every_engine_gives_back_every_pair_and_finds_no_key_that_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, text()).unwrap();
        let pairs = Pairs::read(&path).unwrap();
        assert_eq!(pairs.len(), 400);
        let missing = Keys::missing(&pairs, 1000).unwrap();
        for rival in ALL {
            let own = folder.path().join(rival.name);
            std::fs::create_dir(&own).unwrap();
            let mut engine = match rival.recipe {
                Recipe::Heap(build) => build(&path).unwrap(),
                Recipe::Files { write, open } => {
                    write(&path, &own).unwrap();
                    open(&own).unwrap()
                }
            };
            engine.check(&pairs, &missing).unwrap_or_else(|error| panic!("{}: {error:#}", rival.name));
        }
    }

    #[test]
    fn a_wrong_value_and_a_key_that_should_be_missing_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, text()).unwrap();
        let mut engine = super::maps::hashbrown(&path).unwrap();
        let mut wrong = Pairs::default();
        wrong.push(b"key00001", b"another value");
        assert!(engine.check(&wrong, &Keys::default()).is_err());
        let present = Keys::present(&Pairs::read(&path).unwrap()).unwrap();
        assert!(engine.check(&Pairs::default(), &present).is_err());
    }
}

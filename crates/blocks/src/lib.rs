//! Blocks of tables on disk: many reads under way at once, each block read once for all that wait for it, and a cache.
//!
//! `graven-format` says which piece of a file an answer lies in and what it says; this crate is how the piece comes into
//! memory. A [`BlockReader`] has reads under way: [`FileReader`] by io_uring or by threads. A [`Fetcher`] asks one for the
//! blocks that its waiters need, and keeps what was read in a [`Cache`], one a process.
//!
//! ```
//! use std::sync::Arc;
//!
//! use graven_blocks::{BlockReader, DiskReads, FileReader, Read};
//! use graven_format::{Looked, Storage, Store};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("table.graven");
//! # let pairs: Vec<(String, String)> = (0..1000).map(|i| (format!("k{i}"), format!("v{i}"))).collect();
//! # let mut builder = graven_format::Builder::new(graven_format::Options::default());
//! # for (key, value) in &pairs {
//! #     builder.add(key.as_bytes(), value.as_bytes())?;
//! # }
//! # builder.write(&path)?;
//! let store = Store::open_as(&path, Storage::Disk)?;
//! let file = Arc::clone(store.disk().expect("it was opened on disk"));
//! let mut reader = FileReader::new(DiskReads::Auto, 64)?;
//!
//! let piece = store.piece(b"k7")?.expect("it may hold such a key");
//! reader.ask(Read { file, store: store.serial(), piece, span: store.span(&piece) });
//! let mut value = Vec::new();
//! let mut ended = 0;
//! while ended == 0 {
//!     reader.wait()?;
//!     ended += reader.take(64, &mut |read, bytes| {
//!         let block = store.block(&read.piece, bytes.expect("the disk is sound")).expect("so is the table");
//!         assert_eq!(store.look(b"k7", &read.piece, &block, &mut value).unwrap(), Looked::Found);
//!     });
//! }
//! assert_eq!(value, b"v7");
//! # Ok(())
//! # }
//! ```

mod cache;
mod ended;
mod fetch;
mod pool;
mod reader;
#[cfg(target_os = "linux")]
mod ring;
mod room;

pub use cache::Cache;
pub use fetch::{BlockId, FetchCounts, Fetched, Fetcher};
pub use reader::{BlockReader, DiskReads, FileReader, Read};

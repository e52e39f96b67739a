//! Tables that are written once and read forever: a [`Builder`] carves pairs of keys and values into
//! one small file, and a [`Store`] answers lookups from it.
//!
//! ```
//! use graven_format::{Batch, Builder, Options, Store};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("colours.graven");
//! let mut builder = Builder::new(Options::default());
//! builder.add(b"grass", b"green")?;
//! builder.add(b"sky", b"blue")?;
//! let built = builder.write(&path)?;
//! assert_eq!(built.pairs, 2);
//!
//! let store = Store::open(&path)?;
//! store.load()?;
//! let mut value = Vec::new();
//! assert!(store.get(b"sky", &mut value)?);
//! assert_eq!(value, b"blue");
//! assert!(!store.get(b"sea", &mut value)?);
//!
//! let mut batch = Batch::default();
//! store.get_many(&[b"grass", b"sea"], &mut batch)?;
//! assert_eq!(batch.value(0, &store), Some(&b"green"[..]));
//! assert_eq!(batch.value(1, &store), None);
//! # Ok(())
//! # }
//! ```
//!
//! Values can have columns: a [`RowBuilder`] finds out what each column holds and stores it in as few
//! bits as it needs, and a [`Row`] reads fields of a value one by one.
//!
//! ```
//! use graven_format::{FieldInput, Options, RowBuilder};
//!
//! let mut builder = RowBuilder::new("sku", Options::default());
//! for column in ["title", "price", "stock"] {
//!     builder.column(column, None)?;
//! }
//! builder.add(b"A-1", &[FieldInput::Text("Lamp"), FieldInput::Number("12.50"), FieldInput::Int(7)])?;
//! builder.add(b"A-2", &[FieldInput::Text("Desk"), FieldInput::Number("99.00"), FieldInput::Null])?;
//! let (store, _) = builder.finish()?;
//!
//! let mut value = Vec::new();
//! assert!(store.get(b"A-1", &mut value)?);
//! let row = store.row(&value)?;
//! assert_eq!(row.get("price")?.as_f64(), Some(12.5));
//! assert_eq!(row.get("price")?.as_str().as_deref(), Some("12.50"));
//! let mut json = Vec::new();
//! row.write_json(&mut json)?;
//! assert_eq!(json, br#"{"title":"Lamp","price":12.50,"stock":7}"#);
//! # Ok::<(), graven_format::Error>(())
//! ```
//!
//! - **Building.** [`Builder::add`] takes pairs in any order, [`Builder::add_text`] whole `.data` texts
//!   (see [`text`]). What does not fit into [`Options::memory_bytes`] goes to temporary files.
//!   [`Builder::write`] makes a file, which appears when all of it is on disk; [`Builder::finish`] makes
//!   a table in memory. The same pairs and options give the same bytes.
//! - **Opening** takes the same time whatever the size. [`Store::load`] brings the file into memory and
//!   checks it; until then, and if it is never called, lookups read the file. [`Storage`] lists the
//!   other places where the bytes can be.
//! - **Asking.** A [`Store`] is shared by threads without a lock. [`Store::get`] copies a value,
//!   [`Store::find`] leaves a large one where it lies, and [`Store::get_many`] overlaps the waits for
//!   memory of many keys. [`Store::iter`] lists all pairs.
//! - **Damage** is an [`Error`] that says where it is and what differs, never a wrong value and never a
//!   panic. [`Store::verify`] checks every byte.
//!
//! The bytes are described in `docs/FORMAT.md`; [`layout`] has the same numbers in code. This crate
//! opens no socket, prints nothing, and does not know that protocols exist.

mod bucket;
mod build;
mod change;
mod checksum;
mod codec;
mod cpu;
mod disk;
mod error;
mod front;
mod header;
mod home;
mod index;
mod info;
mod key;
pub mod layout;
mod limits;
mod locate;
mod lookup;
#[cfg_attr(windows, path = "mapping_windows.rs")]
mod mapping;
mod new_file;
mod parts;
mod piece;
mod positional;
mod region;
mod row;
mod store;
mod stored;
pub mod text;
mod walk;

pub use build::{
    BUCKET_RECORDS_MAX, Builder, Built, CarvedFile, CodecChoice, Duplicates, FieldInput, Options, Progress,
    Purpose, RowBuilder, Source, Stage,
};
pub use change::{Change, FileStamp};
pub use codec::Codec;
pub use error::{Error, Problem};
pub use front::Front;
pub use info::{Info, SectionInfo};
pub use key::KeyKind;
pub use limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
pub use lookup::{Batch, Found};
pub use new_file::{NewFile, Unpublished};
pub use parts::{Encoding, LargeValue, Located};
pub use piece::{Block, Looked, Piece, Span};
pub use positional::PositionalFile;
pub use row::{
    BASE64_SUFFIX, Column, ColumnType, Field, FieldValue, KeyColumn, LentText, Projection, Row, Schema,
    TextRoom, UnknownType,
};
pub use store::{Storage, Store};
pub use walk::{Entry, StorePairs};

//! The table itself: the text it is read from, the file it is carved into, and the lookups that file answers.
//!
//! This crate knows bytes and files. It opens no socket, prints nothing, and does not know that protocols exist.

mod bucket;
mod build;
mod change;
mod checksum;
mod codec;
mod cpu;
mod disk;
mod error;
mod header;
mod home;
mod index;
mod info;
mod key;
pub mod layout;
mod limits;
mod locate;
mod lookup;
mod mapping;
mod new_file;
mod piece;
mod region;
mod store;
mod stored;
pub mod text;
mod walk;

pub use build::{
    BUCKET_RECORDS_MAX, Builder, Built, CarvedFile, CodecChoice, Duplicates, Options, Progress, Purpose,
    Source, Stage,
};
pub use change::Change;
pub use codec::Codec;
pub use error::{Error, Problem};
pub use info::{Info, SectionInfo};
pub use key::KeyKind;
pub use limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
pub use lookup::{Batch, Found};
pub use new_file::{NewFile, Unpublished};
pub use piece::{Block, Looked, Piece, Span};
pub use store::{Storage, Store};
pub use walk::Entry;

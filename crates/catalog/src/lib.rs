//! Tables, the versions that answer for them, and the switch from one version to the next while they are asked.
//!
//! A [`Catalog`] holds tables. A thread that answers holds a [`Snapshot`] of them, looks at the catalog's
//! [generation](Catalog::generation) once a turn, which is one load of a number, and takes a new snapshot when the number has
//! changed. What began with a version holds on to it, and ends with it. Where versions come from is a [root].
//!
//! ```
//! use graven_catalog::Catalog;
//! use graven_format::{Builder, Options};
//!
//! # fn main() -> Result<(), graven_format::Error> {
//! let table = |value: &[u8]| {
//!     let mut builder = Builder::new(Options::default());
//!     builder.add(b"colour", value)?;
//!     builder.finish().map(|(store, _)| store)
//! };
//! let catalog = Catalog::new("paints", "monday", table(b"green")?);
//! let (generation, monday) = (catalog.generation(), catalog.current());
//!
//! catalog.switch("tuesday", table(b"blue")?);
//! assert_ne!(catalog.generation(), generation);
//! let mut value = Vec::new();
//! catalog.current().store().get(b"colour", &mut value)?;
//! monday.store().get(b"colour", &mut value)?;
//! assert_eq!(value, b"bluegreen");
//!
//! // The version before the present one may still be named; the one before that is given back once nothing holds it.
//! catalog.switch("wednesday", table(b"red")?);
//! assert!(catalog.snapshot().named("paints").unwrap().version("tuesday").is_some());
//! assert_eq!(catalog.drop_unused(), 0, "monday is still held");
//! drop(monday);
//! assert_eq!(catalog.drop_unused(), 1);
//! # Ok(())
//! # }
//! ```

mod catalog;
mod diff;
mod files;
mod keeper;
mod loading;
mod memory;
#[cfg(feature = "objects")]
mod pull;
mod retry;
mod rollbacks;
pub mod root;
mod version;

pub use catalog::{
    Catalog, Condition, Snapshot, SourceCondition, Subscription, TableCounts, TableId, TableState,
};
pub use diff::{Difference, KeyChange, diff};
pub use files::{FileKeeper, Reload, ServedFile};
pub use keeper::{Keeper, KeeperOptions};
pub use memory::available_bytes;
#[cfg(feature = "objects")]
pub use pull::{PullOptions, Puller};
#[cfg(feature = "objects")]
pub use root::BucketRoot;
pub use root::{Current, Directory, Root, RootError, TableName, TableSettings, VersionName};
pub use version::TableVersion;

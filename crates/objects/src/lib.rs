//! Objects of a bucket, or files behind a web server, read and written from threads that wait.
//!
//! `Objects` is a place in an object store: Amazon's S3 and what speaks its protocol
//! (`s3://BUCKET/PREFIX`), Google's (`gs://`), Azure's (`az://`), or, for reading alone, a web
//! server (`https://`). Where it is and who asks is found in the environment, as the stores' own
//! tools do: `AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID` and so on.
//!
//! Requests that fail for a moment are made again, later each time and at most `RETRIES_MAX`
//! times; what is left is an `ObjectError` that names the object, what the store answered, and
//! what to look at. The runtime that the requests need is this crate's own and nothing outside of
//! it is asynchronous.
//!
//! All but [`is_object_url`] needs the feature `client`.
//!
//! ```no_run
//! # #[cfg(feature = "client")]
//! # {
//! use graven_objects::{Objects, PutCondition};
//!
//! # fn main() -> Result<(), graven_objects::ObjectError> {
//! let root = Objects::open("s3://shop/tables")?;
//! for object in root.list("")? {
//!     println!("{} {}", object.key, object.bytes);
//! }
//! root.write("prices/CURRENT", b"20261126T020000Z\n", &PutCondition::Absent)?;
//! # Ok(())
//! # }
//! # }
//! ```

#[cfg(feature = "client")]
mod download;
#[cfg(feature = "client")]
mod error;
#[cfg(feature = "client")]
mod objects;
mod scheme;
#[cfg(feature = "client")]
mod upload;
#[cfg(feature = "client")]
mod url;

#[cfg(feature = "client")]
pub use download::{Download, NOTES_SUFFIX, PARALLEL_READS, remove_notes, remove_partial};
#[cfg(feature = "client")]
pub use error::{ObjectError, ObjectProblem};
#[cfg(feature = "client")]
pub use objects::{LISTED_MAX, ObjectInfo, Objects, PutCondition, PutOutcome, RETRIES_MAX, SmallObject};
pub use scheme::{ObjectScheme, is_object_url, without_secrets};
#[cfg(feature = "client")]
pub use url::ObjectUrl;

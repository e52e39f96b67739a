//! The language of memcached: text and meta commands, in both directions.
//!
//! A server feeds its input to a [`RequestDecoder`] and writes what it has to say with [`reply`]. A client writes with
//! [`request`] and reads with a [`ReplyDecoder`]. Nothing here knows that a table exists.
//!
//! ```
//! use graven_wire::Decoded;
//! use graven_wire::memcached::{Limits, Request, RequestDecoder, reply};
//!
//! let mut decoder = RequestDecoder::new(Limits::default());
//! let input = b"get here gone\r\nmg here v\r\n";
//! let mut out = Vec::new();
//! if let Decoded::Message(Request::Get { keys, .. }, consumed) = decoder.decode(input) {
//!     assert_eq!(consumed, 15);
//!     for key in keys {
//!         if key == b"here" {
//!             reply::value(&mut out, key, 0, None, b"I am");
//!         }
//!     }
//!     out.extend_from_slice(reply::END);
//! }
//! assert_eq!(out, b"VALUE here 0 4\r\nI am\r\nEND\r\n");
//! ```

mod decode;
mod listing;
mod meta;
mod mistake;
mod replies;
pub mod reply;
pub mod request;

pub use decode::{Keys, LOGIN_BYTES_MAX, LoginSets, Request, RequestDecoder};
pub use listing::{CLASS, KeyListing, ListingForm};
pub use meta::{Item, MetaGet};
pub use mistake::{Invalid, Mistake};
pub use replies::{InvalidReply, MetaFlags, Reply, ReplyDecoder, ReplyLimits};

/// The longest key, in bytes. A longer one is [`Mistake::BadFormat`].
pub const KEY_BYTES_MAX: usize = 250;

/// What a request may hold before it is refused. Every limit answers with an [`Invalid`] and ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a line, LF not counted, unless it begins with `get`, `gets`, `gat` or `gats`. Passing it is
    /// [`Invalid::LineTooLong`]. Default 2,048.
    pub line_bytes_max: usize,
    /// Bytes of a line that does begin with one of these and a blank. Passing it is [`Invalid::LineTooLong`]. Default
    /// 1 MiB.
    pub keys_line_bytes_max: usize,
    /// Bytes of the data block of a write, which is refused and thrown away. Passing it is [`Invalid::DataTooLarge`].
    /// Default 1 MiB.
    pub data_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line_bytes_max: 2_048, keys_line_bytes_max: 1 << 20, data_bytes_max: 1 << 20 }
    }
}

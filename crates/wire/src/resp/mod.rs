//! RESP2 and RESP3, the language of Redis: requests and replies, in both directions.
//!
//! A server feeds its input to a [`RequestDecoder`], hands the arguments to [`Command::parse`] and writes what it has to
//! say with [`reply`]. A client writes commands with [`request::encode`] and reads with a [`ReplyDecoder`]. What a
//! read-only server understands is named here; what it answers is not: nothing here knows that a table exists.
//!
//! ```
//! use graven_wire::Decoded;
//! use graven_wire::resp::{Command, Limits, Request, RequestDecoder, Version, reply};
//!
//! let mut decoder = RequestDecoder::new(Limits::default());
//! let input = b"*2\r\n$3\r\nGET\r\n$5\r\nhello\r\n*1\r\n$4";
//! let mut out = Vec::new();
//! if let Decoded::Message(Request::Command(args), consumed) = decoder.decode(input) {
//!     assert_eq!(consumed, 24);
//!     match Command::parse(args) {
//!         Ok(Command::Get { key: b"hello" }) => reply::bulk(&mut out, b"world"),
//!         Ok(_) => reply::null(&mut out, Version::Resp2),
//!         Err(refusal) => refusal.encode(&mut out),
//!     }
//! }
//! assert_eq!(out, b"$5\r\nworld\r\n");
//! assert_eq!(decoder.decode(&input[24..]), Decoded::NeedMore);
//! ```

mod bits;
mod client;
mod command;
mod connection;
mod decode;
mod hash;
mod help;
mod inline;
mod invalid;
mod items;
mod key_read;
mod refusal;
mod replies;
pub mod reply;
pub mod request;
mod server;
mod table;
mod typed;
mod writes;

pub use bits::{BadBitRange, BitField, BitFields, BitRange, Lcs, LcsWanted, count_bits, find_bit};
pub use client::{
    CLIENT_TEXT_BYTES_MAX, ClientFilter, ClientTopic, KillCondition, KillFilter, ReplyMode, Tracking,
};
pub use command::{Command, Database, ObjectTopic, Scan};
pub use connection::Hello;
pub use decode::{Args, Request, RequestDecoder};
pub use hash::{HASH_FIELDS_MAX, HashPart, HashRead, HashScan, ScanOptionError};
pub use inline::Inline;
pub use invalid::Invalid;
pub use items::Items;
pub use key_read::KeyRead;
pub use refusal::Refusal;
pub use replies::{InvalidReply, Reply, ReplyDecoder, ReplyLimits};
pub use server::{CommandFilter, CommandTopic, LatencyTopic, MemoryTopic, PubSubTopic, SlowlogTopic};
pub use table::Known;
pub use typed::{Missing, TypedRead};

/// What a request may hold before it is refused. Every limit answers with an [`Invalid`] and ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Arguments of one command, its name counted. Passing it is [`Invalid::ArgumentCount`]. Default 1,048,576.
    pub args_max: usize,
    /// Bytes of one argument. Passing it is [`Invalid::ArgumentLength`]. Default 1 MiB.
    pub arg_bytes_max: usize,
    /// Bytes of one request as it is sent, lengths and line ends counted. Passing it is [`Invalid::RequestTooBig`].
    /// Default 64 MiB.
    pub request_bytes_max: usize,
    /// Bytes of one inline command, line end not counted. Passing it is [`Invalid::InlineTooBig`]. Default 64 KiB.
    pub inline_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            args_max: 1 << 20,
            arg_bytes_max: 1 << 20,
            request_bytes_max: 64 << 20,
            inline_bytes_max: 64 << 10,
        }
    }
}

/// Which RESP a connection speaks. Every connection begins with RESP2; `HELLO 3` changes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// What every Redis understands.
    #[default]
    Resp2,
    /// Since Redis 6, asked for with `HELLO 3`.
    Resp3,
}

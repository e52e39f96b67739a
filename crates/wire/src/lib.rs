//! The protocols that clients speak, as pure codecs: bytes in, a message and the number of bytes
//! consumed out.
//!
//! [`http`], [`resp`] (Redis) and [`memcached`] each have both directions, because a server reads
//! requests and writes answers while a client and a load tester write requests and read answers.
//! Nothing here reads or writes a socket, keeps time, or knows that a table exists.
//!
//! ```
//! use graven_wire::Decoded;
//! use graven_wire::resp::{Limits, Request, RequestDecoder, reply, request};
//!
//! // A client writes two requests, and the network brings one and a part of the other.
//! let mut sent = Vec::new();
//! request::encode(&mut sent, [&b"GET"[..], b"colour"]);
//! let whole = sent.len();
//! request::encode(&mut sent, [&b"GET"[..], b"size"]);
//! let mut input = &sent[..whole + 7];
//!
//! // A server reads what is whole, and answers it.
//! let mut decoder = RequestDecoder::new(Limits::default());
//! let mut answers = Vec::new();
//! while let Decoded::Message(Request::Command(args), consumed) = decoder.decode(input) {
//!     assert!(args.eq([&b"GET"[..], b"colour"]));
//!     reply::bulk(&mut answers, b"green");
//!     input = &input[consumed..];
//! }
//! assert_eq!(decoder.decode(input), Decoded::NeedMore);
//! assert_eq!(answers, b"$5\r\ngreen\r\n");
//! ```
//!
//! What holds for every decoder:
//!
//! - It borrows from the bytes that it is given, and allocates nothing because a length says so.
//! - The same bytes cut anywhere give the same messages.
//! - A message is [`Decoded::Message`], the beginning of one [`Decoded::NeedMore`], and bytes that no
//!   further ones can make a message [`Decoded::Invalid`], with the reason as a value.
//! - Each limit is a field of a `Limits` with a default, and has a reason of its own.

pub mod address;
mod decimal;
pub mod glob;
pub mod http;
pub mod memcached;
pub mod proxy;
mod recognize;
pub mod resp;
pub mod target;

pub use recognize::{PROBE, Recognized, recognize};

/// What a decoder made of the bytes so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<T, E> {
    /// One whole message, and the number of bytes it took.
    Message(T, usize),
    /// The bytes are the beginning of a message: call again when there are more.
    NeedMore,
    /// No bytes that could follow would make this a message.
    Invalid(E),
}

impl<T, E> Decoded<T, E> {
    /// Makes another message of the message, if there is one.
    pub fn map<U>(self, message: impl FnOnce(T) -> U) -> Decoded<U, E> {
        match self {
            Self::Message(found, consumed) => Decoded::Message(message(found), consumed),
            Self::NeedMore => Decoded::NeedMore,
            Self::Invalid(invalid) => Decoded::Invalid(invalid),
        }
    }
}

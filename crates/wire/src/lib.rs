//! The languages that clients speak, as pure codecs: bytes in, a message and the number of bytes consumed out.
//!
//! Nothing here reads or writes a socket, keeps time, or knows that a table exists. Every language has both directions,
//! because the server reads requests and writes answers while the client and the load tester write requests and read
//! answers. A decoder borrows from the bytes it was given and allocates nothing; the same bytes cut anywhere give the
//! same messages.

pub mod address;
mod decimal;
pub mod glob;
pub mod http;
pub mod memcached;
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

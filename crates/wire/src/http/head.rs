//! What the headers of either direction say about framing: the length of the body and whether the connection stays.

use std::ops::Range;

use super::Version;
use super::body::Framing;
use super::error::Error;

/// What the headers said so far.
#[derive(Debug, Default)]
pub(super) struct Facts {
    content_length: Option<u64>,
    encoding: Option<TransferCoding>,
    close: bool,
    keep_alive: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum TransferCoding {
    Chunked,
    Other,
    NotLast,
}

impl Facts {
    pub(super) fn content_length(&mut self, value: &[u8]) -> Result<(), Error> {
        if self.content_length.is_some() {
            return Err(Error::ContentLengthTwice);
        }
        self.content_length = Some(decimal(value)?);
        Ok(())
    }

    pub(super) fn transfer_encoding(&mut self, value: &[u8]) {
        let codings = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        for coding in codings.filter(|coding| !coding.is_empty()) {
            let chunked = coding.eq_ignore_ascii_case(b"chunked");
            self.encoding = Some(match (&self.encoding, chunked) {
                (None, true) => TransferCoding::Chunked,
                (Some(TransferCoding::Chunked | TransferCoding::NotLast), _) => TransferCoding::NotLast,
                (None | Some(TransferCoding::Other), _) => TransferCoding::Other,
            });
        }
        // A header that names no coding frames nothing.
        self.encoding.get_or_insert(TransferCoding::NotLast);
    }

    pub(super) fn connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// How the body is framed; `None` when no header says so.
    pub(super) fn framing(&self, version: Version) -> Result<Option<Framing>, Error> {
        match (&self.encoding, self.content_length) {
            (Some(_), Some(_)) => Err(Error::LengthAndEncoding),
            (Some(_), None) if version == Version::Http10 => Err(Error::BadTransferEncoding),
            (Some(TransferCoding::Chunked), None) => Ok(Some(Framing::Chunked)),
            (Some(TransferCoding::Other), None) => Err(Error::UnsupportedTransferEncoding),
            (Some(TransferCoding::NotLast), None) => Err(Error::BadTransferEncoding),
            (None, length) => Ok(length.map(Framing::Length)),
        }
    }

    /// Whether the connection stays open after this message.
    pub(super) fn stays(&self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }
}

/// A plain decimal number: digits alone. One of more than 64 bits is larger than any limit.
fn decimal(digits: &[u8]) -> Result<u64, Error> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Error::BadContentLength);
    }
    let number = digits
        .iter()
        .try_fold(0u64, |number, digit| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    number.ok_or(Error::BodyTooLarge)
}

/// The head's bytes that the limit lets the parser see.
pub(super) fn within(bytes: &[u8], head_bytes_max: usize) -> &[u8] {
    &bytes[..bytes.len().min(head_bytes_max)]
}

/// Whether every LF of the head follows a CR: `httparse` takes a bare LF for a line's end, which others do not.
pub(super) fn every_line_ends_in_crlf(head: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', head).all(|at| at > 0 && head[at - 1] == b'\r')
}

/// What to call an error that `httparse` met in the head.
pub(super) fn error_of(error: httparse::Error) -> Error {
    match error {
        httparse::Error::TooManyHeaders => Error::TooManyHeaders,
        httparse::Error::HeaderName | httparse::Error::HeaderValue => Error::BadHeader,
        _ => Error::BadStartLine,
    }
}

/// Where `part` lies in `whole`, of which it is a part.
pub(super) fn place(part: &[u8], whole: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

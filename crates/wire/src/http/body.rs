//! Bodies: framed by a length, by chunks, or by the end of the connection.

use super::error::Error;
use super::{CHUNK_FRAMING_BYTES_MAX, Limits};
use crate::Decoded;

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    UntilEnd,
}

/// The body of a message, borrowed from the bytes it came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Body<'a> {
    bytes: &'a [u8],
    chunked: bool,
    data_bytes: usize,
}

impl<'a> Body<'a> {
    /// The length of the data, in bytes, without any framing.
    pub fn len(&self) -> usize {
        self.data_bytes
    }

    /// Whether there is no data.
    pub fn is_empty(&self) -> bool {
        self.data_bytes == 0
    }

    /// The pieces of the data in order: one for a body with a length, one for each chunk otherwise.
    pub fn pieces(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (mut rest, chunked) = (self.bytes, self.chunked);
        std::iter::from_fn(move || {
            if !chunked {
                return (!rest.is_empty()).then(|| std::mem::take(&mut rest));
            }
            let Ok(Some(line)) = chunk_line(rest) else { return None };
            let end = line.bytes + line.size as usize;
            let piece = rest.get(line.bytes..end)?;
            rest = rest.get(end + 2..)?;
            (!piece.is_empty()).then_some(piece)
        })
    }

    /// Appends the data to `room`.
    pub fn append_to(&self, room: &mut Vec<u8>) {
        room.reserve(self.data_bytes);
        self.pieces().for_each(|piece| room.extend_from_slice(piece));
    }
}

pub(super) fn decode<'a>(
    bytes: &'a [u8],
    framing: Framing,
    ended: bool,
    limits: &Limits,
) -> Decoded<Body<'a>, Error> {
    let most = limits.body_bytes_max;
    match framing {
        Framing::Length(length) => match usize::try_from(length) {
            Ok(length) if length <= most => match bytes.get(..length) {
                Some(bytes) => Decoded::Message(Body { bytes, chunked: false, data_bytes: length }, length),
                None => Decoded::NeedMore,
            },
            _ => Decoded::Invalid(Error::BodyTooLarge),
        },
        Framing::UntilEnd if bytes.len() > most => Decoded::Invalid(Error::BodyTooLarge),
        Framing::UntilEnd if ended => {
            Decoded::Message(Body { bytes, chunked: false, data_bytes: bytes.len() }, bytes.len())
        }
        Framing::UntilEnd => Decoded::NeedMore,
        Framing::Chunked => match walk(bytes, most) {
            Ok(Some((data_bytes, consumed))) => {
                Decoded::Message(Body { bytes: &bytes[..consumed], chunked: true, data_bytes }, consumed)
            }
            Ok(None) => Decoded::NeedMore,
            Err(error) => Decoded::Invalid(error),
        },
    }
}

/// Walks all chunks and trailers: the data's length and the bytes consumed, or `None` when the end has not come yet.
fn walk(bytes: &[u8], data_bytes_max: usize) -> Result<Option<(usize, usize)>, Error> {
    let (mut at, mut data_bytes) = (0, 0);
    loop {
        let rest = &bytes[at..];
        let Some(line) = chunk_line(&rest[..rest.len().min(CHUNK_FRAMING_BYTES_MAX + 1)])? else {
            return framing_within(bytes.len() - data_bytes).map(|()| None);
        };
        if line.size == 0 {
            return trailers(bytes, at + line.bytes, data_bytes);
        }
        let size = usize::try_from(line.size).ok().filter(|size| *size <= data_bytes_max - data_bytes);
        let size = size.ok_or(Error::BodyTooLarge)?;
        framing_within(at + line.bytes - data_bytes)?;
        at += line.bytes;
        let Some(rest) = bytes.get(at + size..) else { return Ok(None) };
        match rest {
            [b'\r', b'\n', ..] => {}
            [] | [b'\r'] => return Ok(None),
            _ => return Err(Error::BadChunk),
        }
        data_bytes += size;
        at += size + 2;
    }
}

fn trailers(bytes: &[u8], mut at: usize, data_bytes: usize) -> Result<Option<(usize, usize)>, Error> {
    loop {
        let rest = &bytes[at..];
        let rest = &rest[..rest.len().min(CHUNK_FRAMING_BYTES_MAX + 1)];
        let Some(length) = line(rest)? else {
            return framing_within(bytes.len() - data_bytes).map(|()| None);
        };
        at += length + 2;
        framing_within(at - data_bytes)?;
        match rest[0] {
            b'\r' => return Ok(Some((data_bytes, at))),
            b' ' | b'\t' => return Err(Error::BadChunk),
            _ => {}
        }
    }
}

fn framing_within(framing_bytes: usize) -> Result<(), Error> {
    if framing_bytes > CHUNK_FRAMING_BYTES_MAX { Err(Error::BodyTooLarge) } else { Ok(()) }
}

struct ChunkLine {
    size: u64,
    bytes: usize,
}

/// The line that opens a chunk: 1 to 16 hexadecimal digits, an extension that is passed over, CR LF.
fn chunk_line(bytes: &[u8]) -> Result<Option<ChunkLine>, Error> {
    let (mut size, mut digits) = (0u64, 0);
    for &byte in bytes {
        let Some(digit) = char::from(byte).to_digit(16) else { break };
        digits += 1;
        if digits > 16 {
            return Err(Error::BadChunk);
        }
        size = size << 4 | u64::from(digit);
    }
    match (digits, bytes.get(digits)) {
        (0, Some(_)) => Err(Error::BadChunk),
        (_, None) => Ok(None),
        (_, Some(b'\r' | b';')) => {
            Ok(line(&bytes[digits..])?.map(|length| ChunkLine { size, bytes: digits + length + 2 }))
        }
        (_, Some(_)) => Err(Error::BadChunk),
    }
}

/// The length of a line that ends in CR LF, without them; control characters other than tab end nothing and are errors.
fn line(bytes: &[u8]) -> Result<Option<usize>, Error> {
    match bytes.iter().position(|&byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
        None => Ok(None),
        Some(at) => match &bytes[at..] {
            [b'\r', b'\n', ..] => Ok(Some(at)),
            [b'\r'] => Ok(None),
            _ => Err(Error::BadChunk),
        },
    }
}

/// Appends one chunk with `data`. Empty data appends nothing: an empty chunk would end the body.
pub fn encode_chunk(data: &[u8], out: &mut Vec<u8>) {
    if !data.is_empty() {
        let digits = (usize::BITS - data.len().leading_zeros()).div_ceil(4);
        for place in (0..digits).rev() {
            out.push(b"0123456789abcdef"[data.len() >> (place * 4) & 15]);
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends the end of a chunked body.
pub fn encode_last_chunk(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n\r\n");
}

//! From values as they were given to values as they are stored.

use crate::bucket::{Form, LargeReference};
use crate::checksum::crc32c;
use crate::codec::{Alphabet, Encoder, LongEncoder, PLAIN_BYTES_MIN, SharedValues};
use crate::layout::{INLINE_MAX_MOST, PART_BYTES, PART_ENTRY_BYTES};
use crate::stored::Large;

/// What values are stored through.
pub(crate) struct ValueEncoder<'p> {
    encoder: Option<Encoder>,
    alphabet: Option<&'p Alphabet>,
    long: Option<LongEncoder<'p>>,
    shared: Option<&'p SharedValues>,
    inline_max: usize,
    /// Room for a value through the codec of long values.
    tried: Vec<u8>,
}

/// Values of fewer bytes are not tried with the codec of long values, which takes some
/// microseconds.
const LONG_BYTES_MIN: usize = 64;

/// Bytes that the codec of long values has to save of a value in a bucket: as many as the wide
/// words cost that it needs.
const LONG_SAVES_MIN: usize = 8;

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub(crate) form: Form,
    /// Whether it is too long for a bucket, and stored in parts if it is longer than one.
    pub(crate) is_large: bool,
}

impl<'p> ValueEncoder<'p> {
    pub(crate) fn new(
        encoder: Option<Encoder>,
        alphabet: Option<&'p Alphabet>,
        long: Option<LongEncoder<'p>>,
        inline_max: u32,
    ) -> Self {
        let (inline_max, tried) = (inline_max as usize, Vec::new());
        Self { encoder, alphabet, long, shared: None, inline_max, tried }
    }

    /// The same, which stores these values by their numbers.
    pub(crate) fn sharing(self, shared: &'p SharedValues) -> Self {
        Self { shared: (shared.len() > 0).then_some(shared), ..self }
    }

    /// Puts the stored bytes of `value` in place of what is in `out`.
    pub(crate) fn encode(&mut self, value: &[u8], out: &mut Vec<u8>) -> Encoded {
        out.clear();
        if let Some(number) = self.shared.and_then(|shared| shared.number(value)) {
            out.extend_from_slice(&number.to_le_bytes());
            return Encoded { form: Form::Apart, is_large: false };
        }
        let mut form = self.encode_whole(value, out);
        if let Some(long) = &mut self.long
            && (LONG_BYTES_MIN..PLAIN_BYTES_MIN).contains(&value.len())
        {
            self.tried.clear();
            if long.encode(value, true, &mut self.tried) && self.tried.len() + LONG_SAVES_MIN < out.len() {
                std::mem::swap(out, &mut self.tried);
                form = Form::Long;
            }
        }
        let word = if form == Form::Main && self.alphabet.is_some() { value.len() } else { out.len() };
        if out.len() <= self.inline_max && word <= INLINE_MAX_MOST as usize {
            return Encoded { form, is_large: false };
        }
        if form == Form::Long {
            // Shorter than a part, so it is one.
            return Encoded { form, is_large: true };
        }
        self.encode_large(value, out)
    }

    /// The parts of a value through the codec of long values, where that saves a tenth at least.
    fn encode_plain(&mut self, value: &[u8]) -> Option<Vec<Vec<u8>>> {
        let long = self.long.as_mut().filter(|_| value.len() >= PLAIN_BYTES_MIN)?;
        let mut parts = Vec::new();
        for part in value.chunks(PART_BYTES) {
            let mut stored = Vec::new();
            if !long.encode(part, false, &mut stored) {
                return None;
            }
            parts.push(stored);
        }
        (parts.iter().map(Vec::len).sum::<usize>() < value.len() - value.len() / 10).then_some(parts)
    }

    fn encode_whole(&self, value: &[u8], out: &mut Vec<u8>) -> Form {
        match (&self.encoder, self.alphabet) {
            (Some(encoder), _) => encoder.encode(value, out),
            (None, Some(alphabet)) => {
                if !alphabet.pack(value, out) {
                    out.extend_from_slice(value);
                    return Form::Raw;
                }
            }
            (None, None) => out.extend_from_slice(value),
        }
        Form::Main
    }

    /// Stores a value in parts, all in one form.
    fn encode_large(&mut self, value: &[u8], out: &mut Vec<u8>) -> Encoded {
        let mut form = Form::Main;
        let mut parts = Vec::new();
        if let Some(plain) = self.encode_plain(value) {
            (form, parts) = (Form::Apart, plain);
        } else {
            for part in value.chunks(PART_BYTES) {
                let mut stored = Vec::new();
                if self.encode_whole(part, &mut stored) == Form::Raw {
                    form = Form::Raw;
                    break;
                }
                parts.push(stored);
            }
        }
        // What does not shrink is left as it is, and can be sent from where it lies.
        if form == Form::Raw || parts.iter().map(Vec::len).sum::<usize>() >= value.len() {
            form = if self.encoder.is_none() && self.alphabet.is_none() { Form::Main } else { Form::Raw };
            parts = value.chunks(PART_BYTES).map(<[u8]>::to_vec).collect();
        }
        out.clear();
        if parts.len() > 1 {
            let mut end = 0_u32;
            for part in &parts {
                end += part.len() as u32;
                out.extend_from_slice(&end.to_le_bytes());
                out.extend_from_slice(&crc32c(0, part).to_le_bytes());
            }
            debug_assert_eq!(out.len(), parts.len() * PART_ENTRY_BYTES);
        }
        parts.iter().for_each(|part| out.extend_from_slice(part));
        Encoded { form, is_large: true }
    }
}

/// The number of the shared value that is stored so.
pub(crate) fn shared_number(form: Form, is_large: bool, stored: &[u8]) -> Option<u32> {
    let number = stored.first_chunk().map(|number| u32::from_le_bytes(*number));
    number.filter(|_| form == Form::Apart && !is_large)
}

/// The reference to a value of `len` bytes that is stored so, `offset` bytes behind the base of
/// its line.
pub(crate) fn reference(offset: i64, form: Form, stored: &[u8], len: usize) -> LargeReference {
    let reference = LargeReference { offset, stored: stored.len() as u32, len: len as u32, crc: 0, form };
    LargeReference { crc: Large { start: 0, reference }.crc(stored), ..reference }
}

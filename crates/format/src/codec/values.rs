//! Everything that turns what is stored of a value into the value.

use super::{Alphabet, Decoder, LongDecoder, SharedReader, append_bytes};
use crate::bucket::Form;
use crate::cpu::{Cpu, Portable};
use crate::error::Problem;
use crate::limits::VALUE_BYTES_MAX;

/// The codecs of a table's values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    /// Of values in [`Form::Main`], where their codec has one.
    pub(crate) decoder: Option<Decoder>,
    /// The same, where they are packed.
    pub(crate) alphabet: Option<Alphabet>,
    /// Of long values.
    pub(crate) long: Option<LongDecoder>,
    /// Values that many keys have.
    pub(crate) shared: SharedReader,
}

impl Values {
    /// Whether values in [`Form::Main`] are stored as they are.
    #[inline]
    pub(crate) fn are_raw(&self) -> bool {
        self.decoder.is_none() && self.alphabet.is_none()
    }

    /// Whether values in `form` are stored as they are.
    pub(crate) fn is_raw(&self, form: Form) -> bool {
        form == Form::Raw || form == Form::Main && self.are_raw()
    }

    /// The bytes that a packed value of `len` bytes takes on its own.
    pub(crate) fn packed_bytes(&self, len: usize) -> usize {
        let bits = self.alphabet.as_ref().map_or(0, |alphabet| alphabet.bits() as usize);
        (len * bits).div_ceil(8)
    }

    /// Appends the value whose stored bytes, in the values' codec, are the first `len` of
    /// `stored`.
    #[inline(always)]
    pub(crate) fn append_main(&self, stored: &[u8], len: usize, value: &mut Vec<u8>) -> Result<(), Problem> {
        append(self.decoder.as_ref(), stored, len, VALUE_BYTES_MAX, value)
    }

    /// Appends the value of `len` bytes that is packed from bit `bit` of `stored` on.
    #[inline(always)]
    pub(crate) fn unpack(
        &self,
        cpu: impl Cpu,
        stored: &[u8],
        bit: usize,
        len: usize,
        value: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        let alphabet = self.alphabet.as_ref().ok_or(Problem::Codec)?;
        alphabet.unpack(cpu, stored, bit, len, value);
        Ok(())
    }

    /// Appends shared value number `number`.
    #[inline(always)]
    pub(crate) fn append_shared(&self, number: u32, value: &mut Vec<u8>) -> Result<(), Problem> {
        let range = self.shared.range(number).ok_or(Problem::Codec)?;
        append_bytes(value, &self.shared.bytes()[range.start..], range.len());
        Ok(())
    }

    /// Appends the value that `stored`, in its bucket through the codec of long values, stands
    /// for.
    #[inline(never)]
    pub(crate) fn append_long(&self, stored: &[u8], value: &mut Vec<u8>) -> Result<(), Problem> {
        let decoder = self.long.as_ref().ok_or(Problem::Codec)?;
        let len = decoder.length(stored).ok_or(Problem::Codec)?;
        if decoder.decode(stored, true, len, value) { Ok(()) } else { Err(Problem::Codec) }
    }

    /// Appends the `len` bytes that the first `stored_len` of `stored` stand for, in `form`.
    pub(crate) fn append_part(
        &self,
        form: Form,
        stored: &[u8],
        stored_len: usize,
        len: usize,
        value: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        let start = value.len();
        match form {
            Form::Main if self.alphabet.is_some() => {
                if self.packed_bytes(len) != stored_len {
                    return Err(Problem::Codec);
                }
                self.unpack(Portable, stored, 0, len, value)?;
            }
            Form::Main => append(self.decoder.as_ref(), stored, stored_len, len, value)?,
            Form::Raw => append(None, stored, stored_len, len, value)?,
            Form::Long | Form::Apart => {
                let decoder = self.long.as_ref().ok_or(Problem::Codec)?;
                if !decoder.decode(&stored[..stored_len], form == Form::Long, len, value) {
                    return Err(Problem::Codec);
                }
            }
        }
        if value.len() - start == len {
            return Ok(());
        }
        value.truncate(start);
        Err(Problem::Codec)
    }
}

/// Appends what the first `len` of `stored` stand for, at most `most` bytes.
#[inline(always)]
pub(crate) fn append(
    decoder: Option<&Decoder>,
    stored: &[u8],
    len: usize,
    most: usize,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    match decoder {
        Some(decoder) => {
            let start = out.len();
            decoder.decode(stored, len, most, out).map_err(|_| {
                out.truncate(start);
                Problem::Codec
            })
        }
        None if len > most => Err(Problem::Range {
            field: "the length of a key or value",
            most: most as u64,
            found: len as u64,
        }),
        None => {
            append_bytes(out, stored, len);
            Ok(())
        }
    }
}

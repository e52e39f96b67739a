//! Lengths and strings as a dump writes them.

use std::io::Read;

use graven_format::VALUE_BYTES_MAX;

use super::damage::RdbFault;
use super::lzf;
use super::source::DumpBytes;
use crate::error::Fault;

/// What stands where a length does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LengthField {
    Length(u64),
    /// The string that follows is stored in the way of this number.
    Encoded(u8),
}

/// Ways in which a string is stored that is not its bytes.
const INT8: u8 = 0;
const INT16: u8 = 1;
const INT32: u8 = 2;
const LZF: u8 = 3;

impl<R: Read> DumpBytes<R> {
    fn length_field(&mut self) -> Result<LengthField, Fault> {
        let first = self.byte()?;
        Ok(LengthField::Length(match first >> 6 {
            0 => u64::from(first),
            1 => u64::from(first & 0x3F) << 8 | u64::from(self.byte()?),
            2 if first == 0x80 => u64::from(u32::from_be_bytes(self.array()?)),
            2 if first == 0x81 => u64::from_be_bytes(self.array()?),
            2 => return Err(self.fail(RdbFault::Length { found: first })),
            _ => return Ok(LengthField::Encoded(first & 0x3F)),
        }))
    }

    /// A length, or any other number that is stored as one.
    pub(super) fn length(&mut self) -> Result<u64, Fault> {
        match self.length_field()? {
            LengthField::Length(length) => Ok(length),
            LengthField::Encoded(way) => Err(self.fail(RdbFault::Length { found: 0xC0 | way })),
        }
    }

    /// Appends a string to `out`; one that is longer than `most` is refused before it is read.
    pub(super) fn string(&mut self, what: &'static str, most: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        let within = |length: u64, bytes: &Self| match usize::try_from(length) {
            Ok(length) if length <= most => Ok(length),
            _ => Err(bytes.fail(RdbFault::TooLong { what, most: most as u64, found: length })),
        };
        match self.length_field()? {
            LengthField::Length(length) => {
                let length = within(length, self)?;
                self.append(length, out)
            }
            LengthField::Encoded(LZF) => {
                let packed_length = self.length()?;
                let length = self.length()?;
                let length = within(length, self)?;
                if packed_length > VALUE_BYTES_MAX as u64 {
                    let most = VALUE_BYTES_MAX as u64;
                    return Err(self.fail(RdbFault::TooLong { what, most, found: packed_length }));
                }
                let mut packed = std::mem::take(&mut self.packed);
                packed.clear();
                let read = self.append(packed_length as usize, &mut packed);
                let unpacked =
                    read.and_then(|()| lzf::unpack(&packed, length, out).map_err(|fault| self.fail(fault)));
                self.packed = packed;
                unpacked
            }
            LengthField::Encoded(way) => {
                let number = self.integer(way)?;
                append_number(number.into(), out);
                Ok(())
            }
        }
    }

    /// Passes over a string of any length.
    pub(super) fn skip_string(&mut self) -> Result<(), Fault> {
        match self.length_field()? {
            LengthField::Length(length) => self.skip(length),
            LengthField::Encoded(LZF) => {
                let packed_length = self.length()?;
                self.length()?;
                self.skip(packed_length)
            }
            LengthField::Encoded(way) => self.integer(way).map(|_| ()),
        }
    }

    fn integer(&mut self, way: u8) -> Result<i32, Fault> {
        Ok(match way {
            INT8 => i8::from_le_bytes(self.array()?).into(),
            INT16 => i16::from_le_bytes(self.array()?).into(),
            INT32 => i32::from_le_bytes(self.array()?),
            found => return Err(self.fail(RdbFault::Encoding { found })),
        })
    }
}

/// Appends a number as Redis shows it.
pub(super) fn append_number(number: i64, out: &mut Vec<u8>) {
    use std::io::Write;
    // Writing into a vector cannot fail.
    let _ = write!(out, "{number}");
}

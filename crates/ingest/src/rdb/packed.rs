//! Small hashes, which a dump has as one string each: a listpack, or in older versions a ziplist
//! or a zipmap. Each gives its elements in order; nothing outside of it is ever read.

use super::damage::RdbFault;
use super::strings::append_number;

/// An element: bytes of the packed form, or a number that stands for its decimal text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PackedElement<'a> {
    Bytes(&'a [u8]),
    Number(i64),
}

impl PackedElement<'_> {
    /// Appends the text.
    pub(super) fn append(self, out: &mut Vec<u8>) {
        match self {
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
            Self::Number(number) => append_number(number, out),
        }
    }

    /// The number that it is, where it is one.
    pub(super) fn number(self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        }
    }
}

/// The form of a hash that is packed into a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PackedForm {
    Listpack,
    Ziplist,
    Zipmap,
}

impl PackedForm {
    fn name(self) -> &'static str {
        match self {
            Self::Listpack => "listpack",
            Self::Ziplist => "ziplist",
            Self::Zipmap => "zipmap",
        }
    }
}

/// A packed string and how far it was read.
struct PackedBytes<'a> {
    form: PackedForm,
    bytes: &'a [u8],
    at: usize,
}

/// The last byte of all three forms.
const END: u8 = 0xFF;

impl<'a> PackedBytes<'a> {
    fn fail(&self, what: &'static str, expected: u64, found: u64) -> RdbFault {
        RdbFault::Packed { form: self.form.name(), at: self.at, what, expected, found }
    }

    /// The next `len` bytes.
    fn take(&mut self, len: usize) -> Result<&'a [u8], RdbFault> {
        let rest = &self.bytes[self.at..];
        match rest.get(..len) {
            Some(taken) => {
                self.at += len;
                Ok(taken)
            }
            None => Err(self.fail("bytes that follow:", len as u64, rest.len() as u64)),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RdbFault> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, RdbFault> {
        Ok(self.array::<1>()?[0])
    }

    fn text(&mut self, len: usize) -> Result<PackedElement<'a>, RdbFault> {
        Ok(PackedElement::Bytes(self.take(len)?))
    }

    /// A whole number of `N` bytes, the least first.
    fn number<const N: usize>(&mut self) -> Result<PackedElement<'a>, RdbFault> {
        let mut wide = [0; 8];
        wide[8 - N..].copy_from_slice(&self.array::<N>()?);
        Ok(PackedElement::Number(i64::from_le_bytes(wide) >> (64 - 8 * N)))
    }

    /// Whether the end is here, behind `elements`. What the head says of their number is checked,
    /// but for `unknown`, which says nothing.
    fn is_at_end(&mut self, elements: u64, said: u64, unknown: u64) -> Result<bool, RdbFault> {
        if self.bytes.get(self.at) != Some(&END) {
            return Ok(false);
        }
        if said != unknown && said != elements {
            return Err(self.fail("a number of elements of", said, elements));
        }
        if self.at + 1 != self.bytes.len() {
            return Err(self.fail("a length of", self.at as u64 + 1, self.bytes.len() as u64));
        }
        Ok(true)
    }

    /// The length in the head, which is that of all.
    fn check_length(&self, said: u32) -> Result<(), RdbFault> {
        let found = self.bytes.len() as u64;
        if u64::from(said) == found { Ok(()) } else { Err(self.fail("a length of", said.into(), found)) }
    }
}

/// Hands each element of a packed hash to `each`.
pub(super) fn elements<'a>(
    form: PackedForm,
    bytes: &'a [u8],
    each: impl FnMut(PackedElement<'a>) -> Result<(), RdbFault>,
) -> Result<(), RdbFault> {
    let bytes = PackedBytes { form, bytes, at: 0 };
    match form {
        PackedForm::Listpack => listpack(bytes, each),
        PackedForm::Ziplist => ziplist(bytes, each),
        PackedForm::Zipmap => zipmap(bytes, each),
    }
}

/// A head of four bytes for the length and two for the number of elements; then each element with
/// its own length behind it, by which Redis walks backwards.
fn listpack<'a>(
    mut bytes: PackedBytes<'a>,
    mut each: impl FnMut(PackedElement<'a>) -> Result<(), RdbFault>,
) -> Result<(), RdbFault> {
    let said = u32::from_le_bytes(bytes.array()?);
    bytes.check_length(said)?;
    let count = u16::from_le_bytes(bytes.array()?);
    for elements in 0.. {
        if bytes.is_at_end(elements, count.into(), u16::MAX.into())? {
            return Ok(());
        }
        let start = bytes.at;
        let first = bytes.byte()?;
        let element = match first {
            0..=0x7F => PackedElement::Number(first.into()),
            0x80..=0xBF => bytes.text(usize::from(first & 0x3F))?,
            0xC0..=0xDF => {
                let number = u16::from_be_bytes([first & 0x1F, bytes.byte()?]);
                // 13 bits with a sign.
                PackedElement::Number(i64::from((number << 3).cast_signed() >> 3))
            }
            0xE0..=0xEF => {
                let len = u16::from_be_bytes([first & 0x0F, bytes.byte()?]);
                bytes.text(len.into())?
            }
            0xF0 => {
                let len = u32::from_le_bytes(bytes.array()?);
                bytes.text(len as usize)?
            }
            0xF1 => bytes.number::<2>()?,
            0xF2 => bytes.number::<3>()?,
            0xF3 => bytes.number::<4>()?,
            0xF4 => bytes.number::<8>()?,
            0xF5.. => {
                bytes.at = start;
                return Err(bytes.fail("an element of a kind up to", 0xF4, first.into()));
            }
        };
        let len = bytes.at - start;
        // Seven bits a byte, the highest first, in which all but the first have the highest bit.
        // Redis takes one byte more than need be for the last number of each width.
        let width = match len {
            0..=127 => 1,
            128..16_383 => 2,
            16_383..2_097_151 => 3,
            2_097_151..268_435_455 => 4,
            _ => 5,
        };
        let back = bytes.take(width)?;
        let found = back.iter().fold(0, |found, byte| found << 7 | u64::from(byte & 0x7F));
        if found != len as u64 {
            bytes.at -= width;
            return Err(bytes.fail("the length of the element before, which is", len as u64, found));
        }
        each(element)?;
    }
    Ok(())
}

/// A head of four bytes for the length, four for the place of the last element, two for the number
/// of elements; then each element behind the length of the one before it.
fn ziplist<'a>(
    mut bytes: PackedBytes<'a>,
    mut each: impl FnMut(PackedElement<'a>) -> Result<(), RdbFault>,
) -> Result<(), RdbFault> {
    let said = u32::from_le_bytes(bytes.array()?);
    bytes.check_length(said)?;
    let last = u32::from_le_bytes(bytes.array()?);
    let count = u16::from_le_bytes(bytes.array()?);
    let mut before = 0;
    let mut start = bytes.at;
    for elements in 0.. {
        if bytes.is_at_end(elements, count.into(), u16::MAX.into())? {
            let found = if elements == 0 { bytes.at } else { start };
            return match u64::from(last) == found as u64 {
                true => Ok(()),
                false => Err(bytes.fail("the last element at", last.into(), found as u64)),
            };
        }
        start = bytes.at;
        let previous = match bytes.byte()? {
            254 => u32::from_le_bytes(bytes.array()?),
            len => len.into(),
        };
        if u64::from(previous) != before as u64 {
            bytes.at = start;
            return Err(bytes.fail(
                "the length of the element before, which is",
                before as u64,
                previous.into(),
            ));
        }
        let first = bytes.byte()?;
        let element = match first {
            0..=0x3F => bytes.text(usize::from(first))?,
            0x40..=0x7F => {
                let len = u16::from_be_bytes([first & 0x3F, bytes.byte()?]);
                bytes.text(len.into())?
            }
            0x80 => {
                let len = u32::from_be_bytes(bytes.array()?);
                bytes.text(len as usize)?
            }
            0xC0 => bytes.number::<2>()?,
            0xD0 => bytes.number::<4>()?,
            0xE0 => bytes.number::<8>()?,
            0xF0 => bytes.number::<3>()?,
            0xFE => bytes.number::<1>()?,
            0xF1..=0xFD => PackedElement::Number(i64::from(first & 0x0F) - 1),
            _ => {
                bytes.at -= 1;
                return Err(bytes.fail("an element of a kind up to", 0xFE, first.into()));
            }
        };
        before = bytes.at - start;
        each(element)?;
    }
    Ok(())
}

/// A byte for the number of fields; then the length of a name, the name, the length of a value, a
/// byte for the room behind the value, the value and the room.
fn zipmap<'a>(
    mut bytes: PackedBytes<'a>,
    mut each: impl FnMut(PackedElement<'a>) -> Result<(), RdbFault>,
) -> Result<(), RdbFault> {
    /// The least number of fields, or length, that its one byte does not say.
    const LONG: u8 = 254;
    let count = bytes.byte()?;
    let said = if count >= LONG { u64::MAX } else { count.into() };
    let length = |bytes: &mut PackedBytes<'a>| -> Result<usize, RdbFault> {
        match bytes.byte()? {
            LONG => Ok(u32::from_le_bytes(bytes.array()?) as usize),
            END => {
                bytes.at -= 1;
                Err(bytes.fail("a length of at most", LONG.into(), END.into()))
            }
            len => Ok(len.into()),
        }
    };
    for fields in 0.. {
        if bytes.is_at_end(fields, said, u64::MAX)? {
            return Ok(());
        }
        let len = length(&mut bytes)?;
        each(bytes.text(len)?)?;
        let len = length(&mut bytes)?;
        let room = bytes.byte()?;
        let value = bytes.text(len)?;
        bytes.take(room.into())?;
        each(value)?;
    }
    Ok(())
}

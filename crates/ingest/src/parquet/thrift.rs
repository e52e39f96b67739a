//! Thrift's compact protocol, as far as a Parquet file needs it before the `parquet` crate may see
//! the bytes: the headers of pages, and a walk through the footer that finds lengths which lie.

use crate::parquet_problem::ParquetProblem;

/// Structs inside of structs that are passed over. Parquet's own nest 6 deep.
const DEPTH_MAX: usize = 16;

/// The least bytes that an element of a list of structs has: a field, its value, and the end.
const STRUCT_BYTES_MIN: usize = 3;

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
pub(super) const STRUCT: u8 = 12;

/// Why a struct is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ThriftFault {
    /// The bytes end before it does.
    Ended,
    /// What no writer writes; what was found.
    Invalid(&'static str),
}

impl From<ThriftFault> for ParquetProblem {
    fn from(fault: ThriftFault) -> Self {
        Self::Damaged(match fault {
            ThriftFault::Ended => "its bytes end too early".into(),
            ThriftFault::Invalid(what) => what.into(),
        })
    }
}

/// Reads from bytes, from their beginning on.
#[derive(Debug)]
pub(super) struct ThriftReader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

/// A field of a struct: its number and type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ThriftField {
    pub(super) id: i16,
    pub(super) kind: u8,
}

impl<'a> ThriftReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn byte(&mut self) -> Result<u8, ThriftFault> {
        let byte = self.bytes.get(self.at).ok_or(ThriftFault::Ended)?;
        self.at += 1;
        Ok(*byte)
    }

    fn varint(&mut self) -> Result<u64, ThriftFault> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(ThriftFault::Invalid("a number of more than 64 bits"))
    }

    fn signed(&mut self) -> Result<i64, ThriftFault> {
        let number = self.varint()?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    /// The next field of a struct, behind the one with the number `last`; none at its end.
    pub(super) fn field(&mut self, last: &mut i16) -> Result<Option<ThriftField>, ThriftFault> {
        let byte = self.byte()?;
        if byte == 0 {
            return Ok(None);
        }
        let id = match byte >> 4 {
            0 => i16::try_from(self.signed()?).ok(),
            delta => last.checked_add(i16::from(delta)),
        };
        *last = id.ok_or(ThriftFault::Invalid("the number of a field is out of range"))?;
        Ok(Some(ThriftField { id: *last, kind: byte & 0xF }))
    }

    /// A number of a field of type i32.
    pub(super) fn i32(&mut self, field: ThriftField) -> Result<i32, ThriftFault> {
        if field.kind != I32 {
            return Err(ThriftFault::Invalid("expected a number, found another type"));
        }
        i32::try_from(self.signed()?).map_err(|_| ThriftFault::Invalid("a number of more than 32 bits"))
    }

    /// The type and number of the elements of a list, which are no more than the bytes that are
    /// left can hold.
    pub(super) fn list(&mut self) -> Result<(u8, usize), ThriftFault> {
        let byte = self.byte()?;
        let (kind, mut len) = (byte & 0xF, u64::from(byte >> 4));
        if len == 15 {
            len = self.varint()?;
        }
        let least = if kind == STRUCT { STRUCT_BYTES_MIN } else { 1 };
        let left = (self.bytes.len() - self.at) / least;
        match usize::try_from(len) {
            Ok(len) if len <= left => Ok((kind, len)),
            _ => Err(ThriftFault::Invalid("a list is longer than the bytes that are left")),
        }
    }

    fn pass_bytes(&mut self, len: u64) -> Result<(), ThriftFault> {
        let end = usize::try_from(len).ok().and_then(|len| self.at.checked_add(len));
        self.at = end.filter(|&end| end <= self.bytes.len()).ok_or(ThriftFault::Ended)?;
        Ok(())
    }

    /// Passes over the value of a field.
    pub(super) fn pass(&mut self, kind: u8) -> Result<(), ThriftFault> {
        self.pass_at(kind, 0, false)
    }

    fn pass_at(&mut self, kind: u8, depth: usize, is_element: bool) -> Result<(), ThriftFault> {
        if depth > DEPTH_MAX {
            return Err(ThriftFault::Invalid("structs are nested too deep"));
        }
        match kind {
            // In a list it is a byte, in a struct it is the type.
            TRUE | FALSE => {
                if is_element {
                    self.byte().map(drop)
                } else {
                    Ok(())
                }
            }
            BYTE => self.byte().map(drop),
            I16 | I32 | I64 => self.varint().map(drop),
            DOUBLE => self.pass_bytes(8),
            BINARY => {
                let len = self.varint()?;
                self.pass_bytes(len)
            }
            LIST | SET => {
                let (kind, len) = self.list()?;
                (0..len).try_for_each(|_| self.pass_at(kind, depth + 1, true))
            }
            STRUCT => {
                let mut last = 0;
                while let Some(field) = self.field(&mut last)? {
                    self.pass_at(field.kind, depth + 1, false)?;
                }
                Ok(())
            }
            _ => Err(ThriftFault::Invalid("a type that Parquet does not use")),
        }
    }
}

/// What the header of a page says of its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PageHeader {
    pub(super) page_type: i32,
    pub(super) unpacked_bytes: i32,
    pub(super) packed_bytes: i32,
    pub(super) crc: Option<u32>,
    pub(super) values: i32,
    pub(super) encoding: i32,
    pub(super) definition_encoding: i32,
    pub(super) repetition_encoding: i32,
    /// Of a page of the second version.
    pub(super) nulls: i32,
    pub(super) rows: i32,
    pub(super) definition_bytes: i32,
    pub(super) repetition_bytes: i32,
    pub(super) is_stored: bool,
}

impl PageHeader {
    /// Reads it from `bytes`, and says how long it is.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), ThriftFault> {
        let (mut reader, mut header, mut last) =
            (ThriftReader::new(bytes), Self { page_type: -1, ..Self::default() }, 0);
        while let Some(field) = reader.field(&mut last)? {
            match field.id {
                1 => header.page_type = reader.i32(field)?,
                2 => header.unpacked_bytes = reader.i32(field)?,
                3 => header.packed_bytes = reader.i32(field)?,
                4 => header.crc = Some(reader.i32(field)?.cast_unsigned()),
                5 | 7 | 8 if field.kind == STRUCT => header.read_about(&mut reader, field.id)?,
                _ => reader.pass(field.kind)?,
            }
        }
        Ok((header, reader.at))
    }

    /// Reads what is said of the values of a data page (5), a dictionary (7), a data page of the
    /// second version (8).
    fn read_about(&mut self, reader: &mut ThriftReader<'_>, of: i16) -> Result<(), ThriftFault> {
        let mut last = 0;
        while let Some(field) = reader.field(&mut last)? {
            match (of, field.id) {
                (_, 1) => self.values = reader.i32(field)?,
                (5 | 7, 2) | (8, 4) => self.encoding = reader.i32(field)?,
                (5, 3) => self.definition_encoding = reader.i32(field)?,
                (5, 4) => self.repetition_encoding = reader.i32(field)?,
                (8, 2) => self.nulls = reader.i32(field)?,
                (8, 3) => self.rows = reader.i32(field)?,
                (8, 5) => self.definition_bytes = reader.i32(field)?,
                (8, 6) => self.repetition_bytes = reader.i32(field)?,
                (8, 7) => self.is_stored = field.kind == FALSE,
                _ => reader.pass(field.kind)?,
            }
        }
        Ok(())
    }
}

/// Walks through the bytes of a footer: every list is as long as it says, and no group of the
/// schema is nested deeper than `depth_max`, for the `parquet` crate allocates and recurses by
/// these.
pub(super) fn check_footer(bytes: &[u8], depth_max: usize) -> Result<(), ParquetProblem> {
    let (mut reader, mut last) = (ThriftReader::new(bytes), 0);
    while let Some(field) = reader.field(&mut last)? {
        match (field.id, field.kind) {
            (2, LIST) => check_schema(&mut reader, depth_max)?,
            _ => reader.pass(field.kind)?,
        }
    }
    Ok(())
}

fn check_schema(reader: &mut ThriftReader<'_>, depth_max: usize) -> Result<(), ParquetProblem> {
    let (kind, len) = reader.list()?;
    if kind != STRUCT {
        return Err(ThriftFault::Invalid("the schema is no list of structs").into());
    }
    // Of each group that is open, how many children are to come.
    let mut open: Vec<i32> = Vec::new();
    for element in 0..len {
        let (mut children, mut last) = (0, 0);
        while let Some(field) = reader.field(&mut last)? {
            match field.id {
                5 => children = reader.i32(field)?,
                _ => reader.pass(field.kind)?,
            }
        }
        if children < 0 || usize::try_from(children).is_ok_and(|children| children > len) {
            return Err(ThriftFault::Invalid("a group of the schema has more columns than the schema").into());
        }
        while open.last() == Some(&0) {
            open.pop();
        }
        match open.last_mut() {
            Some(left) => *left -= 1,
            None if element > 0 => {
                return Err(ThriftFault::Invalid("the schema has more columns than its groups").into());
            }
            None => {}
        }
        open.push(children);
        if open.len() > depth_max {
            let (what, found) = ("the depth of the schema", open.len() as u64);
            return Err(ParquetProblem::TooLarge { what, most: depth_max as u64, found });
        }
    }
    if open.into_iter().any(|left| left > 0) {
        return Err(ThriftFault::Invalid("the schema has fewer columns than its groups").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_says_it_is_longer_than_the_file_is_refused() {
        // Field 2, a list of 2^31 structs.
        let bytes = [0x29, 0xFC, 0x80, 0x80, 0x80, 0x80, 0x08, 0x00];
        let found = check_footer(&bytes, 64);
        assert!(matches!(found, Err(ParquetProblem::Damaged(what)) if what.contains("longer than")));
    }

    #[test]
    fn a_schema_as_deep_as_it_is_long_is_refused() {
        let mut bytes = vec![0x29, 0xFC, 0x80, 0x08];
        (0..1024).for_each(|_| bytes.extend([0x55, 0x02, 0x00]));
        bytes.push(0);
        assert!(matches!(check_footer(&bytes, 64), Err(ParquetProblem::TooLarge { most: 64, .. })));
    }

    #[test]
    fn structs_inside_of_structs_without_an_end_are_refused() {
        let bytes = [0x1C; 4096];
        assert_eq!(
            ThriftReader::new(&bytes).pass(STRUCT),
            Err(ThriftFault::Invalid("structs are nested too deep"))
        );
    }
}

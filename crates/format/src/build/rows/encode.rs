//! From fields as they were kept to the bytes of rows.

use std::collections::HashMap;

use super::choose::{is_null, text_of};
use super::input::{GivenKind, KeptField, KeptFields};
use super::statistics::TextHash;
use crate::codec::Encoder;
use crate::key::digits::parse_uuid;
use crate::row::ColumnType;
use crate::row::bits;
use crate::row::number::PlainNumber;
use crate::row::schema::{Coding, Column, Schema};
use crate::row::time::{parse_date, parse_time};

/// Writes rows of a schema.
pub(super) struct RowEncoder<'s> {
    schema: &'s Schema,
    /// Of each column, where its fields are; none where they are in the order of the columns.
    sources: Option<&'s [usize]>,
    dictionaries: Vec<HashMap<&'s [u8], u64, TextHash>>,
    codes: Vec<Encoder>,
    /// Bytes behind the fixed part, of each column.
    bytes: Vec<u64>,
    room: Vec<u8>,
}

impl<'s> RowEncoder<'s> {
    pub(super) fn new(schema: &'s Schema, sources: &'s [usize]) -> Self {
        let numbers = |column: &'s Column| match &column.coding {
            Coding::Dictionary { entries, .. } => entries.iter().zip(0..).collect(),
            _ => HashMap::default(),
        };
        Self {
            schema,
            sources: if sources.is_sorted() { None } else { Some(sources) },
            dictionaries: schema.columns.iter().map(numbers).collect(),
            codes: schema.codes.iter().map(|code| Encoder::new(&code.table)).collect(),
            bytes: vec![0; schema.columns.len()],
            room: Vec::new(),
        }
    }

    /// Bytes that each column's texts came to.
    pub(super) fn into_bytes(self) -> Vec<u64> {
        self.bytes
    }

    /// Puts the row of these fields in place of what is in `out`; `None` where they are none of
    /// those that the schema was made for.
    pub(super) fn encode(&mut self, fields: &[u8], out: &mut Vec<u8>) -> Option<()> {
        out.clear();
        out.resize(self.schema.fixed_bytes, 0);
        let any_order: Option<Vec<KeptField<'_>>> = self.sources.map(|_| KeptFields(fields).collect());
        let mut fields = KeptFields(fields);
        for (i, column) in self.schema.columns.iter().enumerate() {
            let field = match (&any_order, self.sources) {
                (Some(fields), Some(sources)) => fields.get(sources[i]).copied(),
                _ => fields.next(),
            };
            let field = field.unwrap_or(KeptField::MISSING);
            let at = column.at + column.absent_bits as usize;
            let is_missing = field.kind() == GivenKind::Missing;
            if is_missing || is_null(field, column.column_type) {
                let number = column.absent.number(is_missing);
                match &column.coding {
                    Coding::Integer { bits: width @ 0..64, .. } => {
                        bits::put(out, at, *width, (1 << *width) - 1 - number);
                    }
                    Coding::Dictionary { bits: width, entries } => {
                        bits::put(out, at, *width, entries.len() as u64 + number);
                    }
                    _ => bits::put(out, column.at, column.absent_bits, 1 + number),
                }
                continue;
            }
            match &column.coding {
                Coding::Variable { bits: width, base, code } => {
                    let text = text_of(field, column.column_type);
                    let start = out.len();
                    match code {
                        None => out.extend_from_slice(&text),
                        Some(code) => {
                            self.room.clear();
                            self.codes[*code].encode(&text, &mut self.room);
                            out.extend_from_slice(&self.room);
                        }
                    }
                    let len = (out.len() - start) as u64;
                    self.bytes[i] += len;
                    bits::put(out, at, *width, len.wrapping_sub((*base).into()));
                }
                Coding::Dictionary { bits: width, .. } => {
                    let text = text_of(field, column.column_type);
                    bits::put(out, at, *width, *self.dictionaries[i].get(&*text)?);
                }
                Coding::Wide => {
                    let number = parse_uuid(field.text())?;
                    bits::put(out, at, 64, number as u64);
                    bits::put(out, at + 64, 64, (number >> 64) as u64);
                }
                Coding::Float if column.column_type == ColumnType::Float32 => {
                    let number: f32 = std::str::from_utf8(field.text()).ok()?.parse().ok()?;
                    bits::put(out, at, 32, number.to_bits().into());
                }
                Coding::Float => {
                    let number: f64 = std::str::from_utf8(field.text()).ok()?.parse().ok()?;
                    bits::put(out, at, 64, number.to_bits());
                }
                Coding::Integer { bits: width, base } => {
                    bits::put(out, at, *width, whole(field.text(), column)?.wrapping_sub(*base));
                }
            }
        }
        Some(())
    }

    /// The length that a column's text is stored with.
    pub(super) fn stored_len(&mut self, field: KeptField<'_>, column: &Column) -> usize {
        let Coding::Variable { code, .. } = column.coding else { return 0 };
        if field.kind() == GivenKind::Missing || is_null(field, column.column_type) {
            return 0;
        }
        let text = text_of(field, column.column_type);
        match code {
            None => text.len(),
            Some(code) => {
                self.room.clear();
                self.codes[code].encode(&text, &mut self.room);
                self.room.len()
            }
        }
    }
}

/// The whole number that a field of a column is stored as.
fn whole(text: &[u8], column: &Column) -> Option<u64> {
    Some(match column.column_type {
        ColumnType::Bool => u64::from(text == b"true"),
        ColumnType::UInt => PlainNumber::read(text)?.magnitude,
        ColumnType::Date => parse_date(text)?.cast_unsigned(),
        ColumnType::Timestamp => parse_time(text)?.ticks.cast_unsigned(),
        _ => PlainNumber::read(text)?.scaled(column.digits)?.cast_unsigned(),
    })
}

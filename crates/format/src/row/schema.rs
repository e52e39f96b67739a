//! The columns of a table: what they are called, what they hold and where a row has them. Read
//! from the section `schema`, or made by a builder, which writes it.

use super::bits::bits_for;
use super::byte_reader::ByteReader;
use super::json::{BASE64_SUFFIX, write_string};
use super::names::ColumnNames;
use super::number::{DIGITS_MAX, SHORT_BYTES};
use super::text::LentText;
use super::time::SECOND_DIGITS_MAX;
use super::types::{ColumnType, NumberForm, TimeForm};
use crate::codec::{Codec, Decoder, SymbolTable};
use crate::layout::{COLUMN_NAME_BYTES_MAX, COLUMNS_MAX, TEXT_CODES_MAX};

/// The columns of a table.
///
/// ```
/// use graven_format::{ColumnType, FieldInput, Options, RowBuilder};
///
/// let mut builder = RowBuilder::new("id", Options::default());
/// builder.column("name", None)?;
/// builder.column("born", None)?;
/// builder.add(b"7", &[FieldInput::Text("Ada"), FieldInput::Int(1815)])?;
/// let (store, _) = builder.finish()?;
///
/// let schema = store.schema().expect("the table has columns");
/// assert_eq!(schema.columns()[1].name(), "born");
/// assert_eq!(schema.columns()[1].column_type(), ColumnType::Int);
/// assert_eq!(schema.position("born"), Some(1));
/// # Ok::<(), graven_format::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schema {
    pub(crate) key: KeyColumn,
    pub(crate) columns: Vec<Column>,
    pub(crate) codes: Vec<TextCode>,
    names: ColumnNames,
    /// Bytes of a row before the bytes of its variable fields.
    pub(crate) fixed_bytes: usize,
    /// The columns whose fields lie behind these, in order.
    pub(crate) variables: Vec<usize>,
}

/// What the source of a table calls its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyColumn {
    /// The name of the column or member.
    pub name: String,
    /// How many columns stand before it.
    pub position: usize,
    /// Whether JSON has it as a number, without quotes.
    pub is_number: bool,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
    pub(crate) form: u8,
    pub(crate) digits: u8,
    pub(crate) absent: Absent,
    pub(crate) coding: Coding,
    pub(crate) counts: Counts,
    /// Where its bits begin in a row, and how many of them say that there is no value, before those
    /// of the coding: none where numbers of the coding say it.
    pub(crate) at: usize,
    pub(crate) absent_bits: u32,
    /// A field of an [`Integer`](Coding::Integer) has a value where its number is below this one.
    pub(crate) values_end: u64,
    /// What stands before its fields in a JSON object: the name and a colon.
    pub(crate) member: Vec<u8>,
}

/// Which rows have no value in a column, and how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) nulls: u64,
    pub(crate) missing: u64,
    /// Bytes of all fields behind the fixed part of their rows.
    pub(crate) bytes: u64,
}

/// What a field without a value can be. On disk: never change a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Absent {
    /// Every field has a value.
    Never = 0,
    /// Null.
    Null = 1,
    /// Not there at all, as a member of a JSON object that was left out.
    Missing = 2,
    /// One or the other: 1 says null, 2 missing.
    Either = 3,
}

impl Absent {
    const ALL: [Self; 4] = [Self::Never, Self::Null, Self::Missing, Self::Either];

    pub(crate) fn of(has_nulls: bool, has_missing: bool) -> Self {
        Self::ALL[usize::from(has_nulls) | usize::from(has_missing) << 1]
    }

    /// How many things a field without a value can be.
    pub(crate) fn count(self) -> u64 {
        match self {
            Self::Never => 0,
            Self::Null | Self::Missing => 1,
            Self::Either => 2,
        }
    }

    /// Which of them a field is, by its number.
    #[inline]
    pub(crate) fn of_number(self, number: u64) -> Option<Self> {
        match (self, number) {
            (Self::Null | Self::Either, 0) => Some(Self::Null),
            (Self::Missing, 0) | (Self::Either, 1) => Some(Self::Missing),
            _ => None,
        }
    }

    /// The number of one of them.
    pub(crate) fn number(self, is_missing: bool) -> u64 {
        u64::from(self == Self::Either && is_missing)
    }
}

/// How the fields of a column are stored.
#[derive(Clone, Debug)]
pub(crate) enum Coding {
    /// The value less `base` in so many bits, at most 64. Where there are fewer, the greatest numbers
    /// say what a field without a value is.
    Integer { bits: u32, base: u64 },
    /// The bits of an IEEE 754 number, as many as its type has.
    Float,
    /// 128 bits.
    Wide,
    /// The number of the value among these, in so many bits; numbers behind the last say what a field
    /// without a value is.
    Dictionary { bits: u32, entries: Entries },
    /// The length less `base` in so many bits, and behind the fixed part the bytes, through the
    /// code of this number where there is one. The last such column says no length: its field ends
    /// where the row does.
    Variable { bits: u32, base: u32, code: Option<usize> },
}

/// Texts, one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entries {
    /// Behind the last, where there is one, are [`SHORT_BYTES`] zeros, so that so many bytes may be read of each.
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Entries {
    pub(crate) fn push(&mut self, text: &[u8]) {
        self.bytes.truncate(self.ends.last().map_or(0, |&end| end as usize));
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len() as u32);
        self.bytes.resize(self.bytes.len() + SHORT_BYTES, 0);
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    pub(crate) fn get(&self, i: usize) -> Option<&[u8]> {
        let end = *self.ends.get(i)? as usize;
        let start = i.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.bytes.get(start..end)
    }

    /// The text of number `i`, and what lies behind it.
    #[inline]
    pub(super) fn lend(&self, i: usize) -> Option<LentText<'_>> {
        let end = *self.ends.get(i)? as usize;
        let start = i.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        Some(LentText::new(self.bytes.get(start..)?, end.checked_sub(start)?))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|i| self.get(i).unwrap_or_default())
    }
}

/// A code for text, as values have it.
#[derive(Clone, Debug)]
pub(crate) struct TextCode {
    pub(crate) codec: Codec,
    pub(crate) table: SymbolTable,
    pub(crate) decoder: Decoder,
}

impl TextCode {
    pub(crate) fn new(codec: Codec, table: SymbolTable) -> Option<Self> {
        let decoder = Decoder::new(codec, &table)?;
        Some(Self { codec, table, decoder })
    }
}

/// The numbers of codings. On disk: never change them.
const INTEGER: u8 = 0;
const FLOAT: u8 = 1;
const WIDE: u8 = 2;
const DICTIONARY: u8 = 3;
const VARIABLE: u8 = 4;

impl Schema {
    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// What the keys are called.
    pub fn key(&self) -> &KeyColumn {
        &self.key
    }

    /// Where the column of a name is among the [columns](Self::columns).
    #[inline]
    pub fn position(&self, name: impl AsRef<[u8]>) -> Option<usize> {
        self.names.find(name.as_ref(), &self.columns)
    }

    /// The same where names come one behind the other, as those of a prepared request do: the column
    /// behind `before`, the place of the name before, is looked at first.
    #[inline]
    pub fn position_behind(&self, before: Option<usize>, name: &[u8]) -> Option<usize> {
        let next = before.map_or(0, |before| before + 1);
        match self.columns.get(next) {
            Some(column) if column.name.as_bytes() == name => Some(next),
            _ => self.position(name),
        }
    }

    /// Bytes that every row takes, whatever the lengths of its texts.
    pub fn fixed_bytes(&self) -> usize {
        self.fixed_bytes
    }

    /// Lays the columns out; `None` where they are not such as a table has.
    pub(crate) fn new(key: KeyColumn, columns: Vec<Column>, codes: Vec<TextCode>) -> Option<Self> {
        if columns.len() > COLUMNS_MAX || codes.len() > TEXT_CODES_MAX || key.position > columns.len() {
            return None;
        }
        let names = ColumnNames::of(&columns)?;
        let mut schema = Self { key, columns, codes, names, fixed_bytes: 0, variables: Vec::new() };
        let mut at = 0;
        for (i, column) in schema.columns.iter_mut().enumerate() {
            if !column.is_sound(schema.codes.len()) {
                return None;
            }
            column.at = at;
            column.member = member(&column.name, column.column_type);
            column.absent_bits =
                if column.coding.says_absent() { 0 } else { bits_for(column.absent.count()) };
            column.values_end = column.coding.values_end(column.absent);
            at += (column.absent_bits + column.coding.bits(column.column_type)) as usize;
            if let Coding::Variable { .. } = column.coding {
                schema.variables.push(i);
            }
        }
        // Where it ends follows from the row.
        if let Some(&last) = schema.variables.last()
            && !matches!(schema.columns[last].coding, Coding::Variable { bits: 0, base: 0, .. })
        {
            return None;
        }
        schema.fixed_bytes = at.div_ceil(8);
        Some(schema)
    }

    /// The section.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![u8::from(self.key.is_number)];
        out.extend_from_slice(&(self.key.position as u16).to_le_bytes());
        write_name(&self.key.name, &mut out);
        out.push(self.codes.len() as u8);
        for code in &self.codes {
            out.push(code.codec as u8);
            code.table.write(&mut out);
        }
        out.extend_from_slice(&(self.columns.len() as u16).to_le_bytes());
        self.columns.iter().for_each(|column| column.write(&mut out));
        out
    }

    /// Reads a section; `None` where it is none.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reading = ByteReader(bytes);
        let is_number = reading.flag()?;
        let position = usize::from(reading.u16()?);
        let key = KeyColumn { name: reading.name(COLUMN_NAME_BYTES_MAX)?, position, is_number };
        let mut codes = Vec::new();
        for _ in 0..reading.u8()? {
            let number = usize::from(reading.u8()?);
            let codec = *[Codec::Raw, Codec::Huffman, Codec::Symbols].get(number)?;
            let (table, rest) = SymbolTable::read(codec, reading.0)?;
            reading.0 = rest;
            codes.push(TextCode::new(codec, table)?);
            if codes.len() > TEXT_CODES_MAX {
                return None;
            }
        }
        let count = usize::from(reading.u16()?);
        let mut columns = Vec::new();
        for _ in 0..count {
            columns.push(Column::read(&mut reading)?);
        }
        let schema = reading.0.is_empty().then(|| Self::new(key, columns, codes))??;
        // What no field covers is zero.
        (schema.to_bytes() == bytes).then_some(schema)
    }
}

/// What stands before the fields of a column in a JSON object, of which bytes are in base64.
fn member(name: &str, column_type: ColumnType) -> Vec<u8> {
    let mut member = Vec::with_capacity(name.len() + 3);
    write_string(name.as_bytes(), &mut member);
    if column_type == ColumnType::Bytes {
        member.pop();
        member.extend_from_slice(BASE64_SUFFIX.as_bytes());
        member.push(b'"');
    }
    member.push(b':');
    member
}

fn write_name(name: &str, out: &mut Vec<u8>) {
    out.push(name.len() as u8);
    out.extend_from_slice(name.as_bytes());
}

impl Coding {
    /// Whether numbers of it say that there is no value.
    pub(crate) fn says_absent(&self) -> bool {
        matches!(self, Self::Integer { bits: 0..64, .. } | Self::Dictionary { .. })
    }

    /// Below this number every number of an [`Integer`](Self::Integer) is a value; of what lies above, [`Row`](crate::Row)
    /// knows more.
    fn values_end(&self, absent: Absent) -> u64 {
        match *self {
            Self::Integer { bits: bits @ 0..64, .. } => (1_u64 << bits).saturating_sub(absent.count()),
            Self::Integer { .. } if absent == Absent::Never => u64::MAX,
            _ => 0,
        }
    }

    /// The bits of a dictionary of so many entries.
    pub(crate) fn dictionary_bits(entries: u64, absent: Absent) -> u32 {
        bits_for((entries + absent.count()).saturating_sub(1))
    }

    /// Bits of a field in the fixed part of a row.
    pub(crate) fn bits(&self, column_type: ColumnType) -> u32 {
        match self {
            Self::Integer { bits, .. } | Self::Dictionary { bits, .. } | Self::Variable { bits, .. } => *bits,
            Self::Float if column_type == ColumnType::Float32 => 32,
            Self::Float => 64,
            Self::Wide => 128,
        }
    }
}

/// What stands behind the point of a number that is written with digits alone, and has no more of them than 64 bits have.
fn behind_point(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let point = text.iter().position(|&byte| byte == b'.').unwrap_or(text.len());
    let behind = text.get(point + 1..).unwrap_or_default();
    let is_plain = text[..point].iter().chain(behind).all(u8::is_ascii_digit);
    (is_plain && point + behind.len() <= usize::from(DIGITS_MAX)).then_some(behind)
}

/// The digits behind the point of numbers that are written alike: all with as many, or each with the fewest.
fn common_digits<'t>(texts: impl Iterator<Item = &'t [u8]>) -> Option<u8> {
    let all: Vec<&[u8]> = texts.map(behind_point).collect::<Option<_>>()?;
    let most = all.iter().map(|behind| behind.len()).max()?;
    let are_alike = all.iter().all(|behind| behind.len() == most)
        || all.iter().all(|behind| *behind == b"0" || behind.last() != Some(&b'0'));
    are_alike.then_some(most as u8)
}

impl Column {
    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its fields are.
    pub fn column_type(&self) -> ColumnType {
        self.column_type
    }

    /// How its fields are stored, in a few words, as in "17 bits, 6 digits behind the point".
    pub fn encoding(&self) -> String {
        let bits = |bits: u32| if bits == 1 { "1 bit".to_owned() } else { format!("{bits} bits") };
        match &self.coding {
            Coding::Dictionary { entries, .. } if entries.len() == 0 => "no value".into(),
            Coding::Dictionary { bits: 0, .. } => "the same everywhere".into(),
            Coding::Dictionary { bits: width, entries } => {
                let values = if entries.len() == 1 { "value" } else { "values" };
                format!("{}, one of {} {values}", bits(*width), entries.len())
            }
            Coding::Integer { bits: width, .. } if self.has_digits() && self.digits > 0 => {
                format!("{}, {} digits behind the point", bits(*width), self.digits)
            }
            coding @ (Coding::Integer { .. } | Coding::Float | Coding::Wide) => {
                bits(coding.bits(self.column_type))
            }
            Coding::Variable { bits: 0, code: None, .. } => "bytes".into(),
            Coding::Variable { bits: width, code: None, .. } => format!("bytes, length in {}", bits(*width)),
            Coding::Variable { bits: 0, code: Some(code), .. } => format!("text code {code}"),
            Coding::Variable { bits: width, code: Some(code), .. } => {
                format!("text code {code}, length in {}", bits(*width))
            }
        }
    }

    /// Digits behind the point that its fields need, at most: of a second for [`ColumnType::Timestamp`], and of the number
    /// for a [`ColumnType::Decimal`] whose fields are written alike and fit into 64 bits without the point; `None` of
    /// other columns.
    ///
    /// ```
    /// use graven_format::{ColumnType, FieldInput, Options, RowBuilder};
    ///
    /// let mut builder = RowBuilder::new("sku", Options::default());
    /// builder.column("price", Some(ColumnType::Decimal))?;
    /// builder.column("weight", Some(ColumnType::Decimal))?;
    /// builder.column("seen", Some(ColumnType::Timestamp))?;
    /// let seen = FieldInput::Text("2026-11-27T07:34:25.123Z");
    /// builder.add(b"A-1", &[FieldInput::Number("12.50"), FieldInput::Number("1.50"), seen])?;
    /// builder.add(b"A-2", &[FieldInput::Number("-0.05"), FieldInput::Number("1.5"), seen])?;
    /// let (store, _) = builder.finish()?;
    /// let columns = store.schema().expect("the table has columns").columns();
    /// assert_eq!(columns[0].digits(), Some(2));
    /// assert_eq!(columns[1].digits(), None);
    /// assert_eq!((columns[2].digits(), columns[2].is_utc()), (Some(3), true));
    /// # Ok::<(), graven_format::Error>(())
    /// ```
    pub fn digits(&self) -> Option<u8> {
        match (self.column_type, &self.coding) {
            (ColumnType::Timestamp, _) | (ColumnType::Decimal, Coding::Integer { .. }) => Some(self.digits),
            (ColumnType::Decimal, Coding::Dictionary { entries, .. }) => common_digits(entries.iter()),
            _ => None,
        }
    }

    /// Whether its fields are times that are said to be in UTC.
    pub fn is_utc(&self) -> bool {
        self.column_type == ColumnType::Timestamp
            && TimeForm::read(self.form).is_some_and(|form| !form.zone().is_empty())
    }

    /// Fields that are null.
    pub fn nulls(&self) -> u64 {
        self.counts.nulls
    }

    /// Fields that are not there, as in a JSON object without the member.
    pub fn missing(&self) -> u64 {
        self.counts.missing
    }

    /// Bits that each of its fields takes, whatever its length.
    pub fn fixed_bits(&self) -> u32 {
        self.absent_bits + self.coding.bits(self.column_type)
    }

    /// Bytes that all of its fields take behind the fixed parts of their rows.
    pub fn variable_bytes(&self) -> u64 {
        self.counts.bytes
    }

    fn has_digits(&self) -> bool {
        matches!(self.column_type, ColumnType::Float32 | ColumnType::Float64 | ColumnType::Decimal)
    }

    pub(crate) fn number_form(&self) -> NumberForm {
        NumberForm::ALL.get(usize::from(self.form)).copied().unwrap_or(NumberForm::Rust)
    }

    /// Whether a builder could have made it.
    fn is_sound(&self, codes: usize) -> bool {
        use ColumnType::{
            Bool, Bytes, Date, Decimal, Float32, Float64, Int, Json, Text, Timestamp, UInt, Uuid,
        };
        let has_form = match self.column_type {
            Float32 | Float64 | Decimal => usize::from(self.form) < NumberForm::ALL.len(),
            Timestamp => TimeForm::read(self.form).is_some(),
            _ => self.form == 0,
        };
        let digits_most = match self.column_type {
            Float32 | Float64 | Decimal => DIGITS_MAX,
            Timestamp => SECOND_DIGITS_MAX,
            _ => 0,
        };
        let has_coding = match &self.coding {
            Coding::Integer { bits, base } => match self.column_type {
                Bool => *bits == if self.absent == Absent::Never { 1 } else { 2 } && *base == 0,
                Int | UInt | Float32 | Float64 | Decimal | Timestamp | Date => *bits <= 64,
                _ => false,
            },
            Coding::Float => matches!(self.column_type, Float32 | Float64),
            Coding::Wide => self.column_type == Uuid,
            Coding::Dictionary { bits, entries } => {
                *bits == Coding::dictionary_bits(entries.len() as u64, self.absent)
                    && (entries.len() > 0 || self.absent != Absent::Never)
            }
            Coding::Variable { bits, base, code } => {
                *bits <= 32
                    && code.is_none_or(|code| code < codes)
                    && (*base == 0 || self.absent == Absent::Never)
                    && matches!(self.column_type, Decimal | Text | Bytes | Json)
            }
        };
        self.name.len() <= COLUMN_NAME_BYTES_MAX && has_form && self.digits <= digits_most && has_coding
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_name(&self.name, out);
        out.extend_from_slice(&[self.column_type as u8, self.form, self.digits, self.absent as u8]);
        out.extend_from_slice(&self.counts.nulls.to_le_bytes());
        out.extend_from_slice(&self.counts.missing.to_le_bytes());
        match &self.coding {
            Coding::Integer { bits, base } => {
                out.extend_from_slice(&[INTEGER, *bits as u8]);
                out.extend_from_slice(&base.to_le_bytes());
            }
            Coding::Float => out.push(FLOAT),
            Coding::Wide => out.push(WIDE),
            Coding::Dictionary { entries, .. } => {
                out.push(DICTIONARY);
                out.extend_from_slice(&(entries.len() as u32).to_le_bytes());
                for entry in entries.iter() {
                    out.extend_from_slice(&(entry.len() as u32).to_le_bytes());
                    out.extend_from_slice(entry);
                }
            }
            Coding::Variable { bits, base, code } => {
                out.extend_from_slice(&[VARIABLE, *bits as u8]);
                out.extend_from_slice(&base.to_le_bytes());
                out.push(code.map_or(0, |code| code as u8 + 1));
                out.extend_from_slice(&self.counts.bytes.to_le_bytes());
            }
        }
    }

    fn read(reading: &mut ByteReader<'_>) -> Option<Self> {
        let name = reading.name(COLUMN_NAME_BYTES_MAX)?;
        let column_type = *ColumnType::ALL.get(usize::from(reading.u8()?))?;
        let (form, digits) = (reading.u8()?, reading.u8()?);
        let absent = *Absent::ALL.get(usize::from(reading.u8()?))?;
        let mut counts = Counts { nulls: reading.u64()?, missing: reading.u64()?, bytes: 0 };
        let coding = match reading.u8()? {
            INTEGER => Coding::Integer { bits: reading.u8()?.into(), base: reading.u64()? },
            FLOAT => Coding::Float,
            WIDE => Coding::Wide,
            DICTIONARY => {
                let count = reading.u32()?;
                let mut entries = Entries::default();
                for _ in 0..count {
                    let len = reading.u32()? as usize;
                    entries.push(reading.bytes(len)?);
                }
                Coding::Dictionary { bits: Coding::dictionary_bits(count.into(), absent), entries }
            }
            VARIABLE => {
                let (bits, base, code) = (reading.u8()?.into(), reading.u32()?, reading.u8()?);
                counts.bytes = reading.u64()?;
                Coding::Variable { bits, base, code: usize::from(code).checked_sub(1) }
            }
            _ => return None,
        };
        Some(Self {
            name,
            column_type,
            form,
            digits,
            absent,
            coding,
            counts,
            at: 0,
            absent_bits: 0,
            values_end: 0,
            member: Vec::new(),
        })
    }
}

//! Rows as they are read: fields by name or by place, each on its own.

use std::fmt;

use super::bits;
use super::field::{Field, FieldContent};
use super::json;
use super::number::ShortText;
use super::schema::{Absent, Coding, Column, Schema};
use super::text::{LentText, TextRoom};
use super::types::{ColumnType, NumberForm};
use crate::error::{Error, Problem};

/// A row: the value of a key in a table with columns. It borrows the value, and decodes of it what
/// is asked for.
///
/// ```
/// use graven_format::{FieldInput, Options, RowBuilder};
///
/// let mut builder = RowBuilder::new("sku", Options::default());
/// builder.column("title", None)?;
/// builder.column("price", None)?;
/// builder.add(b"A-1", &[FieldInput::Text("Lamp"), FieldInput::Number("12.50")])?;
/// let (store, _) = builder.finish()?;
///
/// let mut value = Vec::new();
/// assert!(store.get(b"A-1", &mut value)?);
/// let row = store.row(&value)?;
/// assert_eq!(row.get("price")?.as_f64(), Some(12.5));
/// let mut json = Vec::new();
/// row.write_json(&mut json)?;
/// assert_eq!(json, br#"{"title":"Lamp","price":12.50}"#);
/// # Ok::<(), graven_format::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Row<'r> {
    schema: &'r Schema,
    bytes: &'r [u8],
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut json = Vec::new();
        match self.write_json(&mut json) {
            Ok(()) => f.write_str(&String::from_utf8_lossy(&json)),
            Err(error) => write!(f, "{error}"),
        }
    }
}

impl Schema {
    /// The row that `value`, the value of a key in a table with these columns, is.
    ///
    /// # Errors
    /// [`Error::Row`] when it is too short, or too long, to be one.
    #[inline]
    pub fn row<'r>(&'r self, value: &'r [u8]) -> Result<Row<'r>, Error> {
        let (least, found) = (self.fixed_bytes, value.len());
        if found < least || (self.variables.is_empty() && found > least) {
            return Err(bad_length(least, found));
        }
        Ok(Row { schema: self, bytes: value })
    }

    /// Prepares to read the columns of these names of many rows.
    ///
    /// # Errors
    /// [`Error::NoColumn`] when there is none of such a name.
    pub fn project<N: AsRef<str>>(&self, names: &[N]) -> Result<Projection, Error> {
        let find = |name: &N| {
            let name = name.as_ref();
            self.position(name).ok_or_else(|| Error::NoColumn { name: name.to_owned() })
        };
        Ok(Projection { columns: names.iter().map(find).collect::<Result<_, _>>()? })
    }
}

/// Columns by their places, for reading the same of many rows.
///
/// ```
/// # use graven_format::{FieldInput, Options, RowBuilder};
/// # let mut builder = RowBuilder::new("id", Options::default());
/// # for name in ["a", "b", "c"] { builder.column(name, None)?; }
/// # builder.add(b"1", &[FieldInput::Int(10), FieldInput::Int(20), FieldInput::Int(30)])?;
/// # let (store, _) = builder.finish()?;
/// # let mut value = Vec::new();
/// # store.get(b"1", &mut value)?;
/// let wanted = store.schema().expect("the table has columns").project(&["c", "a"])?;
/// let mut sum = 0.0;
/// for field in wanted.fields(store.row(&value)?) {
///     sum += field?.as_f64().unwrap_or_default();
/// }
/// assert_eq!(sum, 40.0);
/// # Ok::<(), graven_format::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    columns: Vec<usize>,
}

impl Projection {
    /// The places of the columns.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// The fields of `row`, in the order of the projection.
    pub fn fields<'r>(&'r self, row: Row<'r>) -> impl Iterator<Item = Result<Field<'r>, Error>> {
        self.columns.iter().map(move |&column| row.field(column))
    }

    /// Appends these columns of `row` as a JSON object; one whose field is missing is left out.
    ///
    /// # Errors
    /// [`Error::Row`] when the row is damaged.
    pub fn write_json(&self, row: Row<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        write_object(self.fields(row), out)
    }
}

impl<'r> Row<'r> {
    /// The columns of the row's table.
    pub fn schema(&self) -> &'r Schema {
        self.schema
    }

    /// The field of the column that is called `name`.
    ///
    /// # Errors
    /// [`Error::NoColumn`] when there is no such column, [`Error::Row`] when the row is damaged.
    #[inline]
    pub fn get(&self, name: &str) -> Result<Field<'r>, Error> {
        match self.schema.position(name) {
            Some(column) => self.field(column),
            None => Err(Error::NoColumn { name: name.to_owned() }),
        }
    }

    /// The field of a column, by its place among [`Schema::columns`].
    ///
    /// # Errors
    /// [`Error::Row`] when the row is damaged.
    ///
    /// # Panics
    /// When there is no such column.
    #[inline]
    pub fn field(&self, column: usize) -> Result<Field<'r>, Error> {
        let about = &self.schema.columns[column];
        match about.coding {
            Coding::Variable { .. } => {
                let mut at = self.schema.fixed_bytes;
                for &before in self.schema.variables.iter().take_while(|&&before| before < column) {
                    at += self.length(&self.schema.columns[before]);
                }
                self.variable(about, &mut at)
            }
            _ => self.fixed(about),
        }
    }

    /// The text of the field of a column as it was given, by the column's place; `None` where it has no value. The same
    /// as [`Field::lend_text`], in one step where the text is short.
    ///
    /// ```
    /// # use graven_format::{FieldInput, Options, RowBuilder, TextRoom};
    /// # let mut builder = RowBuilder::new("sku", Options::default());
    /// # builder.column("price", None)?;
    /// # builder.add(b"A-1", &[FieldInput::Number("12.50")])?;
    /// # let (store, _) = builder.finish()?;
    /// # let mut value = Vec::new();
    /// # store.get(b"A-1", &mut value)?;
    /// let mut room = TextRoom::default();
    /// let price = store.row(&value)?.lend_text(0, &mut room)?.expect("it has a value");
    /// assert_eq!(price.bytes(), b"12.50");
    /// # Ok::<(), graven_format::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Row`] when the row is damaged.
    ///
    /// # Panics
    /// When there is no such column.
    #[inline]
    pub fn lend_text<'t>(&self, column: usize, room: &'t mut TextRoom) -> Result<Option<LentText<'t>>, Error>
    where
        'r: 't,
    {
        let about = &self.schema.columns[column];
        match &about.coding {
            Coding::Integer { bits, base } => {
                let number = bits::get(self.bytes, about.at, *bits);
                if number < about.values_end
                    && let Some(len) = about.write_short(base.wrapping_add(number), &mut room.short)
                {
                    return Ok(Some(LentText::new(room.short.bytes(), len)));
                }
            }
            Coding::Dictionary { bits, entries } => {
                let number = bits::get(self.bytes, about.at, *bits);
                if let Some(text) = entries.lend(number as usize) {
                    return Ok(Some(text));
                }
            }
            _ => {}
        }
        self.lend_other_text(column, room)
    }

    #[inline(never)]
    fn lend_other_text<'t>(
        &self,
        column: usize,
        room: &'t mut TextRoom,
    ) -> Result<Option<LentText<'t>>, Error>
    where
        'r: 't,
    {
        self.field(column)?.lend_text(room)
    }

    /// All fields, in the order of the columns.
    pub fn fields(&self) -> impl Iterator<Item = Result<Field<'r>, Error>> {
        let row = *self;
        let mut at = row.schema.fixed_bytes;
        row.schema.columns.iter().map(move |column| match column.coding {
            Coding::Variable { .. } => row.variable(column, &mut at),
            _ => row.fixed(column),
        })
    }

    /// Appends the row as a JSON object. Fields that are missing are left out; bytes are in base64
    /// under their column's name with `_base64` behind it.
    ///
    /// # Errors
    /// [`Error::Row`] when the row is damaged.
    pub fn write_json(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        write_object(self.fields(), out)
    }

    /// Appends the members of such an object that some columns have, by their places, with commas
    /// between them and without its braces.
    ///
    /// # Errors
    /// [`Error::Row`] when the row is damaged.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn write_members(&self, columns: &[usize], out: &mut Vec<u8>) -> Result<(), Error> {
        write_members(columns.iter().map(|&column| self.field(column)), out)
    }

    /// The length that a variable field says; the last says none.
    #[inline]
    fn length(&self, column: &Column) -> usize {
        let Coding::Variable { bits, base, .. } = column.coding else { return 0 };
        let len = bits::get(self.bytes, column.at + column.absent_bits as usize, bits);
        len as usize + base as usize
    }

    /// What a field without a value is, where the coding does not say it.
    #[inline]
    fn absent(&self, column: &Column) -> Result<Option<FieldContent<'r>>, Error> {
        if column.absent_bits == 0 {
            return Ok(None);
        }
        match bits::get(self.bytes, column.at, column.absent_bits) {
            0 => Ok(None),
            number => match column.absent.of_number(number - 1) {
                Some(absent) => Ok(Some(nothing(absent))),
                None => Err(damaged(column)),
            },
        }
    }

    #[inline]
    fn fixed(&self, column: &'r Column) -> Result<Field<'r>, Error> {
        if let Some(content) = self.absent(column)? {
            return Ok(Field::new(self.schema, column, content));
        }
        let at = column.at + column.absent_bits as usize;
        let content = match &column.coding {
            Coding::Integer { bits, base } => {
                let number = bits::get(self.bytes, at, *bits);
                let behind = if *bits < 64 { (1 << *bits) - 1 - number } else { u64::MAX };
                match column.absent.of_number(behind) {
                    Some(absent) => nothing(absent),
                    None => FieldContent::Number(base.wrapping_add(number)),
                }
            }
            Coding::Dictionary { bits, entries } => {
                let number = bits::get(self.bytes, at, *bits);
                match entries.get(number as usize) {
                    Some(text) => FieldContent::Bytes(text),
                    None => nothing(
                        column
                            .absent
                            .of_number(number - entries.len() as u64)
                            .ok_or_else(|| damaged(column))?,
                    ),
                }
            }
            Coding::Float => {
                let bits = if column.column_type == ColumnType::Float32 { 32 } else { 64 };
                FieldContent::Float(bits::get(self.bytes, at, bits))
            }
            Coding::Wide | Coding::Variable { .. } => {
                let (low, high) = (bits::get(self.bytes, at, 64), bits::get(self.bytes, at + 64, 64));
                FieldContent::Wide(u128::from(high) << 64 | u128::from(low))
            }
        };
        Ok(Field::new(self.schema, column, content))
    }

    /// The field whose bytes begin at `at`, which is moved behind them.
    #[inline]
    fn variable(&self, column: &'r Column, at: &mut usize) -> Result<Field<'r>, Error> {
        let Coding::Variable { bits, base, code } = column.coding else { return self.fixed(column) };
        let start = *at;
        let is_last = bits == 0 && base == 0 && self.schema.is_last_variable(column);
        let end = if is_last { self.bytes.len() } else { start.saturating_add(self.length(column)) };
        let bytes = self.bytes.get(start..end).ok_or_else(|| damaged(column))?;
        *at = end;
        if let Some(content) = self.absent(column)? {
            return Ok(Field::new(self.schema, column, content));
        }
        let content = match code {
            None => FieldContent::Bytes(bytes),
            Some(code) => FieldContent::Coded(&self.schema.codes[code], bytes),
        };
        Ok(Field::new(self.schema, column, content))
    }
}

impl Column {
    /// Writes the text of a number of it and returns its length, where it is short.
    #[inline]
    fn write_short(&self, number: u64, text: &mut ShortText) -> Option<usize> {
        let signed = number.cast_signed();
        let (is_negative, magnitude) = (signed < 0, signed.unsigned_abs());
        match self.column_type {
            ColumnType::Bool => Some(text.write_bool(number != 0)),
            ColumnType::Int => text.write(is_negative, magnitude, 0, NumberForm::Digits),
            ColumnType::UInt => text.write(false, number, 0, NumberForm::Digits),
            ColumnType::Float32 | ColumnType::Float64 | ColumnType::Decimal => {
                text.write(is_negative, magnitude, self.digits, self.number_form())
            }
            _ => None,
        }
    }
}

fn nothing<'r>(absent: Absent) -> FieldContent<'r> {
    if absent == Absent::Missing { FieldContent::Missing } else { FieldContent::Null }
}

impl Schema {
    #[inline]
    fn is_last_variable(&self, column: &Column) -> bool {
        self.variables.last().is_some_and(|&last| std::ptr::eq(&raw const self.columns[last], column))
    }
}

fn write_object<'r>(
    fields: impl Iterator<Item = Result<Field<'r>, Error>>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    out.push(b'{');
    write_members(fields, out)?;
    out.push(b'}');
    Ok(())
}

fn write_members<'r>(
    fields: impl Iterator<Item = Result<Field<'r>, Error>>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut is_first = true;
    for field in fields {
        let field = field?;
        if field.is_missing() {
            continue;
        }
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        let column = field.column();
        match column.column_type {
            // A null is no base64.
            ColumnType::Bytes if field.is_null() => {
                json::write_string(column.name.as_bytes(), out);
                out.push(b':');
            }
            _ => out.extend_from_slice(&column.member),
        }
        field.write_json(out)?;
    }
    Ok(())
}

#[cold]
pub(crate) fn damaged(column: &Column) -> Error {
    Error::Row { column: Some(column.name.clone()), problem: Problem::Codec }
}

#[cold]
fn bad_length(expected: usize, found: usize) -> Error {
    let (expected, found) = (expected as u64, found as u64);
    let problem = if found < expected {
        Problem::Short { what: "the row", least: expected, found }
    } else {
        Problem::Differs { field: "the length of the row", expected, found }
    };
    Error::Row { column: None, problem }
}

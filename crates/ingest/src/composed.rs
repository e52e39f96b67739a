//! Rows of a key and a value where either is made of several columns: what the columns of any form
//! become, so that no reader does it for itself.

use graven_format::BASE64_SUFFIX;
use memchr::memmem;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Cause, Fault, Position, Role};
use crate::options::{ReadOptions, ValueColumns};
use crate::row::{Cell, CellKind, CellSpan, InputRow, Rows};

/// What is made of the cells of a row.
#[derive(Clone, Debug)]
pub(crate) struct Composition {
    /// So many cells at the beginning are the key's.
    key_parts: usize,
    separator: Vec<u8>,
    /// What the other cells are called, where they are the members of one object.
    members: Option<Vec<String>>,
}

/// Rows whose first cell is the key. The second is the value where that is an object; else the
/// others are those of the rows beneath.
pub(crate) struct ComposedRows {
    rows: Box<dyn Rows>,
    composition: Composition,
    bytes: Vec<u8>,
    cells: Vec<CellSpan>,
    position: Position,
}

impl Composition {
    pub(crate) fn new(key_parts: usize, separator: &[u8], members: Option<Vec<String>>) -> Self {
        Self { key_parts, separator: separator.to_owned(), members }
    }

    /// Of a key and any other cells, as they are.
    pub(crate) fn of_key(options: &ReadOptions) -> Self {
        Self::new(options.key_names().len().max(1), options.separator(), None)
    }

    /// Of the fields that are taken out of JSON objects.
    pub(crate) fn of_fields(options: &ReadOptions) -> Self {
        let members = match &options.value {
            Some(ValueColumns::Object(names)) => Some(names.clone()),
            _ => None,
        };
        Self { members, ..Self::of_key(options) }
    }

    /// `rows` of the cells that this was made for, as rows of a key and a value.
    pub(crate) fn of(self, rows: Box<dyn Rows>) -> Box<dyn Rows> {
        if self.key_parts == 1 && self.members.is_none() {
            return rows;
        }
        let (bytes, cells) = (Vec::new(), Vec::new());
        Box::new(ComposedRows { rows, composition: self, bytes, cells, position: Position::WHOLE })
    }
}

impl Rows for ComposedRows {
    fn advance(&mut self) -> Result<bool, Fault> {
        if !self.rows.advance()? {
            return Ok(false);
        }
        let Composition { key_parts, separator, members } = &self.composition;
        let row = self.rows.row();
        self.position = row.position();
        self.bytes.clear();
        self.cells.clear();
        let fail = |cause| Fault::new(row.position(), cause);
        self.cells.push(if *key_parts == 1 {
            append(row.cell(0), &mut self.bytes)
        } else {
            let parts = (0..*key_parts).map(|i| row.cell(i).unwrap_or(Cell::Null));
            join(parts, separator, &mut self.bytes).map_err(fail)?;
            CellSpan { start: 0, end: self.bytes.len(), kind: CellKind::Bytes }
        });
        let others = *key_parts..row.len();
        let Some(members) = members else {
            for i in others {
                let cell = append(row.cell(i), &mut self.bytes);
                self.cells.push(cell);
            }
            return Ok(true);
        };
        let start = self.bytes.len();
        self.bytes.push(b'{');
        for (name, i) in members.iter().zip(others) {
            write_member(name, row.cell(i), &mut self.bytes);
        }
        if self.bytes.ends_with(b",") {
            self.bytes.pop();
        }
        self.bytes.push(b'}');
        self.cells.push(CellSpan { start, end: self.bytes.len(), kind: CellKind::Json });
        Ok(true)
    }

    fn row(&self) -> InputRow<'_> {
        InputRow { bytes: &self.bytes, cells: &self.cells, position: self.position }
    }

    fn ignored(&self) -> &[String] {
        self.rows.ignored()
    }

    fn input(&self) -> Option<String> {
        self.rows.input()
    }
}

impl Default for Composition {
    /// What leaves a key and a value as they are.
    fn default() -> Self {
        Self::new(1, b"", None)
    }
}

/// Appends a cell as it is.
fn append(cell: Option<Cell<'_>>, bytes: &mut Vec<u8>) -> CellSpan {
    let start = bytes.len();
    let kind = match cell {
        Some(Cell::Bytes(cell)) => {
            bytes.extend_from_slice(cell);
            CellKind::Bytes
        }
        Some(Cell::Json(cell)) => {
            bytes.extend_from_slice(cell);
            CellKind::Json
        }
        Some(Cell::Null) => CellKind::Null,
        Some(Cell::Missing) | None => CellKind::Missing,
    };
    CellSpan { start, end: bytes.len(), kind }
}

/// Appends the key of these parts. Other parts never make the same key: the first separators of it
/// are those between the parts, which is refused where it would not be so.
pub(crate) fn join<'c>(
    parts: impl Iterator<Item = Cell<'c>>,
    separator: &[u8],
    key: &mut Vec<u8>,
) -> Result<(), Cause> {
    let mut before: Option<usize> = None;
    for (part, number) in parts.zip(1..) {
        if let Some(start) = before {
            let end = key.len();
            key.extend_from_slice(separator);
            if memmem::find(&key[start..], separator) != Some(end - start) {
                let separator = String::from_utf8_lossy(separator).into_owned();
                return Err(Cause::SeparatorInKey { part: number - 1, separator });
            }
        }
        before = Some(key.len());
        match part {
            Cell::Json(part) if matches!(part.first(), Some(b'{' | b'[')) => {
                return Err(Cause::CompositeKey { found: crate::json::kind_of(part) });
            }
            Cell::Bytes(part) | Cell::Json(part) => key.extend_from_slice(part),
            Cell::Null | Cell::Missing => return Err(Cause::Null { role: Role::Key }),
        }
    }
    Ok(())
}

/// Appends a member of an object and a comma; nothing where the row has no such member. What is no
/// text is base64, under a name that says so.
pub(crate) fn write_member(name: &str, cell: Option<Cell<'_>>, json: &mut Vec<u8>) {
    match cell {
        None | Some(Cell::Missing) => return,
        Some(Cell::Null) => {
            write_name(name, json);
            json.extend_from_slice(b"null");
        }
        Some(Cell::Json(text)) => {
            write_name(name, json);
            json.extend_from_slice(text);
        }
        Some(Cell::Bytes(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => {
                write_name(name, json);
                write_string(text, json);
            }
            Err(_) => {
                write_name(&format!("{name}{BASE64_SUFFIX}"), json);
                write_string(&STANDARD.encode(bytes), json);
            }
        },
    }
    json.push(b',');
}

/// Appends the name of a member and a colon.
pub(crate) fn write_name(name: &str, json: &mut Vec<u8>) {
    write_string(name, json);
    json.push(b':');
}

/// Appends a JSON string.
pub(crate) fn write_string(text: &str, json: &mut Vec<u8>) {
    // A vector takes all that is written, and a string is always JSON.
    let _ = serde_json::to_writer(json, text);
}

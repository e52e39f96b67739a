//! Stanzas of fields, as Debian's package indexes have (deb822): a field is a name, a colon and a
//! text, lines that begin with a blank go on with the text, and an empty line ends a stanza.
//!
//! What a field holds is what stands behind its colon, without the blanks before it on that line and those at its
//! end; further lines keep their first blank, as apt and python-debian give them. Case does not count in names.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::io::Read;
use std::ops::Range;

use graven_format::{ColumnType, FieldInput, KEY_BYTES_MAX, RowBuilder};

use crate::composed::{join, write_member};
use crate::error::{Cause, Fault, Position, Role};
use crate::json::IGNORED_MAX;
use crate::lines::LineReader;
use crate::options::{ReadOptions, ValueColumns};
use crate::row::{Cell, CellKind, CellSpan, InputRow, Rows};
use crate::table_rows::{ColumnOptions, is_whole_number};
use crate::tsv::LINE_BYTES_MAX;

/// Memory that the places of a field count for, since those of lines of three bytes take more than they do.
const FIELD_BYTES: usize = 64;

/// A field of a stanza: where in its text the name and the value are.
#[derive(Clone, Debug)]
struct StanzaField {
    name: Range<usize>,
    value: Range<usize>,
    line: u64,
}

/// Gives one stanza after the other.
pub(crate) struct StanzaReader<R> {
    lines: LineReader<R>,
    /// The lines of the stanza, without comments, each ended by one byte but the last.
    text: Vec<u8>,
    fields: Vec<StanzaField>,
    /// The fields in the order of their names.
    by_name: Vec<usize>,
    /// Where the stanza begins.
    line: u64,
}

impl<R: Read> StanzaReader<R> {
    pub(crate) fn new(source: R, options: &ReadOptions) -> Self {
        let lines = LineReader::new(source, LINE_BYTES_MAX, options.comment.clone());
        Self { lines, text: Vec::new(), fields: Vec::new(), by_name: Vec::new(), line: 0 }
    }

    /// Reads the next stanza; `false` at the end.
    fn advance(&mut self) -> Result<bool, Fault> {
        self.text.clear();
        self.fields.clear();
        while self.lines.advance_to_any()? {
            let (number, line) = self.lines.line();
            if line.trim_ascii().is_empty() {
                if self.fields.is_empty() {
                    continue;
                }
                break;
            }
            let fail = |cause| Fault::new(Position::line(number), cause);
            let held = self.text.len() + self.fields.len() * FIELD_BYTES;
            if held + line.len() >= LINE_BYTES_MAX {
                return Err(fail(Cause::RowTooLong { most: LINE_BYTES_MAX }));
            }
            if !self.fields.is_empty() {
                self.text.push(b'\n');
            }
            let start = self.text.len();
            self.text.extend_from_slice(line);
            match (line[0], self.fields.last_mut()) {
                (b' ' | b'\t', Some(field)) => {
                    field.value.end = trimmed_end(&self.text, field.value.start);
                }
                _ => {
                    let colon = name_length(line).ok_or_else(|| fail(Cause::NoFieldName))?;
                    let (name, mut value) = (start..start + colon, start + colon + 1..self.text.len());
                    while value.start < value.end && matches!(self.text[value.start], b' ' | b'\t') {
                        value.start += 1;
                    }
                    value.end = trimmed_end(&self.text, value.start);
                    if self.fields.is_empty() {
                        self.line = number;
                    }
                    self.fields.push(StanzaField { name, value, line: number });
                }
            }
        }
        self.sort()?;
        Ok(!self.fields.is_empty())
    }

    /// Puts the fields into the order of their names, none of which may come twice.
    fn sort(&mut self) -> Result<(), Fault> {
        let Self { text, fields, by_name, .. } = self;
        by_name.clear();
        by_name.extend(0..fields.len());
        let name = |&field: &usize| &text[fields[field].name.clone()];
        by_name.sort_by(|a, b| compare_names(name(a), name(b)));
        match by_name.windows(2).find(|two| name(&two[0]).eq_ignore_ascii_case(name(&two[1]))) {
            None => Ok(()),
            Some(two) => {
                let wanted = String::from_utf8_lossy(name(&two[1])).into_owned();
                Err(Fault::new(Position::line(fields[two[1]].line), Cause::RepeatedField { wanted }))
            }
        }
    }

    fn name(&self, field: &StanzaField) -> &[u8] {
        &self.text[field.name.clone()]
    }

    /// The value of the field of this name.
    fn find(&self, name: &str) -> Option<Range<usize>> {
        let compare = |&at: &usize| compare_names(self.name(&self.fields[at]), name.as_bytes());
        let found = self.by_name.binary_search_by(compare);
        found.ok().map(|at| self.fields[self.by_name[at]].value.clone())
    }

    fn names(&self) -> impl Iterator<Item = String> {
        self.fields.iter().map(|field| String::from_utf8_lossy(self.name(field)).into_owned())
    }

    fn missing(&self, role: Role, wanted: &str) -> Fault {
        let cause =
            Cause::NoField { role, wanted: wanted.into(), fields: self.names().collect(), likely: None };
        Fault::new(Position::line(self.line), cause)
    }

    /// Reads the first stanza, which without another word names the key: the fields of the key, and
    /// whether there is a stanza.
    fn keys(&mut self, options: &ReadOptions) -> Result<(Vec<String>, bool), Fault> {
        let has_first = self.advance()?;
        let keys = match options.key_names() {
            [] => self.names().take(1).collect(),
            names => names.to_vec(),
        };
        Ok((keys, has_first))
    }
}

/// Names in an order in which case does not count.
fn compare_names(one: &[u8], other: &[u8]) -> Ordering {
    one.iter().map(u8::to_ascii_lowercase).cmp(other.iter().map(u8::to_ascii_lowercase))
}

/// How long the name is that a line begins with, if it does. None begins as comments and signatures do.
fn name_length(line: &[u8]) -> Option<usize> {
    let length = memchr::memchr(b':', line)?;
    let is_name =
        length > 0 && !matches!(line[0], b'#' | b'-') && line[..length].iter().all(u8::is_ascii_graphic);
    is_name.then_some(length)
}

/// The end of `text` without the blanks that it ends in, but not before `start`.
fn trimmed_end(text: &[u8], start: usize) -> usize {
    let blanks = text[start..].iter().rev().take_while(|byte| byte.is_ascii_whitespace());
    text.len() - blanks.count()
}

/// Stanzas as rows of the parts of the key and the value, or its members.
pub(crate) struct StanzaRows<R> {
    stanzas: StanzaReader<R>,
    keys: Vec<String>,
    value: Option<ValueColumns>,
    /// Whether the first stanza is read already.
    has_first: bool,
    cells: Vec<CellSpan>,
    ignored: Vec<String>,
}

impl<R: Read> StanzaRows<R> {
    /// Without a key, the first field of the first stanza is the key of all. Without a value, all of a
    /// stanza is the value.
    pub(crate) fn new(source: R, options: &ReadOptions) -> Result<Self, Fault> {
        let mut stanzas = StanzaReader::new(source, options);
        let (keys, has_first) = stanzas.keys(options)?;
        let (value, cells, ignored) = (options.value.clone(), Vec::new(), Vec::new());
        Ok(Self { stanzas, keys, value, has_first, cells, ignored })
    }

    fn note_ignored(&mut self) {
        let wanted: &[String] = match &self.value {
            Some(ValueColumns::One(name)) => std::slice::from_ref(name),
            Some(ValueColumns::Object(names)) => names,
            Some(ValueColumns::AllOthers) | None => return,
        };
        for field in &self.stanzas.fields {
            let name = self.stanzas.name(field);
            let is_known =
                |names: &[String]| names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name));
            if self.ignored.len() < IGNORED_MAX
                && ![&self.keys, wanted, &self.ignored].into_iter().any(is_known)
            {
                self.ignored.push(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
}

impl<R: Read + Send> Rows for StanzaRows<R> {
    fn advance(&mut self) -> Result<bool, Fault> {
        if !std::mem::take(&mut self.has_first) && !self.stanzas.advance()? {
            return Ok(false);
        }
        let Self { stanzas, keys, value, cells, .. } = self;
        cells.clear();
        let cell = |span: Range<usize>, kind| CellSpan { start: span.start, end: span.end, kind };
        for key in keys.iter() {
            let span = stanzas.find(key).ok_or_else(|| stanzas.missing(Role::Key, key))?;
            cells.push(cell(span, CellKind::Bytes));
        }
        match value {
            None => cells.push(cell(0..stanzas.text.len(), CellKind::Bytes)),
            Some(ValueColumns::One(name)) => {
                let span = stanzas.find(name).ok_or_else(|| stanzas.missing(Role::Value, name))?;
                cells.push(cell(span, CellKind::Bytes));
            }
            Some(ValueColumns::Object(names)) => {
                cells.extend(names.iter().map(|name| match stanzas.find(name) {
                    Some(span) => cell(span, CellKind::Bytes),
                    None => cell(0..0, CellKind::Missing),
                }));
            }
            Some(ValueColumns::AllOthers) => {
                let mut object = b"{".to_vec();
                for field in &stanzas.fields {
                    let name = String::from_utf8_lossy(stanzas.name(field));
                    if !keys.iter().any(|key| key.eq_ignore_ascii_case(&name)) {
                        let text = &stanzas.text[field.value.clone()];
                        write_member(&name, Some(Cell::Bytes(text)), &mut object);
                    }
                }
                if object.ends_with(b",") {
                    object.pop();
                }
                object.push(b'}');
                let start = stanzas.text.len();
                stanzas.text.extend_from_slice(&object);
                cells.push(cell(start..stanzas.text.len(), CellKind::Json));
            }
        }
        self.note_ignored();
        Ok(true)
    }

    fn row(&self) -> InputRow<'_> {
        let position = Position::line(self.stanzas.line);
        InputRow { bytes: &self.stanzas.text, cells: &self.cells, position }
    }

    fn ignored(&self) -> &[String] {
        &self.ignored
    }
}

/// Stanzas as rows of columns. Stanzas need not have the same fields.
pub(crate) struct StanzaColumns {
    stanzas: StanzaReader<Box<dyn Read + Send>>,
    keys: Vec<String>,
    separator: Vec<u8>,
    /// The column of each field, by its name in lower case.
    columns: HashMap<Vec<u8>, usize>,
    /// Whether a field that has none gets one.
    takes_all: bool,
    types: Vec<(String, ColumnType)>,
    has_first: bool,
    ignored: Vec<String>,
}

impl StanzaColumns {
    pub(crate) fn new(
        source: Box<dyn Read + Send>,
        options: &ReadOptions,
        columns: &ColumnOptions,
    ) -> Result<Self, Fault> {
        let mut stanzas = StanzaReader::new(source, options);
        let (keys, has_first) = stanzas.keys(options)?;
        Ok(Self {
            stanzas,
            keys,
            separator: options.separator().to_owned(),
            columns: HashMap::new(),
            takes_all: columns.columns.is_none(),
            types: columns.types.clone(),
            has_first,
            ignored: Vec::new(),
        })
    }

    /// The fields of the key.
    pub(crate) fn keys(&self) -> &[String] {
        &self.keys
    }

    pub(crate) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Adds all rows that are left, to a builder that has the columns which were named.
    pub(crate) fn add_to(
        &mut self,
        named: &[String],
        builder: &mut RowBuilder,
        are_numbers: &mut bool,
    ) -> Result<(), Fault> {
        self.columns = named.iter().map(|name| name.as_bytes().to_ascii_lowercase()).zip(0..).collect();
        let mut key = Vec::new();
        while std::mem::take(&mut self.has_first) || self.stanzas.advance()? {
            let position = Position::line(self.stanzas.line);
            let fail = |cause| Fault::new(position, cause);
            self.read_key(&mut key)?;
            *are_numbers = *are_numbers && self.keys.len() == 1 && is_whole_number(&key);
            let mut fields = vec![FieldInput::Missing; builder.columns()];
            for field in &self.stanzas.fields {
                let name = self.stanzas.name(field);
                if self.keys.iter().any(|key| key.as_bytes().eq_ignore_ascii_case(name)) {
                    continue;
                }
                let lower_case = name.to_ascii_lowercase();
                let column = match self.columns.get(&lower_case) {
                    Some(&column) => column,
                    None if self.takes_all => {
                        let text = String::from_utf8_lossy(name);
                        let said = self.types.iter().rev().find(|(said, _)| said.eq_ignore_ascii_case(&text));
                        let column = builder
                            .column(&text, said.map(|&(_, column_type)| column_type))
                            .map_err(|error| fail(Cause::Table(error.into())))?;
                        self.columns.insert(lower_case, column);
                        column
                    }
                    None => {
                        let text = String::from_utf8_lossy(name);
                        if self.ignored.len() < IGNORED_MAX
                            && !self.ignored.iter().any(|other| other.eq_ignore_ascii_case(&text))
                        {
                            self.ignored.push(text.into_owned());
                        }
                        continue;
                    }
                };
                if fields.len() <= column {
                    fields.resize(column + 1, FieldInput::Missing);
                }
                fields[column] = FieldInput::Cell(&self.stanzas.text[field.value.clone()]);
            }
            builder.add(&key, &fields).map_err(|error| fail(Cause::Table(error.into())))?;
        }
        let is_column = |name: &str| self.columns.contains_key(&name.as_bytes().to_ascii_lowercase());
        if let Some((wanted, _)) = self.types.iter().find(|(name, _)| !is_column(name)) {
            let mut columns: Vec<String> =
                self.columns.keys().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
            columns.sort();
            return Err(Fault::new(
                Position::WHOLE,
                Cause::UntypedColumn { wanted: wanted.clone(), columns },
            ));
        }
        Ok(())
    }

    fn read_key(&self, key: &mut Vec<u8>) -> Result<(), Fault> {
        let Self { stanzas, keys, separator, .. } = self;
        let mut parts = Vec::with_capacity(keys.len());
        for name in keys {
            let span = stanzas.find(name).ok_or_else(|| stanzas.missing(Role::Key, name))?;
            parts.push(Cell::Bytes(&stanzas.text[span]));
        }
        key.clear();
        let fail = |cause| Fault::new(Position::line(stanzas.line), cause);
        join(parts.into_iter(), separator, key).map_err(fail)?;
        match key.len() {
            0 => Err(fail(Cause::EmptyKey)),
            len if len > KEY_BYTES_MAX => Err(fail(Cause::KeyTooLong)),
            _ => Ok(()),
        }
    }
}

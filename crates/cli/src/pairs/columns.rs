//! Comma-separated values (RFC 4180): one column is the key, another the value.

use std::cell::Cell;
use std::io::{self, Read};

use csv::{ByteRecord, ErrorKind, ReaderBuilder};
use graven_format::text::Pair;
use graven_format::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

use super::{Fields, at};
use crate::failure::{Outcome, reason};

/// Bytes in which a row must end: the longest key and value with every byte a doubled quote, and room for other columns.
/// Without a bound, a quote that is not closed gathers the rest of the input.
const ROW_BYTES_MAX: u64 = 2 * (KEY_BYTES_MAX + VALUE_BYTES_MAX) as u64 + (16 << 20);

/// Gives no more bytes than a row may have, until it is told that a row has ended.
struct Fuse<'c, R> {
    source: R,
    left: &'c Cell<u64>,
}

impl<R: Read> Read for Fuse<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::Error::other(format!(
                "the row is longer than {ROW_BYTES_MAX} bytes; is a quote not closed?"
            )));
        }
        let most = usize::try_from(self.left.get()).unwrap_or(usize::MAX).min(bytes.len());
        let read = self.source.read(&mut bytes[..most])?;
        self.left.set(self.left.get() - read as u64);
        Ok(read)
    }
}

pub(super) fn for_each(
    fields: &Fields,
    name: &str,
    source: impl Read,
    mut each: impl FnMut(Pair<'_>) -> Outcome<()>,
) -> Outcome<()> {
    let left = Cell::new(ROW_BYTES_MAX);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .buffer_capacity(256 * 1024)
        .from_reader(Fuse { source, left: &left });
    let mut row = ByteRecord::new();
    let mut next = |row: &mut ByteRecord| {
        left.set(ROW_BYTES_MAX);
        let line = reader.position().line();
        reader.read_byte_record(row).map_err(|error| match error.kind() {
            ErrorKind::Io(error) => at(name, line, format_args!("cannot read further: {}", reason(error))),
            ErrorKind::UnequalLengths { pos, expected_len, len } => at(
                name,
                pos.as_ref().map_or(line, csv::Position::line),
                format_args!("the row has {len} columns, those before it have {expected_len}"),
            ),
            _ => at(name, line, &error),
        })
    };

    let named = |wanted: &Option<String>| wanted.as_ref().is_some_and(|name| number(name).is_none());
    let mut header = None;
    if fields.header || named(&fields.key) || named(&fields.value) {
        if !next(&mut row)? {
            return Ok(());
        }
        header = Some(row.clone());
    }
    let column = |wanted: &Option<String>, otherwise| match wanted {
        None => Ok(otherwise),
        Some(wanted) => find(header.as_ref(), wanted).map_err(|reason| at(name, 1, reason)),
    };
    let (key_column, value_column) = (column(&fields.key, 0)?, column(&fields.value, 1)?);
    while next(&mut row)? {
        let line = row.position().map_or(0, csv::Position::line);
        let cell = |what, column: usize| {
            row.get(column).ok_or_else(|| {
                let columns = row.len();
                at(name, line, format_args!("the {what} is column {}, the row has {columns}", column + 1))
            })
        };
        let (key, value) = (cell("key", key_column)?, cell("value", value_column)?);
        if key.is_empty() {
            return Err(at(name, line, format_args!("the key, column {}, is empty", key_column + 1)));
        }
        each(Pair { key, value, line })?;
    }
    Ok(())
}

/// The index of a column that is given by its number, counted from 1.
fn number(wanted: &str) -> Option<usize> {
    wanted.parse::<usize>().ok().and_then(|number| number.checked_sub(1))
}

/// The index of the column that `wanted` names.
fn find(header: Option<&ByteRecord>, wanted: &str) -> Result<usize, String> {
    if let Some(column) = number(wanted) {
        return Ok(column);
    }
    let names = || header.into_iter().flatten();
    let mut found = names().enumerate().filter(|(_, name)| *name == wanted.as_bytes());
    match (found.next(), found.next()) {
        (Some((column, _)), None) => Ok(column),
        (Some(_), Some(_)) => Err(format!("more than one column is named {wanted}; give its number")),
        (None, _) => {
            let names: Vec<String> = names().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
            Err(format!("no column is named {wanted}; the columns are {}", names.join(", ")))
        }
    }
}

//! Rows: what a table with columns answers where a whole value is asked for, or some of its columns.
//! Over every language that is the row as JSON; hashes of Redis are answered in `resp/hash.rs`.

use graven_format::{Error, Projection, Schema};

use super::lookups::LookupOutcome;
use crate::output::Value;

/// What a field costs that is looked for and written, in nanoseconds.
pub(super) const FIELD_COST: u64 = 30;

/// Room above this many bytes is given back.
pub(super) const KEPT_BYTES: usize = 1024 * 1024;

/// Room for a row as JSON, used again and again.
#[derive(Debug, Default)]
pub(super) struct RowText {
    json: Vec<u8>,
}

impl RowText {
    /// What a lookup in a table with the columns of `schema` came to, for who asks for the whole value. Where the table has
    /// no columns, that is the value as it is.
    #[inline]
    pub(super) fn whole<'a>(
        &'a mut self,
        schema: Option<&Schema>,
        answer: LookupOutcome<'a>,
    ) -> LookupOutcome<'a> {
        match (schema, answer) {
            (Some(schema), LookupOutcome::Value(row)) => self.write(|json| whole(schema, row, json)),
            _ => answer,
        }
    }

    /// The same for who asks for some columns.
    pub(super) fn some<'a>(
        &'a mut self,
        schema: &Schema,
        columns: &Projection,
        answer: LookupOutcome<'a>,
    ) -> LookupOutcome<'a> {
        match answer {
            LookupOutcome::Value(row) => {
                self.write(|json| columns.write_json(schema.row(row.bytes())?, json))
            }
            _ => answer,
        }
    }

    #[inline(never)]
    fn write(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>) -> LookupOutcome<'_> {
        if self.json.capacity() > KEPT_BYTES {
            self.json = Vec::new();
        }
        self.json.clear();
        match write(&mut self.json) {
            Ok(()) => LookupOutcome::Value(Value::copied(&self.json)),
            Err(_) => LookupOutcome::Damaged,
        }
    }
}

fn whole(schema: &Schema, row: Value<'_>, json: &mut Vec<u8>) -> Result<(), Error> {
    schema.row(row.bytes())?.write_json(json)
}

/// What a row costs that is written whole, in nanoseconds.
#[inline]
pub(super) fn row_cost(schema: Option<&Schema>) -> u64 {
    schema.map_or(0, |schema| schema.columns().len() as u64 * FIELD_COST)
}

/// The columns of these names; what is wrong where the table has no such columns, or one is named twice: an answer is no longer
/// than its row, however long the request.
pub(super) fn columns<N: AsRef<str>>(schema: Option<&Schema>, names: &[N]) -> Result<Projection, String> {
    let Some(schema) = schema else { return Err("The table has no columns".to_owned()) };
    let columns = schema.project(names).map_err(|error| match error {
        Error::NoColumn { name } => {
            let columns: Vec<&str> = schema.columns().iter().map(|column| column.name()).collect();
            format!("There is no column `{name}`; the columns are {}", columns.join(", "))
        }
        error => error.to_string(),
    })?;
    let mut places = columns.columns().to_vec();
    places.sort_unstable();
    match places.windows(2).find(|two| two[0] == two[1]) {
        Some(two) => Err(format!("The column `{}` is named twice", schema.columns()[two[0]].name())),
        None => Ok(columns),
    }
}

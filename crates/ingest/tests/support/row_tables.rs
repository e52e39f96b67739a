//! Tables with columns, built in memory and asked.

use graven_format::{Options, Store};
use graven_ingest::{ColumnOptions, Input, ReadOptions, TableRows};

/// The table of `input`, or what is said of it.
pub(crate) fn table_of(input: Input, read: &ReadOptions, columns: &ColumnOptions) -> Result<Store, String> {
    let build = || {
        let mut rows = TableRows::new(input, read, columns)?;
        let options = Options { temporary_dir: std::env::temp_dir(), ..Options::default() };
        let mut builder = rows.builder(options)?;
        rows.add_to(&mut builder)?;
        Ok(builder)
    };
    let builder = build().map_err(|error: graven_ingest::Error| error.to_string())?;
    Ok(builder.finish().unwrap().0)
}

/// The row of `key` as JSON.
pub(crate) fn json(store: &Store, key: &str) -> String {
    let (mut value, mut json) = (Vec::new(), Vec::new());
    assert!(store.get(key.as_bytes(), &mut value).unwrap(), "{key}");
    store.row(&value).unwrap().write_json(&mut json).unwrap();
    String::from_utf8(json).unwrap()
}

//! Files that the tests write, and what is read of files.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use graven_format::{Options, Store};
use graven_ingest::{ColumnOptions, Error, Input, Pairs, PartFile, ReadOptions, TableRows};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet").join(name)
}

pub(crate) fn options() -> Options {
    Options { threads: 1, temporary_dir: std::env::temp_dir(), ..Options::default() }
}

pub(crate) fn key(key: &str) -> ReadOptions {
    ReadOptions { key: Some(key.into()), threads: 3, ..ReadOptions::default() }
}

/// The table with columns of some files.
pub(crate) fn table(
    parts: Vec<PartFile>,
    read: &ReadOptions,
    columns: &ColumnOptions,
) -> Result<Store, Error> {
    let mut rows = TableRows::new(Input::open_parts("the files", parts)?, read, columns)?;
    let mut builder = rows.builder(options())?;
    rows.add_to(&mut builder)?;
    Ok(builder.finish().unwrap().0)
}

pub(crate) fn table_of(path: &Path, read: &ReadOptions) -> Result<Store, Error> {
    table(vec![PartFile::new(path)], read, &ColumnOptions::default())
}

/// The row of a key as JSON.
pub(crate) fn row(store: &Store, key: &str) -> String {
    let mut value = Vec::new();
    assert!(store.get(key.as_bytes(), &mut value).unwrap(), "{key} is not there");
    let mut json = Vec::new();
    store.row(&value).unwrap().write_json(&mut json).unwrap();
    String::from_utf8(json).unwrap()
}

/// All pairs of a file, as text.
pub(crate) fn pairs(path: &Path, read: &ReadOptions) -> Result<Vec<(String, String)>, Error> {
    let mut pairs = Pairs::new(Input::open(path)?, read)?;
    let mut all = Vec::new();
    while let Some(pair) = pairs.next_pair()? {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        all.push((text(pair.key), text(pair.value)));
    }
    Ok(all)
}

/// Writes a file of the columns `id`, a text, and `n`, a number, with so many row groups, and
/// gives its path.
pub(crate) fn write(folder: &Path, name: &str, groups: &[&[(&str, Option<i64>)]]) -> PathBuf {
    let schema = "message m { required binary id (UTF8); optional int64 n; }";
    write_as(folder, name, schema, groups)
}

/// The same with a schema of a text and a number.
pub(crate) fn write_as(
    folder: &Path,
    name: &str,
    schema: &str,
    groups: &[&[(&str, Option<i64>)]],
) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    // Rows that are all alike make one page, whatever their number.
    let properties = Arc::new(WriterProperties::builder().set_data_page_row_count_limit(usize::MAX).build());
    let mut writer = SerializedFileWriter::new(File::create(&path).unwrap(), schema, properties).unwrap();
    for rows in groups {
        let mut group = writer.next_row_group().unwrap();
        let ids: Vec<ByteArray> = rows.iter().map(|(id, _)| ByteArray::from(*id)).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&ids, Some(&vec![1; ids.len()]), None).unwrap();
        column.close().unwrap();
        let numbers: Vec<i64> = rows.iter().filter_map(|(_, number)| *number).collect();
        let levels: Vec<i16> = rows.iter().map(|(_, number)| i16::from(number.is_some())).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&numbers, Some(&levels), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
    path
}

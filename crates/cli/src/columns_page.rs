//! The columns of a table for a person: what they hold, how they are stored and what they take.

use graven_format::{Column, Store};

/// A line for each column, below a line that says what is in them; nothing where values have no
/// columns.
pub(crate) fn columns_page(store: &Store) -> Option<String> {
    let (schema, rows) = (store.schema()?, store.len());
    let named = schema.columns().iter().map(|column| shown(column.name()));
    let names: Vec<String> = std::iter::once("column".to_owned()).chain(named).collect();
    let encodings = schema.columns().iter().map(Column::encoding);
    let stored: Vec<String> = std::iter::once("stored as".to_owned()).chain(encodings).collect();
    let widest = |texts: &[String]| texts.iter().map(|text| text.chars().count()).max().unwrap_or_default();
    let (name_width, stored_width) = (widest(&names).max(8), widest(&stored));
    let mut page = format!(
        "{:<name_width$}  {:<9}  {:<stored_width$}  {:>11}  {:>6}\n",
        "column", "type", "stored as", "bytes a row", "null"
    );
    for ((column, name), stored) in schema.columns().iter().zip(&names[1..]).zip(&stored[1..]) {
        page.push_str(&format!(
            "{name:<name_width$}  {:<9}  {stored:<stored_width$}  {:>11.2}  {:>6}\n",
            column.column_type().name(),
            bytes_a_row(column, rows),
            share(column.nulls() + column.missing(), rows),
        ));
    }
    Some(page)
}

/// What a field of a column takes, on average.
pub(crate) fn bytes_a_row(column: &Column, rows: u64) -> f64 {
    f64::from(column.fixed_bits()) / 8.0 + column.variable_bytes() as f64 / rows.max(1) as f64
}

fn share(part: u64, rows: u64) -> String {
    if part == 0 { "0".into() } else { format!("{:.1}%", part as f64 * 100.0 / rows.max(1) as f64) }
}

/// A name without what would change the line it stands in.
fn shown(name: &str) -> String {
    name.chars().map(|letter| if letter.is_control() { '\u{FFFD}' } else { letter }).collect()
}

//! What fields of rows cost: a table of 94 features, as feature stores have them, whose fields are
//! read by place, as text and as JSON. `cargo run --release -p graven-format --example row_cost`.

use std::hint::black_box;
use std::time::Instant;

use graven_format::{FieldInput, Options, RowBuilder};

const ROWS: u64 = 20_000;
const FEATURES: u64 = 94;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = RowBuilder::new("id", Options::default());
    for feature in 0..FEATURES {
        builder.column(&format!("feature_{feature}"), None)?;
    }
    for row in 0..ROWS {
        let texts: Vec<String> = (0..FEATURES)
            .map(|feature| {
                let mixed = (row * FEATURES + feature + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                match feature % 10 {
                    0..6 => ((mixed >> 40) as f64 % 1e6 / 1e6).to_string(),
                    6..9 => (mixed >> 52).to_string(),
                    _ => format!("segment-{}", mixed >> 59),
                }
            })
            .collect();
        let fields: Vec<FieldInput<'_>> =
            texts.iter().map(|text| FieldInput::Cell(text.as_bytes())).collect();
        builder.add(row.to_string().as_bytes(), &fields)?;
    }
    let (store, built) = builder.finish()?;
    println!("{} bytes a row", built.carved_bytes / ROWS);
    let mut values = Vec::new();
    for row in 0..1000 {
        let mut value = Vec::new();
        store.get((row * 7).to_string().as_bytes(), &mut value)?;
        values.push(value);
    }
    let names: Vec<String> = (0..FEATURES).map(|feature| format!("feature_{feature}")).collect();
    let wanted = store.schema().ok_or("no columns")?.project(&names)?;
    let mut out = Vec::with_capacity(1 << 16);
    for round in 0..3 {
        let started = Instant::now();
        for value in &values {
            out.clear();
            for field in wanted.fields(store.row(value)?) {
                field?.write_text(&mut out)?;
            }
            black_box(&out);
        }
        let text = started.elapsed() / values.len() as u32;
        let started = Instant::now();
        for value in &values {
            out.clear();
            store.row(value)?.write_json(&mut out)?;
            black_box(&out);
        }
        let json = started.elapsed() / values.len() as u32;
        let started = Instant::now();
        let mut sum = 0.0;
        for value in &values {
            for field in wanted.fields(store.row(value)?) {
                sum += field?.as_f64().unwrap_or_default();
            }
        }
        black_box(sum);
        let numbers = started.elapsed() / values.len() as u32;
        println!("round {round}: a row as text {text:?}, as JSON {json:?}, as numbers {numbers:?}");
    }
    Ok(())
}

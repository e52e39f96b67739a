//! `graven dump`: writes the pairs of a carved file as text.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use graven_format::Store;
use graven_ingest::Format;
use serde::ser::{SerializeMap, Serializer};

use crate::failure::{Failure, Outcome};
use crate::json_bytes;
use crate::output::{self, Destination, OutputWriter, Stop, same_file};
use crate::progress::{bar, scale};
use crate::signals::{STOPPED, outlive_file_limits, stop_on_signals};
use crate::table::{explain, open_carved};

/// Write the pairs of a carved file as text
///
/// In the order of the file, and as `graven build` reads them.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The carved file
    file: PathBuf,
    /// Where to write; `-` is standard output. A file appears when it is complete
    #[arg(short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// What to write [default: by the extension of the output: jsonl, data for all others]
    #[arg(long, value_enum)]
    format: Option<DumpFormat>,
}

/// The forms that can be written.
#[derive(Clone, Copy, ValueEnum)]
enum DumpFormat {
    /// A line is a key, a space and a value; keys and values must fit that
    Data,
    /// A line is a JSON object; what is not UTF-8 is base64
    Jsonl,
}

/// Bytes handed to the system at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// What a reader of text drops at its beginning.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Pairs after which a signal and the bar are looked after.
const LOOK_PAIRS: u64 = 4096;

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let name = arguments.file.display().to_string();
    let table = open_carved(&arguments.file)?.map_err(|error| explain(&name, &error))?;
    let form = arguments.format.unwrap_or(match Format::of(&arguments.output) {
        Some(Format::Jsonl) => DumpFormat::Jsonl,
        _ => DumpFormat::Data,
    });
    if let Destination::File(output) = Destination::find(&arguments.output, "table.data")?
        && same_file(&arguments.file, &output)
    {
        return Err(Failure::new(format!(
            "{} is the table itself; name another file with -o",
            output.display()
        )));
    }
    outlive_file_limits()?;
    let stopped = Arc::default();
    stop_on_signals(&stopped)?;
    let mut out = BufWriter::with_capacity(CHUNK_BYTES, OutputWriter::create(&arguments.output)?);
    let written = write_pairs(&table.store, form, &name, &stopped, &mut out);
    let finished = written.and_then(|()| {
        let output = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(output.finish()?)
    });
    output::written(finished, &arguments.output)?;
    Ok(ExitCode::SUCCESS)
}

fn write_pairs(
    store: &Store,
    form: DumpFormat,
    name: &str,
    stopped: &AtomicBool,
    out: &mut impl Write,
) -> Result<(), Stop> {
    let bytes = store.carved_bytes();
    let bar = bar("writing", Some(bytes));
    for (number, pair) in (0_u64..).zip(store.iter()) {
        let (key, value) = pair.map_err(|error| Stop::Failure(explain(name, &error)))?;
        match form {
            DumpFormat::Data => {
                if let Some(objection) = objection(number, &key, &value) {
                    return Err(Stop::Failure(Failure::new(format!(
                        "{name}: {objection}, which the .data text cannot hold; use `--format jsonl`"
                    ))));
                }
                for piece in [&key, &b" "[..], &value, b"\n"] {
                    out.write_all(piece)?;
                }
            }
            DumpFormat::Jsonl => write_object(&key, &value, out)?,
        }
        if number % LOOK_PAIRS == 0 {
            if stopped.load(Ordering::Relaxed) {
                return Err(Stop::Output(io::Error::other(STOPPED)));
            }
            bar.set_position(scale(bytes, number, store.len()));
        }
    }
    Ok(())
}

/// What of a pair a line of `.data` text cannot hold. The pair is that of line `number`, counted
/// from 0.
fn objection(number: u64, key: &[u8], value: &[u8]) -> Option<String> {
    let separates = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n');
    if key.is_empty() {
        return Some("a key is empty".into());
    }
    let shown = || key[..key.len().min(80)].escape_ascii();
    if key.iter().any(separates) {
        return Some(format!("the key {} holds a space, a tab or a line end", shown()));
    }
    if number == 0 && key.starts_with(BYTE_ORDER_MARK) {
        return Some(format!("the first key, {}, begins with a byte order mark", shown()));
    }
    if value.contains(&b'\n') {
        return Some(format!("the value of {} holds a line end", shown()));
    }
    value.ends_with(b"\r").then(|| format!("the value of {} ends in a carriage return", shown()))
}

fn write_object(key: &[u8], value: &[u8], out: &mut impl Write) -> io::Result<()> {
    let mut json = serde_json::Serializer::new(&mut *out);
    let mut object = json.serialize_map(None)?;
    for (name, bytes) in [("key", key), ("value", value)] {
        let (name, text) = json_bytes::field(name, bytes);
        object.serialize_entry(&name, &text)?;
    }
    object.end()?;
    out.write_all(b"\n")
}

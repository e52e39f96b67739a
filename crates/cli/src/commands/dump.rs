//! `graven dump`: writes the pairs of a carved file as text.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use graven_format::Store;
use graven_ingest::{Format, PairWriter, Unwritable};

use crate::failure::{Failure, Outcome};
use crate::output::{self, Destination, OutputWriter, Stop, same_file};
use crate::progress::{bar, scale};
use crate::signals::{STOPPED, outlive_file_limits, stop_on_signals};
use crate::table::{explain, open_carved};

/// Write the pairs of a carved file as text
///
/// In the order of the file, and as `graven build` reads them. Of a table with columns, a csv has the column of the key
/// where the input had it, and no other way to say null than an empty cell.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The carved file
    file: PathBuf,
    /// Where to write; `-` is standard output. A file appears when it is complete
    #[arg(short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// What to write [default: by the extension of the output; for others data, or jsonl where there
    /// are columns or values are JSON]
    #[arg(long, value_enum)]
    format: Option<DumpFormat>,
    /// Leave out the row of a csv that names the columns
    #[arg(long)]
    no_header: bool,
}

/// The forms that can be written.
#[derive(Clone, Copy, ValueEnum)]
enum DumpFormat {
    /// A line is a key, a space and a value; keys and values must fit that
    Data,
    /// A line is a JSON object; what is not UTF-8 is base64
    Jsonl,
    /// Rows of a table with columns, below their names
    Csv,
}

impl From<DumpFormat> for Format {
    fn from(format: DumpFormat) -> Self {
        match format {
            DumpFormat::Data => Self::Data,
            DumpFormat::Jsonl => Self::Jsonl,
            DumpFormat::Csv => Self::Csv,
        }
    }
}

/// Bytes handed to the system at a time.
const CHUNK_BYTES: usize = 256 * 1024;

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let name = arguments.file.display().to_string();
    let table = open_carved(&arguments.file)?.map_err(|error| explain(&name, &error))?;
    let has_columns = table.store.schema().is_some();
    let form = match (arguments.format, Format::of(&arguments.output)) {
        (Some(chosen), _) => chosen.into(),
        (None, Some(format @ (Format::Jsonl | Format::Data))) => format,
        (None, Some(Format::Csv)) if has_columns => Format::Csv,
        _ if has_columns || table.store.values_are_json() => Format::Jsonl,
        _ => Format::Data,
    };
    let writer = PairWriter::new(&table.store, form, !arguments.no_header);
    let Some(writer) = writer else {
        return Err(Failure::new(format!(
            "{name} has no columns, and a csv consists of them; use `--format jsonl`"
        )));
    };
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
    let mut output = OutputWriter::create(&arguments.output)?;
    let written = write_pairs(&table.store, writer, &name, &stopped, &mut output);
    let finished = written.and_then(|()| Ok(output.finish()?));
    output::written(finished, &arguments.output)?;
    Ok(ExitCode::SUCCESS)
}

fn write_pairs(
    store: &Store,
    mut writer: PairWriter<'_>,
    name: &str,
    stopped: &AtomicBool,
    out: &mut impl Write,
) -> Result<(), Stop> {
    let bytes = store.carved_bytes();
    let bar = bar("writing", Some(bytes));
    let (mut pairs, mut number) = (store.iter(), 0);
    let mut text = Vec::with_capacity(CHUNK_BYTES);
    writer.write_header(&mut text);
    loop {
        let written = writer.write_next(&mut pairs, &mut text, CHUNK_BYTES);
        out.write_all(&text)?;
        text.clear();
        let written = written.map_err(|error| Stop::Failure(unwritable(name, &error)))?;
        if written == 0 {
            return Ok(());
        }
        if stopped.load(Ordering::Relaxed) {
            return Err(Stop::Output(io::Error::other(STOPPED)));
        }
        number += written;
        bar.set_position(scale(bytes, number, store.len()));
    }
}

fn unwritable(name: &str, error: &Unwritable) -> Failure {
    match error {
        Unwritable::Row(error) => explain(name, error),
        error => Failure::new(format!("{name}: {error}; use `--format jsonl`")),
    }
}

//! `graven gen`: writes a sample table as `.data` text, or with columns as csv or JSON lines, in
//! constant memory.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use graven_ingest::Format;
use graven_ingest::sample::{
    LINE_BYTES_MAX, ROW_BYTES_MAX, RowForm, RowGenerator, SampleGenerator, SampleValues,
};

use crate::failure::Outcome;
use crate::output::{self, OutputWriter, Stop};
use crate::quantity;
use crate::signals::{STOPPED, outlive_file_limits, stop_on_signals};

/// Write a sample table of random pairs, the same for the same seed
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many lines
    #[arg(short = 'n', value_name = "LINES", value_parser = quantity::any_count)]
    lines: u64,
    /// Where to write; `-` is standard output. A file appears when it is complete
    #[arg(short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// The same seed gives the same bytes, in every release
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = quantity::any_count)]
    seed: u64,
    /// What the values look like
    #[arg(long, value_enum, default_value_t = ValueStyle::Letters)]
    values: ValueStyle,
    /// Write rows of 20 features below a UUID as csv; as JSON lines where the output ends in .jsonl
    #[arg(long, conflicts_with = "values")]
    columns: bool,
}

/// What the values look like.
#[derive(Clone, Copy, clap::ValueEnum)]
enum ValueStyle {
    /// 10 to 50 letters, a-z and A-Z
    Letters,
    /// 1 to 10 words of 1 to 10 letters, a-z
    Words,
}

/// Bytes handed to the system at a time.
const CHUNK_BYTES: usize = 256 * 1024;

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let stopped = Arc::default();
    stop_on_signals(&stopped)?;
    outlive_file_limits()?;
    let mut output = OutputWriter::create(&arguments.output)?;
    let finished =
        write_lines(arguments, &stopped, &mut output).map_err(Stop::from).and_then(|()| Ok(output.finish()?));
    output::written(finished, &arguments.output)?;
    Ok(ExitCode::SUCCESS)
}

/// Appends the next line of a sample.
type LineWriter = Box<dyn FnMut(&mut Vec<u8>)>;

fn write_lines(arguments: &Arguments, stopped: &AtomicBool, output: &mut OutputWriter) -> io::Result<()> {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    let mut append: LineWriter = if arguments.columns {
        let is_jsonl = Format::of(&arguments.output) == Some(Format::Jsonl);
        let form = if is_jsonl { RowForm::Jsonl } else { RowForm::Csv };
        let mut rows = RowGenerator::new(arguments.seed, form);
        rows.append_header(&mut chunk);
        Box::new(move |chunk| rows.append_row(chunk))
    } else {
        let values = match arguments.values {
            ValueStyle::Letters => SampleValues::Letters,
            ValueStyle::Words => SampleValues::Words,
        };
        let mut sample = SampleGenerator::new(arguments.seed, values);
        Box::new(move |chunk| sample.append_line(chunk))
    };
    for _ in 0..arguments.lines {
        if chunk.len() + LINE_BYTES_MAX.max(ROW_BYTES_MAX) > CHUNK_BYTES {
            output.write_all(&chunk)?;
            chunk.clear();
            if stopped.load(Ordering::Relaxed) {
                return Err(io::Error::other(STOPPED));
            }
        }
        append(&mut chunk);
    }
    output.write_all(&chunk)
}

//! `graven build`: carves a table into a file.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytesize::ByteSize;
use clap::ValueEnum;
use graven_format::{BUCKET_RECORDS_MAX, Codec, CodecChoice, Options, Purpose};

use crate::carve;
use crate::commands::info::values_line;
use crate::console::{count, say};
use crate::duplicates::Keep;
use crate::failure::{Failure, Outcome};
use crate::input::Input;
use crate::output::{Target, directory_of};
use crate::pairs::{Fields, Format};
use crate::quantity::{self, Misread};
use crate::signals::outlive_file_limits;
use crate::table::{explain, open_carved};

/// Carve a table into a small file that answers lookups at once
#[derive(clap::Args)]
#[command(
    after_long_help = "The file appears under its name when all of it is on disk; a file that has the name is kept until \
    then. Temporary files are made beside it, and have no names."
)]
pub(crate) struct Arguments {
    /// The pairs; `-` is standard input
    input: PathBuf,
    /// Where to write [default: INPUT with the extension .graven]
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What the input looks like [default: by its extension]
    ///
    /// Extensions are .tsv, .csv and .jsonl; all others are data.
    #[arg(long, value_enum, help_heading = INPUT)]
    format: Option<Format>,
    /// The column of a csv, or field of a jsonl, that is the key [default: 1, or key]
    ///
    /// A column is given by its number, or with --header by its name.
    #[arg(long, value_name = "COLUMN", help_heading = INPUT)]
    key: Option<String>,
    /// The same for the value [default: 2, or value]
    #[arg(long, value_name = "COLUMN", help_heading = INPUT)]
    value: Option<String>,
    /// The first row of a csv names the columns, and is not a pair
    ///
    /// So it is where a column is given by name.
    #[arg(long, help_heading = INPUT)]
    header: bool,
    /// How values are stored
    #[arg(long, value_enum, default_value_t = CodecName::Auto, help_heading = TABLE)]
    codec: CodecName,
    /// Where the table is to lie when it is served
    #[arg(long = "for", value_enum, default_value_t = For::Ram, help_heading = TABLE)]
    purpose: For,
    /// Records in a bucket, on average, within a factor of 1.42 [default: 4 for ram, a page of 4 KiB full for disk]
    #[arg(long, value_name = "RECORDS", value_parser = bucket, help_heading = TABLE, hide_short_help = true)]
    bucket: Option<u16>,
    /// Which value counts when a key comes more than once
    #[arg(long, value_enum, default_value_t = Keep::Last, help_heading = TABLE)]
    duplicates: Keep,
    /// Memory that the build may use; it does not change the file
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = memory, help_heading = WORK, hide_short_help = true)]
    memory: u64,
    /// How many threads work; it does not change the file [default: one a core]
    #[arg(long, value_name = "N", value_parser = quantity::positive, help_heading = WORK, hide_short_help = true)]
    threads: Option<NonZeroUsize>,
}

const INPUT: &str = "Input";
const TABLE: &str = "Table";
const WORK: &str = "Work";

/// [`CodecChoice`] as the command line spells it.
#[derive(Clone, Copy, ValueEnum)]
enum CodecName {
    /// What makes a sample smallest, if that saves a twentieth
    Auto,
    /// Byte for byte
    Raw,
    /// A code for each byte: short random text
    Huffman,
    /// A code for each of many strings: text, JSON
    Symbols,
    /// As many bits a byte as values of few different bytes need: digits, hexadecimal, base64, letters
    Packed,
}

/// [`Purpose`] as the command line spells it.
#[derive(Clone, Copy, ValueEnum)]
enum For {
    /// In memory: small buckets
    Ram,
    /// On disk: buckets that fill a page, and one read a lookup
    Disk,
}

/// Less than this is not enough for a block of text on each thread.
const MEMORY_MIN: u64 = 4 << 20;

fn memory(text: &str) -> Result<u64, Misread> {
    quantity::size(text, MEMORY_MIN..=u64::MAX)
}

fn bucket(text: &str) -> Result<u16, Misread> {
    // The range leaves nothing that does not fit.
    quantity::count(text, 1..=BUCKET_RECORDS_MAX.into()).map(|records| records as u16)
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let format = arguments.format.unwrap_or_else(|| Format::of(&arguments.input));
    arguments.check(format)?;
    outlive_file_limits()?;
    let input = Input::open(&arguments.input)?;
    if input.is_carved {
        return Err(Failure::new(format!(
            "{} is a carved file already; to build it anew, turn it into text with `graven dump` first",
            input.name
        )));
    }
    let output = Target::find(&arguments.output()?, "table.graven")?.into_file()?;
    if input.path.as_ref().is_some_and(|path| same_file(path, &output)) {
        return Err(Failure::new(format!("{} is the input; name another file with -o", output.display())));
    }
    let options = Options {
        codec: arguments.codec.into(),
        purpose: arguments.purpose.into(),
        bucket_records: arguments.bucket,
        duplicates: arguments.duplicates.into(),
        memory_bytes: arguments.memory,
        temporary_dir: directory_of(&output).to_owned(),
        threads: arguments.threads.map_or(0, NonZeroUsize::get),
        ..Options::default()
    };
    let fields =
        Fields { key: arguments.key.clone(), value: arguments.value.clone(), header: arguments.header };
    let name = input.name.clone();
    let done = carve::to_file(input, format, &fields, options, &output)?;
    let table = open_carved(&output)?.map_err(|error| explain(&output.display().to_string(), &error))?;
    let info = table.store.info();
    let text = format!(
        "carved {name} into {}: {}, {} in, {} out, {:.1} bytes a pair, {}, in {:.2} s, {}",
        output.display(),
        count(info.pairs, "pair"),
        ByteSize(done.input_bytes).display().si(),
        ByteSize(info.file_bytes).display().si(),
        info.bytes_per_pair().unwrap_or_default(),
        values_line(&info),
        done.took.as_secs_f64(),
        count(done.duplicates, "duplicate"),
    );
    say(text)?;
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    /// Refuses options that mean nothing for `format`.
    fn check(&self, format: Format) -> Outcome<()> {
        let named = self.key.is_some() || self.value.is_some();
        let refuse =
            |what: &str, of: &str| Err(Failure::new(format!("{what} is for {of} input; leave it out")));
        match format {
            Format::Data | Format::Tsv if named => refuse("--key or --value", "csv and jsonl"),
            Format::Data | Format::Tsv | Format::Jsonl if self.header => refuse("--header", "csv"),
            _ => Ok(()),
        }
    }

    fn output(&self) -> Outcome<PathBuf> {
        match &self.output {
            Some(output) => Ok(output.clone()),
            None if self.input == Path::new("-") => {
                Err(Failure::new("standard input has no name to go by; name the output with -o FILE"))
            }
            None => Ok(self.input.with_extension("graven")),
        }
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

impl From<CodecName> for CodecChoice {
    fn from(name: CodecName) -> Self {
        match name {
            CodecName::Auto => Self::Auto,
            CodecName::Raw => Self::Fixed(Codec::Raw),
            CodecName::Huffman => Self::Fixed(Codec::Huffman),
            CodecName::Symbols => Self::Fixed(Codec::Symbols),
            CodecName::Packed => Self::Fixed(Codec::Packed),
        }
    }
}

impl From<For> for Purpose {
    fn from(purpose: For) -> Self {
        match purpose {
            For::Ram => Self::Ram,
            For::Disk => Self::Disk,
        }
    }
}

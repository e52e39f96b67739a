//! `graven build`: carves a table into a file.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytesize::ByteSize;
use clap::ValueEnum;
use graven_format::{BUCKET_RECORDS_MAX, Codec, CodecChoice, Options, Purpose};
use graven_ingest::{Content, Input, ReadOptions};

use crate::carve::{self, BuildSummary};
use crate::column_flags::ColumnFlags;
use crate::columns_page::columns_page;
use crate::commands::info::values_line;
use crate::console::{count, say};
use crate::duplicates::Keep;
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::input_files;
use crate::object_store::Staging;
use crate::output::{Destination, directory_of, same_file};
use crate::quantity::{self, Misread};
use crate::read_options::ReadFlags;
use crate::redis::{self, RedisFlags, RedisSource};
use crate::signals::outlive_file_limits;
use crate::table::{explain, is_carved, open_carved};
use crate::tls::TrustFlags;

/// Carve a table into a small file that answers lookups at once
#[derive(clap::Args)]
#[command(
    after_long_help = "The file appears under its name when all of it is on disk; a file that has the name is kept until \
    then. Temporary files are made beside it, and have no names."
)]
pub(crate) struct Arguments {
    /// The pairs: a file, `redis://HOST[:PORT][/DATABASE]`, or `-` for standard input
    ///
    /// Also an object as `s3://BUCKET/KEY`, `gs://`, `az://` or `https://`, or all below a URL that ends with a slash; these are
    /// downloaded first.
    ///
    /// Of Parquet, and of a csv, tsv or jsonl with --columns, also several files and patterns such as 'part-*.csv'. Of
    /// Parquet also folders: all files in them but those whose names begin with _ or a point; a folder named as
    /// dt=2026-11-27 is a column.
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,
    /// Where to write [default: INPUT with the extension .graven]
    ///
    /// Also an object, as `s3://BUCKET/KEY.graven`, which is replaced when all of the table is there.
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Refuse a folder that has no file of this name, as _SUCCESS
    #[arg(long, value_name = "NAME", help_heading = "Input", hide_short_help = true)]
    require_marker: Option<String>,
    #[command(flatten)]
    read: ReadFlags,
    #[command(flatten)]
    columns: ColumnFlags,
    #[command(flatten)]
    redis: RedisFlags,
    #[command(flatten)]
    trust: TrustFlags,
    /// How values are stored
    #[arg(long, value_enum, default_value_t = CodecName::Auto, help_heading = TABLE)]
    codec: CodecName,
    /// Where the table is to lie when it is served
    #[arg(long = "for", value_enum, default_value_t = For::Ram, help_heading = TABLE)]
    purpose: For,
    /// Records in a bucket, on average, within a factor of 1.42 [default: 4 for ram, a page of 4
    /// KiB full for disk]
    #[arg(long, value_name = "RECORDS", value_parser = bucket, help_heading = TABLE, hide_short_help = true)]
    bucket: Option<u16>,
    /// Which value counts when a key comes more than once [default: last]
    ///
    /// The default is refused where it leaves out more than half of the pairs.
    #[arg(long, value_enum, help_heading = TABLE)]
    duplicates: Option<Keep>,
    /// Memory that the build may use; it does not change the file
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = memory, help_heading = WORK, hide_short_help = true)]
    memory: u64,
    /// How many threads work; it does not change the file [default: one a core]
    #[arg(long, value_name = "N", value_parser = quantity::positive, help_heading = WORK, hide_short_help = true)]
    threads: Option<NonZeroUsize>,
}

const TABLE: &str = "Table";
const WORK: &str = "Work";

/// The part of a build's memory that reading Parquet may use: one in so many.
const READING_SHARE: u64 = 4;

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
    /// As many bits a byte as values of few different bytes need: digits, hexadecimal, base64,
    /// letters
    Packed,
    /// zstd with a trained dictionary: values of some hundred bytes and more
    Zstd,
    /// What makes the file smallest, whatever decoding costs
    Smallest,
    /// What answers fastest: values as they are
    Fastest,
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
    outlive_file_limits()?;
    let named = BuildPaths { inputs: &arguments.inputs, output: arguments.output.as_deref() };
    let Some(staging) = Staging::begin(named.inputs, named.output)? else {
        let BuildOutcome { output, report } = build(arguments, &named)?;
        report.and_then(say).map_err(|failure| unsaid(&output, &failure))?;
        return Ok(ExitCode::SUCCESS);
    };
    let unstaged = |failure: Failure| Failure::new(staging.unstaged(&failure.to_string()));
    let staged = BuildPaths { inputs: staging.inputs(), output: staging.output().or(named.output) };
    let BuildOutcome { output, report } = build(arguments, &staged).map_err(unstaged)?;
    let report = report.map_err(unstaged)?;
    staging.finish()?;
    say(staging.unstaged(&report)).map_err(|failure| unstaged(unsaid(&output, &failure)))?;
    Ok(ExitCode::SUCCESS)
}

/// The output is there, and people cannot be told so.
fn unsaid(output: &Path, failure: &Failure) -> Failure {
    Failure::new(format!("{} is in its place, but what it is cannot be said: {failure}", output.display()))
}

/// What is read and written, as files: those that were named, or those that stand for objects.
struct BuildPaths<'a> {
    inputs: &'a [PathBuf],
    output: Option<&'a Path>,
}

/// What was carved, and what there is to say of it.
struct BuildOutcome {
    output: PathBuf,
    report: Outcome<String>,
}

fn build(arguments: &Arguments, paths: &BuildPaths<'_>) -> Outcome<BuildOutcome> {
    let threads = arguments.threads.map_or(0, NonZeroUsize::get);
    let read = ReadOptions {
        memory_bytes: Some(arguments.memory / READING_SHARE),
        threads,
        ..arguments.read.to_options()
    };
    let source = BuildSource::open(arguments, paths)?;
    let name = source.name().to_owned();
    let output = Destination::find(&paths.output()?, "table.graven")?.into_file()?;
    if source.paths().any(|path| same_file(path, &output)) {
        return Err(Failure::new(format!("{} is the input; name another file with -o", output.display())));
    }
    let options = Options {
        codec: arguments.codec.into(),
        purpose: arguments.purpose.into(),
        bucket_records: arguments.bucket,
        memory_bytes: arguments.memory,
        temporary_dir: directory_of(&output).to_owned(),
        threads,
        ..Options::default()
    };
    if arguments.duplicates == Some(Keep::List) && arguments.columns.to_options().is_some() {
        return Err(Failure::new(
            "--duplicates list makes lists of whole values, and --columns rows; leave out one of them, or make objects \
             with --value instead of --columns",
        ));
    }
    let replaced = if paths.output.is_none() { replaced(&output)? } else { None };
    let columns = arguments.columns.to_options();
    let done = match source {
        BuildSource::Text(input) => {
            arguments.redis.refuse(input.name())?;
            refuse_trust(arguments, input.name())?;
            carve::to_file(input, &read, columns.as_ref(), arguments.duplicates, options, &output)?
        }
        BuildSource::Redis(source) if arguments.duplicates == Some(Keep::List) => {
            return Err(Failure::new(format!(
                "{} has one value a key; leave --duplicates out",
                source.name()
            )));
        }
        BuildSource::Redis(source) => {
            if let RedisSource::Dump(_) = source {
                refuse_trust(arguments, source.name())?;
            }
            let how = arguments.redis.to_options(&source, &read, columns)?;
            carve::redis_to_file(source, &how, arguments.duplicates, options, &output)?
        }
    };
    let report = report(&name, &output, &done, replaced);
    Ok(BuildOutcome { output, report })
}

/// What a table is built from.
enum BuildSource {
    Text(Input),
    Redis(RedisSource),
}

impl BuildSource {
    fn open(arguments: &Arguments, paths: &BuildPaths<'_>) -> Outcome<Self> {
        if let [input] = paths.inputs
            && let Some(target) = redis::target(input)
        {
            // Whoever has named no output is not to wait for a server.
            paths.output()?;
            return Ok(Self::Redis(RedisSource::connect(&target?, &arguments.trust.trust())?));
        }
        if let Some(server) = paths.inputs.iter().find(|input| redis::target(input).is_some()) {
            return Err(Failure::new(format!(
                "{} is a server, and is read alone; make a table of each input",
                server.display()
            )));
        }
        let input = input_files::open(paths.inputs, arguments.require_marker.as_deref())?;
        if is_carved(&input) {
            return Err(Failure::new(format!(
                "{} is a carved file already; to build it anew, turn it into text with `graven dump` first",
                input.name()
            )));
        }
        Ok(match input.foreign() {
            Some(Content::RedisDump) => Self::Redis(RedisSource::Dump(input)),
            _ => Self::Text(input),
        })
    }

    fn name(&self) -> &str {
        match self {
            Self::Text(input) => input.name(),
            Self::Redis(source) => source.name(),
        }
    }

    /// The files that are read.
    fn paths(&self) -> impl Iterator<Item = &Path> {
        let input = match self {
            Self::Text(input) | Self::Redis(RedisSource::Dump(input)) => Some(input),
            Self::Redis(RedisSource::Server(_)) => None,
        };
        input.into_iter().flat_map(|input| input.parts().iter().map(|part| &*part.path).chain(input.path()))
    }
}

/// Refuses flags for TLS where no server is asked.
fn refuse_trust(arguments: &Arguments, name: &str) -> Outcome<()> {
    match arguments.trust.given() {
        Some(flag) => Err(Failure::new(format!(
            "{flag} is for a Redis that is asked with TLS, as rediss://HOST:PORT, and {name} is a file; leave it out"
        ))),
        None => Ok(()),
    }
}

/// What is said of the table that the default name leads to. What is no table is not replaced
/// unless it is named.
fn replaced(output: &Path) -> Outcome<Option<String>> {
    if !output.exists() {
        return Ok(None);
    }
    match open_carved(output) {
        Ok(Ok(table)) => Ok(Some(format!("which had {}", count(table.store.len(), "pair")))),
        Ok(Err(_)) => Ok(Some("which could not be opened".into())),
        Err(_) => Err(Failure::new(format!(
            "{} is there and is not a carved file; to replace it, name it with -o",
            output.display()
        ))),
    }
}

/// What a build came to, for the person who waits for it.
fn report(name: &str, output: &Path, done: &BuildSummary, replaced: Option<String>) -> Outcome<String> {
    let table = open_carved(output)?.map_err(|error| explain(&output.display().to_string(), &error))?;
    let info = table.store.info();
    let read = match done.is_of_server {
        true => count(done.input_bytes, "key"),
        false => ByteSize(done.input_bytes).display().si().to_string(),
    };
    let mut text = format!(
        "carved {name} into {}: {}, {read} in, {} out, {:.1} bytes a pair, {}, in {:.2} s, {}",
        output.display(),
        count(info.pairs, "pair"),
        ByteSize(info.file_bytes).display().si(),
        info.bytes_per_pair().unwrap_or_default(),
        values_line(&info),
        done.took.as_secs_f64(),
        count(done.duplicates, "duplicate"),
    );
    if let Some((key, value)) = &done.first {
        text.push_str(&format!("\nthe first pair: {} = {}", shown(key), shown(value)));
    }
    if let Some(page) = columns_page(&table.store) {
        text.push('\n');
        text.push_str(page.trim_end());
    }
    if !done.ignored.is_empty() {
        text.push_str(&format!("\nnot in the table: {}", done.ignored.join(", ")));
    }
    for note in &done.notes {
        text.push('\n');
        text.push_str(note);
    }
    if done.are_values_aligned {
        text.push_str("\nmost values begin with a space or a tab; --trim drops these");
    }
    if let Some(what) = replaced {
        text.push_str(&format!("\nreplaced {}, {what}", output.display()));
    }
    Ok(text)
}

/// Bytes as a person reads them: in quotes, so that blanks are seen, and not more than fit into a
/// line.
fn shown(bytes: &[u8]) -> String {
    const CHARS: usize = 60;
    let text: String = bytes.utf8_chunks().fold(String::new(), |text, chunk| {
        let invalid: String = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")).collect();
        text + &chunk.valid().escape_debug().to_string() + &invalid
    });
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("\"{}…\" ({})", &text[..end], count(bytes.len() as u64, "byte")),
        None => format!("\"{text}\""),
    }
}

impl BuildPaths<'_> {
    fn output(&self) -> Outcome<PathBuf> {
        match (self.output, self.inputs) {
            (Some(output), _) => Ok(output.to_owned()),
            (None, [input]) if redis::target(input).is_some() => {
                Err(Failure::new("a server has no name to go by; name the output with -o FILE"))
            }
            (None, [input]) if input == Path::new("-") => {
                Err(Failure::new("standard input has no name to go by; name the output with -o FILE"))
            }
            (None, [input]) if input.exists() => Ok(input::default_output(input)),
            (None, _) => Err(Failure::new("several inputs have no one name; name the output with -o FILE")),
        }
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
            CodecName::Zstd => Self::Fixed(Codec::Zstd),
            CodecName::Smallest => Self::Smallest,
            CodecName::Fastest => Self::Fastest,
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

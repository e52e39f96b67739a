//! `compare-store sizes`: what a text takes carved with each codec, beside what zstd makes of the whole text as one stream
//! in which no value can be had alone.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use graven_format::{Builder, Codec, CodecChoice, Options, Source, Store};

use crate::pairs;
use crate::sample::{self, Generator, Sample};
use crate::table::Table;

/// zstd's level.
const LEVEL: i32 = 3;

/// Lookups that are timed, of the first keys of the text.
const TIMED: usize = 200_000;

/// Carve texts with every codec and compare the sizes with zstd's
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Texts in the `.data` form, beside the samples
    texts: Vec<PathBuf>,
    /// How many pairs the samples have
    #[arg(short = 'n', value_name = "PAIRS", default_value_t = 1_000_000)]
    pairs: u64,
    #[command(flatten)]
    generator: Generator,
    /// Which samples to take: descriptions and stanzas are what `apt-cache dumpavail` says of packages
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "letters,words,descriptions,stanzas,documents,digests,decimals,pages"
    )]
    only: Vec<Sample>,
    /// Print the table as Markdown
    #[arg(long)]
    markdown: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut table = Table::new(&[
        "text",
        "pairs",
        "text MB",
        "zstd -3 MB",
        "raw MB",
        "auto MB",
        "auto took",
        "s",
        "ns a value",
        "smallest MB",
        "smallest took",
        "s",
        "ns a value",
    ]);
    for sample in &arguments.only {
        let text = folder.path().join("sample");
        sample.write(&arguments.generator, arguments.pairs, &text)?;
        table.push(row(sample.name(), &text, folder.path())?);
    }
    for text in &arguments.texts {
        table.push(row(&text.display().to_string(), text, folder.path())?);
    }
    print!("{}", table.print(arguments.markdown));
    Ok(())
}

fn row(name: &str, text: &Path, folder: &Path) -> Result<Vec<String>> {
    eprintln!("carving {name}");
    let megabytes = |bytes: u64| format!("{:.3}", bytes as f64 / 1e6);
    let stream = zstd_bytes(text)?;
    let raw = carved(text, folder, CodecChoice::Fixed(Codec::Raw))?;
    let mut row = vec![
        name.to_owned(),
        raw.pairs.to_string(),
        megabytes(sample::file_bytes(text)?),
        megabytes(stream),
        megabytes(raw.bytes),
    ];
    for choice in [CodecChoice::Auto, CodecChoice::Smallest] {
        let carved = carved(text, folder, choice)?;
        row.extend([
            megabytes(carved.bytes),
            carved.codecs,
            format!("{:.2}", carved.seconds),
            format!("{:.0}", carved.nanoseconds),
        ]);
    }
    Ok(row)
}

fn zstd_bytes(text: &Path) -> Result<u64> {
    let text = File::open(text).with_context(|| format!("cannot read {}", text.display()))?;
    let mut count = Count(0);
    zstd::stream::copy_encode(BufReader::new(text), &mut count, LEVEL).context("zstd failed")?;
    Ok(count.0)
}

/// Counts what is written.
struct Count(u64);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Carved {
    pairs: u64,
    bytes: u64,
    /// The names of the values' codecs.
    codecs: String,
    /// How long the build took.
    seconds: f64,
    /// What a lookup took, in the order of the text.
    nanoseconds: f64,
}

/// Carves a text, and checks that every pair comes back from the file.
fn carved(text: &Path, folder: &Path, codec: CodecChoice) -> Result<Carved> {
    let path = folder.join("carved");
    let start = Instant::now();
    let mut builder = Builder::new(Options { codec, temporary_dir: folder.into(), ..Options::default() });
    builder.add_text(Source::File(File::open(text)?))?;
    let built = builder.write(&path)?;
    let seconds = start.elapsed().as_secs_f64();
    let store = Store::open(&path)?;
    store.load()?;
    let mut found = Vec::new();
    let mut keys = Vec::new();
    pairs::for_each(text, |key, value| {
        found.clear();
        ensure!(store.get(key, &mut found)? && found == value, "a wrong value for {}", key.escape_ascii());
        if keys.len() < TIMED {
            keys.push(key.to_vec());
        }
        Ok(())
    })?;
    let start = Instant::now();
    for key in &keys {
        found.clear();
        store.get(key, &mut found)?;
    }
    let took = start.elapsed();
    let bytes = sample::file_bytes(&path)?;
    ensure!(bytes == built.carved_bytes, "the file has {bytes} bytes, not {}", built.carved_bytes);
    let info = store.info();
    let long = info.long_codec.map(|codec| format!(", {}", codec.name())).unwrap_or_default();
    Ok(Carved {
        pairs: built.pairs,
        bytes,
        codecs: format!("{}{long}", info.value_codec.name()),
        seconds,
        nanoseconds: took.as_nanos() as f64 / keys.len().max(1) as f64,
    })
}

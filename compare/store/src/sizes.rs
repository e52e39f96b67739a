//! `compare-store sizes`: what a text takes carved with each codec, beside what zstd makes of the whole text as one stream
//! in which no value can be had alone.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use graven_format::{Builder, Codec, CodecChoice, Options, Source, Store};

use crate::pairs;
use crate::sample::{self, Generator};
use crate::table::Table;

/// zstd's level.
const LEVEL: i32 = 3;

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
    /// Which samples to take; the last are the names and descriptions of `apt-cache dumpavail`
    #[arg(long, value_delimiter = ',', default_value = "letters,words,descriptions")]
    only: Vec<Sample>,
    /// Print the table as Markdown
    #[arg(long)]
    markdown: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Sample {
    Letters,
    Words,
    Descriptions,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut table = Table::new(&[
        "text",
        "pairs",
        "text MB",
        "zstd -3 MB",
        "raw MB",
        "huffman MB",
        "symbols MB",
        "auto MB",
        "auto took",
        "auto / zstd",
        "auto, bytes a pair",
    ]);
    for sample in &arguments.only {
        let (name, text) = match sample {
            Sample::Letters => ("letters", folder.path().join("letters")),
            Sample::Words => ("words", folder.path().join("words")),
            Sample::Descriptions => ("descriptions", folder.path().join("descriptions")),
        };
        match sample {
            Sample::Descriptions => sample::write_descriptions(&text)?,
            Sample::Letters | Sample::Words => arguments.generator.write(arguments.pairs, name, &text)?,
        }
        table.push(row(name, &text, folder.path())?);
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
    let huffman = carved(text, folder, CodecChoice::Fixed(Codec::Huffman))?;
    let symbols = carved(text, folder, CodecChoice::Fixed(Codec::Symbols))?;
    let auto = carved(text, folder, CodecChoice::Auto)?;
    Ok(vec![
        name.to_owned(),
        auto.pairs.to_string(),
        megabytes(sample::file_bytes(text)?),
        megabytes(stream),
        megabytes(raw.bytes),
        megabytes(huffman.bytes),
        megabytes(symbols.bytes),
        megabytes(auto.bytes),
        auto.codec.to_owned(),
        format!("{:.2}", auto.bytes as f64 / stream as f64),
        format!("{:.2}", auto.bytes as f64 / auto.pairs.max(1) as f64),
    ])
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
    /// The name of the values' codec.
    codec: &'static str,
}

/// Carves a text, and checks that every pair comes back from the file.
fn carved(text: &Path, folder: &Path, codec: CodecChoice) -> Result<Carved> {
    let path = folder.join("carved");
    let mut builder = Builder::new(Options { codec, temporary_dir: folder.into(), ..Options::default() });
    builder.add_text(Source::File(File::open(text)?))?;
    let built = builder.write(&path)?;
    let store = Store::open(&path)?;
    store.load()?;
    let mut found = Vec::new();
    pairs::for_each(text, |key, value| {
        found.clear();
        ensure!(store.get(key, &mut found)? && found == value, "a wrong value for {}", key.escape_ascii());
        Ok(())
    })?;
    let bytes = sample::file_bytes(&path)?;
    ensure!(bytes == built.carved_bytes, "the file has {bytes} bytes, not {}", built.carved_bytes);
    Ok(Carved { pairs: built.pairs, bytes, codec: store.info().value_codec.name() })
}

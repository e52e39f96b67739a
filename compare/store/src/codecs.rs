//! `compare-store codecs`: what a text takes carved with each codec, and what a lookup takes then: the ground of the advice
//! which codec is for what.

use anyhow::{Context, Result};
use graven_format::{Codec, CodecChoice};

use crate::sample::Generator;
use crate::sizes::{Sample, carved, megabytes};
use crate::table::Table;

/// Carve samples with each codec, and time lookups
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many pairs the samples of letters and words have
    #[arg(short = 'n', value_name = "PAIRS", default_value_t = 500_000)]
    pairs: u64,
    #[command(flatten)]
    generator: Generator,
    /// Which samples to take
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "letters,words,digests,decimals,documents,stanzas,pages"
    )]
    only: Vec<Sample>,
    /// Print the table as Markdown
    #[arg(long)]
    markdown: bool,
}

/// Of each the file's size, and the time of a lookup.
const CODECS: [Codec; 5] = [Codec::Raw, Codec::Packed, Codec::Huffman, Codec::Symbols, Codec::Zstd];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut heads = vec!["text".to_owned(), "pairs".to_owned()];
    for name in CODECS.map(|codec| codec.name()).into_iter().chain(["auto", "smallest"]) {
        heads.extend([format!("{name} MB"), "ns".to_owned()]);
    }
    heads.extend(["auto took".to_owned(), "smallest took".to_owned()]);
    let mut table = Table::new(&heads.iter().map(String::as_str).collect::<Vec<_>>());
    for sample in &arguments.only {
        eprintln!("carving {}", sample.name());
        let text = folder.path().join("sample");
        sample.write(&arguments.generator, arguments.pairs, &text)?;
        let (mut cells, mut took, mut pairs) = (Vec::new(), Vec::new(), 0);
        let choices = CODECS.map(CodecChoice::Fixed).into_iter();
        for choice in choices.chain([CodecChoice::Auto, CodecChoice::Smallest]) {
            let carved = carved(&text, folder.path(), choice)?;
            cells.extend([megabytes(carved.bytes), format!("{:.0}", carved.nanoseconds)]);
            if !matches!(choice, CodecChoice::Fixed(_)) {
                took.push(carved.codecs);
            }
            pairs = carved.pairs;
        }
        let row = [sample.name().to_owned(), pairs.to_string()].into_iter();
        table.push(row.chain(cells).chain(took).collect());
    }
    print!("{}", table.print(arguments.markdown));
    Ok(())
}

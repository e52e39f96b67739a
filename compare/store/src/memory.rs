//! `compare-store memory`: carves a large table in a process that is told how much memory it may use, and reads from the
//! system how much it did.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use graven_format::{Builder, Options, Source, Store};

use crate::alone::{Step, report};
use crate::sample::{self, Generator};
use crate::status;

/// Carve a table in little memory, and say how much was resident at most
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many pairs
    #[arg(short = 'n', value_name = "PAIRS", default_value_t = 10_000_000)]
    pairs: u64,
    /// Memory that the build is given, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    memory: u64,
    /// Where the text, the table and the build's temporary files go: a folder that is removed is made in it
    #[arg(long, value_name = "FOLDER", default_value_os_t = std::env::temp_dir())]
    beside: PathBuf,
    #[command(flatten)]
    generator: Generator,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folder = tempfile::tempdir_in(&arguments.beside).context("cannot make a temporary folder")?;
    let text = folder.path().join("sample.data");
    arguments.generator.write(arguments.pairs, "letters", &text)?;
    let own = folder.path().join("carved");
    std::fs::create_dir(&own)?;
    let built = report(Step::Bounded, &arguments.memory.to_string(), &text, &own)?;
    let store = Store::open(&own.join("graven"))?;
    store.verify().context("the table is damaged")?;
    ensure!(store.len() == arguments.pairs, "the table has {} pairs, not {}", store.len(), arguments.pairs);
    println!("{}\n", status::machine());
    let megabytes = |bytes: f64| bytes / 1e6;
    println!(
        "{} pairs, {:.1} MB of text, carved to {:.1} MB in {:.1} s; told to use {:.1} MB, resident at most {:.1} MB",
        arguments.pairs,
        megabytes(sample::file_bytes(&text)? as f64),
        megabytes(store.carved_bytes() as f64),
        built.get("seconds")?,
        megabytes((arguments.memory << 20) as f64),
        megabytes(built.get("peak_bytes")?),
    );
    Ok(())
}

/// Carves the text within so much memory.
pub(crate) fn build(text: &Path, folder: &Path, memory_mib: u64) -> Result<()> {
    let memory_bytes = memory_mib << 20;
    let options = Options { memory_bytes, temporary_dir: folder.into(), ..Options::default() };
    let mut builder = Builder::new(options);
    builder.add_text(Source::File(File::open(text).context("cannot read the text")?))?;
    builder.write(&folder.join("graven"))?;
    Ok(())
}

//! Where texts come from when none is given: the sample generator of the `graven` binary, and the machine's list of
//! packages.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The program that makes sample tables.
#[derive(clap::Args)]
pub(crate) struct Generator {
    /// The `graven` binary that makes the sample tables (`cargo build --release` makes the binary)
    #[arg(long, value_name = "PATH", default_value_os_t = default_graven())]
    graven: PathBuf,
    /// The seed of the sample tables
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn default_graven() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/graven")
}

impl Generator {
    /// Writes `lines` lines with `values`, "letters" or "words", to `output`.
    pub(crate) fn write(&self, lines: u64, values: &str, output: &Path) -> Result<()> {
        let mut command = Command::new(&self.graven);
        command.args(["gen", "-n", &lines.to_string(), "--values", values, "--seed", &self.seed.to_string()]);
        let status = command.arg("-o").arg(output).status().with_context(|| {
            let graven = self.graven.display();
            format!(
                "cannot run {graven}; `cargo build --release` at the root makes it, --graven names another"
            )
        })?;
        if !status.success() {
            bail!("{} gen failed: {status}", self.graven.display());
        }
        Ok(())
    }
}

/// A text of one kind of data.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Sample {
    Letters,
    Words,
    Descriptions,
    Stanzas,
    Documents,
    Digests,
    Decimals,
    Pages,
}

impl Sample {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Letters => "letters",
            Self::Words => "words",
            Self::Descriptions => "descriptions",
            Self::Stanzas => "stanzas",
            Self::Documents => "JSON documents of 2 KB",
            Self::Digests => "hexadecimal digests",
            Self::Decimals => "decimal numbers",
            Self::Pages => "pages of 100 KB",
        }
    }

    /// Writes the text to `output`; letters and words with so many pairs.
    pub(crate) fn write(self, generator: &Generator, pairs: u64, output: &Path) -> Result<()> {
        match self {
            Self::Letters => generator.write(pairs, "letters", output),
            Self::Words => generator.write(pairs, "words", output),
            Self::Descriptions => write_descriptions(output),
            Self::Stanzas => write_stanzas(output),
            Self::Documents => write_documents(output),
            Self::Digests => write_digests(output),
            Self::Decimals => write_decimals(output),
            Self::Pages => write_pages(output),
        }
    }
}

/// Writes the packages that the machine's package lists name, a line each: the name, a space, the description.
fn write_descriptions(output: &Path) -> Result<()> {
    let mut list = Command::new("apt-cache")
        .arg("dumpavail")
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run apt-cache; --only letters,words does without it")?;
    let lines = BufReader::new(list.stdout.take().context("apt-cache has no output")?);
    let mut text = BufWriter::new(File::create(output)?);
    let mut seen = HashSet::new();
    let mut package = String::new();
    for line in lines.lines() {
        let line = line.context("cannot read what apt-cache says")?;
        if let Some(name) = line.strip_prefix("Package: ") {
            package = name.to_owned();
        } else if let Some(description) = line.strip_prefix("Description: ")
            && seen.insert(package.clone())
        {
            writeln!(text, "{package} {description}")?;
        }
    }
    text.flush()?;
    let status = list.wait()?;
    if !status.success() || seen.is_empty() {
        bail!("apt-cache dumpavail gave {} descriptions: {status}; try apt-get update", seen.len());
    }
    Ok(())
}

/// Writes the stanzas that the machine's package lists have, a line each: the name, a space, the stanza with its line ends
/// escaped.
fn write_stanzas(output: &Path) -> Result<()> {
    let list = Command::new("apt-cache").arg("dumpavail").output();
    let list = list.context("cannot run apt-cache; --only without stanzas does without it")?;
    let list = String::from_utf8_lossy(&list.stdout);
    let mut text = BufWriter::new(File::create(output)?);
    let mut seen = HashSet::new();
    for stanza in list.split("\n\n").map(str::trim) {
        let name = stanza.lines().next().and_then(|line| line.strip_prefix("Package: "));
        if let Some(name) = name.filter(|name| seen.insert(name.to_string())) {
            writeln!(text, "{name} {}", stanza.replace('\\', "\\\\").replace('\n', "\\n"))?;
        }
    }
    if seen.is_empty() {
        bail!("apt-cache dumpavail gave no stanza; try apt-get update");
    }
    Ok(text.flush()?)
}

/// Words that few texts are without, and more of them: made up, so that every machine has the same.
fn word(random: &mut fastrand::Rng) -> String {
    // Of 4,096 words the first come most often, as in texts.
    let rank = (1 << random.u32(0..12)) + random.u64(0..64);
    let mut of_rank = fastrand::Rng::with_seed(rank);
    (0..of_rank.usize(2..10))
        .map(|_| char::from(of_rank.choice(*b"etaoinshrdlucmfw").unwrap_or(b'e')))
        .collect()
}

/// Writes 50,000 documents as a profile or a session would be, some 2 KB each.
fn write_documents(output: &Path) -> Result<()> {
    let (mut text, mut random) = (BufWriter::new(File::create(output)?), fastrand::Rng::with_seed(1));
    for i in 0..50_000 {
        write!(text, "u{i} {{\"user_id\":{i},\"active\":{},\"features\":{{", random.bool())?;
        for j in 0..60 {
            write!(text, "\"f{j}\":{:.5},", random.f64() * 4.0 - 2.0)?;
        }
        write!(text, "\"f60\":0}},\"history\":[")?;
        for _ in 0..14 {
            let (ts, page, ms) = (random.u32(..10_000_000), word(&mut random), random.u16(..5000));
            write!(text, "{{\"ts\":{},\"page\":\"/{page}\",\"ms\":{ms}}},", 1_700_000_000 + ts)?;
        }
        writeln!(text, "{{\"ts\":1700000000}}]}}")?;
    }
    Ok(text.flush()?)
}

/// Writes 500,000 hexadecimal digests of 64 digits.
fn write_digests(output: &Path) -> Result<()> {
    let (mut text, mut random) = (BufWriter::new(File::create(output)?), fastrand::Rng::with_seed(2));
    for i in 0..500_000 {
        writeln!(text, "user:{i} {:032x}{:032x}", random.u128(..), random.u128(..))?;
    }
    Ok(text.flush()?)
}

/// Writes 500,000 decimal numbers with four digits behind the point.
fn write_decimals(output: &Path) -> Result<()> {
    let (mut text, mut random) = (BufWriter::new(File::create(output)?), fastrand::Rng::with_seed(3));
    for i in 0..500_000 {
        writeln!(text, "{} {:.4}", i * 7919, (random.f64() * 10.0).exp())?;
    }
    Ok(text.flush()?)
}

/// Writes 1,000 pages of words, 100 KB each.
fn write_pages(output: &Path) -> Result<()> {
    let (mut text, mut random) = (BufWriter::new(File::create(output)?), fastrand::Rng::with_seed(4));
    for i in 0..1000 {
        let mut page = String::new();
        while page.len() < 100_000 {
            page.push_str(&word(&mut random));
            page.push(if random.u8(..12) == 0 { '.' } else { ' ' });
        }
        writeln!(text, "page{i} {page}")?;
    }
    Ok(text.flush()?)
}

/// Bytes of a file.
pub(crate) fn file_bytes(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len())
}

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

/// Writes the packages that the machine's package lists name, a line each: the name, a space, the description.
pub(crate) fn write_descriptions(output: &Path) -> Result<()> {
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

/// Bytes of a file.
pub(crate) fn file_bytes(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len())
}

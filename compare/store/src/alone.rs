//! A process with one engine in it and nothing else, so that its memory is the engine's: builds or opens it, asks it for
//! every key, and prints what that took, a name and a number a line.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::engine::Timed;
use crate::engines::{self, Recipe};
use crate::keys::Keys;
use crate::memory;
use crate::pairs::{self, Pairs};
use crate::status::{resident_bytes, resident_peak_bytes};

/// Run one engine in this process and print what it took
#[derive(clap::Args)]
pub(crate) struct Arguments {
    step: Step,
    /// The engine's name, or the MiB of memory for a bounded build.
    what: String,
    text: PathBuf,
    folder: PathBuf,
}

/// What to do.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Step {
    /// Make the engine's files, or the engine where it lies on the heap.
    Build,
    /// Open the engine's files.
    Open,
    /// Carve a table within little memory.
    Bounded,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Open => "open",
            Self::Bounded => "bounded",
        }
    }
}

/// What a process reported.
pub(crate) struct Report(HashMap<String, f64>);

impl Report {
    pub(crate) fn get(&self, name: &str) -> Result<f64> {
        self.0.get(name).copied().with_context(|| format!("the report has no {name}"))
    }
}

/// Runs a step in a process of its own.
pub(crate) fn report(step: Step, what: &str, text: &Path, folder: &Path) -> Result<Report> {
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
    command.args(["alone", step.name(), what]).arg(text).arg(folder);
    let output = command.output().context("cannot run this program once more")?;
    if !output.status.success() {
        bail!("{} of {what}: {}", step.name(), String::from_utf8_lossy(&output.stderr).trim());
    }
    let lines = String::from_utf8(output.stdout).context("the report is not text")?;
    let number = |line: &str| {
        let (name, number) = line.split_once(' ')?;
        Some((name.to_owned(), number.parse().ok()?))
    };
    Ok(Report(lines.lines().filter_map(number).collect()))
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { step, what, text, folder } = arguments;
    let before = resident_bytes()?;
    let start = Instant::now();
    let engine = match step {
        Step::Build => match engines::named(what)?.recipe {
            Recipe::Heap(build) => Some(build(text)?),
            Recipe::Files { write, .. } => {
                write(text, folder)?;
                None
            }
        },
        Step::Open => match engines::named(what)?.recipe {
            Recipe::Files { open, .. } => Some(open(folder)?),
            Recipe::Heap(_) => bail!("{what} lies on the heap and cannot be opened"),
        },
        Step::Bounded => {
            memory::build(text, folder, what.parse().context("the memory is not a number")?)?;
            None
        }
    };
    println!("seconds {}", start.elapsed().as_secs_f64());
    println!("peak_bytes {}", resident_peak_bytes()?);
    if let Some(mut engine) = engine {
        ask_for_all(engine.as_mut(), text)?;
        println!("resident_bytes {}", resident_bytes()?.saturating_sub(before));
    }
    Ok(())
}

/// Looks up every key of the text, which is read a block at a time.
fn ask_for_all(engine: &mut dyn Timed, text: &Path) -> Result<()> {
    let mut asked = 0;
    pairs::for_each(text, |key, value| {
        let mut pair = Pairs::default();
        pair.push(key, value);
        asked += 1;
        engine.check(&pair, &Keys::default())
    })?;
    ensure!(asked > 0, "the text has no pairs");
    Ok(())
}

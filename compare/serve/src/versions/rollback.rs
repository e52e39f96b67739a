//! How long a rollback takes: to the version before, which is still loaded, and to an earlier one,
//! which is not.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::compare::at_least_one;
use crate::histogram::Histogram;
use crate::machine;
use crate::stop::Stop;
use crate::table::Table;
use crate::versions::probe::Probe;
use crate::versions::root::{RootFolder, TABLE, server_options};
use crate::versions::switches::milliseconds;

/// Roll a table back again and again, and measure how long it takes until every loop answers from
/// the old version
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A carved file, which stands for every version
    file: PathBuf,
    /// A key that it has
    key: String,
    /// The `graven` binary [default: that of this repository's release build, or of the search
    /// path]
    #[arg(long, value_name = "PATH")]
    graven: Option<PathBuf>,
    /// Where the root is made; on the file system of the file it is not copied
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Rollbacks of each kind
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = at_least_one)]
    rollbacks: usize,
    /// `graven serve --storage`
    #[arg(long, value_name = "WHERE")]
    storage: Option<String>,
    /// `graven serve --load-rate`
    #[arg(long, value_name = "SIZE")]
    load_rate: Option<String>,
    /// `graven serve --threads`
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = at_least_one)]
    threads: usize,
}

/// Versions: the oldest is gone back to when it is no longer loaded.
const VERSIONS: [&str; 3] = ["v0", "v1", "v2"];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let stop = Stop::on_signals()?;
    let root = RootFolder::make(arguments.graven.as_deref(), arguments.folder.as_deref())?;
    root.add_table(TABLE)?;
    for version in VERSIONS {
        let there = root.version(TABLE, version);
        // Nobody writes to it.
        if fs::hard_link(&arguments.file, &there).is_err() {
            fs::copy(&arguments.file, &there).context("cannot copy the file")?;
        }
    }
    root.set_current(TABLE, "v0\n")?;
    let options = server_options(&[
        ("--threads", Some(arguments.threads.to_string())),
        ("--storage", arguments.storage.clone()),
        ("--load-rate", arguments.load_rate.clone()),
    ]);
    let cores = format!("0-{}", std::thread::available_parallelism()?.get() - 1);
    let server = root.serve(&cores, &options, &stop)?;
    let measured = Probe::connect(server.address(), TABLE, &arguments.key)
        .and_then(|probe| measure(arguments, &root, probe, &stop));
    let (forward, [near, far]) = match measured {
        Ok(measured) => measured,
        Err(error) => bail!("{error:#}; the server has said:\n{}", root.said()),
    };
    let bytes = fs::metadata(&arguments.file)?.len();
    println!(
        "{}; {:.1} MB carved, `graven serve ROOT {}`; {} of each. From the moment at which CURRENT is another until every loop \
         answers from the version it names.\n",
        machine::describe(),
        bytes as f64 / 1e6,
        options.join(" "),
        arguments.rollbacks,
    );
    let mut table = Table::new(1, &["to", "median ms", "slowest ms"]);
    for (what, times) in [
        ("a new version", forward),
        ("the version before, by a rollback", near),
        ("an earlier version, which is no longer loaded, by a rollback", far),
    ] {
        let mut waits = Histogram::new();
        times.iter().for_each(|&time| waits.record(time));
        let slowest = times.iter().max().copied().unwrap_or_default();
        table.push(vec![what.to_owned(), milliseconds(waits.percentile(0.5)), milliseconds(slowest)]);
    }
    print!("{}", table.markdown());
    Ok(())
}

type Times = Vec<Duration>;

fn measure(
    arguments: &Arguments,
    root: &RootFolder,
    mut probe: Probe,
    stop: &Stop,
) -> Result<(Times, [Times; 2])> {
    let graven = |verb: &str, rest: &[&str]| {
        let mut command = Command::new(&root.graven);
        command.arg(verb).arg(root.table(TABLE)).args(rest);
        let output = command.output().context("cannot run graven")?;
        if !output.status.success() {
            bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        anyhow::Ok(())
    };
    let until = |version: &str, began: Instant, probe: &mut Probe| {
        probe.until(&format!("{TABLE}@{version}"), began, stop)
    };
    until("v0", Instant::now(), &mut probe)?;
    let (mut forward, mut near, mut far) = (Vec::new(), Vec::new(), Vec::new());
    let mut go = |to: &str, text: String| {
        let began = root.set_current(TABLE, &text)?;
        until(to, began, &mut probe)
    };
    for _ in 0..arguments.rollbacks {
        for (to, times) in [("v1", &mut near), ("v0", &mut far)] {
            // The one before the last is let go when the last one comes.
            for version in ["v0", "v1"] {
                go(version, format!("{version}\n"))?;
            }
            forward.push(go("v2", "v2\n".to_owned())?);
            times.push(go(to, rolled_back(to, "v2"))?);
        }
    }
    go("v1", "v1\n".to_owned())?;
    go("v2", "v2\n".to_owned())?;
    graven("rollback", &["--to", "v0", "--reason", "measured"])?;
    until("v0", Instant::now(), &mut probe)?;
    Ok((forward, [near, far]))
}

/// `CURRENT` as a rollback writes it.
fn rolled_back(to: &str, from: &str) -> String {
    let time = "2026-11-27T00:00:00Z";
    format!("{to}\n{to} {time} rollback from={from}\n{from} {time} switch\n{to} {time} switch\n")
}

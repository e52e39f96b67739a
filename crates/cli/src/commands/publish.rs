//! `graven publish`: puts a carved file into a root as a new version of a table, and switches to it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use graven_catalog::Root;
use graven_catalog::root::{Publish, Retention, RootError, VersionName, publish, retain};
use graven_format::Store;

use crate::console::{count, say, warn};
use crate::failure::Outcome;
use crate::progress::bar;
use crate::quantity::{Misread, time};
use crate::root::{LATEST, TablePath, answers, explain, parse_version};
use crate::signals::{outlive_file_limits, stop_on_signals};

/// Put a carved file into a root as a new version of a table, and switch to it
///
/// The file is copied, verified whole, and named without replacing anything. The gates in the table's `table.toml` decide
/// whether it is switched to.
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 when the version answers, or is there with --no-switch; 1 when the file is not whole, \
    or the version is there and a gate keeps it out; 2 when the file cannot be read, or the root cannot be read or written; \
    3 when the version is there and was not switched to, because the table is frozen or was switched by somebody else \
    meanwhile."
)]
pub(crate) struct Arguments {
    /// The carved file
    file: PathBuf,
    /// The table: a directory or bucket, as s3://BUCKET/PREFIX, and a name in it; made if it is not there
    #[arg(value_name = "ROOT/TABLE")]
    table: TablePath,
    /// The version's name [default: the time, as 20261126T020000Z]
    #[arg(long = "as", value_name = "VERSION", value_parser = parse_new_version)]
    version: Option<VersionName>,
    /// What the history says of it
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Versions that are kept: of the others, those that did not answer lately are removed
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// With --keep: how long a version is kept after it has answered
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = grace)]
    keep_grace: Duration,
    /// Do not switch to it
    #[arg(long)]
    no_switch: bool,
    /// Switch to it whatever the gates say; the history says so
    #[arg(long, conflicts_with = "no_switch")]
    force: bool,
}

/// The longest time that `--keep-grace` takes: ten years.
const GRACE_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

fn grace(text: &str) -> Result<Duration, Misread> {
    time(text, Duration::ZERO..=GRACE_MAX)
}

/// The name of a version that is made.
fn parse_new_version(text: &str) -> Result<VersionName, String> {
    if text == LATEST {
        return Err(format!("{LATEST:?} is what `graven switch` calls the newest version"));
    }
    parse_version(text)
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let Arguments { file, table: at, .. } = arguments;
    let stopped = Arc::new(AtomicBool::new(false));
    stop_on_signals(&stopped)?;
    outlive_file_limits()?;
    // Nothing is made for a file that is not there or not whole.
    if let Err(source) = Store::open(file) {
        return at.refused(&RootError::File { path: file.clone(), source });
    }
    let root = at.create()?;
    let bar = bar("verifying", Some(0));
    let mut progress = |done, of| {
        bar.set_length(of);
        bar.set_position(done);
        !stopped.load(Ordering::Relaxed)
    };
    let options = Publish {
        version: arguments.version.clone(),
        note: arguments.note.clone(),
        switch: !arguments.no_switch,
        force: arguments.force,
        progress: &mut progress,
    };
    let published = publish(&*root, &at.table, file, options);
    bar.finish_and_clear();
    let published = match published {
        Ok(published) => published,
        Err(error) => return at.refused(&error),
    };
    let version = &published.version;
    say(format_args!("published {} as {}@{version}", file.display(), at.table))?;
    match published.switched {
        None => say(format_args!("not switched to; `graven switch {} {version}` does", at.text()))?,
        Some(Ok(current)) => say(answers(&at.table, &current))?,
        Some(Err(error)) => return at.refused(&error),
    }
    match remove_old(&*root, arguments) {
        Ok(0) => {}
        Ok(removed) => say(format_args!("removed {} that need not be kept", count(removed, "version")))?,
        // What was asked for first is done, and the next publish removes them.
        Err(error) => warn(explain(&error, "; old versions are kept until the next publish")),
    }
    Ok(ExitCode::SUCCESS)
}

/// Removes the versions that need not be kept, where that is asked for; how many.
fn remove_old(root: &dyn Root, arguments: &Arguments) -> Result<u64, RootError> {
    let table = &arguments.table.table;
    let keep = match arguments.keep {
        Some(keep) => Some(keep),
        None => root.settings(table)?.keep,
    };
    let Some(keep) = keep else { return Ok(0) };
    let retention = Retention { keep, grace: arguments.keep_grace };
    Ok(retain(root, table, retention, SystemTime::now())?.len() as u64)
}

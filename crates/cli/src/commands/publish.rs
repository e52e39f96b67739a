//! `graven publish`: puts a carved file into a root as a new version of a table, and switches to it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use graven_catalog::Root;
use graven_catalog::root::{Publish, Retention, VersionName, publish, retain};

use crate::console::{count, say};
use crate::failure::Outcome;
use crate::progress::bar;
use crate::quantity::{Misread, time};
use crate::root::{TablePath, answers, explain, parse_version};
use crate::signals::{outlive_file_limits, stop_on_signals};
use crate::table::{explain as explain_file, open_carved};

/// Put a carved file into a root as a new version of a table, and switch to it
///
/// The file is copied, verified whole, and named without replacing anything. The gates in the table's `table.toml` decide
/// whether it is switched to.
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 when the version answers, or is there with --no-switch; 1 when a gate keeps it out; \
    2 when nothing was published; 3 when it is there and was not switched to, because the table is frozen or was switched \
    by somebody else meanwhile."
)]
pub(crate) struct Arguments {
    /// The carved file
    file: PathBuf,
    /// The table: a directory, and a name in it; both are made if they are not there
    #[arg(value_name = "ROOT/TABLE")]
    table: TablePath,
    /// The version's name [default: the time, as 20261126T020000Z]
    #[arg(long = "as", value_name = "VERSION", value_parser = parse_version)]
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

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let Arguments { file, table: at, .. } = arguments;
    let stopped = Arc::new(AtomicBool::new(false));
    stop_on_signals(&stopped)?;
    outlive_file_limits()?;
    // Nothing is made for a file that is not there.
    open_carved(file)?.map_err(|error| explain_file(&file.display().to_string(), &error))?;
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
    let published = publish(&root, &at.table, file, options).map_err(|error| explain(&error, ""))?;
    bar.finish_and_clear();
    let version = &published.version;
    say(format_args!("published {} as {}@{version}", file.display(), at.table))?;
    let status = match published.switched {
        None => {
            say(format_args!("not switched to; `graven switch {} {version}` does", at.text()))?;
            ExitCode::SUCCESS
        }
        Some(Ok(current)) => {
            say(answers(&at.table, &current))?;
            ExitCode::SUCCESS
        }
        Some(Err(error)) => return at.refused(&error),
    };
    let settings = root.settings(&at.table).map_err(|error| explain(&error, ""))?;
    if let Some(keep) = arguments.keep.or(settings.keep) {
        let retention = Retention { keep, grace: arguments.keep_grace };
        let removed = retain(&root, &at.table, retention, SystemTime::now());
        let removed = removed.map_err(|error| explain(&error, "; the version was published"))?;
        if !removed.is_empty() {
            say(format_args!("removed {} that need not be kept", count(removed.len() as u64, "version")))?;
        }
    }
    Ok(status)
}

//! `graven switch`: makes another version of a table the one that answers.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use graven_catalog::root::{SwitchTarget, switch};

use crate::failure::Outcome;
use crate::progress::bar;
use crate::root::{TablePath, parse_target};
use crate::signals::stop_on_signals;
use crate::when_held::WhenHeldFlags;

/// Make another version of a table the one that answers
///
/// The version is verified whole before; `graven rollback` goes back without that.
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 when it answers, 1 when it does not exist, is not whole, or a gate keeps it out, 2 when \
    the root cannot be read or written, 3 when the table is frozen, was switched by somebody else meanwhile, or a server of --when-held does not hold the version in time."
)]
pub(crate) struct Arguments {
    /// The table
    #[arg(value_name = "ROOT/TABLE")]
    table: TablePath,
    /// The version, or `latest`: the one whose name sorts last and that was not rolled back from
    #[arg(value_parser = parse_target)]
    version: SwitchTarget,
    /// What the history says of it
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Switch to it whatever the gates say; the history says so
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    when_held: WhenHeldFlags,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let Arguments { table, version, note, force, when_held } = arguments;
    let stopped = Arc::new(AtomicBool::new(false));
    stop_on_signals(&stopped)?;
    let root = table.open()?;
    let held;
    let version = match when_held.is_given() {
        false => version,
        true => {
            let named = match version.version(&*root, &table.table) {
                Ok(named) => named,
                Err(error) => return table.refused(&error),
            };
            if let Some(status) = when_held.wait(&table.table, &named, &stopped)? {
                return Ok(status);
            }
            held = SwitchTarget::Version(named);
            &held
        }
    };
    let bar = bar("verifying", Some(0));
    let mut progress = |done, of| {
        bar.set_length(of);
        bar.set_position(done);
        !stopped.load(Ordering::Relaxed)
    };
    let switched = switch(&*root, &table.table, version, note, *force, &mut progress);
    bar.finish_and_clear();
    table.report(switched)
}

//! `graven verify`: reads every byte of a carved file and says whether it is what was written.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use bytesize::ByteSize;
use graven_format::Error;

use crate::console::{count, say, warn};
use crate::failure::Outcome;
use crate::progress::bar;
use crate::table::{explain, open_carved};

/// Check every byte of a carved file
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 when the file is whole, 1 when it is damaged (the first damage is named on standard \
    error), 2 when it could not be checked."
)]
pub(crate) struct Arguments {
    /// The carved file
    file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let started = Instant::now();
    let name = arguments.file.display().to_string();
    let checked = open_carved(&arguments.file)?.and_then(|table| {
        let bar = bar("checking", Some(0));
        table.store.verify_with(|done, of| {
            bar.set_length(of);
            bar.set_position(done);
        })?;
        Ok(table.store)
    });
    match checked {
        Ok(store) => {
            let text = format!(
                "{name} is whole: {}, {} checked in {:.2} s",
                count(store.len(), "pair"),
                ByteSize(store.carved_bytes()).display().si(),
                started.elapsed().as_secs_f64()
            );
            say(text)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error @ (Error::Damaged { .. } | Error::Length { .. })) => {
            warn(format_args!("{name}: {error}"));
            Ok(ExitCode::from(1))
        }
        Err(error) => Err(explain(&name, &error)),
    }
}

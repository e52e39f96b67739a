//! `graven verify`: reads every byte of a carved file and says whether it is what was written.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use bytesize::ByteSize;
use graven_client::Target;
use graven_format::Error;
use graven_wire::address::Protocol;

use crate::console::{count, say, warn};
use crate::failure::Outcome;
use crate::progress::bar;
use crate::quantity;
use crate::redis::compare;
use crate::table::{explain, open_carved};
use crate::target::target;
use crate::tls::TrustFlags;

/// Check every byte of a carved file
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 when the file is whole, 1 when it is damaged (the first damage is named on standard \
    error) or differs from the Redis that it is compared with, 2 when it could not be checked."
)]
pub(crate) struct Arguments {
    /// The carved file
    file: PathBuf,
    /// Compare keys of the file with this Redis too, `redis://HOST[:PORT][/DATABASE]`
    #[arg(long, value_name = "TARGET", value_parser = redis)]
    against: Option<Target>,
    /// How many keys are compared, chosen at random
    #[arg(long, value_name = "KEYS", default_value = "1000", value_parser = quantity::positive, requires = "against")]
    sample: NonZeroUsize,
    #[command(flatten)]
    trust: TrustFlags,
}

fn redis(text: &str) -> Result<Target, String> {
    let target = target(text)?;
    match target.protocol() {
        Protocol::Redis => Ok(target),
        _ => Err("write redis://HOST:PORT".to_owned()),
    }
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
            let Some(target) = &arguments.against else { return Ok(ExitCode::SUCCESS) };
            let (agrees, text) =
                compare(&name, &store, target, &arguments.trust.trust(), arguments.sample.get() as u64)?;
            say(text)?;
            Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::from(1) })
        }
        Err(error @ (Error::Damaged { .. } | Error::Length { .. })) => {
            warn(format_args!("{name}: {error}"));
            Ok(ExitCode::from(1))
        }
        Err(error) => Err(explain(&name, &error)),
    }
}

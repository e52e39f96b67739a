//! The access log of `graven serve`, where one is asked for.

use std::io;
use std::path::Path;

use graven_server::{AccessLog, AccessLogTarget};
use rustix::io::Errno;

use crate::config::Config;
use crate::failure::{Failure, Outcome, reason};

/// Opens the one that the options name.
pub(crate) fn open(config: &Config) -> Outcome<Option<AccessLog>> {
    let Some(path) = &config.options.access_log else { return Ok(None) };
    let target = match path == Path::new("-") {
        true => AccessLogTarget::Stdout,
        false => AccessLogTarget::File(path.clone()),
    };
    let opened = AccessLog::open(target).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "; its folder has to be there",
            _ if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                "; start what reads the pipe first"
            }
            _ => "",
        };
        let path = path.display();
        let failure = Failure::new(format!("{path}: cannot open the access log: {}{advice}", reason(&error)));
        config.at(config.origin("access-log"), failure)
    });
    opened.map(Some)
}

//! What servers say about themselves over HTTP, for the subcommands that ask several.

use std::io::{self, BufRead};
use std::thread;
use std::time::Duration;

use graven_client::{Page, ServerTrust, Timeouts, fetch_from};
use graven_wire::address::{Address, Protocol};

use crate::failure::{Failure, Outcome, reason};

/// Servers that are asked at once.
const AT_ONCE: usize = 64;

/// The addresses that were written; `-` stands for one a line of standard input.
pub(crate) fn addresses(texts: &[String]) -> Outcome<Vec<Address>> {
    let mut addresses = Vec::new();
    for text in texts {
        if text != "-" {
            addresses.push(address(text)?);
            continue;
        }
        for line in io::stdin().lock().lines() {
            let line = line
                .map_err(|error| Failure::new(format!("cannot read standard input: {}", reason(&error))))?;
            if !line.trim().is_empty() {
                addresses.push(address(line.trim())?);
            }
        }
    }
    Ok(addresses)
}

fn address(text: &str) -> Outcome<Address> {
    let address = Address::to_connect(text).map_err(|error| Failure::new(error.to_string()))?;
    match address.protocol {
        None | Some(Protocol::Http) => Ok(address),
        _ => Err(Failure::new(format!(
            "{text}: a server is asked over HTTP; write HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH"
        ))),
    }
}

/// What a server says, without what a terminal would take for more than text.
pub(crate) fn printable(text: &str) -> String {
    text.replace(|found: char| found.is_control() && found != '\n', "?")
}

/// Asks every server for `path`, many at once; the answers are in the order of the servers.
pub(crate) fn fetch_all(
    servers: &[Address],
    path: &str,
    timeout: Duration,
    trust: &ServerTrust,
) -> Vec<Result<Page, graven_client::Error>> {
    let timeouts = Timeouts { connect: timeout, read: timeout, write: timeout };
    let mut answers = Vec::new();
    for some in servers.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let asked: Vec<_> =
                some.iter().map(|server| scope.spawn(|| fetch_from(server, path, timeouts, trust))).collect();
            for answer in asked {
                answers.push(answer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
        });
    }
    answers
}

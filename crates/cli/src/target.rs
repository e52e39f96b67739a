//! The server that a command line names, and what to advise when it is not what was named.

use graven_wire::Recognized;
use graven_wire::address::AddressError;
use graven_wire::target::Target;

use crate::failure::{Failure, Outcome};

/// Reads a target; the error says what is wrong with it, for whoever has the text before them.
pub(crate) fn target(text: &str) -> Result<Target, String> {
    text.parse().map_err(|error: AddressError| error.problem.to_string())
}

/// What to type to have a server listen at `target`.
pub(crate) fn serve_there(target: &Target) -> String {
    format!("start a server there with `graven serve FILE --listen {}`", target.address().to_listener())
}

/// What to type for a server that speaks `found` and not the target's protocol.
pub(crate) fn ask_in(target: &Target, found: Recognized) -> String {
    match found {
        Recognized::Protocol(protocol) => {
            format!("write {}", target.address().with_protocol(protocol))
        }
        Recognized::Tls => "TLS is not spoken here; name a port without it".into(),
        _ => "check the port".into(),
    }
}

/// The same target, asked for these columns.
pub(crate) fn with_fields(target: &Target, fields: &[String]) -> Outcome<Target> {
    target.clone().with_fields(fields).ok_or_else(|| {
        Failure::new(format!(
            "{target} is asked over memcached's protocol, which has no way to say --fields; ask over HTTP or Redis"
        ))
    })
}

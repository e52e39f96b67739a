//! What could not be measured, in a sentence that names the flag and says what to type next.

use std::io;

use graven_bench::{Error, PlanError, PlanField, Target};

use crate::failure::{Failure, reason};
use crate::target::serve_there;
use crate::tls;

/// Why there is no measurement of `target`.
pub(super) fn explain(target: &Target, error: Error) -> Failure {
    Failure::new(match error {
        Error::Plan(error) => return refuse(target, &error),
        Error::UnknownHost(error) => {
            format!("the host of {target} is not known ({}); check its spelling", reason(&error))
        }
        Error::Unconnected(error)
            if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) =>
        {
            format!("nothing listens on {target}; {}", serve_there(target))
        }
        Error::Unconnected(error) if target.address().is_tls => {
            let text = reason(&error);
            format!("no connection with TLS to {target}: {text}{}", tls::advice(&text))
        }
        Error::Unconnected(error) => {
            format!("cannot connect to {target}: {}; check the address and the server", reason(&error))
        }
        Error::LoginRefused(refused) => {
            let said = refused.said;
            format!("{target} refused the login: {said}; check user, password and database in the address")
        }
        Error::Tls(_) if cfg!(not(feature = "tls")) => format!("{target}: {}", tls::WITHOUT),
        Error::Tls(text) => format!("no connection with TLS to {target}: {text}{}", tls::advice(&text)),
        Error::System(error) => format!("the run had to be given up: {}", reason(&error)),
        error => error.to_string(),
    })
}

/// Why a plan for `target` is not carried out.
pub(super) fn refuse(target: &Target, error: &PlanError) -> Failure {
    Failure::new(match error {
        PlanError::Zero(PlanField::Requests) => {
            "-n 0 sends nothing; ask for at least one request, as in -n 1000".into()
        }
        PlanError::Zero(PlanField::Duration) => {
            "-d 0s measures nothing; ask for some time, as in -d 10s".into()
        }
        PlanError::Zero(PlanField::Timeout) => "--timeout 0s lets no answer come; write it as in 5s".into(),
        PlanError::TooMany { field, found, most } => {
            format!("{found} is too much for {}; at most {most} are possible", flag(*field))
        }
        PlanError::OneKeyTarget => format!(
            "{target} asks for one key at a time; --mget needs HOST:PORT, whose /v1/mget is asked, or another protocol"
        ),
        PlanError::FieldsOfOneKey => format!(
            "{target} is asked for the columns of one key at a time, with HMGET; leave --mget out, or ask over HTTP"
        ),
        PlanError::HeadersWithoutHttp => format!("{target} is not asked over HTTP; leave -H out"),
        error => error.to_string(),
    })
}

/// How a number of a plan is called on the command line.
fn flag(field: PlanField) -> String {
    match field {
        PlanField::Threads => "--threads".into(),
        PlanField::Pipeline => "--pipeline".into(),
        PlanField::KeysPerRequest => "--mget".into(),
        field => field.to_string(),
    }
}

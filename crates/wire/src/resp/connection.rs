//! The commands by which a client greets and says who it is: `HELLO`, `AUTH`.

use super::client::check_name;
use super::command::Command;
use super::{Args, Refusal, Version};
use crate::decimal;

/// The arguments of `HELLO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello<'b> {
    /// The version to speak from this reply on; `None` leaves it as it is.
    pub version: Option<Version>,
    /// User and password.
    pub auth: Option<(&'b [u8], &'b [u8])>,
    /// A name for the connection; the empty one takes it away.
    pub name: Option<&'b [u8]>,
}

pub(super) fn hello(mut args: Args<'_>) -> Result<Hello<'_>, Refusal<'_>> {
    let mut hello = Hello { version: None, auth: None, name: None };
    let Some(version) = args.next() else { return Ok(hello) };
    hello.version = match decimal::canonical(version) {
        Some(2) => Some(Version::Resp2),
        Some(3) => Some(Version::Resp3),
        Some(_) => return Err(Refusal::VersionUnsupported),
        None => return Err(Refusal::VersionNotAnInteger),
    };
    while let Some(option) = args.next() {
        if option.eq_ignore_ascii_case(b"auth") && args.len() >= 2 {
            hello.auth = args.next().zip(args.next());
        } else if option.eq_ignore_ascii_case(b"setname") && args.len() >= 1 {
            hello.name = args.next();
            check_name(hello.name.unwrap_or_default())?;
        } else {
            return Err(Refusal::HelloOption(option));
        }
    }
    Ok(hello)
}

pub(super) fn auth(mut args: Args<'_>) -> Result<Command<'_>, Refusal<'_>> {
    match (args.next(), args.next(), args.next()) {
        (Some(password), None, None) => Ok(Command::Auth { user: None, password }),
        (user @ Some(_), Some(password), None) => Ok(Command::Auth { user, password }),
        (None, ..) => Err(Refusal::WrongArity { command: "auth" }),
        _ => Err(Refusal::Syntax),
    }
}

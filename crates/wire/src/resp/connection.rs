//! The commands that speak of the connection and the server rather than of keys: HELLO, AUTH, CLIENT, COMMAND.

use super::command::{Command, NAME_BYTES_MAX, fold, none, one};
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

/// What `CLIENT` is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientTopic<'b> {
    /// `CLIENT ID`: the number of this connection.
    Id,
    /// `CLIENT INFO`: a line about this connection, as a bulk string.
    Info,
    /// `CLIENT LIST`: such lines about the connections asked for.
    List(ClientFilter<'b>),
    /// `CLIENT GETNAME`: its name, or null.
    GetName,
    /// `CLIENT SETNAME name`: `OK`; the empty name takes it away.
    SetName {
        /// Printable ASCII without blanks.
        name: &'b [u8],
    },
    /// `CLIENT SETINFO LIB-NAME name`: `OK`.
    LibraryName {
        /// Printable ASCII without blanks.
        name: &'b [u8],
    },
    /// `CLIENT SETINFO LIB-VER version`: `OK`.
    LibraryVersion {
        /// Printable ASCII without blanks.
        version: &'b [u8],
    },
}

/// Which connections `CLIENT LIST` is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFilter<'b> {
    /// All of them, or those of type `normal`, which all of them are.
    All,
    /// Those of a type that no connection here has: `master`, `replica`, `pubsub`.
    Nobody,
    /// Those with these numbers, all of which are numbers.
    Ids(Args<'b>),
}

/// What `COMMAND` is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandTopic<'b> {
    /// `COMMAND`: an array about every command.
    All,
    /// `COMMAND COUNT`: the length of that array.
    Count,
    /// `COMMAND INFO [name…]`: the same about some commands, null for one that is unknown.
    Info {
        /// Names; none is all of them.
        names: Args<'b>,
    },
    /// `COMMAND DOCS [name…]`: a map from names to what they do; unknown ones are left out.
    Docs {
        /// Names; none is all of them.
        names: Args<'b>,
    },
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
            check_printable(hello.name.unwrap_or_default()).ok_or(Refusal::ClientName)?;
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

pub(super) fn client(mut args: Args<'_>) -> Result<ClientTopic<'_>, Refusal<'_>> {
    let Some(name) = args.next() else { return Err(Refusal::WrongArity { command: "client" }) };
    match fold(name, &mut [0; NAME_BYTES_MAX]) {
        b"id" => none("client|id", args, ClientTopic::Id),
        b"info" => none("client|info", args, ClientTopic::Info),
        b"getname" => none("client|getname", args, ClientTopic::GetName),
        b"list" => client_filter(args).map(ClientTopic::List),
        b"setname" => {
            let name = one("client|setname", args)?;
            check_printable(name).ok_or(Refusal::ClientName)?;
            Ok(ClientTopic::SetName { name })
        }
        b"setinfo" => {
            let (Some(option), Some(value), None) = (args.next(), args.next(), args.next()) else {
                return Err(Refusal::WrongArity { command: "client|setinfo" });
            };
            let topic = match fold(option, &mut [0; NAME_BYTES_MAX]) {
                b"lib-name" => ClientTopic::LibraryName { name: value },
                b"lib-ver" => ClientTopic::LibraryVersion { version: value },
                _ => return Err(Refusal::ClientInfoOption(option)),
            };
            check_printable(value).map(|()| topic).ok_or(Refusal::ClientInfoValue(option))
        }
        _ => Err(Refusal::UnknownSubcommand { container: "CLIENT", name }),
    }
}

fn client_filter(mut args: Args<'_>) -> Result<ClientFilter<'_>, Refusal<'_>> {
    let Some(option) = args.next() else { return Ok(ClientFilter::All) };
    if option.eq_ignore_ascii_case(b"type") && args.len() == 1 {
        let kind = args.next().unwrap_or_default();
        return match fold(kind, &mut [0; NAME_BYTES_MAX]) {
            b"normal" => Ok(ClientFilter::All),
            b"master" | b"replica" | b"slave" | b"pubsub" => Ok(ClientFilter::Nobody),
            _ => Err(Refusal::ClientType(kind)),
        };
    }
    if option.eq_ignore_ascii_case(b"id") && args.len() >= 1 {
        let mut ids = args;
        let all_are_ids = ids.all(|id| decimal::canonical(id).is_some_and(|id| id > 0));
        return if all_are_ids { Ok(ClientFilter::Ids(args)) } else { Err(Refusal::ClientId) };
    }
    Err(Refusal::Syntax)
}

pub(super) fn command(mut args: Args<'_>) -> Result<CommandTopic<'_>, Refusal<'_>> {
    let Some(name) = args.next() else { return Ok(CommandTopic::All) };
    match fold(name, &mut [0; NAME_BYTES_MAX]) {
        b"count" => none("command|count", args, CommandTopic::Count),
        b"info" => Ok(CommandTopic::Info { names: args }),
        b"docs" => Ok(CommandTopic::Docs { names: args }),
        _ => Err(Refusal::UnknownSubcommand { container: "COMMAND", name }),
    }
}

fn check_printable(text: &[u8]) -> Option<()> {
    text.iter().all(u8::is_ascii_graphic).then_some(())
}

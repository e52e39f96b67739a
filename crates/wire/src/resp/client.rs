//! `CLIENT` and its subcommands: what is known of connections, and what one may ask of its own.

use super::command::{NAME_BYTES_MAX, fold, none, one};
use super::{Args, Refusal};
use crate::decimal;

/// Bytes of a name that a client gives itself, or its library or the version of that. Redis has no limit; these are kept as long as
/// the connection, and are told to others.
pub const CLIENT_TEXT_BYTES_MAX: usize = 1024;

/// What `CLIENT` is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientTopic<'b> {
    /// `CLIENT ID`: the number of this connection.
    Id,
    /// `CLIENT INFO`: a line about this connection.
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
    /// `CLIENT REPLY ON|OFF|SKIP`: whether what follows is answered.
    Reply(ReplyMode),
    /// `CLIENT TRACKING ON|OFF …`: whether the client wants to hear of keys that change.
    Tracking(Tracking<'b>),
    /// `CLIENT CACHING YES|NO`: whether the next command is tracked; `None` is another word.
    Caching(Option<bool>),
    /// `CLIENT TRACKINGINFO`: a map of what `CLIENT TRACKING` has set.
    TrackingInfo,
    /// `CLIENT GETREDIR`: -1 without tracking, else the connection that hears of changes, 0 for its
    /// own.
    GetRedirect,
    /// `CLIENT KILL …`: closes connections.
    Kill(KillFilter<'b>),
    /// `CLIENT PAUSE milliseconds [WRITE|ALL]`: stops the answers to writes, or all.
    Pause {
        /// For how long.
        timeout_ms: u64,
        /// Whether reads are stopped, too.
        all: bool,
    },
    /// `CLIENT UNBLOCK id …`: 0, since no command here ever waits for another client.
    Unblock,
    /// `CLIENT NO-EVICT`, `NO-TOUCH` and `UNPAUSE`: `OK`, and nothing changes.
    Nothing,
}

/// Whether requests are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// They are.
    #[default]
    On,
    /// None is.
    Off,
    /// The next one is not.
    Skip,
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

/// Which connections `CLIENT KILL` is asked to close: those that meet every condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KillFilter<'b> {
    options: Args<'b>,
    /// `CLIENT KILL address`, the old form: `OK` or an error instead of a number.
    pub old_form: bool,
}

/// What a connection has to be in order to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KillCondition<'b> {
    /// Of this number.
    Id(u64),
    /// From this address.
    Address(&'b [u8]),
    /// To this address.
    LocalAddress(&'b [u8]),
    /// Of a type that every connection here has, or that none has.
    Type {
        /// `normal`.
        normal: bool,
    },
    /// Of this user.
    User(&'b [u8]),
    /// Not the one that asks; or that as well.
    SkipMe(bool),
}

impl<'b> KillFilter<'b> {
    /// What connections have to be, in the order in which it was said.
    pub fn conditions(self) -> impl Iterator<Item = KillCondition<'b>> {
        let mut options = self.options;
        std::iter::from_fn(move || {
            if self.old_form {
                return options.next().map(KillCondition::Address);
            }
            condition(options.next()?, options.next()?).ok()
        })
    }
}

/// What `CLIENT TRACKING` is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracking<'b> {
    /// `ON`.
    pub on: bool,
    /// `BCAST`: of every key, or of those with a prefix.
    pub broadcast: bool,
    /// `OPTIN`: of the keys of commands behind `CLIENT CACHING YES`.
    pub opt_in: bool,
    /// `OPTOUT`: of all but those behind `CLIENT CACHING NO`.
    pub opt_out: bool,
    /// `NOLOOP`: not of its own changes.
    pub no_loop: bool,
    /// `REDIRECT id`: the connection that is to hear of changes, 0 for its own.
    pub redirect: i64,
    options: Args<'b>,
}

impl<'b> Tracking<'b> {
    /// The prefixes of the keys that it wants to hear of.
    pub fn prefixes(self) -> impl Iterator<Item = &'b [u8]> {
        let mut options = self.options;
        std::iter::from_fn(move || {
            loop {
                let option = options.next()?;
                if option.eq_ignore_ascii_case(b"prefix") {
                    return options.next();
                } else if option.eq_ignore_ascii_case(b"redirect") {
                    options.next();
                }
            }
        })
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
            check_name(name)?;
            Ok(ClientTopic::SetName { name })
        }
        b"setinfo" => set_info(args),
        b"reply" => {
            let mode = one("client|reply", args)?;
            match fold(mode, &mut [0; NAME_BYTES_MAX]) {
                b"on" => Ok(ClientTopic::Reply(ReplyMode::On)),
                b"off" => Ok(ClientTopic::Reply(ReplyMode::Off)),
                b"skip" => Ok(ClientTopic::Reply(ReplyMode::Skip)),
                _ => Err(Refusal::Syntax),
            }
        }
        b"tracking" => tracking(args).map(ClientTopic::Tracking),
        b"caching" => {
            let answer = one("client|caching", args)?;
            let is = |word: &[u8]| answer.eq_ignore_ascii_case(word);
            Ok(ClientTopic::Caching(if is(b"yes") {
                Some(true)
            } else if is(b"no") {
                Some(false)
            } else {
                None
            }))
        }
        b"trackinginfo" => none("client|trackinginfo", args, ClientTopic::TrackingInfo),
        b"getredir" => none("client|getredir", args, ClientTopic::GetRedirect),
        b"kill" => kill(args).map(ClientTopic::Kill),
        b"pause" => pause(args),
        b"unpause" => none("client|unpause", args, ClientTopic::Nothing),
        b"unblock" => unblock(args),
        b"no-evict" => on_or_off("client|no-evict", args),
        b"no-touch" => on_or_off("client|no-touch", args),
        _ => Err(Refusal::UnknownSubcommand { container: "CLIENT", name }),
    }
}

fn set_info(mut args: Args<'_>) -> Result<ClientTopic<'_>, Refusal<'_>> {
    let (Some(option), Some(value), None) = (args.next(), args.next(), args.next()) else {
        return Err(Refusal::WrongArity { command: "client|setinfo" });
    };
    let topic = match fold(option, &mut [0; NAME_BYTES_MAX]) {
        b"lib-name" => ClientTopic::LibraryName { name: value },
        b"lib-ver" => ClientTopic::LibraryVersion { version: value },
        _ => return Err(Refusal::ClientInfoOption(option)),
    };
    check_length(value)?;
    if is_printable(value) { Ok(topic) } else { Err(Refusal::ClientInfoValue(option)) }
}

fn on_or_off<'b>(command: &'static str, args: Args<'b>) -> Result<ClientTopic<'b>, Refusal<'b>> {
    let word = one(command, args)?;
    let known = word.eq_ignore_ascii_case(b"on") || word.eq_ignore_ascii_case(b"off");
    if known { Ok(ClientTopic::Nothing) } else { Err(Refusal::Syntax) }
}

fn client_filter(mut args: Args<'_>) -> Result<ClientFilter<'_>, Refusal<'_>> {
    let Some(option) = args.next() else { return Ok(ClientFilter::All) };
    if option.eq_ignore_ascii_case(b"type") && args.len() == 1 {
        let normal = is_normal(args.next().unwrap_or_default())?;
        return Ok(if normal { ClientFilter::All } else { ClientFilter::Nobody });
    }
    if option.eq_ignore_ascii_case(b"id") && args.len() >= 1 {
        let mut ids = args;
        let all_are_ids = ids.all(|id| decimal::canonical(id).is_some());
        return if all_are_ids { Ok(ClientFilter::Ids(args)) } else { Err(Refusal::ClientId) };
    }
    Err(Refusal::Syntax)
}

/// Whether a type of connections is that of every one here.
fn is_normal(kind: &[u8]) -> Result<bool, Refusal<'_>> {
    match fold(kind, &mut [0; NAME_BYTES_MAX]) {
        b"normal" => Ok(true),
        b"master" | b"replica" | b"slave" | b"pubsub" => Ok(false),
        _ => Err(Refusal::ClientType(kind)),
    }
}

fn kill(args: Args<'_>) -> Result<KillFilter<'_>, Refusal<'_>> {
    if args.len() == 0 {
        return Err(Refusal::WrongArity { command: "client|kill" });
    }
    if args.len() == 1 {
        return Ok(KillFilter { options: args, old_form: true });
    }
    let mut options = args;
    while let Some(option) = options.next() {
        condition(option, options.next().ok_or(Refusal::Syntax)?)?;
    }
    Ok(KillFilter { options: args, old_form: false })
}

fn condition<'b>(option: &'b [u8], value: &'b [u8]) -> Result<KillCondition<'b>, Refusal<'b>> {
    match fold(option, &mut [0; NAME_BYTES_MAX]) {
        b"id" => {
            let id = decimal::canonical(value).and_then(|id| u64::try_from(id).ok());
            let id = id.filter(|&id| id > 0);
            id.map(KillCondition::Id).ok_or(Refusal::Fixed("ERR client-id should be greater than 0"))
        }
        b"addr" => Ok(KillCondition::Address(value)),
        b"laddr" => Ok(KillCondition::LocalAddress(value)),
        b"type" => is_normal(value).map(|normal| KillCondition::Type { normal }),
        b"user" => Ok(KillCondition::User(value)),
        b"skipme" if value.eq_ignore_ascii_case(b"yes") => Ok(KillCondition::SkipMe(true)),
        b"skipme" if value.eq_ignore_ascii_case(b"no") => Ok(KillCondition::SkipMe(false)),
        _ => Err(Refusal::Syntax),
    }
}

fn pause(mut args: Args<'_>) -> Result<ClientTopic<'_>, Refusal<'_>> {
    let Some(timeout) = args.next() else { return Err(Refusal::WrongArity { command: "client|pause" }) };
    let all = match (args.next(), args.len()) {
        (None, _) => true,
        (Some(mode), 0) if mode.eq_ignore_ascii_case(b"write") => false,
        (Some(mode), 0) if mode.eq_ignore_ascii_case(b"all") => true,
        (Some(_), 0) => return Err(Refusal::Fixed("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(Refusal::SubcommandArguments { container: "CLIENT", name: "PAUSE" }),
    };
    let timeout =
        decimal::canonical(timeout).ok_or(Refusal::Fixed("ERR timeout is not an integer or out of range"))?;
    let timeout_ms = u64::try_from(timeout).map_err(|_| Refusal::Fixed("ERR timeout is negative"))?;
    Ok(ClientTopic::Pause { timeout_ms, all })
}

fn unblock(mut args: Args<'_>) -> Result<ClientTopic<'_>, Refusal<'_>> {
    let Some(id) = args.next() else { return Err(Refusal::WrongArity { command: "client|unblock" }) };
    match (args.next(), args.len()) {
        (None, _) => {}
        (Some(why), 0) if why.eq_ignore_ascii_case(b"timeout") || why.eq_ignore_ascii_case(b"error") => {}
        (Some(_), 0) => {
            return Err(Refusal::Fixed("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
        }
        _ => return Err(Refusal::SubcommandArguments { container: "CLIENT", name: "UNBLOCK" }),
    }
    decimal::canonical(id).map(|_| ClientTopic::Unblock).ok_or(Refusal::NotAnInteger)
}

fn tracking(mut args: Args<'_>) -> Result<Tracking<'_>, Refusal<'_>> {
    let Some(switch) = args.next() else {
        return Err(Refusal::WrongArity { command: "client|tracking" });
    };
    let mut tracking = Tracking {
        on: false,
        broadcast: false,
        opt_in: false,
        opt_out: false,
        no_loop: false,
        redirect: 0,
        options: args,
    };
    let mut has_prefix = false;
    while let Some(option) = args.next() {
        match fold(option, &mut [0; NAME_BYTES_MAX]) {
            b"bcast" => tracking.broadcast = true,
            b"optin" => tracking.opt_in = true,
            b"optout" => tracking.opt_out = true,
            b"noloop" => tracking.no_loop = true,
            b"redirect" if args.len() > 0 => {
                let id = decimal::canonical(args.next().unwrap_or_default());
                tracking.redirect = id.ok_or(Refusal::NotAnInteger)?;
            }
            b"prefix" if args.len() > 0 => {
                args.next();
                has_prefix = true;
            }
            _ => return Err(Refusal::Syntax),
        }
    }
    if switch.eq_ignore_ascii_case(b"off") {
        return Ok(tracking);
    }
    if !switch.eq_ignore_ascii_case(b"on") {
        return Err(Refusal::Syntax);
    }
    tracking.on = true;
    if has_prefix && !tracking.broadcast {
        return Err(Refusal::Fixed("ERR PREFIX option requires BCAST mode to be enabled"));
    }
    if tracking.broadcast && (tracking.opt_in || tracking.opt_out) {
        return Err(Refusal::Fixed("ERR OPTIN and OPTOUT are not compatible with BCAST"));
    }
    if tracking.opt_in && tracking.opt_out {
        return Err(Refusal::Fixed("ERR You can't specify both OPTIN mode and OPTOUT mode"));
    }
    Ok(tracking)
}

/// Checks the name that a client gives itself.
pub(super) fn check_name(name: &[u8]) -> Result<(), Refusal<'_>> {
    check_length(name)?;
    if is_printable(name) { Ok(()) } else { Err(Refusal::ClientName) }
}

fn check_length(text: &[u8]) -> Result<(), Refusal<'_>> {
    match text.len() {
        0..=CLIENT_TEXT_BYTES_MAX => Ok(()),
        found => Err(Refusal::ClientTextTooLong { most: CLIENT_TEXT_BYTES_MAX, found }),
    }
}

fn is_printable(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic)
}

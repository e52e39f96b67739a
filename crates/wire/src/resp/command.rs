//! What a read-only Redis server understands: names, arities and options, case by case as Redis checks them.

use std::ops::Range;

use super::bits::{self, BadBitRange, BitFields, BitRange, Lcs};
use super::client::{self, ClientTopic};
use super::connection::{self, Hello};
use super::hash::{self, HashRead};
use super::server::{self, CommandTopic, LatencyTopic, MemoryTopic, PubSubTopic, SlowlogTopic};
use super::typed::{self, TypedRead};
use super::{Args, Refusal, help, writes};
use crate::decimal;

/// A command that is understood: its name known, its arguments counted and read. What it answers is the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command<'b> {
    /// `GET key`: the value, or null.
    Get {
        /// The key asked for.
        key: &'b [u8],
    },
    /// `MGET key…`: an array of values and nulls, in order.
    MGet {
        /// At least one key.
        keys: Args<'b>,
    },
    /// `EXISTS key…`: how many there are, a key counted as often as it is named.
    Exists {
        /// At least one key.
        keys: Args<'b>,
    },
    /// `TOUCH key…`: the same number as `EXISTS`, since nothing here is ever evicted.
    Touch {
        /// At least one key.
        keys: Args<'b>,
    },
    /// `STRLEN key`: the length of the value in bytes, 0 when there is none.
    StrLen {
        /// The key asked for.
        key: &'b [u8],
    },
    /// `GETRANGE key start end`, `SUBSTR` by its old name: a part of the value.
    GetRange {
        /// The key asked for.
        key: &'b [u8],
        /// First byte; negative counts from the end. See [`part`](Self::part).
        start: i64,
        /// Last byte; negative counts from the end.
        end: i64,
    },
    /// `TYPE key`: `string`, `hash` for a row, or `none`.
    Type {
        /// The key asked for.
        key: &'b [u8],
    },
    /// `TTL key`: -1, or -2 when there is none.
    Ttl {
        /// The key asked for.
        key: &'b [u8],
    },
    /// `PTTL key`: as `TTL`.
    PTtl {
        /// The key asked for.
        key: &'b [u8],
    },
    /// `EXPIRETIME key` and `PEXPIRETIME key`: as `TTL`.
    ExpireTime {
        /// The key asked for.
        key: &'b [u8],
    },
    /// `GETBIT key offset`: 0 or 1; 0 behind the value's end.
    GetBit {
        /// The key asked for.
        key: &'b [u8],
        /// The place of the bit.
        offset: u64,
    },
    /// `BITCOUNT key [start end [BYTE|BIT]]`: how many bits are set.
    BitCount {
        /// The key asked for.
        key: &'b [u8],
        /// The part that counts. What is wrong with it is said where there is a value.
        part: Result<BitRange, BadBitRange>,
    },
    /// `BITPOS key bit [start [end [BYTE|BIT]]]`: where the first such bit is, -1 for nowhere.
    BitPos {
        /// The key asked for.
        key: &'b [u8],
        /// Whether a bit is looked for that is set.
        bit: bool,
        /// The part that counts. What is wrong with it is said where there is a value.
        part: Result<BitRange, BadBitRange>,
    },
    /// `BITFIELD_RO key GET type offset…`: an array of numbers.
    BitFieldRo {
        /// The key asked for.
        key: &'b [u8],
        /// Where the numbers lie.
        fields: BitFields<'b>,
    },
    /// `LCS key1 key2 …`: the longest common subsequence of two values.
    Lcs(Lcs<'b>),
    /// A read of a hash, which a row of a table with columns is.
    Hash(HashRead<'b>),
    /// A read of a list, a set or another type that no value has.
    Typed {
        /// Its name in lower case.
        command: &'static str,
        /// What is asked for.
        read: TypedRead<'b>,
    },
    /// `OBJECT ENCODING key` and its like.
    Object {
        /// What is asked about it.
        topic: ObjectTopic,
        /// The key asked for.
        key: &'b [u8],
    },
    /// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`: the next cursor and some keys.
    Scan(Scan<'b>),
    /// `KEYS pattern`: all keys that match the [glob](crate::glob).
    Keys {
        /// A glob pattern.
        pattern: &'b [u8],
    },
    /// `RANDOMKEY`: any key, or null.
    RandomKey,
    /// `DBSIZE`: the number of keys.
    DbSize,
    /// `PING [message]`: `PONG`, or the message as a bulk string.
    Ping {
        /// What to send back.
        message: Option<&'b [u8]>,
    },
    /// `ECHO message`: the message.
    Echo {
        /// What to send back.
        message: &'b [u8],
    },
    /// `TIME`: seconds and microseconds of now, as an array of two bulk strings.
    Time,
    /// `INFO [section…]`: a bulk string of sections.
    Info {
        /// Names of sections; none is all of them.
        sections: Args<'b>,
    },
    /// `CONFIG GET pattern…`: a map of the settings that match.
    ConfigGet {
        /// At least one glob pattern.
        patterns: Args<'b>,
    },
    /// `COMMAND` and its subcommands.
    Command(CommandTopic<'b>),
    /// `CLIENT` and a subcommand.
    Client(ClientTopic<'b>),
    /// `HELLO [2|3 [AUTH user password] [SETNAME name]]`: a map about the server.
    Hello(Hello<'b>),
    /// `AUTH [user] password`.
    Auth {
        /// The user; `None` is the default one.
        user: Option<&'b [u8]>,
        /// The password.
        password: &'b [u8],
    },
    /// `SELECT database`: `OK`, and the table of that number or name is asked from then on.
    Select(Database<'b>),
    /// `READONLY`: `OK`.
    ReadOnly,
    /// `READWRITE`: `OK`.
    ReadWrite,
    /// `RESET`: `RESET` as a simple string, the connection as it was when it was new.
    Reset,
    /// `QUIT`: `OK`, then the connection is closed.
    Quit,
    /// `MULTI`: what follows is kept until `EXEC`.
    Multi,
    /// `EXEC`: the answers to all that was kept, in one array.
    Exec,
    /// `DISCARD`: what was kept is dropped.
    Discard,
    /// `WATCH key…`: `OK`; nothing here changes, so nothing is ever noticed.
    Watch {
        /// At least one key.
        keys: Args<'b>,
    },
    /// `UNWATCH`: `OK`.
    Unwatch,
    /// `ROLE`: an array that says what the server is among others.
    Role,
    /// `WAIT replicas milliseconds`: 0, since there are no replicas.
    Wait,
    /// `MEMORY` and a subcommand.
    Memory(MemoryTopic<'b>),
    /// `SLOWLOG` and a subcommand.
    Slowlog(SlowlogTopic),
    /// `LATENCY` and a subcommand.
    Latency(LatencyTopic<'b>),
    /// `PUBSUB` and a subcommand.
    PubSub(PubSubTopic<'b>),
    /// `PUBLISH channel message` and `SPUBLISH`: 0, since nobody subscribes.
    Publish,
    /// `UNSUBSCRIBE [channel…]` and its like: a message for each channel, or one for none.
    Unsubscribe {
        /// The command in lower case.
        command: &'static str,
        /// The channels.
        channels: Args<'b>,
    },
    /// `MODULE LIST`: an array of no elements.
    ModuleList,
    /// `ACL WHOAMI`: the user's name.
    WhoAmI,
    /// `HELP` behind a command with subcommands: these lines.
    Help(&'static [&'static str]),
}

/// What `OBJECT` is asked about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObjectTopic {
    /// `OBJECT ENCODING`: how the value is kept; `raw` or `embstr` fit, null when there is no such key.
    Encoding,
    /// `OBJECT FREQ`: how often it is asked for.
    Frequency,
    /// `OBJECT IDLETIME`: for how many seconds it was not asked for.
    IdleTime,
    /// `OBJECT REFCOUNT`: how many hold the value.
    RefCount,
}

/// The arguments of `SCAN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan<'b> {
    /// 0 to begin, or what the previous reply said.
    pub cursor: u64,
    /// Only keys that match this [glob](crate::glob) are wanted.
    pub pattern: Option<&'b [u8]>,
    /// About how many keys to look at for one reply; at least 1.
    pub count: u64,
    /// Only keys of this type are wanted; all keys are of type `string`, or `hash` where values are rows.
    pub kind: Option<&'b [u8]>,
}

/// How many keys `SCAN` looks at when no `COUNT` is given.
const SCAN_COUNT_DEFAULT: u64 = 10;

/// What asks about the server or a connection has at most so many arguments behind its name: nobody
/// needs more, and each costs time at once.
const OPTIONS_MAX: usize = 1024;

/// No name of a command or subcommand is longer; a longer one is unknown.
pub(super) const NAME_BYTES_MAX: usize = 24;

/// What `SELECT` selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database<'b> {
    /// By a number, which may be none of any database.
    Number(i64),
    /// By a name.
    Name(&'b [u8]),
}

impl<'b> Command<'b> {
    /// Reads a command. The first argument is its name, in any case.
    ///
    /// # Errors
    /// Every [`Refusal`] but those about passwords, which are the server's to give.
    #[inline]
    pub fn parse(args: Args<'b>) -> Result<Self, Refusal<'b>> {
        // The one that a server hears most, before all others and where it is asked for.
        let mut rest = args;
        if rest.len() == 2
            && let Some([b'g' | b'G', b'e' | b'E', b't' | b'T']) = rest.next()
            && let Some(key) = rest.next()
        {
            return Ok(Self::Get { key });
        }
        Self::parse_further(args)
    }

    #[inline(never)]
    fn parse_further(args: Args<'b>) -> Result<Self, Refusal<'b>> {
        let mut rest = args;
        let name = rest.next().unwrap_or_default();
        if let [b'g' | b'G', b'e' | b'E', b't' | b'T'] = name {
            return Err(Refusal::WrongArity { command: "get" });
        }
        // The next that a server hears most.
        if let ([b'm' | b'M', b'g' | b'G', b'e' | b'E', b't' | b'T'], 1..) = (name, rest.len()) {
            return Ok(Self::MGet { keys: rest });
        }
        // And those that one hears where values have columns.
        if let [b'h' | b'H', b'g' | b'G', b'e' | b'E', b't' | b'T'] = name {
            return HashRead::field(rest);
        }
        if let [b'h' | b'H', b'm' | b'M', b'g' | b'G', b'e' | b'E', b't' | b'T'] = name {
            return HashRead::fields(rest);
        }
        let parsed = Self::parse_other(name, rest);
        if rest.len() > OPTIONS_MAX {
            return parsed.and_then(|command| command.check_options(rest.len()));
        }
        parsed
    }

    fn check_options(self, found: usize) -> Result<Self, Refusal<'b>> {
        match self {
            Self::Info { .. }
            | Self::ConfigGet { .. }
            | Self::Command(_)
            | Self::Client(_)
            | Self::Hello(_)
            | Self::Latency(_)
            | Self::PubSub(_)
            | Self::Unsubscribe { .. }
            | Self::BitFieldRo { .. } => Err(Refusal::TooManyArguments { most: OPTIONS_MAX, found }),
            other => Ok(other),
        }
    }

    #[inline(never)]
    fn parse_other(name: &'b [u8], mut args: Args<'b>) -> Result<Self, Refusal<'b>> {
        let mut folded = [0; NAME_BYTES_MAX];
        let count = args.len();
        let folded = fold(name, &mut folded);
        if args.at(0).is_some_and(|topic| topic.eq_ignore_ascii_case(b"help"))
            && let Some((command, lines)) = help::find(folded)
        {
            return if count == 1 { Ok(Self::Help(lines)) } else { Err(Refusal::WrongArity { command }) };
        }
        match folded {
            b"mget" => at_least_one("mget", args).map(|keys| Self::MGet { keys }),
            b"exists" => at_least_one("exists", args).map(|keys| Self::Exists { keys }),
            b"touch" => at_least_one("touch", args).map(|keys| Self::Touch { keys }),
            b"strlen" => one("strlen", args).map(|key| Self::StrLen { key }),
            b"type" => one("type", args).map(|key| Self::Type { key }),
            b"ttl" => one("ttl", args).map(|key| Self::Ttl { key }),
            b"pttl" => one("pttl", args).map(|key| Self::PTtl { key }),
            b"getrange" => get_range("getrange", args),
            b"substr" => get_range("substr", args),
            b"expiretime" => one("expiretime", args).map(|key| Self::ExpireTime { key }),
            b"pexpiretime" => one("pexpiretime", args).map(|key| Self::ExpireTime { key }),
            // With an option it is a write.
            b"getex" if count == 1 => Ok(Self::Get { key: args.next().unwrap_or_default() }),
            b"getbit" => bits::get_bit(args),
            b"bitcount" => bits::bit_count(args),
            b"bitpos" => bits::bit_position(args),
            b"bitfield_ro" => bits::bit_field(args),
            b"lcs" => bits::lcs(args).map(Self::Lcs),
            b"object" => server::object(args),
            b"scan" => scan(args).map(Self::Scan),
            b"keys" => one("keys", args).map(|pattern| Self::Keys { pattern }),
            b"randomkey" => none("randomkey", args, Self::RandomKey),
            b"dbsize" => none("dbsize", args, Self::DbSize),
            b"ping" if count <= 1 => Ok(Self::Ping { message: args.next() }),
            b"ping" => Err(Refusal::WrongArity { command: "ping" }),
            b"echo" => one("echo", args).map(|message| Self::Echo { message }),
            b"time" => none("time", args, Self::Time),
            b"info" => Ok(Self::Info { sections: args }),
            b"config" => server::config(args),
            b"command" => server::command(args),
            b"memory" => server::memory(args),
            b"slowlog" => server::slowlog(args),
            b"latency" => server::latency(args),
            b"pubsub" => server::pubsub(args),
            b"module" => server::module(args),
            b"acl" => server::acl(args),
            b"cluster" => Err(server::cluster(args)),
            b"asking" => none("asking", args, ()).and(Err(Refusal::NoCluster)),
            b"client" => client::client(args).map(Self::Client),
            b"hello" => connection::hello(args).map(Self::Hello),
            b"auth" => connection::auth(args),
            b"select" => one("select", args).map(|database| {
                Self::Select(match decimal::canonical(database) {
                    Some(number) => Database::Number(number),
                    None => Database::Name(database),
                })
            }),
            b"readonly" => none("readonly", args, Self::ReadOnly),
            b"readwrite" => none("readwrite", args, Self::ReadWrite),
            b"reset" => none("reset", args, Self::Reset),
            b"quit" => Ok(Self::Quit),
            b"multi" => none("multi", args, Self::Multi),
            b"exec" => none("exec", args, Self::Exec),
            b"discard" => none("discard", args, Self::Discard),
            b"watch" => at_least_one("watch", args).map(|keys| Self::Watch { keys }),
            b"unwatch" => none("unwatch", args, Self::Unwatch),
            b"role" => none("role", args, Self::Role),
            b"wait" => wait(args),
            b"publish" => publish("publish", args),
            b"spublish" => publish("spublish", args),
            b"unsubscribe" => Ok(Self::Unsubscribe { command: "unsubscribe", channels: args }),
            b"punsubscribe" => Ok(Self::Unsubscribe { command: "punsubscribe", channels: args }),
            b"sunsubscribe" => Ok(Self::Unsubscribe { command: "sunsubscribe", channels: args }),
            b"subscribe" => Err(subscribe("subscribe", args)),
            b"psubscribe" => Err(subscribe("psubscribe", args)),
            b"ssubscribe" => Err(subscribe("ssubscribe", args)),
            b"monitor" => none("monitor", args, ()).and(Err(Refusal::NoMonitor)),
            folded => match hash::parse(folded, args).or_else(|| typed::parse(folded, args)) {
                Some(read) => read,
                None => Err(Self::refuse(folded, name, args)),
            },
        }
    }

    /// What is said of a command that is not answered.
    fn refuse(folded: &[u8], name: &'b [u8], args: Args<'b>) -> Refusal<'b> {
        match writes::find(folded) {
            Some((_, arity, _)) if writes::arity_fits(arity, args.len() + 1) => Refusal::ReadOnly,
            Some((command, ..)) => Refusal::WrongArity { command },
            None => Refusal::UnknownCommand { name, args },
        }
    }

    /// Its name in lower case, with that of its subcommand behind a bar, as `CLIENT LIST` has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Get { .. } => "get",
            Self::MGet { .. } => "mget",
            Self::Exists { .. } => "exists",
            Self::Touch { .. } => "touch",
            Self::StrLen { .. } => "strlen",
            Self::GetRange { .. } => "getrange",
            Self::Type { .. } => "type",
            Self::Ttl { .. } => "ttl",
            Self::PTtl { .. } => "pttl",
            Self::ExpireTime { .. } => "expiretime",
            Self::GetBit { .. } => "getbit",
            Self::BitCount { .. } => "bitcount",
            Self::BitPos { .. } => "bitpos",
            Self::BitFieldRo { .. } => "bitfield_ro",
            Self::Lcs(_) => "lcs",
            Self::Hash(HashRead { command, .. })
            | Self::Typed { command, .. }
            | Self::Unsubscribe { command, .. } => command,
            Self::Object { .. } => "object",
            Self::Scan(_) => "scan",
            Self::Keys { .. } => "keys",
            Self::RandomKey => "randomkey",
            Self::DbSize => "dbsize",
            Self::Ping { .. } => "ping",
            Self::Echo { .. } => "echo",
            Self::Time => "time",
            Self::Info { .. } => "info",
            Self::ConfigGet { .. } => "config|get",
            Self::Command(_) => "command",
            Self::Client(ClientTopic::List(_)) => "client|list",
            Self::Client(ClientTopic::Kill(_)) => "client|kill",
            Self::Client(ClientTopic::Info) => "client|info",
            Self::Client(ClientTopic::SetName { .. }) => "client|setname",
            Self::Client(ClientTopic::LibraryName { .. } | ClientTopic::LibraryVersion { .. }) => {
                "client|setinfo"
            }
            Self::Client(_) => "client",
            Self::Hello(_) => "hello",
            Self::Auth { .. } => "auth",
            Self::Select(_) => "select",
            Self::ReadOnly => "readonly",
            Self::ReadWrite => "readwrite",
            Self::Reset => "reset",
            Self::Quit => "quit",
            Self::Multi => "multi",
            Self::Exec => "exec",
            Self::Discard => "discard",
            Self::Watch { .. } => "watch",
            Self::Unwatch => "unwatch",
            Self::Role => "role",
            Self::Wait => "wait",
            Self::Memory(MemoryTopic::Usage { .. }) => "memory|usage",
            Self::Memory(_) => "memory",
            Self::Slowlog(_) => "slowlog",
            Self::Latency(_) => "latency",
            Self::PubSub(_) => "pubsub",
            Self::Publish => "publish",
            Self::ModuleList => "module|list",
            Self::WhoAmI => "acl|whoami",
            Self::Help(_) => "help",
        }
    }

    /// The bytes of a value of `len` bytes that `GETRANGE` from `start` to `end` means.
    ///
    /// ```
    /// use graven_wire::resp::Command;
    /// assert_eq!(Command::part(0, 4, 10), 0..5);
    /// assert_eq!(Command::part(-3, -1, 10), 7..10);
    /// assert_eq!(Command::part(5, 2, 10), 0..0);
    /// ```
    pub fn part(start: i64, end: i64, len: usize) -> Range<usize> {
        // Redis' own order: both ends negative and crossed is nothing, even where clamping would make them meet.
        if start < 0 && end < 0 && start > end {
            return 0..0;
        }
        let from_end = |at: i64| match usize::try_from(at) {
            Ok(at) => at,
            Err(_) => len.saturating_sub(usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX)),
        };
        let (first, last) = (from_end(start), from_end(end).min(len.saturating_sub(1)));
        if len == 0 || first > last { 0..0 } else { first..last + 1 }
    }
}

/// `name` in lower case; a name that is too long to be known is empty.
pub(super) fn fold<'f>(name: &[u8], folded: &'f mut [u8; NAME_BYTES_MAX]) -> &'f [u8] {
    let Some(folded) = folded.get_mut(..name.len()) else { return b"" };
    folded.copy_from_slice(name);
    folded.make_ascii_lowercase();
    folded
}

pub(super) fn none<'b, T>(command: &'static str, args: Args<'b>, value: T) -> Result<T, Refusal<'b>> {
    if args.len() == 0 { Ok(value) } else { Err(Refusal::WrongArity { command }) }
}

pub(super) fn one<'b>(command: &'static str, mut args: Args<'b>) -> Result<&'b [u8], Refusal<'b>> {
    match (args.next(), args.len()) {
        (Some(arg), 0) => Ok(arg),
        _ => Err(Refusal::WrongArity { command }),
    }
}

pub(super) fn at_least_one<'b>(command: &'static str, args: Args<'b>) -> Result<Args<'b>, Refusal<'b>> {
    if args.len() > 0 { Ok(args) } else { Err(Refusal::WrongArity { command }) }
}

fn get_range<'b>(command: &'static str, mut args: Args<'b>) -> Result<Command<'b>, Refusal<'b>> {
    let (Some(key), Some(start), Some(end), None) = (args.next(), args.next(), args.next(), args.next())
    else {
        return Err(Refusal::WrongArity { command });
    };
    match (decimal::canonical(start), decimal::canonical(end)) {
        (Some(start), Some(end)) => Ok(Command::GetRange { key, start, end }),
        _ => Err(Refusal::NotAnInteger),
    }
}

fn wait(mut args: Args<'_>) -> Result<Command<'_>, Refusal<'_>> {
    let (Some(replicas), Some(timeout), 0) = (args.next(), args.next(), args.len()) else {
        return Err(Refusal::WrongArity { command: "wait" });
    };
    decimal::canonical(replicas).ok_or(Refusal::NotAnInteger)?;
    let timeout =
        decimal::canonical(timeout).ok_or(Refusal::Fixed("ERR timeout is not an integer or out of range"))?;
    if timeout < 0 { Err(Refusal::Fixed("ERR timeout is negative")) } else { Ok(Command::Wait) }
}

fn publish<'b>(command: &'static str, args: Args<'b>) -> Result<Command<'b>, Refusal<'b>> {
    if args.len() == 2 { Ok(Command::Publish) } else { Err(Refusal::WrongArity { command }) }
}

fn subscribe<'b>(command: &'static str, args: Args<'b>) -> Refusal<'b> {
    if args.len() > 0 { Refusal::NothingIsPublished { command } } else { Refusal::WrongArity { command } }
}

fn scan<'b>(mut args: Args<'b>) -> Result<Scan<'b>, Refusal<'b>> {
    let Some(cursor) = args.next() else { return Err(Refusal::WrongArity { command: "scan" }) };
    let cursor = decimal::unsigned(cursor).ok_or(Refusal::InvalidCursor)?;
    let mut scan = Scan { cursor, pattern: None, count: SCAN_COUNT_DEFAULT, kind: None };
    while let Some(option) = args.next() {
        let value = args.next().ok_or(Refusal::Syntax)?;
        if option.eq_ignore_ascii_case(b"match") {
            scan.pattern = Some(value);
        } else if option.eq_ignore_ascii_case(b"count") {
            let count = decimal::canonical(value).ok_or(Refusal::NotAnInteger)?;
            scan.count = u64::try_from(count).ok().filter(|&count| count > 0).ok_or(Refusal::Syntax)?;
        } else if option.eq_ignore_ascii_case(b"type") {
            scan.kind = Some(value);
        } else {
            return Err(Refusal::Syntax);
        }
    }
    Ok(scan)
}

//! Commands that ask the server about itself, each a container of subcommands: `ACL`, `COMMAND`,
//! `CONFIG`, `LATENCY`, `MEMORY`, `MODULE`, `OBJECT`, `PUBSUB`, `SLOWLOG`.

use super::command::{Command, NAME_BYTES_MAX, ObjectTopic, at_least_one, fold, none, one};
use super::writes::arity_fits;
use super::{Args, Refusal};
use crate::decimal;

/// Bytes of the pattern of `COMMAND LIST`, and of all patterns of a `CONFIG GET`: matching them with
/// every name takes time at once.
const COMMAND_PATTERN_BYTES_MAX: usize = 256;
const CONFIG_PATTERN_BYTES_MAX: usize = 1024;

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
    /// `COMMAND LIST …`: the names that are asked for.
    List(CommandFilter<'b>),
    /// `COMMAND GETKEYS command…`: [its keys](super::Known::keys_of).
    GetKeys {
        /// A whole command.
        command: Args<'b>,
    },
}

/// Which commands `COMMAND LIST` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandFilter<'b> {
    /// All of them.
    All,
    /// `FILTERBY PATTERN glob`: those whose name matches.
    Pattern(&'b [u8]),
    /// `FILTERBY ACLCAT category`: those of a category.
    Category(&'b [u8]),
    /// `FILTERBY MODULE name`: those of a module, of which there is none.
    Nothing,
}

/// What `MEMORY` is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryTopic<'b> {
    /// `MEMORY USAGE key [SAMPLES n]`: bytes of a pair, or null.
    Usage {
        /// The key asked for.
        key: &'b [u8],
    },
    /// `MEMORY STATS`: a map of numbers.
    Stats,
    /// `MEMORY DOCTOR`: a text.
    Doctor,
    /// `MEMORY MALLOC-STATS`: a text.
    MallocStats,
    /// `MEMORY PURGE`: `OK`.
    Purge,
}

/// What `SLOWLOG` is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowlogTopic {
    /// `SLOWLOG GET [count]`: the latest entries.
    Get {
        /// How many at most; `None` is all.
        count: Option<u64>,
    },
    /// `SLOWLOG LEN`: how many entries there are.
    Len,
    /// `SLOWLOG RESET`: `OK`, and there are none.
    Reset,
}

/// What `LATENCY` is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LatencyTopic<'b> {
    /// `LATENCY LATEST`: the latest sample of each event.
    Latest,
    /// `LATENCY HISTORY event`: the samples of an event.
    History,
    /// `LATENCY RESET [event…]`: how many events were forgotten.
    Reset,
    /// `LATENCY DOCTOR`: a text.
    Doctor,
    /// `LATENCY GRAPH event`: a drawing.
    Graph {
        /// The event asked for.
        event: &'b [u8],
    },
    /// `LATENCY HISTOGRAM [command…]`: a map from commands to how long they took.
    Histogram,
}

/// What `PUBSUB` is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PubSubTopic<'b> {
    /// `PUBSUB CHANNELS` and `SHARDCHANNELS`: the channels that somebody subscribes to.
    Channels,
    /// `PUBSUB NUMSUB` and `SHARDNUMSUB`: each channel, and how many subscribe to it.
    Subscribers {
        /// The channels asked for.
        channels: Args<'b>,
    },
    /// `PUBSUB NUMPAT`: how many patterns are subscribed to.
    Patterns,
}

pub(super) fn command(mut args: Args<'_>) -> Result<Command<'_>, Refusal<'_>> {
    let Some(name) = args.next() else { return Ok(Command::Command(CommandTopic::All)) };
    let topic = match fold(name, &mut [0; NAME_BYTES_MAX]) {
        b"count" => none("command|count", args, CommandTopic::Count)?,
        b"info" => CommandTopic::Info { names: args },
        b"docs" => CommandTopic::Docs { names: args },
        b"list" => CommandTopic::List(command_filter(args)?),
        b"getkeys" if args.len() >= 2 => CommandTopic::GetKeys { command: args },
        b"getkeys" => return Err(Refusal::WrongArity { command: "command|getkeys" }),
        _ => return Err(Refusal::UnknownSubcommand { container: "COMMAND", name }),
    };
    Ok(Command::Command(topic))
}

fn command_filter(mut args: Args<'_>) -> Result<CommandFilter<'_>, Refusal<'_>> {
    if args.len() == 0 {
        return Ok(CommandFilter::All);
    }
    let (Some(filter), Some(kind), Some(value), 0) = (args.next(), args.next(), args.next(), args.len())
    else {
        return Err(Refusal::Syntax);
    };
    if !filter.eq_ignore_ascii_case(b"filterby") {
        return Err(Refusal::Syntax);
    }
    match fold(kind, &mut [0; NAME_BYTES_MAX]) {
        b"pattern" if value.len() <= COMMAND_PATTERN_BYTES_MAX => Ok(CommandFilter::Pattern(value)),
        b"pattern" => Err(Refusal::PatternTooLong { most: COMMAND_PATTERN_BYTES_MAX, found: value.len() }),
        b"aclcat" => Ok(CommandFilter::Category(value)),
        b"module" => Ok(CommandFilter::Nothing),
        _ => Err(Refusal::Syntax),
    }
}

pub(super) fn config(mut args: Args<'_>) -> Result<Command<'_>, Refusal<'_>> {
    let Some(name) = args.next() else { return Err(Refusal::WrongArity { command: "config" }) };
    if !name.eq_ignore_ascii_case(b"get") {
        return Err(Refusal::UnknownSubcommand { container: "CONFIG", name });
    }
    let patterns = at_least_one("config|get", args)?;
    let found = patterns.map(<[u8]>::len).sum();
    if found > CONFIG_PATTERN_BYTES_MAX {
        return Err(Refusal::PatternTooLong { most: CONFIG_PATTERN_BYTES_MAX, found });
    }
    Ok(Command::ConfigGet { patterns })
}

pub(super) fn object(mut args: Args<'_>) -> Result<Command<'_>, Refusal<'_>> {
    let Some(name) = args.next() else { return Err(Refusal::WrongArity { command: "object" }) };
    let (topic, command) = match fold(name, &mut [0; NAME_BYTES_MAX]) {
        b"encoding" => (ObjectTopic::Encoding, "object|encoding"),
        b"freq" => (ObjectTopic::Frequency, "object|freq"),
        b"idletime" => (ObjectTopic::IdleTime, "object|idletime"),
        b"refcount" => (ObjectTopic::RefCount, "object|refcount"),
        _ => return Err(Refusal::UnknownSubcommand { container: "OBJECT", name }),
    };
    one(command, args).map(|key| Command::Object { topic, key })
}

pub(super) fn memory(mut args: Args<'_>) -> Result<Command<'_>, Refusal<'_>> {
    let Some(name) = args.next() else { return Err(Refusal::WrongArity { command: "memory" }) };
    let topic = match fold(name, &mut [0; NAME_BYTES_MAX]) {
        b"usage" => memory_usage(args)?,
        b"stats" => none("memory|stats", args, MemoryTopic::Stats)?,
        b"doctor" => none("memory|doctor", args, MemoryTopic::Doctor)?,
        b"malloc-stats" => none("memory|malloc-stats", args, MemoryTopic::MallocStats)?,
        b"purge" => none("memory|purge", args, MemoryTopic::Purge)?,
        _ => return Err(Refusal::UnknownSubcommand { container: "MEMORY", name }),
    };
    Ok(Command::Memory(topic))
}

fn memory_usage(mut args: Args<'_>) -> Result<MemoryTopic<'_>, Refusal<'_>> {
    let Some(key) = args.next() else { return Err(Refusal::WrongArity { command: "memory|usage" }) };
    while let Some(option) = args.next() {
        let samples = args.next().filter(|_| option.eq_ignore_ascii_case(b"samples"));
        let samples = decimal::canonical(samples.ok_or(Refusal::Syntax)?).ok_or(Refusal::NotAnInteger)?;
        if samples < 0 {
            return Err(Refusal::Syntax);
        }
    }
    Ok(MemoryTopic::Usage { key })
}

pub(super) fn slowlog(mut args: Args<'_>) -> Result<Command<'_>, Refusal<'_>> {
    /// What `SLOWLOG GET` returns at most when it does not say.
    const COUNT_DEFAULT: u64 = 10;

    let Some(name) = args.next() else { return Err(Refusal::WrongArity { command: "slowlog" }) };
    let topic = match fold(name, &mut [0; NAME_BYTES_MAX]) {
        b"get" => match (args.next(), args.len()) {
            (None, _) => SlowlogTopic::Get { count: Some(COUNT_DEFAULT) },
            (Some(count), 0) => {
                let count = decimal::canonical(count).filter(|&count| count >= -1);
                let count = count.ok_or(Refusal::Fixed("ERR count should be greater than or equal to -1"))?;
                SlowlogTopic::Get { count: u64::try_from(count).ok() }
            }
            _ => return Err(Refusal::SubcommandArguments { container: "SLOWLOG", name: "GET" }),
        },
        b"len" => none("slowlog|len", args, SlowlogTopic::Len)?,
        b"reset" => none("slowlog|reset", args, SlowlogTopic::Reset)?,
        _ => return Err(Refusal::UnknownSubcommand { container: "SLOWLOG", name }),
    };
    Ok(Command::Slowlog(topic))
}

pub(super) fn latency(mut args: Args<'_>) -> Result<Command<'_>, Refusal<'_>> {
    let Some(name) = args.next() else { return Err(Refusal::WrongArity { command: "latency" }) };
    let topic = match fold(name, &mut [0; NAME_BYTES_MAX]) {
        b"latest" => none("latency|latest", args, LatencyTopic::Latest)?,
        b"history" => one("latency|history", args).map(|_| LatencyTopic::History)?,
        b"reset" => LatencyTopic::Reset,
        b"doctor" => none("latency|doctor", args, LatencyTopic::Doctor)?,
        b"graph" => one("latency|graph", args).map(|event| LatencyTopic::Graph { event })?,
        b"histogram" => LatencyTopic::Histogram,
        _ => return Err(Refusal::UnknownSubcommand { container: "LATENCY", name }),
    };
    Ok(Command::Latency(topic))
}

pub(super) fn pubsub(mut args: Args<'_>) -> Result<Command<'_>, Refusal<'_>> {
    let Some(name) = args.next() else { return Err(Refusal::WrongArity { command: "pubsub" }) };
    let topic = match fold(name, &mut [0; NAME_BYTES_MAX]) {
        b"channels" if args.len() <= 1 => PubSubTopic::Channels,
        b"channels" => {
            return Err(Refusal::SubcommandArguments { container: "PUBSUB", name: "CHANNELS" });
        }
        b"shardchannels" if args.len() <= 1 => PubSubTopic::Channels,
        b"shardchannels" => {
            return Err(Refusal::SubcommandArguments { container: "PUBSUB", name: "SHARDCHANNELS" });
        }
        b"numsub" | b"shardnumsub" => PubSubTopic::Subscribers { channels: args },
        b"numpat" => none("pubsub|numpat", args, PubSubTopic::Patterns)?,
        _ => return Err(Refusal::UnknownSubcommand { container: "PUBSUB", name }),
    };
    Ok(Command::PubSub(topic))
}

pub(super) fn module(mut args: Args<'_>) -> Result<Command<'_>, Refusal<'_>> {
    let Some(name) = args.next() else { return Err(Refusal::WrongArity { command: "module" }) };
    if !name.eq_ignore_ascii_case(b"list") {
        return Err(Refusal::UnknownSubcommand { container: "MODULE", name });
    }
    none("module|list", args, Command::ModuleList)
}

pub(super) fn acl(mut args: Args<'_>) -> Result<Command<'_>, Refusal<'_>> {
    let Some(name) = args.next() else { return Err(Refusal::WrongArity { command: "acl" }) };
    if !name.eq_ignore_ascii_case(b"whoami") {
        return Err(Refusal::UnknownSubcommand { container: "ACL", name });
    }
    none("acl|whoami", args, Command::WhoAmI)
}

/// `CLUSTER` of anything that Redis knows is refused, for this is none.
pub(super) fn cluster(mut args: Args<'_>) -> Refusal<'_> {
    /// The subcommands, each with its arity, the command's and its own name counted.
    const SUBCOMMANDS: [(&str, i64); 27] = [
        ("cluster|addslots", -3),
        ("cluster|addslotsrange", -4),
        ("cluster|bumpepoch", 2),
        ("cluster|count-failure-reports", 3),
        ("cluster|countkeysinslot", 3),
        ("cluster|delslots", -3),
        ("cluster|delslotsrange", -4),
        ("cluster|failover", -2),
        ("cluster|flushslots", 2),
        ("cluster|forget", 3),
        ("cluster|getkeysinslot", 4),
        ("cluster|help", 2),
        ("cluster|info", 2),
        ("cluster|keyslot", 3),
        ("cluster|links", 2),
        ("cluster|meet", -4),
        ("cluster|myid", 2),
        ("cluster|nodes", 2),
        ("cluster|replicas", 3),
        ("cluster|replicate", 3),
        ("cluster|reset", -2),
        ("cluster|saveconfig", 2),
        ("cluster|set-config-epoch", 3),
        ("cluster|setslot", -4),
        ("cluster|shards", 2),
        ("cluster|slaves", 3),
        ("cluster|slots", 2),
    ];
    let Some(name) = args.next() else { return Refusal::WrongArity { command: "cluster" } };
    let mut folded = [0; NAME_BYTES_MAX];
    let folded = fold(name, &mut folded);
    let is_named = |row: &&(&str, i64)| row.0.strip_prefix("cluster|").map(str::as_bytes) == Some(folded);
    match SUBCOMMANDS.iter().find(is_named) {
        None => Refusal::UnknownSubcommand { container: "CLUSTER", name },
        Some(&(_, arity)) if arity_fits(arity, args.len() + 2) => Refusal::NoCluster,
        Some((command, _)) => Refusal::WrongArity { command },
    }
}

//! The commands that are answered, for `COMMAND` and its subcommands: what clients look up about a command before they
//! send it.

use graven_wire::resp::{CommandTopic, Version, reply};

use super::integer;

/// A command: its name; its arity as Redis states it, the number of arguments with the name, negative for at least that
/// many; its keys; its group and summary in Redis' documentation.
struct Known(&'static str, i64, Keys, &'static str, &'static str);

/// Which arguments of a command are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    None,
    One,
    Many,
}

#[rustfmt::skip]
const COMMANDS: &[Known] = &[
    Known("auth", -2, Keys::None, "connection", "Authenticates the connection"),
    Known("client", -2, Keys::None, "connection", "Tells and sets what is known about connections"),
    Known("command", -1, Keys::None, "server", "Describes the commands"),
    Known("config", -2, Keys::None, "server", "Tells settings"),
    Known("dbsize", 1, Keys::None, "server", "Returns the number of keys"),
    Known("discard", 1, Keys::None, "transactions", "Drops the commands that were kept since MULTI"),
    Known("echo", 2, Keys::None, "connection", "Returns its argument"),
    Known("exec", 1, Keys::None, "transactions", "Answers the commands that were kept since MULTI"),
    Known("exists", -2, Keys::Many, "generic", "Returns how many of the keys there are"),
    Known("get", 2, Keys::One, "string", "Returns the value of a key"),
    Known("getrange", 4, Keys::One, "string", "Returns a part of the value of a key"),
    Known("hello", -1, Keys::None, "connection", "Greets the server and chooses the protocol's version"),
    Known("info", -1, Keys::None, "server", "Tells about the server"),
    Known("keys", 2, Keys::None, "generic", "Returns all keys that match a pattern"),
    Known("mget", -2, Keys::Many, "string", "Returns the values of several keys"),
    Known("multi", 1, Keys::None, "transactions", "Begins to keep commands for EXEC"),
    Known("object", -2, Keys::None, "generic", "Tells how a value is kept"),
    Known("ping", -1, Keys::None, "connection", "Returns PONG or its argument"),
    Known("pttl", 2, Keys::One, "generic", "Tells that a key does not expire"),
    Known("quit", -1, Keys::None, "connection", "Closes the connection"),
    Known("randomkey", 1, Keys::None, "generic", "Returns any key"),
    Known("readonly", 1, Keys::None, "cluster", "Allows reads from a replica of a cluster"),
    Known("readwrite", 1, Keys::None, "cluster", "Takes READONLY back"),
    Known("reset", 1, Keys::None, "connection", "Makes the connection as it was when it was new"),
    Known("scan", -2, Keys::None, "generic", "Returns keys, some at a time"),
    Known("select", 2, Keys::None, "connection", "Selects the database, of which there is one"),
    Known("strlen", 2, Keys::One, "string", "Returns the length of the value of a key"),
    Known("substr", 4, Keys::One, "string", "Returns a part of the value of a key, by its old name"),
    Known("time", 1, Keys::None, "server", "Returns the time of the server"),
    Known("touch", -2, Keys::Many, "generic", "Returns how many of the keys there are"),
    Known("ttl", 2, Keys::One, "generic", "Tells that a key does not expire"),
    Known("type", 2, Keys::One, "generic", "Returns the type of a value"),
    Known("unwatch", 1, Keys::None, "transactions", "Takes WATCH back"),
    Known("watch", -2, Keys::Many, "transactions", "Is accepted: no key ever changes"),
];

pub(super) fn describe_commands(topic: CommandTopic<'_>, version: Version, out: &mut Vec<u8>) {
    match topic {
        CommandTopic::All => {
            reply::array_head(out, COMMANDS.len());
            COMMANDS.iter().for_each(|command| command.describe(out));
        }
        CommandTopic::Count => reply::integer(out, integer(COMMANDS.len())),
        CommandTopic::Info { names } if names.len() == 0 => {
            describe_commands(CommandTopic::All, version, out);
        }
        CommandTopic::Info { names } => {
            reply::array_head(out, names.len());
            for name in names {
                match Known::find(name) {
                    Some(command) => command.describe(out),
                    None => reply::null(out, version),
                }
            }
        }
        CommandTopic::Docs { names } if names.len() == 0 => document(COMMANDS.iter(), version, out),
        CommandTopic::Docs { names } => document(names.filter_map(Known::find), version, out),
        _ => reply::error(out, b"ERR this command is understood, but not answered here"),
    }
}

fn document<'c>(commands: impl Iterator<Item = &'c Known> + Clone, version: Version, out: &mut Vec<u8>) {
    reply::map_head(out, version, commands.clone().count());
    for Known(name, _, _, group, summary) in commands {
        reply::bulk(out, name.as_bytes());
        reply::map_head(out, version, 2);
        for text in ["summary", summary, "group", group] {
            reply::bulk(out, text.as_bytes());
        }
    }
}

impl Known {
    fn find(name: &[u8]) -> Option<&'static Self> {
        COMMANDS.iter().find(|known| known.0.as_bytes().eq_ignore_ascii_case(name))
    }

    /// As Redis 7 does it: name, arity, flags, the first key, the last, the step between them, categories, tips, places of
    /// keys, subcommands.
    fn describe(&self, out: &mut Vec<u8>) {
        let (first, last, step) = match self.2 {
            Keys::None => (0, 0, 0),
            Keys::One => (1, 1, 1),
            Keys::Many => (1, -1, 1),
        };
        reply::array_head(out, 10);
        reply::bulk(out, self.0.as_bytes());
        reply::integer(out, self.1);
        reply::array_head(out, 2);
        reply::simple(out, b"readonly");
        reply::simple(out, b"fast");
        for place in [first, last, step] {
            reply::integer(out, place);
        }
        reply::array_head(out, 1);
        reply::simple(out, if self.2 == Keys::None { b"@fast" } else { b"@read" });
        for _ in ["tips", "places of keys", "subcommands"] {
            reply::array_head(out, 0);
        }
    }
}

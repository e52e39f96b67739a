//! The commands that a read-only server answers, as `COMMAND` tells of them: what clients look up
//! about a command before they send it. Names, arities, flags and categories are those of Redis 7.0.

use super::writes::{self, arity_fits};
use super::{Args, Refusal};
use crate::decimal;

/// What is told of a command that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// In lower case.
    pub name: &'static str,
    /// The number of arguments, name counted, or when negative the least number.
    pub arity: i64,
    pub(super) keys: KeyPositions,
    flags: &'static str,
    categories: &'static str,
    /// The group of Redis' documentation that it stands in.
    pub group: &'static str,
    /// One sentence without its full stop.
    pub summary: &'static str,
}

/// Which arguments of a command are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyPositions {
    None,
    First,
    Second,
    /// The first and the second.
    Two,
    All,
    AllButLast,
    /// Every other, from the first on.
    Pairs,
    /// First, last and step, as `COMMAND INFO` has them.
    Places(i64, i64, i64),
    /// As many as the first argument says follow it.
    Counted,
    /// The same, of the argument at this place.
    CountedAt(usize),
    /// The first, and then as many as the second argument says.
    FirstAndCounted,
    /// The first half of what follows `STREAMS`.
    Streams,
    /// The argument behind the subcommand, where there is one.
    Subcommand,
}

impl Known {
    /// Every command that is answered, by name.
    pub fn all() -> &'static [Self] {
        KNOWN
    }

    /// The command of this name, in any case.
    pub fn find(name: &[u8]) -> Option<&'static Self> {
        KNOWN.iter().find(|known| known.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Whether there is a command of this name, in lower case, that is answered or refused as a write.
    pub fn knows(name: &[u8]) -> bool {
        Self::find(name).is_some() || writes::find(name).is_some()
    }

    /// What Redis flags it with, such as `readonly` and `fast`.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.flags.split_ascii_whitespace()
    }

    /// The categories of access control that it is in, without their `@`.
    pub fn categories(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.categories.split_ascii_whitespace()
    }

    /// Whether it is about keys: about those that it names, or about all that there are.
    pub fn reads_keys(&self) -> bool {
        let of_keys = |category| category == "read" || category == "keyspace";
        self.keys == KeyPositions::Subcommand || self.categories().any(of_keys)
    }

    /// The places of its first and last key and the step between keys; a negative place counts from
    /// the end. All are 0 where keys do not lie at fixed places, or there are none.
    pub fn key_places(&self) -> (i64, i64, i64) {
        self.keys.places()
    }

    /// The keys of a whole command, as `COMMAND GETKEYS` is asked for them; of writes, too.
    ///
    /// # Errors
    /// When there is no such command, its arguments are too few or too many, or it has no keys.
    pub fn keys_of<'b>(mut command: Args<'b>) -> Result<Vec<&'b [u8]>, Refusal<'b>> {
        let count = command.len();
        let name = command.next().unwrap_or_default().to_ascii_lowercase();
        let known = Self::find(&name).map(|known| (known.arity, known.keys));
        let (arity, keys) = known
            .or_else(|| writes::find(&name).map(|(_, arity, keys)| (arity, keys)))
            .ok_or(Refusal::Fixed("ERR Invalid command specified"))?;
        if keys == KeyPositions::None {
            return Err(Refusal::Fixed("ERR The command has no key arguments"));
        }
        if !arity_fits(arity, count) {
            return Err(Refusal::Fixed("ERR Invalid number of arguments specified for command"));
        }
        match keys.of(command) {
            Some(keys) if keys.is_empty() => Err(Refusal::Fixed("ERR The command has no key arguments")),
            Some(keys) => Ok(keys),
            None => Err(Refusal::Fixed("ERR Invalid arguments specified for command")),
        }
    }
}

impl KeyPositions {
    fn places(self) -> (i64, i64, i64) {
        match self {
            Self::None | Self::Counted | Self::CountedAt(_) | Self::Streams | Self::Subcommand => (0, 0, 0),
            Self::First | Self::FirstAndCounted => (1, 1, 1),
            Self::Second => (2, 2, 1),
            Self::Two => (1, 2, 1),
            Self::All => (1, -1, 1),
            Self::AllButLast => (1, -2, 1),
            Self::Pairs => (1, -1, 2),
            Self::Places(first, last, step) => (first, last, step),
        }
    }

    /// The keys among `args`, which follow the name; `None` where they do not say which.
    fn of<'b>(self, args: Args<'b>) -> Option<Vec<&'b [u8]>> {
        let counted = |at: usize| {
            let count = usize::try_from(decimal::canonical(args.at(at)?)?).ok()?;
            let keys = args.skip(at + 1);
            (count > 0 && count <= keys.len()).then(|| keys.take(count).collect())
        };
        match self {
            Self::None => Some(Vec::new()),
            Self::Counted => counted(0),
            Self::CountedAt(at) => counted(at - 1),
            Self::FirstAndCounted => {
                let keys: Vec<_> = args.take(1).chain(counted(1)?).collect();
                Some(keys)
            }
            Self::Streams => {
                let mut args = args;
                args.find(|arg| arg.eq_ignore_ascii_case(b"streams"))?;
                (args.len() > 0 && args.len().is_multiple_of(2)).then(|| args.take(args.len() / 2).collect())
            }
            Self::Subcommand => Some(args.skip(1).take(1).collect()),
            _ => {
                let (first, last, step) = self.places();
                let args: Vec<_> = args.collect();
                let count = i64::try_from(args.len()).ok()?;
                let last = if last < 0 { count + 1 + last } else { last };
                let places = (first..=last).step_by(usize::try_from(step).ok()?);
                places.map(|place| args.get(usize::try_from(place - 1).ok()?).copied()).collect()
            }
        }
    }
}

const fn known(
    name: &'static str,
    arity: i64,
    keys: KeyPositions,
    flags: &'static str,
    categories: &'static str,
    group: &'static str,
    summary: &'static str,
) -> Known {
    Known { name, arity, keys, flags, categories, group, summary }
}

#[rustfmt::skip]
const KNOWN: &[Known] = &[
    known("acl", -2, KeyPositions::None, "", "slow", "server",
        "A container for Access List Control commands"),
    known("auth", -2, KeyPositions::None, "noscript loading stale fast no_auth allow_busy", "fast connection", "connection",
        "Authenticates the connection"),
    known("bitcount", -2, KeyPositions::First, "readonly", "read bitmap slow", "bitmap",
        "Count set bits in a string"),
    known("bitfield_ro", -2, KeyPositions::First, "readonly fast", "read bitmap fast", "bitmap",
        "Perform arbitrary bitfield integer operations on strings. Read-only variant of BITFIELD"),
    known("bitpos", -3, KeyPositions::First, "readonly", "read bitmap slow", "bitmap",
        "Find first bit set or clear in a string"),
    known("client", -2, KeyPositions::None, "", "slow", "connection",
        "Tells and sets what is known about connections"),
    known("cluster", -2, KeyPositions::None, "", "slow", "cluster",
        "A container for cluster commands"),
    known("command", -1, KeyPositions::None, "loading stale", "slow connection", "server",
        "Describes the commands"),
    known("config", -2, KeyPositions::None, "", "slow", "server",
        "Tells settings"),
    known("dbsize", 1, KeyPositions::None, "readonly fast", "keyspace read fast", "server",
        "Returns the number of keys"),
    known("discard", 1, KeyPositions::None, "noscript loading stale fast allow_busy", "fast transaction", "transactions",
        "Drops the commands that were kept since MULTI"),
    known("echo", 2, KeyPositions::None, "loading stale fast", "fast connection", "connection",
        "Returns its argument"),
    known("exec", 1, KeyPositions::None, "noscript loading stale skip_slowlog", "slow transaction", "transactions",
        "Answers the commands that were kept since MULTI"),
    known("exists", -2, KeyPositions::All, "readonly fast", "keyspace read fast", "generic",
        "Returns how many of the keys there are"),
    known("expiretime", 2, KeyPositions::First, "readonly fast", "keyspace read fast", "generic",
        "Get the expiration Unix timestamp for a key"),
    known("geodist", -4, KeyPositions::First, "readonly", "read geo slow", "geo",
        "Returns the distance between two members of a geospatial index"),
    known("geohash", -2, KeyPositions::First, "readonly", "read geo slow", "geo",
        "Returns members of a geospatial index as standard geohash strings"),
    known("geopos", -2, KeyPositions::First, "readonly", "read geo slow", "geo",
        "Returns longitude and latitude of members of a geospatial index"),
    known("georadius_ro", -6, KeyPositions::First, "readonly", "read geo slow", "geo",
        "A read-only variant for GEORADIUS"),
    known("georadiusbymember_ro", -5, KeyPositions::First, "readonly", "read geo slow", "geo",
        "A read-only variant for GEORADIUSBYMEMBER"),
    known("geosearch", -7, KeyPositions::First, "readonly", "read geo slow", "geo",
        "Query a sorted set representing a geospatial index to fetch members inside an area of a box or a circle."),
    known("get", 2, KeyPositions::First, "readonly fast", "read string fast", "string",
        "Returns the value of a key"),
    known("getbit", 3, KeyPositions::First, "readonly fast", "read bitmap fast", "bitmap",
        "Returns the bit value at offset in the string value stored at key"),
    known("getex", -2, KeyPositions::First, "readonly fast", "read string fast", "string",
        "Get the value of a key and optionally set its expiration"),
    known("getrange", 4, KeyPositions::First, "readonly", "read string slow", "string",
        "Returns a part of the value of a key"),
    known("hello", -1, KeyPositions::None, "noscript loading stale fast no_auth allow_busy", "fast connection", "connection",
        "Greets the server and chooses the protocol's version"),
    known("hexists", 3, KeyPositions::First, "readonly fast", "read hash fast", "hash",
        "Determine if a hash field exists"),
    known("hget", 3, KeyPositions::First, "readonly fast", "read hash fast", "hash",
        "Get the value of a hash field"),
    known("hgetall", 2, KeyPositions::First, "readonly", "read hash slow", "hash",
        "Get all the fields and values in a hash"),
    known("hkeys", 2, KeyPositions::First, "readonly", "read hash slow", "hash",
        "Get all the fields in a hash"),
    known("hlen", 2, KeyPositions::First, "readonly fast", "read hash fast", "hash",
        "Get the number of fields in a hash"),
    known("hmget", -3, KeyPositions::First, "readonly fast", "read hash fast", "hash",
        "Get the values of all the given hash fields"),
    known("hrandfield", -2, KeyPositions::First, "readonly", "read hash slow", "hash",
        "Get one or multiple random fields from a hash"),
    known("hscan", -3, KeyPositions::First, "readonly", "read hash slow", "hash",
        "Incrementally iterate hash fields and associated values"),
    known("hstrlen", 3, KeyPositions::First, "readonly fast", "read hash fast", "hash",
        "Get the length of the value of a hash field"),
    known("hvals", 2, KeyPositions::First, "readonly", "read hash slow", "hash",
        "Get all the values in a hash"),
    known("info", -1, KeyPositions::None, "loading stale", "slow dangerous", "server",
        "Tells about the server"),
    known("keys", 2, KeyPositions::None, "readonly", "keyspace read slow dangerous", "generic",
        "Returns all keys that match a pattern"),
    known("latency", -2, KeyPositions::None, "", "slow", "server",
        "A container for latency diagnostics commands"),
    known("lcs", -3, KeyPositions::Two, "readonly", "read string slow", "string",
        "Find longest common substring"),
    known("lindex", 3, KeyPositions::First, "readonly", "read list slow", "list",
        "Get an element from a list by its index"),
    known("llen", 2, KeyPositions::First, "readonly fast", "read list fast", "list",
        "Get the length of a list"),
    known("lpos", -3, KeyPositions::First, "readonly", "read list slow", "list",
        "Return the index of matching elements on a list"),
    known("lrange", 4, KeyPositions::First, "readonly", "read list slow", "list",
        "Get a range of elements from a list"),
    known("memory", -2, KeyPositions::Subcommand, "", "slow", "server",
        "A container for memory diagnostics commands"),
    known("mget", -2, KeyPositions::All, "readonly fast", "read string fast", "string",
        "Returns the values of several keys"),
    known("module", -2, KeyPositions::None, "", "slow", "server",
        "A container for module commands"),
    known("multi", 1, KeyPositions::None, "noscript loading stale fast allow_busy", "fast transaction", "transactions",
        "Begins to keep commands for EXEC"),
    known("object", -2, KeyPositions::Subcommand, "", "slow", "generic",
        "Tells how a value is kept"),
    known("pexpiretime", 2, KeyPositions::First, "readonly fast", "keyspace read fast", "generic",
        "Get the expiration Unix timestamp for a key in milliseconds"),
    known("pfcount", -2, KeyPositions::All, "readonly", "read hyperloglog slow", "hyperloglog",
        "Return the approximated cardinality of the set(s) observed by the HyperLogLog at key(s)."),
    known("ping", -1, KeyPositions::None, "fast", "fast connection", "connection",
        "Returns PONG or its argument"),
    known("pttl", 2, KeyPositions::First, "readonly fast", "keyspace read fast", "generic",
        "Tells that a key does not expire"),
    known("publish", 3, KeyPositions::None, "pubsub loading stale fast", "pubsub fast", "pubsub",
        "Post a message to a channel"),
    known("pubsub", -2, KeyPositions::None, "", "slow", "pubsub",
        "A container for Pub/Sub commands"),
    known("punsubscribe", -1, KeyPositions::None, "pubsub noscript loading stale", "pubsub slow", "pubsub",
        "Stop listening for messages posted to channels matching the given patterns"),
    known("quit", -1, KeyPositions::None, "noscript loading stale fast no_auth allow_busy", "fast connection", "connection",
        "Closes the connection"),
    known("randomkey", 1, KeyPositions::None, "readonly", "keyspace read slow", "generic",
        "Returns any key"),
    known("readonly", 1, KeyPositions::None, "loading stale fast", "fast connection", "cluster",
        "Allows reads from a replica of a cluster"),
    known("readwrite", 1, KeyPositions::None, "loading stale fast", "fast connection", "cluster",
        "Takes READONLY back"),
    known("reset", 1, KeyPositions::None, "noscript loading stale fast no_auth allow_busy", "fast connection", "connection",
        "Makes the connection as it was when it was new"),
    known("role", 1, KeyPositions::None, "noscript loading stale fast", "admin fast dangerous", "server",
        "Return the role of the instance in the context of replication"),
    known("scan", -2, KeyPositions::None, "readonly", "keyspace read slow", "generic",
        "Returns keys, some at a time"),
    known("scard", 2, KeyPositions::First, "readonly fast", "read set fast", "set",
        "Get the number of members in a set"),
    known("sdiff", -2, KeyPositions::All, "readonly", "read set slow", "set",
        "Subtract multiple sets"),
    known("select", 2, KeyPositions::None, "loading stale fast", "fast connection", "connection",
        "Selects the table that is asked, by its number or name"),
    known("sinter", -2, KeyPositions::All, "readonly", "read set slow", "set",
        "Intersect multiple sets"),
    known("sintercard", -3, KeyPositions::Counted, "readonly", "read set slow", "set",
        "Intersect multiple sets and return the cardinality of the result"),
    known("sismember", 3, KeyPositions::First, "readonly fast", "read set fast", "set",
        "Determine if a given value is a member of a set"),
    known("slowlog", -2, KeyPositions::None, "", "slow", "server",
        "A container for slow log commands"),
    known("smembers", 2, KeyPositions::First, "readonly", "read set slow", "set",
        "Get all the members in a set"),
    known("smismember", -3, KeyPositions::First, "readonly fast", "read set fast", "set",
        "Returns the membership associated with the given elements for a set"),
    known("sort_ro", -2, KeyPositions::First, "readonly", "read set sortedset list slow dangerous", "generic",
        "Sort the elements in a list, set or sorted set. Read-only variant of SORT."),
    known("spublish", 3, KeyPositions::First, "pubsub loading stale fast", "pubsub fast", "pubsub",
        "Post a message to a shard channel"),
    known("srandmember", -2, KeyPositions::First, "readonly", "read set slow", "set",
        "Get one or multiple random members from a set"),
    known("sscan", -3, KeyPositions::First, "readonly", "read set slow", "set",
        "Incrementally iterate Set elements"),
    known("strlen", 2, KeyPositions::First, "readonly fast", "read string fast", "string",
        "Returns the length of the value of a key"),
    known("substr", 4, KeyPositions::First, "readonly", "read string slow", "string",
        "Returns a part of the value of a key, by its old name"),
    known("sunion", -2, KeyPositions::All, "readonly", "read set slow", "set",
        "Add multiple sets"),
    known("sunsubscribe", -1, KeyPositions::All, "pubsub noscript loading stale", "pubsub slow", "pubsub",
        "Stop listening for messages posted to the given shard channels"),
    known("time", 1, KeyPositions::None, "loading stale fast", "fast", "server",
        "Returns the time of the server"),
    known("touch", -2, KeyPositions::All, "readonly fast", "keyspace read fast", "generic",
        "Returns how many of the keys there are"),
    known("ttl", 2, KeyPositions::First, "readonly fast", "keyspace read fast", "generic",
        "Tells that a key does not expire"),
    known("type", 2, KeyPositions::First, "readonly fast", "keyspace read fast", "generic",
        "Returns the type of a value"),
    known("unsubscribe", -1, KeyPositions::None, "pubsub noscript loading stale", "pubsub slow", "pubsub",
        "Stop listening for messages posted to the given channels"),
    known("unwatch", 1, KeyPositions::None, "noscript loading stale fast allow_busy", "fast transaction", "transactions",
        "Takes WATCH back"),
    known("wait", 3, KeyPositions::None, "noscript", "slow connection", "generic",
        "Wait for the synchronous replication of all the write commands sent in the context of the current connection"),
    known("watch", -2, KeyPositions::All, "noscript loading stale fast allow_busy", "fast transaction", "transactions",
        "Is accepted: no key ever changes"),
    known("xinfo", -2, KeyPositions::Subcommand, "", "slow", "stream",
        "A container for stream introspection commands"),
    known("xlen", 2, KeyPositions::First, "readonly fast", "read stream fast", "stream",
        "Return the number of entries in a stream"),
    known("xpending", -3, KeyPositions::First, "readonly", "read stream slow", "stream",
        "Return information and entries from a stream consumer group pending entries list, that are messages fetched but never acknowledged."),
    known("xrange", -4, KeyPositions::First, "readonly", "read stream slow", "stream",
        "Return a range of elements in a stream, with IDs matching the specified IDs interval"),
    known("xread", -4, KeyPositions::Streams, "readonly blocking", "read stream slow blocking", "stream",
        "Return never seen elements in multiple streams, with IDs greater than the ones reported by the caller for each stream. Can block."),
    known("xrevrange", -4, KeyPositions::First, "readonly", "read stream slow", "stream",
        "Return a range of elements in a stream, with IDs matching the specified IDs interval, in reverse order (from greater to smaller IDs) compared to XRANGE"),
    known("zcard", 2, KeyPositions::First, "readonly fast", "read sortedset fast", "sorted-set",
        "Get the number of members in a sorted set"),
    known("zcount", 4, KeyPositions::First, "readonly fast", "read sortedset fast", "sorted-set",
        "Count the members in a sorted set with scores within the given values"),
    known("zdiff", -3, KeyPositions::Counted, "readonly", "read sortedset slow", "sorted-set",
        "Subtract multiple sorted sets"),
    known("zinter", -3, KeyPositions::Counted, "readonly", "read sortedset slow", "sorted-set",
        "Intersect multiple sorted sets"),
    known("zintercard", -3, KeyPositions::Counted, "readonly", "read sortedset slow", "sorted-set",
        "Intersect multiple sorted sets and return the cardinality of the result"),
    known("zlexcount", 4, KeyPositions::First, "readonly fast", "read sortedset fast", "sorted-set",
        "Count the number of members in a sorted set between a given lexicographical range"),
    known("zmscore", -3, KeyPositions::First, "readonly fast", "read sortedset fast", "sorted-set",
        "Get the score associated with the given members in a sorted set"),
    known("zrandmember", -2, KeyPositions::First, "readonly", "read sortedset slow", "sorted-set",
        "Get one or multiple random elements from a sorted set"),
    known("zrange", -4, KeyPositions::First, "readonly", "read sortedset slow", "sorted-set",
        "Return a range of members in a sorted set"),
    known("zrangebylex", -4, KeyPositions::First, "readonly", "read sortedset slow", "sorted-set",
        "Return a range of members in a sorted set, by lexicographical range"),
    known("zrangebyscore", -4, KeyPositions::First, "readonly", "read sortedset slow", "sorted-set",
        "Return a range of members in a sorted set, by score"),
    known("zrank", 3, KeyPositions::First, "readonly fast", "read sortedset fast", "sorted-set",
        "Determine the index of a member in a sorted set"),
    known("zrevrange", -4, KeyPositions::First, "readonly", "read sortedset slow", "sorted-set",
        "Return a range of members in a sorted set, by index, with scores ordered from high to low"),
    known("zrevrangebylex", -4, KeyPositions::First, "readonly", "read sortedset slow", "sorted-set",
        "Return a range of members in a sorted set, by lexicographical range, ordered from higher to lower strings."),
    known("zrevrangebyscore", -4, KeyPositions::First, "readonly", "read sortedset slow", "sorted-set",
        "Return a range of members in a sorted set, by score, with scores ordered from high to low"),
    known("zrevrank", 3, KeyPositions::First, "readonly fast", "read sortedset fast", "sorted-set",
        "Determine the index of a member in a sorted set, with scores ordered from high to low"),
    known("zscan", -3, KeyPositions::First, "readonly", "read sortedset slow", "sorted-set",
        "Incrementally iterate sorted sets elements and associated scores"),
    known("zscore", 3, KeyPositions::First, "readonly fast", "read sortedset fast", "sorted-set",
        "Get the score associated with the given member in a sorted set"),
    known("zunion", -3, KeyPositions::Counted, "readonly", "read sortedset slow", "sorted-set",
        "Add multiple sorted sets"),
];

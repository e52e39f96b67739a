//! A running Redis, asked for every key: `SCAN`, then the length of each value, by which its type is
//! known too, and the values, all pipelined. `TYPE` is asked of what has another type than the key
//! before it, and `PTTL` where keys expire. Nothing is written there, so that a replica will do.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use graven_client::{RedisCommands, ServerTrust, Target, Timeouts};
use graven_format::layout::COLUMNS_MAX;
use graven_format::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use graven_ingest::{
    Cause, HashFields, HashForm, Meter, RedisKey, RedisKind, RedisProblem, RedisTable, TakenKind, TtlPolicy,
};
use graven_wire::resp::Reply;

use super::flags::RedisBuildOptions;
use crate::commands::get;
use crate::console::warn;
use crate::failure::{Failure, Outcome};

/// Keys that a `SCAN` is asked for.
const SCAN_KEYS: usize = 1000;
/// Bytes of values that are asked for before the first of them is read: as much as a server has to
/// hold for this client.
const ASKED_BYTES_MAX: u64 = 8 << 20;
/// What a field of a hash is taken to have until it has come.
const FIELD_BYTES: u64 = 128;

/// A Redis that is connected to.
pub(crate) struct RedisServer {
    name: String,
    commands: RedisCommands,
    keys: u64,
    meter: Arc<Meter>,
    /// Hashes with fields that expire; a server that does not know has none.
    hashes_with_ttl: u64,
    /// The kind that the last key had: most have it too. The first key's is asked for, because there are
    /// servers, graven one of them, that take a row for a string as well.
    likely: Option<RedisKind>,
    /// Whether keys are asked for what is left of their time: not where the server says that none
    /// expires.
    asks_ttl: bool,
    database: u32,
}

/// Why a server could not be read.
pub(crate) enum ServerError {
    /// It does not answer, or refuses to.
    Failed(Failure),
    /// What it holds.
    Cause(Cause),
}

impl From<graven_client::Error> for ServerError {
    fn from(error: graven_client::Error) -> Self {
        Self::Failed(explain(error))
    }
}

/// What is wrong with a Redis, and what to type next.
pub(super) fn explain(error: graven_client::Error) -> Failure {
    match error {
        graven_client::Error::Connect { target, source }
            if matches!(source.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) =>
        {
            Failure::new(format!("nothing listens on {target}; check the address, and that the Redis runs"))
        }
        error => get::explain(error),
    }
}

impl From<Cause> for ServerError {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

/// A key whose value is wanted.
struct WantedKey {
    key: Vec<u8>,
    kind: RedisKind,
    /// Bytes that its value is taken to have.
    weight: u64,
}

/// What a server says of a key.
#[derive(Clone, Default)]
struct FoundKey {
    kind: Option<RedisKind>,
    length: Option<u64>,
    expires: bool,
    is_gone: bool,
    /// Whether it has another type than its length was asked for.
    has_other_type: bool,
}

impl RedisServer {
    /// Connects, and asks how many keys there are.
    pub(crate) fn connect(target: &Target, trust: &ServerTrust) -> Outcome<Self> {
        let name = target.to_string();
        let connect = || -> Result<Self, ServerError> {
            let mut commands = RedisCommands::connect_to(target, Timeouts::default(), trust)?;
            commands.push([&b"DBSIZE"[..]]);
            commands.push([&b"INFO"[..]]);
            let (mut keys, mut info) = (0, String::new());
            commands.exchange(|i, reply| match (i, reply) {
                (0, Reply::Integer(number)) => {
                    keys = number.max(0).unsigned_abs();
                    Ok(())
                }
                (0, other) => Err(unexpected(&name, "DBSIZE", other)),
                (_, Reply::Bulk(text) | Reply::Verbatim { text, .. }) => {
                    info = String::from_utf8_lossy(text).into_owned();
                    Ok(())
                }
                // A user who may not ask for it may read all the same.
                _ => Ok(()),
            })?;
            if info.lines().any(|line| line.trim() == "cluster_enabled:1") {
                warn(format_args!(
                    "{name} is one node of a cluster; the table has the keys of this node alone"
                ));
            }
            let hashes_with_ttl = hashes_with_ttl(&info, target.database());
            let meter = Arc::default();
            let (likely, database) = (None, target.database());
            let asks_ttl = keys_with_ttl(&info, database) != Some(0);
            Ok(Self {
                name: name.clone(),
                commands,
                keys,
                meter,
                hashes_with_ttl,
                likely,
                asks_ttl,
                database,
            })
        };
        connect().map_err(|error| match error {
            ServerError::Failed(failure) => failure,
            ServerError::Cause(cause) => Failure::new(format!("{name}: {cause}")),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// About how many keys there are.
    pub(crate) fn keys(&self) -> u64 {
        self.keys
    }

    /// How many hashes have fields that expire, as far as the server says it.
    pub(super) fn hashes_with_ttl(&self) -> u64 {
        self.hashes_with_ttl
    }

    /// Hands every key to `table`, and the values of those that it wants.
    pub(super) fn read(
        mut self: Box<Self>,
        how: &RedisBuildOptions,
        table: &mut RedisTable,
    ) -> Result<(), ServerError> {
        let takes_hashes = how.redis.kinds != Some(TakenKind::Strings);
        if self.hashes_with_ttl > 0 && takes_hashes && how.redis.ttl != TtlPolicy::KeepValue {
            return Err(ServerError::Failed(Failure::new(format!(
                "{}: {} fields with a time to live, which this way of reading does not see; keep their values with \
                 `--ttl keep-value`, or build from a dump",
                self.name,
                if self.hashes_with_ttl == 1 {
                    "1 hash has".to_owned()
                } else {
                    format!("{} hashes have", self.hashes_with_ttl)
                }
            ))));
        }
        let started = Instant::now();
        let mut asked = 0_u64;
        let scan_keys = how.rate.map_or(SCAN_KEYS, |rate| (rate.get() / 10).clamp(1, SCAN_KEYS)).to_string();
        let mut cursor = b"0".to_vec();
        let (mut keys, mut fields) = (Vec::new(), HashFields::default());
        loop {
            keys.clear();
            let mut scan = vec![&b"SCAN"[..], &cursor, b"COUNT", scan_keys.as_bytes()];
            if let Some(pattern) = &how.pattern {
                scan.extend([&b"MATCH"[..], pattern.as_bytes()]);
            }
            self.commands.push(scan);
            let mut next = None;
            let name = &self.name;
            self.commands.exchange(|_, reply| {
                next = scanned(reply, &mut keys);
                if next.is_none() { Err(unexpected(name, "SCAN", reply)) } else { Ok(()) }
            })?;
            cursor = next.unwrap_or_default();
            let wanted = self.wanted(&keys, how, table)?;
            self.fetch(&wanted, &mut fields, table)?;
            asked += keys.len() as u64;
            self.meter.add(keys.len() as u64);
            if self.meter.is_stopped() {
                return Err(Cause::Stopped.into());
            }
            if cursor == b"0" {
                return self.check_ttl(how);
            }
            if let Some(rate) = how.rate {
                let due = Duration::from_secs_f64(asked as f64 / rate.get() as f64);
                thread::sleep(due.saturating_sub(started.elapsed()));
            }
        }
    }

    /// Those of `keys` whose values are wanted, with how large these are. Most keys have the type that
    /// the one before had: they are asked for the length of such a value, and for their type where
    /// they have another.
    fn wanted(
        &mut self,
        keys: &[Vec<u8>],
        how: &RedisBuildOptions,
        table: &mut RedisTable,
    ) -> Result<Vec<WantedKey>, ServerError> {
        let mut found: Vec<FoundKey> = vec![FoundKey::default(); keys.len()];
        let all: Vec<usize> = (0..keys.len()).collect();
        if self.likely.is_none() && !keys.is_empty() {
            self.ask_types(keys, &[0], &mut found)?;
            self.likely = found[0].kind.filter(|&kind| has_length(kind));
            found[0] = FoundKey::default();
        }
        let likely = self.likely.unwrap_or(RedisKind::String);
        self.measure(keys, &all, &mut found, |_| Some(likely))?;
        // A server that keeps its types apart, as older ones of Pika do, counts none in a value of another type.
        for empty in found.iter_mut().filter(|found| found.length == Some(0)) {
            empty.has_other_type = true;
            (empty.kind, empty.length) = (None, None);
        }
        let others: Vec<usize> = all.into_iter().filter(|&i| found[i].has_other_type).collect();
        if !others.is_empty() {
            self.ask_types(keys, &others, &mut found)?;
            let kinds: Vec<Option<RedisKind>> = found.iter().map(|found| found.kind).collect();
            self.measure(keys, &others, &mut found, |i| kinds[i].filter(|&kind| has_length(kind)))?;
        }
        if let Some(kind) = found.iter().rev().find_map(|found| found.kind.filter(|&kind| has_length(kind))) {
            self.likely = Some(kind);
        }
        self.choose(keys, &found, how, table)
    }

    /// Asks for the lengths of values of these kinds, and for what is left of their time.
    fn measure(
        &mut self,
        keys: &[Vec<u8>],
        places: &[usize],
        found: &mut [FoundKey],
        kind: impl Fn(usize) -> Option<RedisKind>,
    ) -> Result<(), ServerError> {
        let mut asked = Vec::new();
        for &i in places {
            // What is left of its time was asked for when another type was expected.
            if self.asks_ttl && !found[i].has_other_type {
                self.commands.push([&b"PTTL"[..], &keys[i]]);
                asked.push((i, None));
            }
            if let Some(kind) = kind(i) {
                self.commands.push([length_command(kind), &keys[i]]);
                asked.push((i, Some(kind)));
            }
        }
        let name = &self.name;
        self.commands.exchange(|reply_number, reply| {
            let (i, kind) = asked[reply_number];
            let found = &mut found[i];
            match (kind, reply) {
                (None, Reply::Integer(left)) => {
                    found.is_gone |= left == GONE;
                    found.expires = left >= 0;
                    Ok(())
                }
                (None, other) => Err(unexpected(name, "PTTL", other)),
                (Some(kind), Reply::Integer(length)) => {
                    found.has_other_type = false;
                    found.kind = Some(kind);
                    found.length = Some(length.max(0).unsigned_abs());
                    Ok(())
                }
                (Some(_), Reply::Error(text)) if is_wrong_type(text) => {
                    found.has_other_type = true;
                    Ok(())
                }
                (Some(RedisKind::Hash), other) => Err(unexpected(name, "HLEN", other)),
                (Some(_), other) => Err(unexpected(name, "STRLEN", other)),
            }
        })
    }

    fn ask_types(
        &mut self,
        keys: &[Vec<u8>],
        places: &[usize],
        found: &mut [FoundKey],
    ) -> Result<(), ServerError> {
        for &i in places {
            self.commands.push([&b"TYPE"[..], &keys[i]]);
        }
        let name = &self.name;
        self.commands.exchange(|reply_number, reply| {
            let found = &mut found[places[reply_number]];
            match reply {
                Reply::Simple(b"none") => {
                    found.is_gone = true;
                    Ok(())
                }
                Reply::Simple(kind) => {
                    found.kind = Some(RedisKind::of(kind));
                    Ok(())
                }
                other => Err(unexpected(name, "TYPE", other)),
            }
        })
    }

    /// Of the keys that were found, those that the table wants.
    fn choose(
        &self,
        keys: &[Vec<u8>],
        found: &[FoundKey],
        how: &RedisBuildOptions,
        table: &mut RedisTable,
    ) -> Result<Vec<WantedKey>, ServerError> {
        let name = &self.name;
        let has_all_columns = match &how.columns {
            Some(columns) => columns.columns.is_none(),
            None => how.redis.hashes == HashForm::Row,
        };
        let mut wanted = Vec::with_capacity(keys.len());
        for (key, found) in keys.iter().zip(found) {
            // A hash without fields is none, and a string without bytes is one.
            let is_gone = found.is_gone || found.kind == Some(RedisKind::Hash) && found.length == Some(0);
            let Some(kind) = found.kind.filter(|_| !is_gone) else {
                table.counts_mut().vanished += 1;
                continue;
            };
            if !table.wants(RedisKey { database: 0, key, kind, expires: found.expires }) {
                continue;
            }
            if key.len() > KEY_BYTES_MAX {
                return Err(ServerError::Failed(Failure::new(format!(
                    "{name}: the key that begins with {} has {} bytes, and a table's at most {KEY_BYTES_MAX}; leave \
                     such keys out with `--match PATTERN`",
                    key[..20].escape_ascii(),
                    key.len()
                ))));
            }
            let Some(length) = found.length.filter(|_| !found.has_other_type) else {
                // It had two types in two moments.
                table.vanished(kind);
                continue;
            };
            if kind == RedisKind::Hash && has_all_columns && length > COLUMNS_MAX as u64 {
                let problem = RedisProblem::TooManyFields { key: key.clone(), most: COLUMNS_MAX };
                return Err(Cause::Redis(vec![problem]).into());
            }
            if kind == RedisKind::String && length > VALUE_BYTES_MAX as u64 {
                return Err(ServerError::Failed(Failure::new(format!(
                    "{name}: the value of the key {} has {length} bytes, and a table's at most {VALUE_BYTES_MAX}; leave \
                     it out with `--match PATTERN`",
                    key.escape_ascii()
                ))));
            }
            let bytes = if kind == RedisKind::Hash { FIELD_BYTES } else { 1 };
            wanted.push(WantedKey { key: key.clone(), kind, weight: length.saturating_mul(bytes) });
        }
        Ok(wanted)
    }

    /// Refuses what was read where keys got a time to live meanwhile that was to be looked at.
    fn check_ttl(&mut self, how: &RedisBuildOptions) -> Result<(), ServerError> {
        if self.asks_ttl || how.redis.ttl == TtlPolicy::KeepValue {
            return Ok(());
        }
        self.commands.push([&b"INFO"[..]]);
        let (mut expiring, database, name) = (None, self.database, &self.name);
        self.commands.exchange(|_, reply| {
            let (Reply::Bulk(text) | Reply::Verbatim { text, .. }) = reply else {
                return Err(unexpected(name, "INFO", reply));
            };
            expiring = keys_with_ttl(&String::from_utf8_lossy(text), database);
            Ok(())
        })?;
        match expiring {
            None | Some(0) => Ok(()),
            Some(keys) => Err(ServerError::Failed(Failure::new(format!(
                "{}: no key had a time to live at the beginning, and {} at the end; build again, or keep their values \
                 for good with `--ttl keep-value`",
                self.name,
                if keys == 1 { "1 has one".to_owned() } else { format!("{keys} have one") }
            )))),
        }
    }

    /// Asks for values, as many at a time as the server can be made to hold, and adds them.
    fn fetch(
        &mut self,
        wanted: &[WantedKey],
        fields: &mut HashFields,
        table: &mut RedisTable,
    ) -> Result<(), ServerError> {
        let mut rest: Vec<&WantedKey> = wanted.iter().collect();
        while !rest.is_empty() {
            let mut bytes = 0_u64;
            let fitting = rest.iter().take_while(|key| {
                bytes = bytes.saturating_add(key.weight);
                bytes <= ASKED_BYTES_MAX
            });
            let behind = rest.split_off(fitting.count().max(1));
            for key in &rest {
                let command = if key.kind == RedisKind::Hash { &b"HGETALL"[..] } else { b"GET" };
                self.commands.push([command, &key.key]);
            }
            let name = &self.name;
            self.commands.exchange(|i, reply| {
                let WantedKey { key, kind, .. } = rest[i];
                match (kind, reply) {
                    (RedisKind::Hash, Reply::Array(items) | Reply::Map(items)) => {
                        if !read_fields(items, fields) {
                            return Err(unexpected(name, "HGETALL", reply));
                        }
                        if fields.is_empty() {
                            table.vanished(*kind);
                            return Ok(());
                        }
                        Ok(table.add_hash(key, fields)?)
                    }
                    (RedisKind::String, Reply::Bulk(value)) => Ok(table.add_string(key, value)?),
                    (RedisKind::String, Reply::Null) => {
                        table.vanished(*kind);
                        Ok(())
                    }
                    (_, Reply::Error(text)) if is_wrong_type(text) => {
                        table.vanished(*kind);
                        Ok(())
                    }
                    (RedisKind::Hash, other) => Err(unexpected(name, "HGETALL", other)),
                    (_, other) => Err(unexpected(name, "GET", other)),
                }
            })?;
            rest = behind;
        }
        Ok(())
    }
}

/// What `PTTL` says of a key that does not exist.
const GONE: i64 = -2;

/// Whether a length is asked for of a value of this kind: of those that a table can have.
fn has_length(kind: RedisKind) -> bool {
    matches!(kind, RedisKind::String | RedisKind::Hash)
}

fn length_command(kind: RedisKind) -> &'static [u8] {
    if kind == RedisKind::Hash { b"HLEN" } else { b"STRLEN" }
}

/// Whether a key has another type than it had.
pub(super) fn is_wrong_type(text: &[u8]) -> bool {
    text.starts_with(b"WRONGTYPE ")
}

/// The fields of what `HGETALL` answers; `false` when it is no such answer.
pub(super) fn read_fields(items: graven_wire::resp::Items<'_>, fields: &mut HashFields) -> bool {
    fields.clear();
    let mut items = items;
    while let Some(name) = items.next() {
        match (name, items.next()) {
            (Reply::Bulk(name), Some(Reply::Bulk(value))) => fields.push(name, value),
            _ => return false,
        }
    }
    true
}

/// The cursor of what `SCAN` answers, and its keys.
fn scanned(reply: Reply<'_>, keys: &mut Vec<Vec<u8>>) -> Option<Vec<u8>> {
    let Reply::Array(mut parts) = reply else { return None };
    let (Some(Reply::Bulk(cursor)), Some(Reply::Array(found)), None) =
        (parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    for key in found {
        let Reply::Bulk(key) = key else { return None };
        keys.push(key.to_vec());
    }
    Some(cursor.to_vec())
}

/// A reply that no Redis gives to a command.
pub(super) fn unexpected(name: &str, command: &str, reply: Reply<'_>) -> ServerError {
    ServerError::Failed(Failure::new(match reply {
        Reply::Error(text) => format!("{name} answered {command} with: {}", text.escape_ascii()),
        _ => format!("{name} answered {command} with a reply of another type than Redis'"),
    }))
}

/// How many keys of a database expire, where the server says it and knows it. Redis says nothing of one without keys; Kvrocks,
/// which says how many have expired, counts only when it is told to, and keys that it has not counted are none to it.
fn keys_with_ttl(info: &str, database: u32) -> Option<u64> {
    let head = format!("db{database}:");
    let line = info.lines().find_map(|line| line.strip_prefix(head.as_str()))?;
    let fields = || line.trim().split(',');
    if fields().any(|field| field == "keys=0" || field.starts_with("expired=")) {
        return None;
    }
    fields().find_map(|field| field.strip_prefix("expires="))?.parse().ok()
}

/// How many hashes of a database have fields that expire, as Redis (since 7.4) and Valkey (since
/// 9) say it.
fn hashes_with_ttl(info: &str, database: u32) -> u64 {
    let head = format!("db{database}:");
    let Some(line) = info.lines().find_map(|line| line.strip_prefix(head.as_str())) else { return 0 };
    line.trim()
        .split(',')
        .filter_map(|field| field.split_once('='))
        .filter(|(name, _)| matches!(*name, "subexpiry" | "keys_with_volatile_items"))
        .find_map(|(_, number)| number.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_says_how_many_hashes_have_fields_that_expire() {
        let info =
            "# Keyspace\r\ndb0:keys=7,expires=0,avg_ttl=0,subexpiry=3\r\ndb2:keys=1,expires=0,avg_ttl=0\r\n";
        assert_eq!([0, 1, 2].map(|database| hashes_with_ttl(info, database)), [3, 0, 0]);
        assert_eq!([0, 1].map(|database| keys_with_ttl(info, database)), [Some(0), None]);
        assert_eq!(keys_with_ttl("db1:keys=7,expires=12,avg_ttl=3\r\n", 1), Some(12));
        assert_eq!(keys_with_ttl("db1:keys=7\r\n", 1), None);
        // Those of Kvrocks may not have been counted.
        assert_eq!(keys_with_ttl("db0:keys=0,expires=0,avg_ttl=0,expired=0\r\n", 0), None);
        assert_eq!(keys_with_ttl("db0:keys=9,expires=0,avg_ttl=0,expired=3\r\n", 0), None);
        let valkey = "db0:keys=7,expires=0,avg_ttl=0,keys_with_volatile_items=2\n";
        assert_eq!(hashes_with_ttl(valkey, 0), 2);
    }
}

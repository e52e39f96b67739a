//! A running Redis, asked for every key: `SCAN`, then `TYPE` and `PTTL` of each, the length of what
//! is wanted, and the values, all pipelined. Nothing is written there, so that a replica will do.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use graven_client::{RedisCommands, Target, Timeouts};
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
    /// Bytes that its value is taken to have; none where it is gone.
    weight: Option<u64>,
}

impl RedisServer {
    /// Connects, and asks how many keys there are.
    pub(crate) fn connect(target: &Target) -> Outcome<Self> {
        let name = target.to_string();
        let connect = || -> Result<Self, ServerError> {
            let mut commands = RedisCommands::connect(target, Timeouts::default())?;
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
            Ok(Self { name: name.clone(), commands, keys, meter, hashes_with_ttl })
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
            let mut wanted = self.wanted(&keys, table)?;
            self.weigh(&mut wanted, how, table)?;
            self.fetch(&wanted, &mut fields, table)?;
            asked += keys.len() as u64;
            self.meter.add(keys.len() as u64);
            if self.meter.is_stopped() {
                return Err(Cause::Stopped.into());
            }
            if cursor == b"0" {
                return Ok(());
            }
            if let Some(rate) = how.rate {
                let due = Duration::from_secs_f64(asked as f64 / rate.get() as f64);
                thread::sleep(due.saturating_sub(started.elapsed()));
            }
        }
    }

    /// Those of `keys` whose values are wanted.
    fn wanted(&mut self, keys: &[Vec<u8>], table: &mut RedisTable) -> Result<Vec<WantedKey>, ServerError> {
        for key in keys {
            self.commands.push([&b"TYPE"[..], key]);
            self.commands.push([&b"PTTL"[..], key]);
        }
        let name = &self.name;
        let (mut kind, mut wanted) = (None, Vec::new());
        self.commands.exchange(|i, reply| {
            let key = &keys[i / 2];
            match reply {
                Reply::Simple(found) if i % 2 == 0 => {
                    kind = Some(RedisKind::of(found)).filter(|_| found != b"none");
                    Ok(())
                }
                Reply::Integer(left) if i % 2 == 1 => {
                    let Some(kind) = kind.filter(|_| left != GONE) else {
                        table.counts_mut().vanished += 1;
                        return Ok(());
                    };
                    let expires = left >= 0;
                    if table.wants(RedisKey { database: 0, key, kind, expires }) {
                        if key.len() > KEY_BYTES_MAX {
                            return Err(ServerError::Failed(Failure::new(format!(
                                "{name}: the key that begins with {} has {} bytes, and a table's at most \
                                 {KEY_BYTES_MAX}; leave such keys out with `--match PATTERN`",
                                key[..20].escape_ascii(),
                                key.len()
                            ))));
                        }
                        wanted.push(WantedKey { key: key.clone(), kind, weight: None });
                    }
                    Ok(())
                }
                other => Err(unexpected(name, if i % 2 == 0 { "TYPE" } else { "PTTL" }, other)),
            }
        })?;
        Ok(wanted)
    }

    /// Asks how large values are, so that not too many are asked for at once.
    fn weigh(
        &mut self,
        wanted: &mut [WantedKey],
        how: &RedisBuildOptions,
        table: &mut RedisTable,
    ) -> Result<(), ServerError> {
        for key in &*wanted {
            self.commands.push([length_command(key.kind), &key.key]);
        }
        let has_all_columns = match &how.columns {
            Some(columns) => columns.columns.is_none(),
            None => how.redis.hashes == HashForm::Row,
        };
        let name = &self.name;
        self.commands.exchange(|i, reply| {
            let WantedKey { key, kind, weight } = &mut wanted[i];
            let command = if *kind == RedisKind::Hash { "HLEN" } else { "STRLEN" };
            match reply {
                Reply::Integer(length) => {
                    let length = length.max(0).unsigned_abs();
                    if *kind == RedisKind::Hash && has_all_columns && length > COLUMNS_MAX as u64 {
                        let problem = RedisProblem::TooManyFields { key: key.clone(), most: COLUMNS_MAX };
                        return Err(Cause::Redis(vec![problem]).into());
                    }
                    if *kind == RedisKind::String && length > VALUE_BYTES_MAX as u64 {
                        return Err(ServerError::Failed(Failure::new(format!(
                            "{name}: the value of the key {} has {length} bytes, and a table's at most \
                             {VALUE_BYTES_MAX}; leave it out with `--match PATTERN`",
                            key.escape_ascii()
                        ))));
                    }
                    let bytes = if *kind == RedisKind::Hash { FIELD_BYTES } else { 1 };
                    *weight = Some(length.saturating_mul(bytes));
                    Ok(())
                }
                Reply::Error(text) if is_wrong_type(text) => {
                    table.vanished(*kind);
                    Ok(())
                }
                other => Err(unexpected(name, command, other)),
            }
        })
    }

    /// Asks for values, as many at a time as the server can be made to hold, and adds them.
    fn fetch(
        &mut self,
        wanted: &[WantedKey],
        fields: &mut HashFields,
        table: &mut RedisTable,
    ) -> Result<(), ServerError> {
        let mut rest: Vec<&WantedKey> = wanted.iter().filter(|key| key.weight.is_some()).collect();
        while !rest.is_empty() {
            let mut bytes = 0_u64;
            let fitting = rest.iter().take_while(|key| {
                bytes = bytes.saturating_add(key.weight.unwrap_or_default());
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
        let valkey = "db0:keys=7,expires=0,avg_ttl=0,keys_with_volatile_items=2\n";
        assert_eq!(hashes_with_ttl(valkey, 0), 2);
    }
}

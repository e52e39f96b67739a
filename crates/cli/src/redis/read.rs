//! A Redis that is read into the builder of a table.

use std::sync::Arc;

use graven_client::{ServerTrust, Target};
use graven_format::Options;
use graven_ingest::{
    Error, Input, Meter, RedisBuilder, RedisCounts, RedisDump, RedisTable, TakenKind, TtlPolicy,
};

use super::flags::RedisBuildOptions;
use super::server::{RedisServer, ServerError};
use crate::console::count;
use crate::failure::{Failure, Outcome};

/// Where the keys of a Redis come from.
pub(crate) enum RedisSource {
    Dump(Input),
    Server(Box<RedisServer>),
}

impl RedisSource {
    /// Connects to a server.
    pub(crate) fn connect(target: &Target, trust: &ServerTrust) -> Outcome<Self> {
        Ok(Self::Server(Box::new(RedisServer::connect(target, trust)?)))
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Dump(input) => input.name(),
            Self::Server(server) => server.name(),
        }
    }

    pub(crate) fn meter(&self) -> Arc<Meter> {
        match self {
            Self::Dump(input) => input.meter(),
            Self::Server(server) => server.meter(),
        }
    }
}

/// A Redis that was read, with the builder that has all of it.
pub(crate) struct ReadRedis {
    pub(crate) builder: RedisBuilder,
    pub(crate) first: Option<(Vec<u8>, Vec<u8>)>,
    pub(crate) ignored: Vec<String>,
    pub(crate) notes: Vec<String>,
    pub(crate) is_of_server: bool,
}

impl ReadRedis {
    /// Reads `source`; `explain` says what is wrong with an input.
    pub(crate) fn read(
        source: RedisSource,
        how: &RedisBuildOptions,
        options: Options,
        explain: impl Fn(Error) -> Failure,
    ) -> Outcome<Self> {
        let name = source.name().to_owned();
        let is_of_server = matches!(source, RedisSource::Server(_));
        let options = if is_of_server {
            // A walk over the keys of a server may come by one twice.
            Options { duplicates: graven_format::Duplicates::Last, ..options }
        } else {
            options
        };
        let hashes_with_ttl = match &source {
            RedisSource::Server(server) if how.redis.kinds != Some(TakenKind::Strings) => {
                server.hashes_with_ttl()
            }
            _ => 0,
        };
        let mut table = RedisTable::new(how.redis.clone(), how.columns.clone(), options);
        match source {
            RedisSource::Dump(input) => {
                RedisDump::new(input).and_then(|mut dump| dump.add_to(&mut table)).map_err(&explain)?;
            }
            RedisSource::Server(server) => server.read(how, &mut table).map_err(|error| match error {
                ServerError::Failed(failure) => failure,
                ServerError::Cause(cause) => explain(Error::of_whole(&name, cause)),
            })?,
        }
        let first = table.first().map(|(key, value)| (key.to_vec(), value.to_vec()));
        let ignored = table.ignored().to_vec();
        let counts = table.counts().clone();
        let mut notes = notes(&counts, table.options().ttl);
        if hashes_with_ttl > 0 {
            let hashes =
                if hashes_with_ttl == 1 { "1 hash".to_owned() } else { format!("{hashes_with_ttl} hashes") };
            notes.push(format!("{hashes} of the server with fields that expire: in the table they stay"));
        }
        match table.finish().map_err(|cause| explain(Error::of_whole(&name, cause)))? {
            Some(builder) => Ok(Self { builder, first, ignored, notes, is_of_server }),
            None => {
                let why = if notes.is_empty() {
                    "no key".to_owned()
                } else {
                    format!("no key for the table: {}", notes.join("; "))
                };
                Err(Failure::new(format!("{name} holds {why}, so there is nothing to carve")))
            }
        }
    }

    pub(crate) fn pairs(&self) -> u64 {
        match &self.builder {
            RedisBuilder::Pairs(builder) => builder.pairs(),
            RedisBuilder::Rows(builder) => builder.rows(),
        }
    }
}

/// What is not in the table, and what is and was not meant to stay.
fn notes(counts: &RedisCounts, ttl: TtlPolicy) -> Vec<String> {
    let mut out = Vec::new();
    if counts.others.all() > 0 {
        out.push(counts.others.to_string());
    }
    for (number, what) in [
        (counts.other_kind, "of the other kind"),
        (counts.other_databases, "of other databases"),
        (counts.unmatched, "that the pattern does not match"),
        (if ttl == TtlPolicy::Skip { counts.expiring.count } else { 0 }, "with a time to live"),
        (counts.expired, "that had expired when the dump was made"),
        (counts.vanished, "that were gone before they were read"),
    ] {
        if number > 0 {
            out.push(format!("{} {what}", count(number, "key")));
        }
    }
    let mut notes = Vec::new();
    if !out.is_empty() {
        notes.push(format!("left out: {}", out.join(", ")));
    }
    if ttl == TtlPolicy::KeepValue && counts.expiring.count > 0 {
        let keys = count(counts.expiring.count, "key");
        notes.push(format!("{keys} with a time to live in Redis: in the table they stay"));
    }
    notes
}

//! What of a Redis becomes a table, as flags.

use std::num::NonZeroUsize;

use clap::ValueEnum;
use graven_ingest::{
    ColumnOptions, HashForm, KeyFilter, Nulls, OtherPolicy, ReadOptions, RedisOptions, TakenKind, TtlPolicy,
};
use graven_wire::glob;

use super::read::RedisSource;
use crate::failure::{Failure, Outcome};
use crate::quantity;

/// [`RedisOptions`] as flags, with those for a server.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RedisFlags {
    /// Of a Redis, take strings or hashes alone [default: whichever there are]
    #[arg(long, value_enum, value_name = "KIND", help_heading = REDIS, hide_short_help = true)]
    only: Option<OnlyName>,
    /// What a hash of a Redis becomes [default: rows]
    #[arg(long, value_enum, value_name = "FORM", conflicts_with = "columns", help_heading = REDIS, hide_short_help = true)]
    hashes: Option<HashesName>,
    /// What happens to keys of a Redis that expire [default: refuse]
    #[arg(long, value_enum, value_name = "WHAT", help_heading = REDIS, hide_short_help = true)]
    ttl: Option<TtlName>,
    /// What happens to lists, sets, sorted sets, streams and values of modules [default: refuse]
    #[arg(long, value_enum, value_name = "WHAT", help_heading = REDIS, hide_short_help = true)]
    other: Option<OtherName>,
    /// The database of a dump [default: the only one with keys]; a server's is in its address
    #[arg(long, value_name = "NUMBER", help_heading = REDIS, hide_short_help = true)]
    database: Option<u64>,
    /// Take the keys of a Redis that match this pattern, as its `KEYS` does
    #[arg(long = "match", value_name = "PATTERN", help_heading = REDIS, hide_short_help = true)]
    pattern: Option<String>,
    /// Keys a second that a Redis server is asked for at most [default: as fast as it answers]
    #[arg(long, value_name = "KEYS", value_parser = quantity::positive, help_heading = REDIS, hide_short_help = true)]
    rate: Option<NonZeroUsize>,
}

const REDIS: &str = "Redis";

/// [`TakenKind`] as the command line spells it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnlyName {
    /// Strings; hashes are left out
    Strings,
    /// Hashes; strings are left out
    Hashes,
}

/// [`HashForm`] as the command line spells it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum HashesName {
    /// A row of columns, which are the fields of all hashes
    Rows,
    /// A value: a JSON object of strings
    Json,
}

/// [`TtlPolicy`] as the command line spells it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum TtlName {
    /// They are taken, and never expire
    KeepValue,
    /// They are left out
    Skip,
    /// An error, which says how many there are
    Refuse,
}

/// [`OtherPolicy`] as the command line spells it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum OtherName {
    /// They are left out
    Skip,
    /// An error, which says how many there are
    Refuse,
}

/// How a Redis is read.
pub(crate) struct RedisBuildOptions {
    pub(super) redis: RedisOptions,
    pub(super) columns: Option<ColumnOptions>,
    /// What a server is asked to match by itself.
    pub(super) pattern: Option<String>,
    pub(super) rate: Option<NonZeroUsize>,
}

impl RedisFlags {
    /// The first flag that was given.
    fn given(&self) -> Option<&'static str> {
        let flags = [
            (self.only.is_some(), "--only"),
            (self.hashes.is_some(), "--hashes"),
            (self.ttl.is_some(), "--ttl"),
            (self.other.is_some(), "--other"),
            (self.database.is_some(), "--database"),
            (self.pattern.is_some(), "--match"),
            (self.rate.is_some(), "--rate"),
        ];
        flags.into_iter().find(|(is_given, _)| *is_given).map(|(_, flag)| flag)
    }

    /// Refuses the flags where what is read is no Redis.
    pub(crate) fn refuse(&self, name: &str) -> Outcome<()> {
        match self.given() {
            Some(flag) => Err(Failure::new(format!(
                "{flag} is for what a Redis holds, and {name} is neither a dump of one nor a server; leave it out"
            ))),
            None => Ok(()),
        }
    }

    /// What was asked for of `source`.
    pub(crate) fn to_options(
        &self,
        source: &RedisSource,
        read: &ReadOptions,
        columns: Option<ColumnOptions>,
    ) -> Outcome<RedisBuildOptions> {
        let name = source.name();
        for (is_given, flag) in [
            (read.format.is_some(), "--format"),
            (read.value.is_some(), "--value"),
            (read.header.is_some(), "--header and --no-header"),
            (read.delimiter.is_some(), "--delimiter"),
            (read.comment.is_some(), "--comment"),
            (read.skip > 0, "--skip"),
            (!read.at.is_empty(), "--at"),
            (read.rows_in_quotes, "--rows-in-quotes"),
            (read.short_rows, "--short-rows"),
            (read.trim, "--trim"),
            (read.nulls != Nulls::Refuse, "--null"),
        ] {
            if is_given {
                return Err(Failure::new(format!("{flag} is for text, and {name} is a Redis; leave it out")));
            }
        }
        match source {
            RedisSource::Server(_) => {
                if let Some(database) = self.database {
                    return Err(Failure::new(format!(
                        "--database is for dumps; name the database of a server in its address, as in \
                         redis://HOST:PORT/{database}"
                    )));
                }
            }
            RedisSource::Dump(_) if self.rate.is_some() => {
                return Err(Failure::new(format!(
                    "--rate is for servers, and {name} is a dump; leave it out"
                )));
            }
            RedisSource::Dump(_) => {}
        }
        if matches!(self.only, Some(OnlyName::Strings)) && columns.is_some() {
            return Err(Failure::new("--columns is for hashes, and --only strings leaves them out"));
        }
        let key_name = match &read.key {
            None => None,
            Some(columns) => match columns.0.as_slice() {
                [name] => Some(name.clone()),
                _ => return Err(Failure::new(format!("{name} has one key a value; give --key one name"))),
            },
        };
        let keys = self
            .pattern
            .clone()
            .map(|pattern| KeyFilter::new(move |key| glob::matches(pattern.as_bytes(), key)));
        let redis = RedisOptions {
            database: self.database,
            keys,
            kinds: self.only.map(|only| match only {
                OnlyName::Strings => TakenKind::Strings,
                OnlyName::Hashes => TakenKind::Hashes,
            }),
            hashes: match self.hashes {
                Some(HashesName::Json) => HashForm::Json,
                Some(HashesName::Rows) | None => HashForm::Row,
            },
            key_name,
            ttl: match self.ttl {
                Some(TtlName::KeepValue) => TtlPolicy::KeepValue,
                Some(TtlName::Skip) => TtlPolicy::Skip,
                Some(TtlName::Refuse) | None => TtlPolicy::Refuse,
            },
            others: match self.other {
                Some(OtherName::Skip) => OtherPolicy::Skip,
                Some(OtherName::Refuse) | None => OtherPolicy::Refuse,
            },
        };
        Ok(RedisBuildOptions { redis, columns, pattern: self.pattern.clone(), rate: self.rate })
    }
}

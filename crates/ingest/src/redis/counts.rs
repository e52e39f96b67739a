//! What was met in a Redis, counted.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::count;

/// The kind of a value, as `TYPE` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RedisKind {
    /// A string.
    String,
    /// A hash.
    Hash,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set.
    SortedSet,
    /// A stream.
    Stream,
    /// What a module, or a later Redis, has made.
    Module,
}

impl RedisKind {
    /// The kind that `TYPE` calls `name`.
    pub fn of(name: &[u8]) -> Self {
        match name {
            b"string" => Self::String,
            b"hash" => Self::Hash,
            b"list" => Self::List,
            b"set" => Self::Set,
            b"zset" => Self::SortedSet,
            b"stream" => Self::Stream,
            _ => Self::Module,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Hash => "hash",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "sorted set",
            Self::Stream => "stream",
            Self::Module => "value of a module",
        }
    }
}

/// Some keys and the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SomeKeys {
    /// How many.
    pub count: u64,
    /// One of them.
    pub example: Vec<u8>,
}

impl SomeKeys {
    pub(super) fn add(&mut self, key: &[u8]) {
        if self.count == 0 {
            self.example = key.to_vec();
        }
        self.count += 1;
    }
}

/// What was met in a Redis: what is in the table, and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisCounts {
    /// Strings that were taken.
    pub strings: u64,
    /// Hashes that were taken.
    pub hashes: u64,
    /// Keys of other databases.
    pub other_databases: u64,
    /// Keys that the filter does not take.
    pub unmatched: u64,
    /// Strings or hashes that are not of the kind that is taken.
    pub other_kind: u64,
    /// Keys that expire, also those that were taken.
    pub expiring: SomeKeys,
    /// Keys that had expired before the dump was made, and were in it still.
    pub expired: u64,
    /// Keys that were gone before their value was read, or had another type by then.
    pub vanished: u64,
    /// Values of other kinds.
    pub others: OtherKinds,
}

/// Values that are neither strings nor hashes, counted by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherKinds {
    by_kind: BTreeMap<RedisKind, u64>,
    example: Vec<u8>,
}

impl OtherKinds {
    pub(super) fn add(&mut self, kind: RedisKind, key: &[u8]) {
        if self.by_kind.is_empty() {
            self.example = key.to_vec();
        }
        *self.by_kind.entry(kind).or_default() += 1;
    }

    /// How many of one kind.
    pub fn of(&self, kind: RedisKind) -> u64 {
        self.by_kind.get(&kind).copied().unwrap_or_default()
    }

    /// How many of all kinds.
    pub fn all(&self) -> u64 {
        self.by_kind.values().sum()
    }

    /// The first key that has such a value.
    pub fn example(&self) -> &[u8] {
        &self.example
    }
}

impl fmt::Display for OtherKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self
            .by_kind
            .iter()
            .map(|(&kind, &number)| match kind {
                RedisKind::Module if number > 1 => format!("{number} values of modules"),
                kind => count(usize::try_from(number).unwrap_or(usize::MAX), kind.name()),
            })
            .collect();
        f.write_str(&words.join(", "))
    }
}

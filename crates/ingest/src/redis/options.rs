//! What of a Redis becomes a table, and how.

use std::fmt;
use std::sync::Arc;

/// What of a Redis becomes a table. What would be lost without anybody having said so is refused
/// by default.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    /// The number of the database; without it, the only one that has keys.
    pub database: Option<u64>,
    /// Which keys are taken; without it, all.
    pub keys: Option<KeyFilter>,
    /// Which kinds of values are taken; without it, whichever there is alone.
    pub kinds: Option<TakenKind>,
    /// What a hash becomes.
    pub hashes: HashForm,
    /// What the key is called where rows are written out again; without it, `key`.
    pub key_name: Option<String>,
    /// What happens to keys that expire.
    pub ttl: TtlPolicy,
    /// What happens to lists, sets, sorted sets, streams and values of modules.
    pub others: OtherPolicy,
}

/// Says of a key whether it is taken.
#[derive(Clone)]
pub struct KeyFilter(Arc<TakesKey>);

type TakesKey = dyn Fn(&[u8]) -> bool + Send + Sync;

impl KeyFilter {
    /// A filter that takes the keys of which `takes` says so.
    pub fn new(takes: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(takes))
    }

    /// Whether it takes `key`.
    pub fn takes(&self, key: &[u8]) -> bool {
        (self.0)(key)
    }
}

impl fmt::Debug for KeyFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyFilter")
    }
}

/// The one kind of values that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TakenKind {
    /// Strings; hashes are left out.
    Strings,
    /// Hashes; strings are left out.
    Hashes,
}

/// What a hash becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashForm {
    /// A row, whose columns are the fields of all hashes. Strings have no place beside it.
    #[default]
    Row,
    /// A value: one JSON object, whose members are strings.
    Json,
}

/// What happens to keys that expire, and to hashes with fields that do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TtlPolicy {
    /// They are an error: a table keeps what it has.
    #[default]
    Refuse,
    /// They are left out.
    Skip,
    /// They are taken, and never expire.
    KeepValue,
}

/// What happens to values that are neither strings nor hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtherPolicy {
    /// They are an error.
    #[default]
    Refuse,
    /// They are left out.
    Skip,
}

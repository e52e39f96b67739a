//! A table in memory that answers lookups: one arena of bytes and a hash table of places in it.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use hashbrown::HashTable;

/// What to do when a key comes more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// The last value of the key counts, as in a hash map that is filled in order.
    #[default]
    Last,
    /// The first value of the key counts.
    First,
    /// A second value is an error.
    Error,
}

/// Where a pair lies in the arena.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u64,
    key_bytes: u32,
    value_bytes: u32,
}

/// A table that is complete: it only answers.
#[derive(Debug, Default)]
pub struct Store {
    arena: Vec<u8>,
    places: HashTable<Place>,
    hasher: RandomState,
}

/// The answers to a batch of keys; reused, it allocates nothing once it has grown.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    found: Vec<Option<Range<usize>>>,
}

impl Batch {
    /// The value of the `i`th key of the batch, or `None` when the table does not hold that key.
    ///
    /// # Panics
    /// When the batch had no `i`th key.
    pub fn value(&self, i: usize) -> Option<&[u8]> {
        self.found[i].clone().map(|range| &self.bytes[range])
    }
}

impl Store {
    /// The number of pairs.
    pub fn len(&self) -> u64 {
        self.places.len() as u64
    }

    /// Whether the table holds nothing.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Bytes of memory that the table itself takes.
    pub fn memory_bytes(&self) -> u64 {
        (self.arena.capacity() + self.places.allocation_size()) as u64
    }

    /// Appends the value of `key` to `value`; `false`, and nothing appended, when the table does not hold the key.
    ///
    /// # Errors
    /// When the table is damaged where the key would lie.
    pub fn get(&self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Error> {
        let found = self.find(key);
        if let Some(found) = found {
            value.extend_from_slice(found);
        }
        Ok(found.is_some())
    }

    /// Answers all of `keys` into `batch`, whose former answers are dropped.
    ///
    /// # Errors
    /// When the table is damaged where one of the keys would lie.
    pub fn get_many(&self, keys: &[&[u8]], batch: &mut Batch) -> Result<(), Error> {
        batch.bytes.clear();
        batch.found.clear();
        for key in keys {
            let start = batch.bytes.len();
            let found = self.get(key, &mut batch.bytes)?;
            batch.found.push(found.then(|| start..batch.bytes.len()));
        }
        Ok(())
    }

    fn find(&self, key: &[u8]) -> Option<&[u8]> {
        let place = self.places.find(self.hasher.hash_one(key), |place| place.key(&self.arena) == key)?;
        Some(place.value(&self.arena))
    }
}

impl Place {
    fn key(self, arena: &[u8]) -> &[u8] {
        let start = self.start as usize;
        &arena[start..start + self.key_bytes as usize]
    }

    fn value(self, arena: &[u8]) -> &[u8] {
        let start = self.start as usize + self.key_bytes as usize;
        &arena[start..start + self.value_bytes as usize]
    }
}

/// Why a table could not be built or could not answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A key came a second time, and [`Duplicates::Error`] was asked for.
    DuplicateKey {
        /// The key.
        key: Vec<u8>,
    },
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::DuplicateKey { key } => write!(f, "the key {} comes more than once", key.escape_ascii()),
        }
    }
}

impl std::error::Error for Error {}

/// Takes pairs and makes a [`Store`] of them.
#[derive(Debug, Default)]
pub struct StoreBuilder {
    store: Store,
    duplicates: Duplicates,
    duplicates_seen: u64,
}

impl StoreBuilder {
    /// An empty table.
    pub fn new(duplicates: Duplicates) -> Self {
        Self { duplicates, ..Self::default() }
    }

    /// Adds a pair.
    ///
    /// # Errors
    /// [`Error::DuplicateKey`] when the key was there and duplicates are errors.
    pub fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let Store { arena, places, hasher } = &mut self.store;
        let hash = hasher.hash_one(key);
        let place =
            Place { start: arena.len() as u64, key_bytes: key.len() as u32, value_bytes: value.len() as u32 };
        match places.find_mut(hash, |place| place.key(arena) == key) {
            None => {
                let start = place.start;
                arena.extend_from_slice(key);
                arena.extend_from_slice(value);
                places
                    .insert_unique(hash, Place { start, ..place }, |place| hasher.hash_one(place.key(arena)));
            }
            Some(old) => {
                match self.duplicates {
                    Duplicates::Error => return Err(Error::DuplicateKey { key: key.to_vec() }),
                    Duplicates::First => {}
                    Duplicates::Last => {
                        *old = place;
                        arena.extend_from_slice(key);
                        arena.extend_from_slice(value);
                    }
                }
                self.duplicates_seen += 1;
            }
        }
        Ok(())
    }

    /// How many pairs had a key that was there already: under [`Duplicates::Last`] they replaced a value, under
    /// [`Duplicates::First`] they were passed over.
    pub fn duplicates(&self) -> u64 {
        self.duplicates_seen
    }

    /// The finished table.
    pub fn finish(self) -> Store {
        self.store
    }
}

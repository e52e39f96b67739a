//! Lookups that are answered together, so that the table can fetch for all of them at once.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use arrayvec::ArrayVec;

use super::{Desk, Scratch};
use crate::options::Options;
use crate::output::Output;

/// Lookups that are handed to the table at once.
pub(super) const KEYS_MAX: usize = 64;

/// What the table says about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    Value(&'a [u8]),
    Nothing,
    /// The table is damaged where the key would lie.
    Damaged,
}

/// Requests of one key each that wait to be answered together: the key, what the answer has to know of the request, and
/// where in the input the request ends.
pub(super) struct Waiting<'a, R> {
    pub(super) keys: ArrayVec<&'a [u8], KEYS_MAX>,
    pub(super) rest: ArrayVec<(R, usize), KEYS_MAX>,
    /// Where in the input the first of them begins.
    start: usize,
}

impl<'a, R> Waiting<'a, R> {
    #[inline]
    pub(super) fn new() -> Self {
        Self { keys: ArrayVec::new(), rest: ArrayVec::new(), start: 0 }
    }

    /// Adds a request that lies at `span` in the input; the caller answers all before there are more than [`KEYS_MAX`].
    #[inline]
    pub(super) fn push(&mut self, key: &'a [u8], request: R, span: Range<usize>) {
        if self.keys.is_empty() {
            self.start = span.start;
        }
        self.keys.push(key);
        self.rest.push((request, span.end));
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

/// How many of several keys were found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tried {
    pub(super) keys: usize,
    pub(super) hits: usize,
}

impl Desk<'_> {
    /// Answers the requests that wait, as far as the output has room, with what `say` writes for each. Returns where in
    /// the input the last answered request ends, and how many were answered.
    #[inline]
    pub(super) fn answer_waiting<R>(
        &mut self,
        waiting: &mut Waiting<'_, R>,
        out: &mut Output<'_>,
        mut say: impl FnMut(&R, &[u8], Said<'_>, &mut Output<'_>),
    ) -> (usize, Tried) {
        let (mut end, mut i) = (waiting.start, 0);
        let rest = &waiting.rest;
        let tried = self.answer_keys(&waiting.keys, out, |key, said, out| {
            let (request, request_end) = &rest[i];
            say(request, key, said, out);
            (end, i) = (*request_end, i + 1);
        });
        waiting.keys.clear();
        waiting.rest.clear();
        (end, tried)
    }

    /// Answers keys in order, as far as the output has room, with what `say` writes for each. At least one is answered, unless
    /// the table has to be read for the first.
    #[inline]
    pub(super) fn answer_keys(
        &mut self,
        keys: &[&[u8]],
        out: &mut Output<'_>,
        mut say: impl FnMut(&[u8], Said<'_>, &mut Output<'_>),
    ) -> Tried {
        let output_bytes_max = self.options.output_bytes_max;
        self.answer_each(keys, |key, said| {
            say(key, said, out);
            if out.len() >= output_bytes_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }

    /// Has `say` told about keys in order, until it wants no more.
    #[inline]
    pub(super) fn answer_each(
        &mut self,
        keys: &[&[u8]],
        mut say: impl FnMut(&[u8], Said<'_>) -> ControlFlow<()>,
    ) -> Tried {
        let mut tried = Tried::default();
        if self.reads.is_some() {
            return self.answer_each_from_disk(keys, say);
        }
        if keys.len() == 1 || !self.get_many(keys) {
            // One by one, so that a damaged place costs only its own key.
            for key in keys {
                let said = self.get(key);
                tried.keys += 1;
                tried.hits += usize::from(matches!(said, Said::Value(_)));
                if say(key, said).is_break() {
                    break;
                }
            }
            return tried;
        }
        let mut value_bytes = 0;
        for (i, key) in keys.iter().enumerate() {
            let said = self.scratch.batch.value(i).map_or(Said::Nothing, Said::Value);
            if let Said::Value(value) = said {
                tried.hits += 1;
                value_bytes += value.len();
            }
            tried.keys += 1;
            if say(key, said).is_break() {
                break;
            }
        }
        let mean_bytes = value_bytes.checked_div(tried.keys).unwrap_or_default();
        self.scratch.batch_keys = keys_for_values_of(mean_bytes, self.options);
        // The batch holds the values that found no room in the output, too.
        if mean_bytes * keys.len() > Scratch::KEPT_BYTES {
            self.scratch.batch = graven_format::Batch::default();
        }
        tried
    }

    /// Answers any number of keys in order, as far as the output has room, and returns those that are left.
    pub(super) fn answer_many<'k, I: Iterator<Item = &'k [u8]> + Clone>(
        &mut self,
        mut keys: I,
        out: &mut Output<'_>,
        mut say: impl FnMut(&[u8], Said<'_>, &mut Output<'_>),
    ) -> (Tried, I) {
        let mut tried = Tried::default();
        loop {
            let several: ArrayVec<&[u8], KEYS_MAX> = keys.clone().take(self.scratch.batch_keys).collect();
            if several.is_empty() {
                return (tried, keys);
            }
            let more = self.answer_keys(&several, out, &mut say);
            tried.keys += more.keys;
            tried.hits += more.hits;
            keys.by_ref().take(more.keys).for_each(drop);
            if self.is_pending() || out.len() >= self.options.output_bytes_max {
                return (tried, keys);
            }
        }
    }

    /// Looks up several keys; `false` when the table is damaged where one of them would lie.
    fn get_many(&mut self, keys: &[&[u8]]) -> bool {
        match self.store.get_many(keys, &mut self.scratch.batch) {
            Ok(()) => true,
            Err(error) => {
                self.trouble = Some(Arc::new(error));
                false
            }
        }
    }

    /// Looks up one key. Where the table has to be read for it, what is said is of no matter: see [`Self::is_pending`].
    #[inline]
    pub(super) fn get(&mut self, key: &[u8]) -> Said<'_> {
        if self.reads.is_some() {
            let fetched = self.fetch(key);
            return self.said(fetched);
        }
        let Scratch { value: room, batch_keys, .. } = &mut self.scratch;
        if room.capacity() > Scratch::KEPT_BYTES {
            *room = Vec::new();
        }
        match self.store.value(key, room) {
            Ok(Some(value)) => {
                *batch_keys = keys_for_values_of(value.len(), self.options);
                Said::Value(value)
            }
            Ok(None) => Said::Nothing,
            Err(error) => {
                self.trouble = Some(Arc::new(error));
                Said::Damaged
            }
        }
    }
}

/// How many lookups the next batch may hold after values of `mean_bytes` each.
#[inline]
pub(super) fn keys_for_values_of(mean_bytes: usize, options: &Options) -> usize {
    if mean_bytes <= options.output_bytes_max / KEYS_MAX {
        KEYS_MAX
    } else {
        (options.output_bytes_max / mean_bytes).max(1)
    }
}

/// The keys of one request that asks for many, as far as they are not answered yet.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    /// Each key's length in four bytes, then the key.
    keys: Vec<u8>,
    at: usize,
}

impl Unfinished {
    pub(super) fn of<'a>(keys: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut all = Vec::new();
        for key in keys {
            all.extend_from_slice(&(key.len() as u32).to_le_bytes());
            all.extend_from_slice(key);
        }
        Self { keys: all, at: 0 }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.keys.len()
    }

    /// The keys that are left.
    pub(super) fn left(&self) -> Left<'_> {
        Left(&self.keys[self.at..])
    }

    /// The first `keys` of those that are left are answered.
    pub(super) fn answered(&mut self, keys: usize) {
        self.at += self.left().take(keys).map(|key| key.len() + 4).sum::<usize>();
    }
}

/// The keys that are left of an [`Unfinished`] request.
#[derive(Clone, Debug)]
pub(super) struct Left<'a>(&'a [u8]);

impl<'a> Iterator for Left<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.0 = rest;
        Some(key)
    }
}

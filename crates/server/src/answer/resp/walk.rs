//! `SCAN`, `KEYS` and `RANDOMKEY`: keys listed by walking the table bucket by bucket, some in each turn.
//!
//! A cursor is the number of the bucket to go on with, and behind it bits of the version's identity. No version ever changes,
//! so a walk from 0 to 0 gives every key once: it goes on in the version that it began with for as long as that is held.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use graven_blocks::BlockReader;
use graven_catalog::TableState;
use graven_format::Store;
use graven_wire::glob::Matcher;
use graven_wire::resp::{Scan, Version, reply};

use super::DAMAGED;
use crate::answer::{ConnectionSlot, Responder, StopReason};
use crate::options::ServerOptions;

/// Bits of a cursor that are a bucket's number. With the bits behind them it stays below 2^53, which is as far as clients in
/// JavaScript count.
const BUCKET_BITS: u32 = 34;

/// Bits of the version's identity.
const IDENTITY_BITS: u32 = 19;

/// Buckets that one `SCAN` looks at, whatever its `COUNT`.
const BUCKETS_MAX: u64 = 4096;

/// `KEYS` lists at most a table of this many pairs.
const KEYS_PAIRS_MAX: u64 = 10_000;

/// Buckets behind one that has to be read, which are read with it.
const AHEAD: u64 = 16;

/// What listing one key costs, in nanoseconds.
const KEY_COST: u64 = 100;

/// What a step of matching costs, in nanoseconds.
const STEP_COST: u64 = 4;

/// A walk through the buckets of one version.
#[derive(Debug)]
pub(super) struct KeyWalk {
    store: Arc<Store>,
    purpose: WalkPurpose,
    /// `None` lists every key.
    pattern: Option<Vec<u8>>,
    /// The next bucket, and the one before which the walk ends.
    bucket: u64,
    end: u64,
    /// Keys of the last bucket that were not looked at.
    keys: VecDeque<Vec<u8>>,
    /// How far the first of them is matched.
    matcher: Matcher,
    /// Keys that were looked at, and keys that are listed.
    seen: u64,
    found: usize,
    /// The keys that are listed, as they are sent.
    listed: Vec<u8>,
}

#[derive(Debug)]
enum WalkPurpose {
    Scan {
        /// Keys to look at.
        count: u64,
        /// Where the answer is as long as it may be.
        listed_bytes_max: usize,
        /// No key is of the kind that is asked for.
        nothing: bool,
    },
    Keys,
    /// The first key from `bucket` on, around to where it began.
    RandomKey {
        around: Option<u64>,
    },
}

impl KeyWalk {
    pub(super) fn scan<R>(scan: Scan<'_>, responder: &Responder<'_, R>) -> Result<Self, String> {
        let options = responder.options;
        let (store, first) = match scan.cursor {
            0 => (&responder.store, 0),
            cursor => continued(cursor, responder).ok_or(
                "ERR the cursor belongs to a version of the table that is no longer held: begin again with SCAN 0",
            )?,
        };
        let kind: &[u8] = if store.schema().is_some() { b"hash" } else { b"string" };
        let nothing = !scan.kind.is_none_or(|asked| asked.eq_ignore_ascii_case(kind));
        let count = scan.count;
        let purpose = WalkPurpose::Scan { count, listed_bytes_max: options.limits.output_bytes_max, nothing };
        let end = store.buckets().min(first.saturating_add(BUCKETS_MAX));
        let pattern = scan.pattern.map(|pattern| allowed(pattern, options)).transpose()?;
        Ok(Self::new(store, purpose, pattern, first.min(end)..end))
    }

    /// All keys that match, in a table small enough for that.
    pub(super) fn keys(pattern: &[u8], store: &Arc<Store>, options: &ServerOptions) -> Result<Self, String> {
        if store.len() > KEYS_PAIRS_MAX {
            return Err("ERR the table holds too many keys to list at once, use SCAN".into());
        }
        let pattern = Some(allowed(pattern, options)?);
        Ok(Self::new(store, WalkPurpose::Keys, pattern, 0..store.buckets()))
    }

    /// The first key of the next bucket that has one, from a place that moves on with every call.
    pub(super) fn random_key(store: &Arc<Store>) -> Self {
        /// Steps of 2^64 divided by the golden ratio come everywhere before they come close to where they were.
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        static PLACE: AtomicU64 = AtomicU64::new(0);
        let buckets = store.buckets();
        let place = PLACE.fetch_add(STEP, Ordering::Relaxed);
        let first = ((u128::from(place) * u128::from(buckets)) >> 64) as u64;
        Self::new(store, WalkPurpose::RandomKey { around: Some(first) }, None, first..buckets)
    }

    fn new(
        store: &Arc<Store>,
        purpose: WalkPurpose,
        pattern: Option<Vec<u8>>,
        buckets: std::ops::Range<u64>,
    ) -> Self {
        Self {
            store: Arc::clone(store),
            purpose,
            pattern,
            bucket: buckets.start,
            end: buckets.end,
            keys: VecDeque::new(),
            matcher: Matcher::default(),
            seen: 0,
            found: 0,
            listed: Vec::new(),
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        let keys: usize = self.keys.iter().map(Vec::len).sum();
        keys + self.listed.len() + self.pattern.as_ref().map_or(0, Vec::len)
    }

    /// Goes on, and answers when it is at its end; why it is not.
    pub(super) fn go_on<R: BlockReader>(
        &mut self,
        version: Version,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> Option<StopReason> {
        loop {
            while let Some(key) = self.keys.front() {
                if slot.cost_left() == 0 {
                    return Some(StopReason::Full);
                }
                let Some(matches) = matches(&mut self.matcher, self.pattern.as_deref(), key, slot) else {
                    return Some(StopReason::Full);
                };
                slot.spend(KEY_COST);
                self.seen += 1;
                if matches && self.lists() {
                    self.found += 1;
                    reply::bulk(&mut self.listed, key);
                }
                self.keys.pop_front();
                self.matcher = Matcher::default();
            }
            if self.is_at_its_end() {
                self.answer(version, &mut slot.out);
                return None;
            }
            if slot.cost_left() == 0 {
                return Some(StopReason::Full);
            }
            slot.spend(KEY_COST);
            let keys = &mut self.keys;
            let ahead = AHEAD.min(self.end - self.bucket - 1);
            match responder
                .lookups
                .keys_in(&self.store, self.bucket, ahead, |key| keys.push_back(key.to_vec()))
            {
                Ok(true) => self.bucket += 1,
                Ok(false) => return Some(StopReason::NotYet),
                Err(_) => {
                    reply::error(&mut slot.out, DAMAGED);
                    return None;
                }
            }
        }
    }

    fn lists(&self) -> bool {
        match self.purpose {
            WalkPurpose::Scan { nothing, .. } => !nothing,
            WalkPurpose::Keys => true,
            WalkPurpose::RandomKey { .. } => self.found == 0,
        }
    }

    /// Whether no further bucket is looked at.
    fn is_at_its_end(&mut self) -> bool {
        match &mut self.purpose {
            WalkPurpose::Scan { count, listed_bytes_max, .. } => {
                self.seen >= *count || self.listed.len() >= *listed_bytes_max || self.bucket == self.end
            }
            WalkPurpose::Keys => self.bucket == self.end,
            WalkPurpose::RandomKey { around } => {
                if self.found == 0
                    && self.bucket == self.end
                    && let Some(first) = around.take()
                {
                    (self.bucket, self.end) = (0, first);
                }
                self.found > 0 || self.bucket == self.end
            }
        }
    }

    fn answer(&self, version: Version, out: &mut Vec<u8>) {
        match self.purpose {
            WalkPurpose::Scan { .. } => {
                let is_over = self.bucket >= self.store.buckets();
                let cursor =
                    if is_over { 0 } else { self.bucket | identity_bits(&self.store) << BUCKET_BITS };
                reply::array_head(out, 2);
                reply::bulk(out, cursor.to_string().as_bytes());
                reply::array_head(out, self.found);
            }
            WalkPurpose::Keys => reply::array_head(out, self.found),
            WalkPurpose::RandomKey { .. } if self.found == 0 => reply::null(out, version),
            WalkPurpose::RandomKey { .. } => {}
        }
        out.extend_from_slice(&self.listed);
    }
}

/// The bits of a version's identity that its cursors carry.
fn identity_bits(store: &Store) -> u64 {
    store.identity() >> (u64::BITS - IDENTITY_BITS)
}

/// The version that a cursor belongs to, and the bucket with which it goes on.
fn continued<'r, R>(cursor: u64, responder: &'r Responder<'_, R>) -> Option<(&'r Arc<Store>, u64)> {
    let (bucket, identity) = (cursor & ((1 << BUCKET_BITS) - 1), cursor >> BUCKET_BITS);
    let versions = responder.table().into_iter().flat_map(TableState::versions);
    let held = versions.map(|version| version.store()).find(|store| identity_bits(store) == identity);
    held.map(|store| (store, bucket))
}

/// The pattern, unless it is longer than may be.
fn allowed(pattern: &[u8], options: &ServerOptions) -> Result<Vec<u8>, String> {
    let (most, found) = (options.limits.pattern_bytes_max, pattern.len());
    if found > most {
        return Err(format!("ERR a pattern may have {most} bytes, this one has {found}"));
    }
    Ok(pattern.to_vec())
}

/// Whether `key` matches, `None` when the turn's cost is used up before that is known.
fn matches(
    matcher: &mut Matcher,
    pattern: Option<&[u8]>,
    key: &[u8],
    slot: &mut ConnectionSlot,
) -> Option<bool> {
    let Some(pattern) = pattern else { return Some(true) };
    let before = slot.cost_left() / STEP_COST + 1;
    let mut steps = before;
    let matches = matcher.go_on(pattern, key, &mut steps);
    slot.spend((before - steps) * STEP_COST);
    matches
}

//! `SCAN`, `KEYS` and `RANDOMKEY`: keys listed by walking the table bucket by bucket.
//!
//! A cursor is the number of the bucket to go on with. The table never changes, so a walk from 0 to 0 gives every key once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use graven_wire::glob;
use graven_wire::resp::{Scan, Version, reply};

use super::Desk;
use super::resp::DAMAGED;

/// Buckets that one `SCAN` looks at, whatever its `COUNT`, so that it holds up nobody else for long.
const BUCKETS_MAX: u64 = 4096;

/// `KEYS` lists at most a table of this many pairs; longer walks would hold up the other connections of the loop.
const KEYS_PAIRS_MAX: u64 = 10_000;

impl Desk<'_> {
    pub(super) fn scan(&mut self, scan: Scan<'_>, out: &mut Vec<u8>) {
        let wanted_kind = scan.kind.is_none_or(|kind| kind.eq_ignore_ascii_case(b"string"));
        let buckets = self.store.buckets();
        let last = buckets.min(scan.cursor.saturating_add(BUCKETS_MAX));
        let (mut keys, mut found, mut seen) = (Vec::new(), 0, 0);
        let mut at = scan.cursor;
        while at < last && seen < scan.count && keys.len() < self.options.output_bytes_max {
            let walked = self.store.scan(at, |entry| {
                seen += 1;
                if wanted_kind && scan.pattern.is_none_or(|pattern| glob::matches(pattern, entry.key)) {
                    found += 1;
                    reply::bulk(&mut keys, entry.key);
                }
            });
            if let Err(error) = walked {
                self.trouble = Some(Arc::new(error));
                return reply::error(out, DAMAGED);
            }
            at += 1;
        }
        let cursor = if at < buckets { at } else { 0 };
        reply::array_head(out, 2);
        reply::bulk(out, cursor.to_string().as_bytes());
        reply::array_head(out, found);
        out.extend_from_slice(&keys);
    }

    /// All keys that match, in a table small enough for that.
    pub(super) fn keys(&mut self, pattern: &[u8], out: &mut Vec<u8>) {
        if self.store.len() > KEYS_PAIRS_MAX {
            return reply::error(out, b"ERR the table holds too many keys to list at once, use SCAN");
        }
        let (mut keys, mut found) = (Vec::new(), 0);
        for bucket in 0..self.store.buckets() {
            let walked = self.store.scan(bucket, |entry| {
                if glob::matches(pattern, entry.key) {
                    found += 1;
                    reply::bulk(&mut keys, entry.key);
                }
            });
            if let Err(error) = walked {
                self.trouble = Some(Arc::new(error));
                return reply::error(out, DAMAGED);
            }
        }
        reply::array_head(out, found);
        out.extend_from_slice(&keys);
    }

    /// The first key of the next bucket that has one, from a place that moves on with every call.
    pub(super) fn random_key(&mut self, version: Version, out: &mut Vec<u8>) {
        /// Steps of 2^64 divided by the golden ratio come everywhere before they come close to where they were.
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        static PLACE: AtomicU64 = AtomicU64::new(0);
        let buckets = self.store.buckets();
        let place = PLACE.fetch_add(STEP, Ordering::Relaxed);
        let first = ((u128::from(place) * u128::from(buckets)) >> 64) as u64;
        for bucket in (first..buckets).chain(0..first) {
            let mut key = None;
            let walked = self.store.scan(bucket, |entry| {
                key.get_or_insert_with(|| entry.key.to_vec());
            });
            match (walked, key) {
                (_, Some(key)) => return reply::bulk(out, &key),
                (Err(error), None) => {
                    self.trouble = Some(Arc::new(error));
                    return reply::error(out, DAMAGED);
                }
                (Ok(()), None) => {}
            }
        }
        reply::null(out, version);
    }
}

//! All keys told, by walking the table bucket by bucket, some in each turn.

use std::collections::VecDeque;
use std::sync::Arc;

use graven_blocks::BlockReader;
use graven_format::Store;
use graven_wire::memcached::{KeyListing, ListingForm, reply};

use super::DAMAGED;
use crate::answer::fingerprint;
use crate::answer::lookups::{LookupOutcome, Lookups};
use crate::answer::rows::{RowText, row_cost};
use crate::answer::slot::{ConnectionSlot, LOOKUP_COST, StopReason};

/// Buckets behind one that has to be read, which are read with it.
const AHEAD: u64 = 16;

/// A listing of the keys of one version, told up to a place.
#[derive(Debug)]
pub(super) struct Listing {
    asked: KeyListing,
    store: Arc<Store>,
    /// The next bucket.
    bucket: u64,
    /// Keys of the last bucket that are not told.
    keys: VecDeque<Vec<u8>>,
}

impl Listing {
    pub(super) fn new(asked: KeyListing, store: Arc<Store>) -> Self {
        Self { asked, store, bucket: 0, keys: VecDeque::new() }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.keys.iter().map(Vec::len).sum()
    }

    /// Tells more keys, and `END` behind the last; why these were not all. A damaged place ends it with an error.
    #[inline(never)]
    pub(super) fn go_on<R: BlockReader>(
        &mut self,
        lookups: &mut Lookups<R>,
        rows: &mut RowText,
        slot: &mut ConnectionSlot,
    ) -> Option<StopReason> {
        let Self { asked, store, bucket, keys } = self;
        while asked.keys_max > 0 && (*bucket < store.buckets() || !keys.is_empty()) {
            while let Some(key) = keys.front() {
                if slot.is_full() {
                    return Some(StopReason::Full);
                }
                let answer = rows.whole(store.schema(), lookups.get(store, key));
                slot.spend_lookup(answer);
                slot.spend(row_cost(store.schema()));
                match answer {
                    LookupOutcome::Value(value) => {
                        let cas = match asked.form {
                            ListingForm::Metadump => fingerprint(value.bytes()),
                            ListingForm::Cachedump => 0,
                        };
                        let is_told = asked.tell(key, value.len(), cas, &mut slot.out);
                        asked.keys_max -= u64::from(is_told);
                    }
                    LookupOutcome::NotYet => return Some(StopReason::NotYet),
                    LookupOutcome::Missing | LookupOutcome::Damaged => {
                        reply::server_error(&mut slot.out, DAMAGED);
                        return None;
                    }
                }
                keys.pop_front();
                if asked.keys_max == 0 {
                    keys.clear();
                }
            }
            if asked.keys_max == 0 || *bucket == store.buckets() {
                break;
            }
            if slot.is_full() {
                return Some(StopReason::Full);
            }
            slot.spend(LOOKUP_COST);
            let ahead = AHEAD.min(store.buckets() - *bucket - 1);
            match lookups.keys_in(store, *bucket, ahead, |key| keys.push_back(key.to_vec())) {
                Ok(true) => *bucket += 1,
                Ok(false) => return Some(StopReason::NotYet),
                Err(_) => {
                    reply::server_error(&mut slot.out, DAMAGED);
                    return None;
                }
            }
        }
        slot.out.extend_from_slice(reply::END);
        None
    }
}

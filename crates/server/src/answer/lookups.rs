//! Lookups: one key, or several so that the table can fetch for all of them at once; from memory, or from blocks that may
//! not be here yet.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrayvec::ArrayVec;
use graven_blocks::{BlockReader, Fetcher};
use graven_format::{Batch, Block, Encoding, Error, Found, LargeValue, Looked, Piece, Store};
use graven_wire::http::Representation;

use super::key_list::KeyList;
use super::slot::{ConnectionSlot, StopReason};
use crate::counters::Requests;
use crate::output::{LENT_BYTES_MIN, Value};

/// Lookups that are handed to the table at once.
pub(crate) const KEYS_MAX: usize = 64;

/// Large values that are decoded together come to about this many bytes: a turn may cost no more than some of them.
const DECODED_BYTES_MAX: usize = 64 * 1024;

/// Values above this many bytes are decoded or read one by one, when it is known which representation of them is wanted.
const TOGETHER_BYTES_MAX: usize = LENT_BYTES_MIN - 1;

/// Room above this many bytes is given back after the answer that needed it.
const KEPT_BYTES: usize = 1024 * 1024;

/// What a lookup came to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LookupOutcome<'a> {
    Value(Value<'a>),
    /// The table does not hold the key.
    Missing,
    /// The table is damaged where the key would lie.
    Damaged,
    /// A block has to be read first, and was asked for: the same question again when it has come.
    NotYet,
}

impl LookupOutcome<'_> {
    /// Whether the key is there; `None` while that is not known, or where the table is damaged.
    pub(super) fn is_hit(&self) -> bool {
        matches!(self, Self::Value(_))
    }
}

/// A loop's means of looking keys up. Its room is used again and again.
#[derive(Debug)]
pub(crate) struct Lookups<R> {
    /// The value of a lookup that came alone.
    value: Vec<u8>,
    /// The values of lookups that came together.
    batch: Batch,
    /// How many lookups the next batch may hold, so that its values come to about one connection's share of output.
    batch_keys: usize,
    output_bytes_max: usize,
    /// Blocks of tables on disk; `None` until the first such table.
    fetcher: Option<Fetcher<R>>,
    /// The last error, for the log.
    error: Option<Arc<Error>>,
}

impl<R: BlockReader> Lookups<R> {
    pub(super) fn new(output_bytes_max: usize) -> Self {
        Self {
            value: Vec::new(),
            batch: new_batch(),
            batch_keys: 1,
            output_bytes_max,
            fetcher: None,
            error: None,
        }
    }

    /// The blocks of tables on disk, as far as there is such a table.
    pub(crate) fn fetcher(&mut self) -> Option<&mut Fetcher<R>> {
        self.fetcher.as_mut()
    }

    pub(crate) fn set_fetcher(&mut self, fetcher: Fetcher<R>) {
        self.fetcher = Some(fetcher);
    }

    /// The error of the last lookup that had one, once.
    pub(crate) fn take_error(&mut self) -> Option<Arc<Error>> {
        self.error.take()
    }

    /// How many keys the next batch may have, at most [`KEYS_MAX`].
    #[inline]
    pub(super) fn batch_keys(&self) -> usize {
        self.batch_keys
    }

    /// Looks up `keys` in order and calls `each` with each one's number and what came of it, until `each` wants no more or a
    /// block is not here. That is the last that `each` is told; what the keys behind need is asked for with it. `wanted` says
    /// which representation of a key's value is wanted, [`Representation::Only`] where who asks knows of none.
    #[inline(always)]
    pub(super) fn each(
        &mut self,
        store: &Arc<Store>,
        keys: &[&[u8]],
        wanted: impl Fn(usize) -> Representation,
        mut each: impl FnMut(usize, LookupOutcome<'_>) -> ControlFlow<()>,
    ) {
        if store.disk().is_some() {
            return self.each_from_disk(store, keys, wanted, each);
        }
        if let [key] = keys {
            // Whether more is wanted is of no matter.
            let _ = each(0, self.get_from_memory(store, key, || wanted(0)));
            return;
        }
        let mut told = 0;
        while told < keys.len() {
            if !self.get_many(store, &keys[told..]) {
                // One by one, so that a damaged place costs only its own key.
                for (i, key) in keys.iter().enumerate().skip(told) {
                    if each(i, self.get_from_memory(store, key, || wanted(i))).is_break() {
                        break;
                    }
                }
                return;
            }
            let answered = self.batch.len();
            if self.tell(store, told, &wanted, &mut each).is_break() {
                return;
            }
            told += answered;
        }
    }

    /// Calls `each` with the answers of the batch, the first of which has number `first`.
    #[inline(always)]
    fn tell(
        &mut self,
        store: &Arc<Store>,
        first: usize,
        wanted: &impl Fn(usize) -> Representation,
        each: &mut impl FnMut(usize, LookupOutcome<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Self { batch, value, error, .. } = self;
        let mut value_bytes = 0;
        let mut flow = ControlFlow::Continue(());
        for (i, found) in batch.all().iter().enumerate() {
            // Nearly all; what is left is out of their way.
            if let Found::Copied(range) = found {
                value_bytes += range.len();
                flow = each(first + i, LookupOutcome::Value(Value::copied(&batch.bytes()[range.clone()])));
            } else {
                let answer = match found {
                    Found::InTable(range) => LookupOutcome::Value(Value::in_table(store, range.clone())),
                    Found::Large(large) => bring(store, large, wanted(first + i), value, error),
                    Found::Missing | Found::Copied(_) => LookupOutcome::Missing,
                };
                if let LookupOutcome::Value(value) = answer {
                    value_bytes += value.len();
                }
                flow = each(first + i, answer);
            }
            if flow.is_break() {
                break;
            }
        }
        let keys = self.batch.len();
        self.expect_values_of(value_bytes.checked_div(keys).unwrap_or_default());
        if self.batch.bytes().len() > KEPT_BYTES {
            self.batch = new_batch();
        }
        flow
    }

    /// Looks up the keys of a request that asks for many, in order, as far as the slot has room and `each` wants more. Those
    /// that `each` was told of are counted and let go. Returns why it was not all.
    pub(super) fn each_of(
        &mut self,
        store: &Arc<Store>,
        keys: &mut KeyList,
        slot: &mut ConnectionSlot,
        requests: &Requests,
        mut each: impl FnMut(&[u8], LookupOutcome<'_>, &mut ConnectionSlot) -> ControlFlow<()>,
    ) -> Option<StopReason> {
        while !keys.is_empty() {
            if slot.is_full() {
                return Some(StopReason::Full);
            }
            let several: ArrayVec<&[u8], KEYS_MAX> = keys.left().take(self.batch_keys).collect();
            let (mut answered, mut stop) = (0, None);
            let only = |_| Representation::Only;
            self.each(store, &several, only, |i, answer| {
                if let LookupOutcome::NotYet = answer {
                    stop = Some(StopReason::NotYet);
                    return ControlFlow::Continue(());
                }
                slot.spend_lookup(answer);
                requests.add_lookup(answer.is_hit());
                answered += 1;
                if each(several[i], answer, slot).is_break() || slot.is_full() {
                    stop = Some(StopReason::Full);
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            drop(several);
            keys.answered(answered);
            if stop.is_some() && !keys.is_empty() {
                return stop;
            }
        }
        None
    }

    /// Looks up one key.
    #[inline]
    pub(super) fn get<'s>(&'s mut self, store: &'s Arc<Store>, key: &[u8]) -> LookupOutcome<'s> {
        self.get_as(Representation::Only, store, key)
    }

    /// As [`Self::get`], for who wants one of the representations of the value.
    #[inline]
    pub(super) fn get_as<'s>(
        &'s mut self,
        wanted: Representation,
        store: &'s Arc<Store>,
        key: &[u8],
    ) -> LookupOutcome<'s> {
        if store.disk().is_some() {
            self.get_from_disk(store, key, wanted)
        } else {
            self.get_from_memory(store, key, || wanted)
        }
    }

    /// As [`Self::get`]; the value is not fetched, and that of a key that is there is empty.
    pub(super) fn contains(&mut self, store: &Arc<Store>, key: &[u8]) -> LookupOutcome<'static> {
        let there = if store.disk().is_some() {
            self.value.clear();
            match self.look(store, key) {
                Ok(Some(Looked::Missing)) => Ok(false),
                Ok(Some(_)) => Ok(true),
                Ok(None) => return LookupOutcome::NotYet,
                Err(error) => Err(error),
            }
        } else {
            store.contains(key).map_err(Arc::new)
        };
        match there {
            Ok(true) => LookupOutcome::Value(Value::copied(&[])),
            Ok(false) => LookupOutcome::Missing,
            Err(error) => {
                self.error = Some(error);
                LookupOutcome::Damaged
            }
        }
    }

    /// Calls `each` with the keys of a bucket; `Ok(false)` when its block is not here. Then what the `ahead` buckets behind
    /// need is asked for with it.
    pub(super) fn keys_in(
        &mut self,
        store: &Arc<Store>,
        bucket: u64,
        ahead: u64,
        each: impl FnMut(&[u8]),
    ) -> Result<bool, Arc<Error>> {
        let listed = self.try_keys_in(store, bucket, ahead, each);
        if let Err(error) = &listed {
            self.error = Some(Arc::clone(error));
        }
        listed
    }

    fn try_keys_in(
        &mut self,
        store: &Arc<Store>,
        bucket: u64,
        ahead: u64,
        each: impl FnMut(&[u8]),
    ) -> Result<bool, Arc<Error>> {
        if store.disk().is_none() {
            return Ok(store.keys_in(bucket, each).map(|()| true)?);
        }
        let Some(piece) = store.piece_of_bucket(bucket)? else { return Ok(true) };
        if let Some(block) = self.block(store, &piece)? {
            store.keys_of(&piece, &block, each)?;
            return Ok(true);
        }
        for later in bucket + 1..bucket.saturating_add(ahead + 1) {
            if let (Some(fetcher), Ok(Some(piece))) = (&mut self.fetcher, store.piece_of_bucket(later)) {
                fetcher.want(store, &piece);
            }
        }
        Ok(false)
    }

    /// Notes that values have `mean_bytes` each, by which the next batch is measured.
    #[inline]
    fn expect_values_of(&mut self, mean_bytes: usize) {
        self.batch_keys = if mean_bytes <= self.output_bytes_max / KEYS_MAX {
            KEYS_MAX
        } else {
            (self.output_bytes_max / mean_bytes).max(1)
        };
    }

    /// Looks up several keys; `false` when the table is damaged where one of them would lie.
    #[inline]
    fn get_many(&mut self, store: &Store, keys: &[&[u8]]) -> bool {
        match store.get_many(keys, &mut self.batch) {
            Ok(()) => true,
            Err(error) => {
                self.error = Some(Arc::new(error));
                false
            }
        }
    }

    #[inline]
    fn get_from_memory<'s>(
        &'s mut self,
        store: &'s Arc<Store>,
        key: &[u8],
        wanted: impl FnOnce() -> Representation,
    ) -> LookupOutcome<'s> {
        if self.value.capacity() > KEPT_BYTES {
            self.value = Vec::new();
        }
        match store.seek(key, &mut self.value, TOGETHER_BYTES_MAX) {
            Ok(Found::Missing) => LookupOutcome::Missing,
            Ok(Found::Copied(range)) => {
                self.expect_values_of(range.len());
                LookupOutcome::Value(Value::copied(&self.value[range]))
            }
            Ok(Found::InTable(range)) => {
                self.expect_values_of(range.len());
                LookupOutcome::Value(Value::in_table(store, range))
            }
            Ok(Found::Large(large)) => {
                self.expect_values_of(large.len());
                bring(store, &large, wanted(), &mut self.value, &mut self.error)
            }
            Err(error) => {
                self.error = Some(Arc::new(error));
                LookupOutcome::Damaged
            }
        }
    }

    fn each_from_disk(
        &mut self,
        store: &Arc<Store>,
        keys: &[&[u8]],
        wanted: impl Fn(usize) -> Representation,
        mut each: impl FnMut(usize, LookupOutcome<'_>) -> ControlFlow<()>,
    ) {
        for (i, key) in keys.iter().enumerate() {
            let answer = self.get_from_disk(store, key, wanted(i));
            let waits = matches!(answer, LookupOutcome::NotYet);
            if each(i, answer).is_break() {
                return;
            }
            if waits {
                keys[i + 1..].iter().for_each(|later| self.want(store, later));
                return;
            }
        }
    }

    fn get_from_disk(&mut self, store: &Arc<Store>, key: &[u8], wanted: Representation) -> LookupOutcome<'_> {
        self.value.clear();
        if self.value.capacity() > KEPT_BYTES {
            self.value = Vec::new();
        }
        match self.look_to_the_end(store, key, wanted) {
            Ok(Some(Some(representation))) => {
                self.expect_values_of(self.value.len());
                LookupOutcome::Value(Value::copied(&self.value).as_representation(representation))
            }
            Ok(Some(None)) => LookupOutcome::Missing,
            Ok(None) => LookupOutcome::NotYet,
            Err(error) => {
                self.error = Some(error);
                LookupOutcome::Damaged
            }
        }
    }

    /// Whether the key is there, and which representation of its value is then in the room; `None` when a block is not here.
    fn look_to_the_end(
        &mut self,
        store: &Arc<Store>,
        key: &[u8],
        wanted: Representation,
    ) -> Result<Option<Option<Representation>>, Arc<Error>> {
        let elsewhere = match self.look(store, key)? {
            Some(Looked::Found) => return Ok(Some(Some(Representation::Only))),
            Some(Looked::Missing) => return Ok(Some(None)),
            Some(Looked::Elsewhere(elsewhere)) => elsewhere,
            None => return Ok(None),
        };
        let Some(block) = self.block(store, &elsewhere)? else { return Ok(None) };
        let frames = match wanted {
            Representation::Only => None,
            Representation::Identity | Representation::Zstd => store.frames_in(&elsewhere, &block),
        };
        if let (Some(frames), Representation::Zstd) = (frames, wanted) {
            self.value.extend_from_slice(frames);
            return Ok(Some(Some(Representation::Zstd)));
        }
        let representation = frames.map_or(Representation::Only, |_| Representation::Identity);
        store.look(key, &elsewhere, &block, &mut self.value)?;
        Ok(Some(Some(representation)))
    }

    /// What the bucket of `key` says about it; `None` when its block is not here.
    fn look(&mut self, store: &Arc<Store>, key: &[u8]) -> Result<Option<Looked>, Arc<Error>> {
        let Some(piece) = store.piece(key)? else { return Ok(Some(Looked::Missing)) };
        let Some(block) = self.block(store, &piece)? else { return Ok(None) };
        Ok(Some(store.look(key, &piece, &block, &mut self.value)?))
    }

    /// Has what `key` needs read, for when its turn comes; what is wrong with it is seen then.
    pub(super) fn want(&mut self, store: &Arc<Store>, key: &[u8]) {
        if let (Some(fetcher), Ok(Some(piece))) = (&mut self.fetcher, store.piece(key)) {
            fetcher.want(store, &piece);
        }
    }

    fn block(&mut self, store: &Arc<Store>, piece: &Piece) -> Result<Option<Arc<Block>>, Arc<Error>> {
        match &mut self.fetcher {
            Some(fetcher) => fetcher.find(store, piece).transpose(),
            None => Ok(Some(Arc::new(store.read_piece(piece)?))),
        }
    }
}

fn new_batch() -> Batch {
    Batch::bounded(DECODED_BYTES_MAX).leaving(TOGETHER_BYTES_MAX)
}

/// Brings a large value that was left where it is, in the representation that is wanted where it has that one. Frames that lie
/// in memory stay there.
#[cold]
fn bring<'s>(
    store: &'s Arc<Store>,
    large: &LargeValue,
    wanted: Representation,
    room: &'s mut Vec<u8>,
    last_error: &mut Option<Arc<Error>>,
) -> LookupOutcome<'s> {
    if room.capacity() > KEPT_BYTES {
        *room = Vec::new();
    }
    room.clear();
    let has_frames = wanted != Representation::Only && large.encoding() == Encoding::Zstd;
    if has_frames
        && wanted == Representation::Zstd
        && let Some(frames) = store.frames(large)
    {
        return LookupOutcome::Value(Value::in_table(store, frames).as_representation(wanted));
    }
    let brought = match wanted {
        Representation::Zstd if has_frames => store.read_frames(large, room),
        _ => Ok(None),
    };
    let brought = brought.and_then(|frames| match frames {
        Some(frames) => Ok((frames, Representation::Zstd)),
        None => {
            store.read_part(large, 0..large.len(), room)?;
            let representation = if has_frames { Representation::Identity } else { Representation::Only };
            Ok((0..room.len(), representation))
        }
    });
    match brought {
        Ok((range, representation)) => {
            LookupOutcome::Value(Value::copied(&room[range]).as_representation(representation))
        }
        Err(error) => {
            *last_error = Some(Arc::new(error));
            LookupOutcome::Damaged
        }
    }
}

//! Blocks for those who wait for them: each is read once however many wait, and nobody blocks.
//!
//! Who needs a block that is not here [looks for it](Fetcher::find), is told "not yet", and is named again when the block
//! has come. All that one waiter asks for in one turn is read together; it goes on when the first of it has come.

use std::collections::HashMap;
use std::sync::Arc;

use graven_format::{Block, Error, Piece, Store};

use crate::cache::Cache;
use crate::reader::{BlockReader, Read};

/// What a block is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockId {
    /// The [serial](Store::serial) of its store.
    pub store: u64,
    /// Where it begins in the file, in bytes.
    pub start: u64,
}

impl BlockId {
    /// The block of `piece` of `store`.
    pub fn of(store: &Store, piece: &Piece) -> Self {
        Self { store: store.serial(), start: piece.start() }
    }
}

/// A block that was read, or why it could not be.
pub type Fetched = Result<Arc<Block>, Arc<Error>>;

/// Bytes of blocks that one fetcher has under way or waiting to be used, up to the last of them.
const SLOT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a fetcher has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FetchCounts {
    /// Reads that were begun, and their bytes.
    pub reads: u64,
    /// Bytes of these reads.
    pub read_bytes: u64,
    /// Reads that failed, or whose bytes were not those of the table.
    pub errors: u64,
    /// Blocks that were found in the cache.
    pub cache_hits: u64,
    /// Blocks that were looked for in the cache and not found.
    pub cache_misses: u64,
}

/// The blocks that one thread fetches, for waiters that it numbers.
#[derive(Debug)]
pub struct Fetcher<R> {
    reader: R,
    cache: Option<Arc<Cache>>,
    counts: FetchCounts,
    /// Blocks that are under way or have come, for as long as a waiter needs them.
    slots: HashMap<BlockId, FetchSlot>,
    slots_max: usize,
    /// Bytes of the blocks in the slots.
    slot_bytes: usize,
    /// What each waiter waits for.
    waiting: HashMap<usize, Waiting>,
    /// Waiters that found no slot free.
    turned_away: Vec<usize>,
    /// What the present waiter needs and has not, the first first.
    wanted: Vec<(Arc<Store>, Piece)>,
    /// What it found in a slot, and would need again.
    found: Vec<BlockId>,
}

#[derive(Debug)]
struct FetchSlot {
    store: Arc<Store>,
    /// `None` while it is under way.
    fetched: Option<Fetched>,
    bytes: usize,
    waiters: Vec<usize>,
}

/// What a waiter waits for: never nothing.
#[derive(Debug)]
struct Waiting {
    /// The block that it cannot go on without.
    first: BlockId,
    /// All that it has asked for, and what it needs again when it goes on.
    blocks: Vec<BlockId>,
}

impl<R: BlockReader> Fetcher<R> {
    /// A fetcher that has at most `slots_max` blocks under way or waiting to be used; waiters beyond that are called when
    /// there is room.
    pub fn new(reader: R, cache: Option<Arc<Cache>>, slots_max: usize) -> Self {
        Self {
            reader,
            cache,
            counts: FetchCounts::default(),
            slots: HashMap::new(),
            slots_max,
            slot_bytes: 0,
            waiting: HashMap::new(),
            turned_away: Vec::new(),
            wanted: Vec::new(),
            found: Vec::new(),
        }
    }

    /// What has been done so far.
    pub fn counts(&self) -> FetchCounts {
        self.counts
    }

    /// The block of `piece`, for the present waiter; `None` when it is not here, and is wanted from now on.
    pub fn find(&mut self, store: &Arc<Store>, piece: &Piece) -> Option<Fetched> {
        let id = BlockId::of(store, piece);
        match self.slots.get(&id) {
            Some(FetchSlot { fetched: Some(fetched), .. }) => {
                self.found.push(id);
                return Some(fetched.clone());
            }
            Some(FetchSlot { fetched: None, .. }) => {}
            None => {
                if let Some(cache) = &self.cache {
                    if let Some(block) = cache.get(&id) {
                        self.counts.cache_hits += 1;
                        return Some(Ok(block));
                    }
                    self.counts.cache_misses += 1;
                }
            }
        }
        self.wanted.push((Arc::clone(store), *piece));
        None
    }

    /// Has `piece` read, if it is not here, for what the present waiter does later.
    pub fn want(&mut self, store: &Arc<Store>, piece: &Piece) {
        let id = BlockId::of(store, piece);
        match (self.slots.get(&id), &self.cache) {
            (Some(FetchSlot { fetched: Some(_), .. }), _) => self.found.push(id),
            (Some(_), _) | (None, None) => self.wanted.push((Arc::clone(store), *piece)),
            // Found again, it is a hit.
            (None, Some(cache)) if cache.holds(&id) => {}
            (None, Some(_)) => {
                self.counts.cache_misses += 1;
                self.wanted.push((Arc::clone(store), *piece));
            }
        }
    }

    /// The present waiter, which is number `waiter`, has had its turn: lets go of what it had waited for, and has read what
    /// it wants now. Returns whether it waits, and will be called.
    pub fn settle(&mut self, waiter: usize) -> bool {
        let had = self.waiting.remove(&waiter);
        let (mut wanted, mut found) = (std::mem::take(&mut self.wanted), std::mem::take(&mut self.found));
        let mut blocks = Vec::new();
        if !wanted.is_empty() {
            // Held before anything is let go, for it is needed again.
            blocks.extend(found.iter().copied().filter(|id| self.hold(id, waiter)));
        }
        if let Some(had) = had {
            self.let_go(waiter, &had.blocks);
        }
        for (i, (store, piece)) in wanted.iter().enumerate() {
            let id = BlockId::of(store, piece);
            // A value's bucket is held already: were the value refused, both would be asked for anew for ever.
            if self.ask(store, piece, waiter, i == 0 && piece.is_value()) {
                blocks.push(id);
            } else if i == 0 {
                // Held on to, what was read ahead could keep all slots from those who wait for one.
                self.let_go(waiter, &blocks);
                blocks.clear();
                self.turned_away.push(waiter);
                break;
            }
        }
        let waits = !wanted.is_empty();
        if let (Some((store, piece)), false) = (wanted.first(), blocks.is_empty()) {
            self.waiting.insert(waiter, Waiting { first: BlockId::of(store, piece), blocks });
        }
        wanted.clear();
        found.clear();
        (self.wanted, self.found) = (wanted, found);
        waits
    }

    /// Makes `waiter` one of those that keep a block here; `false` if there is none.
    fn hold(&mut self, id: &BlockId, waiter: usize) -> bool {
        let slot = self.slots.get_mut(id);
        slot.map(|slot| slot.waiters.push(waiter)).is_some()
    }

    /// Makes `waiter` wait for `piece`, which is read if it is not under way; `false` where there is no slot for it. With
    /// `always`, too many slots are no reason for that, but too many bytes are.
    fn ask(&mut self, store: &Arc<Store>, piece: &Piece, waiter: usize, always: bool) -> bool {
        let id = BlockId::of(store, piece);
        if self.hold(&id, waiter) {
            return true;
        }
        let Some(file) = store.disk() else { return false };
        if (self.slots.len() >= self.slots_max && !always) || self.slot_bytes >= SLOT_BYTES_MAX {
            return false;
        }
        let span = store.span(piece);
        self.counts.reads += 1;
        self.counts.read_bytes += span.len as u64;
        self.reader.ask(Read { file: Arc::clone(file), store: id.store, piece: *piece, span });
        self.slot_bytes += piece.len();
        let slot =
            FetchSlot { store: Arc::clone(store), fetched: None, bytes: piece.len(), waiters: vec![waiter] };
        self.slots.insert(id, slot);
        true
    }

    /// The waiter is gone.
    pub fn forget(&mut self, waiter: usize) {
        if let Some(waiting) = self.waiting.remove(&waiter) {
            self.let_go(waiter, &waiting.blocks);
        }
        self.turned_away.retain(|&turned_away| turned_away != waiter);
    }

    fn let_go(&mut self, waiter: usize, blocks: &[BlockId]) {
        for id in blocks {
            let Some(slot) = self.slots.get_mut(id) else { continue };
            if let Some(at) = slot.waiters.iter().position(|&other| other == waiter) {
                slot.waiters.swap_remove(at);
            }
            // One that is under way stays until it has come, so that it is not asked for twice.
            if slot.waiters.is_empty() && slot.fetched.is_some() {
                self.slot_bytes -= slot.bytes;
                self.slots.remove(id);
            }
        }
    }

    /// Begins what was asked for since the last call, and adds to `ready` the waiters that were turned away and find slots
    /// now.
    pub fn flush(&mut self, ready: &mut Vec<usize>) {
        self.reader.flush();
        if self.slots.len() < self.slots_max && self.slot_bytes < SLOT_BYTES_MAX {
            ready.append(&mut self.turned_away);
        }
    }

    /// Takes in the reads that have ended, and adds to `ready` the waiters that can go on: those whose first block has come.
    pub fn complete(&mut self, ready: &mut Vec<usize>) {
        let Self { cache, counts, reader, slots, slot_bytes, waiting, .. } = self;
        reader.take(usize::MAX, &mut |read, bytes| {
            let Read { piece, store, .. } = read;
            let id = BlockId { store: *store, start: piece.start() };
            let Some(slot) = slots.get_mut(&id) else { return };
            let source = |source| Error::Read { offset: piece.start(), bytes: piece.len() as u64, source };
            let fetched = bytes.map_err(source).and_then(|bytes| slot.store.block(piece, bytes));
            let fetched = fetched.map(Arc::new).map_err(Arc::new);
            match (&fetched, &*cache) {
                (Ok(block), Some(cache)) => cache.insert(id, Arc::clone(block)),
                (Ok(_), None) => {}
                (Err(_), _) => counts.errors += 1,
            }
            let needs_it =
                |waiter: &&usize| waiting.get(waiter).is_some_and(|waiting: &Waiting| waiting.first == id);
            ready.extend(slot.waiters.iter().filter(needs_it));
            slot.fetched = Some(fetched);
            if slot.waiters.is_empty() {
                *slot_bytes -= slot.bytes;
                slots.remove(&id);
            }
        });
    }
}

//! Reads of a table on disk that one loop has under way: each piece is read once however many ask for it, and the loop does
//! not wait for any.
//!
//! A request that needs a piece which is not here is not answered; its connection keeps it and those behind it, whose pieces
//! are asked for as well, and is called again when the first has come. Then its requests are answered as if they were new,
//! as far as their pieces have come.

mod cache;

use std::collections::HashMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use graven_disk::{DiskReads, Reader};
use graven_format::{Block, Error, Piece, Store};

pub(crate) use cache::Cache;

use crate::tally::Tally;

/// What a piece is known by: where it begins in the file.
type Start = u64;

/// Bytes of pieces that one loop has under way or waiting to be answered from, up to the last of them.
const SLOT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A piece that was read, or why it could not be.
type Outcome = Result<Arc<Block>, Arc<Error>>;

/// The pieces that one loop reads.
#[derive(Debug)]
pub(crate) struct Reads<'a> {
    store: &'a Store,
    cache: Option<&'a Cache>,
    tally: &'a Tally,
    reader: Reader<'a>,
    /// Pieces that are under way or have come, for as long as a connection waits for them.
    slots: HashMap<Start, Slot>,
    slots_max: usize,
    /// Bytes of the pieces in the slots.
    slot_bytes: usize,
    /// What each connection waits for.
    waiting: HashMap<usize, Waiting>,
    /// Connections that found no slot free.
    turned_away: Vec<usize>,
    /// What the connection that is being answered needs and has not, the first first.
    wanted: Vec<Piece>,
    /// What it found here, and would need again.
    found: Vec<Start>,
}

#[derive(Debug)]
struct Slot {
    /// `None` while it is under way.
    outcome: Option<Outcome>,
    bytes: usize,
    waiters: Vec<usize>,
}

/// What a connection waits for: never nothing.
#[derive(Debug)]
struct Waiting {
    /// The piece that it cannot go on without.
    first: Start,
    /// All that it has asked for, and what it needs again when it goes on.
    pieces: Vec<Start>,
}

/// What is here of a piece.
pub(crate) enum Found {
    Here(Outcome),
    /// It is wanted.
    NotYet,
}

impl<'a> Reads<'a> {
    /// Reads of `store`, whose table is on disk; `None` where it needs none.
    pub(crate) fn new(
        store: &'a Store,
        cache: Option<&'a Cache>,
        tally: &'a Tally,
        how: DiskReads,
        slots_max: usize,
        under_way_max: usize,
    ) -> io::Result<Option<Self>> {
        let Some(file) = store.disk() else { return Ok(None) };
        let reader = Reader::new(file, how, under_way_max)?;
        Ok(Some(Self {
            store,
            cache,
            tally,
            reader,
            slots: HashMap::new(),
            slots_max,
            slot_bytes: 0,
            waiting: HashMap::new(),
            turned_away: Vec::new(),
            wanted: Vec::new(),
            found: Vec::new(),
        }))
    }

    /// Becomes readable when reads have ended.
    pub(crate) fn listen(&mut self) -> io::Result<BorrowedFd<'_>> {
        self.reader.listen()
    }

    /// The block of `piece`, which is wanted from now on if it is not here.
    pub(crate) fn find(&mut self, piece: &Piece) -> Found {
        match self.slots.get(&piece.start()) {
            Some(Slot { outcome: Some(outcome), .. }) => {
                self.found.push(piece.start());
                return Found::Here(outcome.clone());
            }
            Some(Slot { outcome: None, .. }) => {}
            None => {
                if let Some(cache) = self.cache {
                    if let Some(block) = cache.get(piece.start()) {
                        self.tally.cache_hits.add(1);
                        return Found::Here(Ok(block));
                    }
                    self.tally.cache_misses.add(1);
                }
            }
        }
        self.wanted.push(*piece);
        Found::NotYet
    }

    /// Has `piece` read, if it is not here, for a request that is answered later.
    pub(crate) fn want(&mut self, piece: &Piece) {
        match (self.slots.get(&piece.start()), self.cache) {
            (Some(Slot { outcome: Some(_), .. }), _) => self.found.push(piece.start()),
            (Some(_), _) | (None, None) => self.wanted.push(*piece),
            // Found again, it is a hit.
            (None, Some(cache)) if cache.holds(piece.start()) => {}
            (None, Some(_)) => {
                self.tally.cache_misses.add(1);
                self.wanted.push(*piece);
            }
        }
    }

    /// Whether a request that was answered since the last turn was settled needed what is not here, so that its answer is none.
    pub(crate) fn is_pending(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// The connection `token` has had its turn: lets go of what it had waited for, and has read what it wants now.
    pub(crate) fn settle(&mut self, token: usize) {
        let had = self.waiting.remove(&token);
        let (mut wanted, mut found) = (std::mem::take(&mut self.wanted), std::mem::take(&mut self.found));
        let mut waiting = None;
        if let Some(first) = wanted.first().map(Piece::start) {
            let mut pieces = Vec::with_capacity(wanted.len() + found.len());
            for piece in &wanted {
                if self.ask(piece, token) {
                    pieces.push(piece.start());
                }
            }
            if pieces.first() == Some(&first) {
                for start in &found {
                    if let Some(slot) = self.slots.get_mut(start) {
                        slot.waiters.push(token);
                        pieces.push(*start);
                    }
                }
                waiting = Some(Waiting { first, pieces });
            } else {
                self.let_go(token, &pieces);
                self.turned_away.push(token);
            }
        }
        if let Some(had) = had {
            self.let_go(token, &had.pieces);
        }
        if let Some(waiting) = waiting {
            self.waiting.insert(token, waiting);
        }
        wanted.clear();
        found.clear();
        (self.wanted, self.found) = (wanted, found);
    }

    /// Makes `token` wait for `piece`, which is read if it is not under way; `false` where there is no slot for it.
    fn ask(&mut self, piece: &Piece, token: usize) -> bool {
        if let Some(slot) = self.slots.get_mut(&piece.start()) {
            slot.waiters.push(token);
            return true;
        }
        if self.slots.len() >= self.slots_max || self.slot_bytes >= SLOT_BYTES_MAX {
            return false;
        }
        let span = self.store.span(piece);
        self.tally.disk_reads.add(1);
        self.tally.disk_read_bytes.add(span.len as u64);
        self.reader.ask(*piece, span);
        self.slot_bytes += piece.len();
        self.slots.insert(piece.start(), Slot { outcome: None, bytes: piece.len(), waiters: vec![token] });
        true
    }

    /// The connection `token` is gone.
    pub(crate) fn forget(&mut self, token: usize) {
        if let Some(waiting) = self.waiting.remove(&token) {
            self.let_go(token, &waiting.pieces);
        }
        self.turned_away.retain(|&turned_away| turned_away != token);
    }

    fn let_go(&mut self, token: usize, pieces: &[Start]) {
        for start in pieces {
            let Some(slot) = self.slots.get_mut(start) else { continue };
            if let Some(at) = slot.waiters.iter().position(|&waiter| waiter == token) {
                slot.waiters.swap_remove(at);
            }
            // One that is under way stays until it has come, so that it is not asked for twice.
            if slot.waiters.is_empty() && slot.outcome.is_some() {
                self.slot_bytes -= slot.bytes;
                self.slots.remove(start);
            }
        }
    }

    /// Hands to the system what was submitted since the last call, and adds to `ready` the connections that were turned away
    /// and find slots now.
    pub(crate) fn flush(&mut self, ready: &mut Vec<usize>) {
        self.reader.flush();
        if self.slots.len() < self.slots_max {
            ready.append(&mut self.turned_away);
        }
    }

    /// Takes in the reads that have ended, and adds to `ready` the connections that can go on: those whose first piece has
    /// come.
    pub(crate) fn complete(&mut self, ready: &mut Vec<usize>) {
        let Self { store, cache, tally, reader, slots, slot_bytes, waiting, .. } = self;
        reader.take(usize::MAX, |piece, result| {
            let source = |source| Error::Read { offset: piece.start(), bytes: piece.len() as u64, source };
            let outcome = result.map_err(source).and_then(|bytes| store.block(&piece, bytes));
            let outcome = outcome.map(Arc::new).map_err(Arc::new);
            match (&outcome, &*cache) {
                (Ok(block), Some(cache)) => cache.insert(piece.start(), Arc::clone(block)),
                (Ok(_), None) => {}
                (Err(_), _) => tally.disk_errors.add(1),
            }
            let Some(slot) = slots.get_mut(&piece.start()) else { return };
            let needs_it = |token: &&usize| {
                waiting.get(token).is_some_and(|waiting: &Waiting| waiting.first == piece.start())
            };
            ready.extend(slot.waiters.iter().filter(needs_it));
            slot.outcome = Some(outcome);
            if slot.waiters.is_empty() {
                *slot_bytes -= slot.bytes;
                slots.remove(&piece.start());
            }
        });
    }
}

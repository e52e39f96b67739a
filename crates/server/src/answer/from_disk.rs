//! Lookups in a table on disk: from the pieces that are here, and with the others asked for.

use std::ops::ControlFlow;
use std::sync::Arc;

use graven_format::{Block, Error, Looked, Piece};

use super::batch::{Said, Tried, keys_for_values_of};
use super::{Desk, Scratch};
use crate::reads::Found;

/// What came of a lookup; a value is in the scratch room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    Value,
    Nothing,
    Damaged,
    /// The table has to be read.
    NotYet,
}

impl Desk<'_> {
    /// Has `say` told about keys in order, until it wants no more or one has to be read; those behind that are read with it.
    pub(super) fn answer_each_from_disk(
        &mut self,
        keys: &[&[u8]],
        mut say: impl FnMut(&[u8], Said<'_>) -> ControlFlow<()>,
    ) -> Tried {
        let mut tried = Tried::default();
        for (i, key) in keys.iter().enumerate() {
            let fetched = self.fetch(key);
            if fetched == Fetched::NotYet {
                keys[i + 1..].iter().for_each(|later| self.want(later));
                break;
            }
            tried.keys += 1;
            tried.hits += usize::from(fetched == Fetched::Value);
            if say(key, self.said(fetched)).is_break() {
                break;
            }
        }
        tried
    }

    pub(super) fn said(&self, fetched: Fetched) -> Said<'_> {
        match fetched {
            Fetched::Value => Said::Value(&self.scratch.value),
            Fetched::Nothing | Fetched::NotYet => Said::Nothing,
            Fetched::Damaged => Said::Damaged,
        }
    }

    /// Looks up `key` in what is here.
    pub(super) fn fetch(&mut self, key: &[u8]) -> Fetched {
        let value = &mut self.scratch.value;
        value.clear();
        if value.capacity() > Scratch::KEPT_BYTES {
            *value = Vec::new();
        }
        match self.try_fetch(key) {
            Ok(Fetched::Value) => {
                self.scratch.batch_keys = keys_for_values_of(self.scratch.value.len(), self.options);
                Fetched::Value
            }
            Ok(fetched) => fetched,
            Err(error) => {
                self.trouble = Some(error);
                Fetched::Damaged
            }
        }
    }

    fn try_fetch(&mut self, key: &[u8]) -> Result<Fetched, Arc<Error>> {
        let Some(piece) = self.store.piece(key)? else { return Ok(Fetched::Nothing) };
        let Some(block) = self.block(&piece)? else { return Ok(Fetched::NotYet) };
        let elsewhere = match self.store.look(key, &piece, &block, &mut self.scratch.value)? {
            Looked::Found => return Ok(Fetched::Value),
            Looked::Missing => return Ok(Fetched::Nothing),
            Looked::Elsewhere(elsewhere) => elsewhere,
        };
        let Some(block) = self.block(&elsewhere)? else { return Ok(Fetched::NotYet) };
        self.store.look(key, &elsewhere, &block, &mut self.scratch.value)?;
        Ok(Fetched::Value)
    }

    /// Has what `key` needs read, for when its turn comes; what is wrong with it is seen then.
    pub(super) fn want(&mut self, key: &[u8]) {
        if let (Some(reads), Ok(Some(piece))) = (&mut self.reads, self.store.piece(key)) {
            reads.want(&piece);
        }
    }

    fn block(&mut self, piece: &Piece) -> Result<Option<Arc<Block>>, Arc<Error>> {
        match self.reads.as_mut().map(|reads| reads.find(piece)) {
            Some(Found::Here(outcome)) => outcome.map(Some),
            Some(Found::NotYet) => Ok(None),
            None => Ok(Some(Arc::new(self.store.read_piece(piece)?))),
        }
    }
}

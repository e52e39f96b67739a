//! Reads of hashes, lists and other types that no value has: an error for a key that is there, and
//! what Redis says of a missing one.

use std::sync::Arc;

use graven_blocks::BlockReader;
use graven_format::Store;
use graven_wire::resp::{Args, Missing, Refusal, Version, reply};

use super::DAMAGED;
use super::commands::{Presence, count_present};
use crate::answer::key_list::KeyList;
use crate::answer::{ConnectionSlot, Responder, StopReason};

/// A read of several keys, none of which should be there.
#[derive(Debug)]
pub(super) struct Absence {
    presence: Presence,
    missing: Missing<'static>,
    /// A key that is there has a hash, and not a string.
    are_hashes: bool,
}

impl Absence {
    pub(super) fn new(keys: Args<'_>, missing: Missing<'static>, store: &Arc<Store>) -> Self {
        let are_hashes = store.schema().is_some();
        Self { presence: Presence::new(KeyList::of(keys), store), missing, are_hashes }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.presence.held_bytes()
    }

    /// Goes on, and answers when every key is looked up; why it is not.
    pub(super) fn go_on<R: BlockReader>(
        &mut self,
        version: Version,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> Option<StopReason> {
        let stop = count_present(&mut self.presence, responder, slot);
        if stop.is_none() {
            let out = &mut slot.out;
            match self.presence.there {
                None => reply::error(out, DAMAGED),
                Some(0) => encode_missing(self.missing, b"", version, out),
                Some(_) if self.are_hashes => Refusal::WrongType.encode(out),
                Some(_) => wrong_type(self.missing, out),
            }
        }
        stop
    }
}

/// The value of the key is of another type than is read.
pub(super) fn wrong_type(missing: Missing<'_>, out: &mut Vec<u8>) {
    match missing {
        Missing::NoHyperLogLog => {
            Refusal::Fixed("WRONGTYPE Key is not a valid HyperLogLog string value.").encode(out);
        }
        _ => Refusal::WrongType.encode(out),
    }
}

/// `key` is not there.
pub(super) fn encode_missing(missing: Missing<'_>, key: &[u8], version: Version, out: &mut Vec<u8>) {
    let repeat = |count: usize, out: &mut Vec<u8>, element: fn(&mut Vec<u8>, Version)| {
        reply::array_head(out, count);
        (0..count).for_each(|_| element(out, version));
    };
    match missing {
        Missing::Null => reply::null(out, version),
        Missing::NullArray => reply::null_array(out, version),
        Missing::Zero | Missing::NoHyperLogLog => reply::integer(out, 0),
        Missing::EmptyArray => reply::array_head(out, 0),
        Missing::EmptySet => reply::set_head(out, version, 0),
        Missing::EmptyMap => reply::map_head(out, version, 0),
        Missing::Nulls(count) => repeat(count, out, reply::null),
        Missing::NullArrays(count) => repeat(count, out, reply::null_array),
        Missing::Zeros(count) => repeat(count, out, |out, _| reply::integer(out, 0)),
        Missing::EmptyScan => {
            reply::array_head(out, 2);
            reply::bulk(out, b"0");
            reply::array_head(out, 0);
        }
        Missing::Refused(words) => Refusal::Fixed(words).encode(out),
        Missing::NoGroup(group) => Refusal::NoGroup { key, group }.encode(out),
        _ => reply::null(out, version),
    }
}

//! Values looked at bit by bit: `GETBIT`, `BITCOUNT`, `BITPOS`, `BITFIELD_RO`.

use std::ops::Range;
use std::sync::Arc;

use graven_blocks::BlockReader;
use graven_format::Store;
use graven_wire::resp::{BadBitRange, BitFields, BitRange, Refusal, count_bits, find_bit, reply};

use super::commands::{UnfinishedCommand, with_value};
use super::{DAMAGED, RespSession};
use crate::answer::lookups::LookupOutcome;
use crate::answer::{After, ConnectionSlot, Responder, StopReason};
use crate::output::Value;

/// Bits that are looked at before the cost of the turn is.
const STEP_BITS: u64 = 64 * 1024 * 8;

/// What looking at so many bits costs, in nanoseconds: a byte of a value that has no bit of the kind
/// that is looked for takes half a nanosecond.
const STEP_COST: u64 = STEP_BITS / 8 / 2;

/// What is wanted of a part of a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum BitQuery {
    /// How many bits are set.
    Count(Result<BitRange, BadBitRange>),
    /// The place of the first bit that is set or not.
    Position(bool, Result<BitRange, BadBitRange>),
}

/// A large value in the table's memory, of which a part is looked at.
#[derive(Debug)]
pub(super) struct BitScan {
    store: Arc<Store>,
    value: Range<usize>,
    look: Look,
}

/// How far bits are looked at.
#[derive(Clone, Debug)]
struct Look {
    left: Range<u64>,
    wanted: Bit,
}

#[derive(Clone, Copy, Debug)]
enum Bit {
    Count {
        set: u64,
    },
    Find {
        bit: bool,
        /// What is said when there is none.
        otherwise: i64,
    },
}

impl Look {
    fn new(wanted: BitQuery, len: usize) -> Result<Self, BadBitRange> {
        Ok(match wanted {
            BitQuery::Count(part) => Self { left: part?.counted_bits(len), wanted: Bit::Count { set: 0 } },
            BitQuery::Position(bit, part) => {
                let part = part?;
                let left = part.bits(len);
                // Behind a value whose end was not named there are only bits that are not set.
                let is_open = !bit && !part.has_end() && !left.is_empty();
                let otherwise = if is_open { bits(left.end) } else { -1 };
                Self { left, wanted: Bit::Find { bit, otherwise } }
            }
        })
    }

    /// Looks at some more; the answer when it is known.
    fn go_on(&mut self, value: &[u8]) -> Option<i64> {
        let step = self.left.start..self.left.end.min(self.left.start + STEP_BITS);
        self.left.start = step.end;
        let is_end = self.left.is_empty();
        match &mut self.wanted {
            Bit::Count { set } => {
                *set += count_bits(value, step);
                is_end.then_some(bits(*set))
            }
            Bit::Find { bit, otherwise } => match find_bit(value, step, *bit) {
                Some(found) => Some(bits(found)),
                None => is_end.then_some(*otherwise),
            },
        }
    }
}

fn bits(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl BitScan {
    /// Goes on, and answers when it is at its end; why it is not.
    pub(super) fn go_on(&mut self, slot: &mut ConnectionSlot) -> Option<StopReason> {
        loop {
            if slot.cost_left() == 0 {
                return Some(StopReason::Full);
            }
            slot.spend(STEP_COST);
            if let Some(answer) = self.look.go_on(&self.store.memory()[self.value.clone()]) {
                reply::integer(&mut slot.out, answer);
                return None;
            }
        }
    }
}

impl RespSession {
    /// Answers `BITCOUNT` or `BITPOS`; of a large value that lies in memory, some in each turn.
    pub(super) fn scan_bits<R: BlockReader>(
        &mut self,
        key: &[u8],
        wanted: BitQuery,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After {
        let mut later = None;
        let store = Arc::clone(&responder.store);
        let after = with_value(key, responder, slot, |answer, slot| match answer {
            LookupOutcome::Value(value) => match Look::new(wanted, value.len()) {
                Ok(mut look) => match value.range_in(&store) {
                    Some(range) => later = Some(BitScan { store, value: range, look }),
                    // Bringing it here has cost more.
                    None => loop {
                        if let Some(answer) = look.go_on(value.bytes()) {
                            break reply::integer(&mut slot.out, answer);
                        }
                    },
                },
                Err(bad) => Refusal::from(bad).encode(&mut slot.out),
            },
            LookupOutcome::Missing => {
                let nowhere = match wanted {
                    BitQuery::Count(_) | BitQuery::Position(false, _) => 0,
                    BitQuery::Position(true, _) => -1,
                };
                reply::integer(&mut slot.out, nowhere);
            }
            LookupOutcome::Damaged | LookupOutcome::NotYet => reply::error(&mut slot.out, DAMAGED),
        });
        match later {
            Some(scan) => self.begin(UnfinishedCommand::Bits(scan), responder, slot),
            None => after,
        }
    }
}

pub(super) fn get<R: BlockReader>(
    key: &[u8],
    offset: u64,
    responder: &mut Responder<'_, R>,
    slot: &mut ConnectionSlot,
) -> After {
    with_value(key, responder, slot, |answer, ConnectionSlot { out, .. }| match answer {
        LookupOutcome::Value(value) => {
            reply::integer(out, bits(count_bits(value.bytes(), offset..offset + 1)));
        }
        LookupOutcome::Missing => reply::integer(out, 0),
        LookupOutcome::Damaged | LookupOutcome::NotYet => reply::error(out, DAMAGED),
    })
}

pub(super) fn fields<R: BlockReader>(
    key: &[u8],
    fields: BitFields<'_>,
    responder: &mut Responder<'_, R>,
    slot: &mut ConnectionSlot,
) -> After {
    with_value(key, responder, slot, |answer, ConnectionSlot { out, .. }| {
        let value = match answer {
            LookupOutcome::Value(value) => value,
            LookupOutcome::Missing => Value::copied(b""),
            LookupOutcome::Damaged | LookupOutcome::NotYet => return reply::error(out, DAMAGED),
        };
        let numbers: Vec<i64> = fields.map(|field| field.read(value.bytes())).collect();
        reply::array_head(out, numbers.len());
        numbers.into_iter().for_each(|number| reply::integer(out, number));
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_in_steps_finds_what_one_look_finds() {
        let len = 3 * STEP_BITS as usize / 8 + 5;
        let mut value = vec![0; len];
        value[len - 2] = 0b0001_0000;
        let place = (len as u64 - 2) * 8 + 3;
        let run = |wanted: BitQuery| {
            let mut look = Look::new(wanted, len).unwrap();
            let mut steps = 1;
            loop {
                match look.go_on(&value) {
                    Some(answer) => return (answer, steps),
                    None => steps += 1,
                }
            }
        };
        assert_eq!(run(BitQuery::Count(Ok(BitRange::ALL))), (1, 4));
        assert_eq!(run(BitQuery::Position(true, Ok(BitRange::ALL))), (bits(place), 4));
        assert_eq!(run(BitQuery::Position(false, Ok(BitRange::ALL))), (0, 1));
    }
}

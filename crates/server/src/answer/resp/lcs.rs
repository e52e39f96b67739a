//! `LCS`: the longest common subsequence of two values, computed some rows in each turn.
//!
//! Its length is that of the last cell of a table with a row for each byte of one value and a column
//! for each of the other. Two rows of it are kept, and one bit of each cell: which way it goes on to
//! the beginning. Of several subsequences that are as long, the same is found as by Redis.

use std::sync::Arc;

use graven_blocks::BlockReader;
use graven_format::Store;
use graven_wire::resp::{Lcs, LcsWanted, Refusal, Version, reply};

use super::{DAMAGED, integer};
use crate::answer::lookups::LookupOutcome;
use crate::answer::{ConnectionSlot, Responder, StopReason};
use crate::options::RowGet;

/// The cells that a table may have: it takes an eighth of a byte for each, 2 MiB, and about 2 ns.
const CELLS_MAX: usize = 16 << 20;

/// What computing a cell costs, in nanoseconds.
const CELL_COST: u64 = 2;

/// What Redis says of values that are no strings.
const NO_STRINGS: &str = "ERR The specified keys must contain string values";

/// `LCS` that is not answered yet.
#[derive(Debug)]
pub(super) struct LcsAnswer {
    store: Arc<Store>,
    wanted: LcsWanted,
    keys: [Vec<u8>; 2],
    /// The values that are looked up.
    values: Vec<Vec<u8>>,
    table: Option<LcsTable>,
}

/// The table of two values, down to a row.
#[derive(Debug)]
struct LcsTable {
    /// Rows that are computed.
    rows: usize,
    /// The last of them, with a cell before its first.
    row: Vec<u32>,
    /// For each cell whether the one above it is greater than the one before it.
    goes_up: Vec<u64>,
}

impl LcsAnswer {
    pub(super) fn new(lcs: Lcs<'_>, store: &Arc<Store>) -> Self {
        Self {
            store: Arc::clone(store),
            wanted: lcs.wanted,
            keys: lcs.keys.map(<[u8]>::to_vec),
            values: Vec::new(),
            table: None,
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        let table = self.table.as_ref().map_or(0, |table| table.row.len() * 4 + table.goes_up.len() * 8);
        table + self.keys.iter().chain(&self.values).map(Vec::len).sum::<usize>()
    }

    /// Goes on, and answers when it is done; why it is not.
    pub(super) fn go_on<R: BlockReader>(
        &mut self,
        version: Version,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> Option<StopReason> {
        while let Some(key) = self.keys.get(self.values.len()) {
            if slot.cost_left() == 0 {
                return Some(StopReason::Full);
            }
            let stored = responder.lookups.get(&self.store, key);
            let schema = self.store.schema();
            if schema.is_some() && responder.options.row_get == RowGet::Error && stored.is_hit() {
                Refusal::Fixed(NO_STRINGS).encode(&mut slot.out);
                return None;
            }
            let answer = responder.rows.whole(schema, stored);
            let value = match answer {
                LookupOutcome::Value(value) => value.bytes(),
                LookupOutcome::Missing => b"",
                LookupOutcome::NotYet => return Some(StopReason::NotYet),
                LookupOutcome::Damaged => {
                    reply::error(&mut slot.out, DAMAGED);
                    return None;
                }
            };
            if let Some(refusal) = self.refusal(value.len()) {
                reply::error(&mut slot.out, refusal.as_bytes());
                return None;
            }
            self.values.push(value.to_vec());
            slot.spend_lookup(answer);
            responder.loop_counters.resp.add_lookup(answer.is_hit());
        }
        let [a, b] = &self.values[..] else { return None };
        let table = self.table.get_or_insert_with(|| LcsTable::new(a, b));
        while table.rows < a.len() {
            if slot.cost_left() == 0 {
                return Some(StopReason::Full);
            }
            table.add_row(a, b);
            slot.spend(b.len() as u64 * CELL_COST + 1);
        }
        let out = &mut slot.out;
        match self.wanted {
            LcsWanted::Length => reply::integer(out, i64::from(table.len())),
            LcsWanted::Bytes => {
                let parts = table.parts(a, b);
                let found: Vec<u8> =
                    parts.iter().rev().flat_map(|part| &a[part.a..part.a + part.len]).copied().collect();
                reply::bulk(out, &found);
            }
            LcsWanted::Matches { len_min, with_lens } => {
                let mut parts = table.parts(a, b);
                parts.retain(|part| part.len >= len_min as usize);
                encode_matches(&parts, i64::from(table.len()), with_lens, version, out);
            }
        }
        None
    }

    /// What is said when the next value, which has `len` bytes, makes the table too large.
    fn refusal(&self, len: usize) -> Option<String> {
        // One value is at most as long as the table is large.
        let other = self.values.first().map_or(1, Vec::len);
        let cells = other.saturating_mul(len);
        (cells > CELLS_MAX).then(|| {
            format!(
                "ERR the lengths of the values multiplied may be {CELLS_MAX}, those of these are {cells} or more"
            )
        })
    }
}

/// Bytes that are the same in both values, at these places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LcsMatch {
    a: usize,
    b: usize,
    len: usize,
}

impl LcsTable {
    fn new(a: &[u8], b: &[u8]) -> Self {
        let cells = a.len() * b.len();
        Self { rows: 0, row: vec![0; b.len() + 1], goes_up: vec![0; cells.div_ceil(64)] }
    }

    /// Computes the next row, that of `a[self.rows]`.
    fn add_row(&mut self, a: &[u8], b: &[u8]) {
        let byte = a[self.rows];
        let first = self.rows * b.len();
        // The cell above the one before; the cell before.
        let (mut diagonal, mut before) = (0, 0);
        for (j, (&other, cell)) in b.iter().zip(&mut self.row[1..]).enumerate() {
            let above = *cell;
            let now = if byte == other {
                diagonal + 1
            } else {
                let at = first + j;
                self.goes_up[at / 64] |= u64::from(above > before) << (at % 64);
                above.max(before)
            };
            (diagonal, before) = (above, now);
            *cell = now;
        }
        self.rows += 1;
    }

    /// How long the longest common subsequence is.
    fn len(&self) -> u32 {
        self.row.last().copied().unwrap_or_default()
    }

    /// The parts that it consists of, the last one first.
    fn parts(&self, a: &[u8], b: &[u8]) -> Vec<LcsMatch> {
        let mut parts: Vec<LcsMatch> = Vec::new();
        let (mut i, mut j) = (a.len(), b.len());
        let mut extends = false;
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                match parts.last_mut() {
                    Some(part) if extends => *part = LcsMatch { a: i, b: j, len: part.len + 1 },
                    _ => parts.push(LcsMatch { a: i, b: j, len: 1 }),
                }
                extends = true;
                continue;
            }
            extends = false;
            let at = (i - 1) * b.len() + (j - 1);
            if self.goes_up[at / 64] >> (at % 64) & 1 == 1 {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        parts
    }
}

fn encode_matches(parts: &[LcsMatch], len: i64, with_lens: bool, version: Version, out: &mut Vec<u8>) {
    reply::map_head(out, version, 2);
    reply::bulk(out, b"matches");
    reply::array_head(out, parts.len());
    for part in parts {
        reply::array_head(out, if with_lens { 3 } else { 2 });
        for start in [part.a, part.b] {
            reply::array_head(out, 2);
            reply::integer(out, integer(start));
            reply::integer(out, integer(start + part.len - 1));
        }
        if with_lens {
            reply::integer(out, integer(part.len));
        }
    }
    reply::bulk(out, b"len");
    reply::integer(out, len);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length by the plainest means.
    fn len_of(a: &[u8], b: &[u8]) -> u32 {
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                table[i][j] = if a[i - 1] == b[j - 1] {
                    table[i - 1][j - 1] + 1
                } else {
                    table[i - 1][j].max(table[i][j - 1])
                };
            }
        }
        table[a.len()][b.len()]
    }

    #[test]
    fn the_parts_are_in_both_values_and_as_long_as_the_longest() {
        let words: Vec<Vec<u8>> = (0..60_usize)
            .map(|seed| (0..seed % 23).map(|i| b'a' + ((seed * 7 + i * i * 3 + i) % 4) as u8).collect())
            .collect();
        for (a, b) in words.iter().flat_map(|a| words.iter().map(move |b| (a, b))) {
            let mut table = LcsTable::new(a, b);
            while table.rows < a.len() {
                table.add_row(a, b);
            }
            assert_eq!(table.len(), len_of(a, b), "{a:?} {b:?}");
            let parts = table.parts(a, b);
            let (mut ends, mut total) = ((a.len(), b.len()), 0);
            for part in &parts {
                assert_eq!(a[part.a..part.a + part.len], b[part.b..part.b + part.len]);
                assert!(part.a + part.len <= ends.0 && part.b + part.len <= ends.1, "they do not overlap");
                (ends, total) = ((part.a, part.b), total + part.len as u32);
            }
            assert_eq!(total, table.len(), "{a:?} {b:?}");
        }
    }
}

//! Where the buckets lie: one cache line for every 28 of them.
//!
//! A line says where its first bucket begins and, relative to that and in units that the line
//! chooses, where each of its buckets ends, so that one load finds both ends of a bucket: 18.3
//! bits a bucket.

use std::ops::Range;

use crate::layout::{
    GROUP_CRC_BYTES, LINE_BASE_BYTES, LINE_BUCKETS, LINE_BYTES, LINE_ENDS_OFFSET, LINE_SHIFT_MAX,
    LINE_SHIFT_OFFSET,
};

/// One line of the index.
pub(crate) type Line = [u8; LINE_BYTES];

/// How many lines `buckets` buckets take.
pub(crate) fn lines(buckets: u64) -> u64 {
    buckets.div_ceil(LINE_BUCKETS)
}

/// Which line a bucket is in, and which bucket of the line it is.
#[inline(always)]
pub(crate) fn line_of(bucket: u64) -> (u64, usize) {
    (bucket / LINE_BUCKETS, (bucket % LINE_BUCKETS) as usize)
}

/// Where the first bucket of `line` begins in the section of records.
#[inline(always)]
pub(crate) fn base(line: &Line) -> u64 {
    head(line) & u64::MAX >> (64 - 8 * LINE_BASE_BYTES)
}

/// The base and, above it, the shift.
#[inline(always)]
fn head(line: &Line) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *line;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Moves the buckets of a line by `offset` bytes.
pub(crate) fn rebase(line: &mut Line, offset: u64) {
    let moved = base(line) + offset;
    debug_assert!(moved < 1 << (8 * LINE_BASE_BYTES));
    line[..LINE_BASE_BYTES].copy_from_slice(&moved.to_le_bytes()[..LINE_BASE_BYTES]);
}

/// Buckets of a line that share a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Groups {
    buckets: usize,
    /// A bit for each bucket of a line that begins a group.
    firsts: u32,
}

impl Groups {
    /// Groups of so many buckets: one of [`GROUPS`](crate::layout::GROUPS).
    pub(crate) fn of(buckets: u8) -> Self {
        let firsts =
            (0..LINE_BUCKETS).filter(|at| at % u64::from(buckets) == 0).fold(0, |bits, at| bits | 1 << at);
        Self { buckets: buckets.into(), firsts }
    }

    /// Buckets in a group.
    pub(crate) fn buckets(self) -> usize {
        self.buckets
    }

    /// How many there are in a line.
    pub(crate) fn of_line(self) -> u64 {
        LINE_BUCKETS / self.buckets as u64
    }

    /// Whether a check is of one bucket alone, so that a line that leads astray is found by it.
    pub(crate) fn are_buckets(self) -> bool {
        self.buckets == 1
    }

    /// The number of the group that a bucket is in.
    pub(crate) fn number(self, bucket: u64) -> u64 {
        let (line, at) = line_of(bucket);
        line * self.of_line() + (at / self.buckets) as u64
    }
}

#[inline(always)]
fn shift(line: &Line) -> u32 {
    (head(line) >> (8 * LINE_SHIFT_OFFSET)) as u32 & LINE_SHIFT_MAX
}

/// Where the bucket that is number `at - 1` of the line ends, in its units.
#[inline(always)]
fn end_of(line: &Line, at: usize) -> u64 {
    let offset = LINE_SHIFT_OFFSET + 2 * at;
    u64::from(u16::from_le_bytes([line[offset], line[offset + 1]]))
}

/// Where the bucket that is number `at` of `line` lies in the section of records. The start is
/// never behind the end, and neither is beyond 2^49.
#[inline(always)]
pub(crate) fn range(line: &Line, at: usize, groups: Groups) -> Range<u64> {
    let (base, shift) = (base(line), shift(line));
    // Both ends at once; where there is no bucket before, the shift stands in the place of its end.
    // Never more, as the compiler does not know: so it need not check each of the four bytes.
    let at = at.min(LINE_BUCKETS as usize - 1);
    let offset = LINE_SHIFT_OFFSET + 2 * at;
    let ends = u32::from_le_bytes([line[offset], line[offset + 1], line[offset + 2], line[offset + 3]]);
    let start = if at == 0 { 0 } else { u64::from(ends as u16) };
    // A group begins with its check.
    let start = (start << shift) + u64::from(groups.firsts >> at & 1) * GROUP_CRC_BYTES as u64;
    let end = (u64::from(ends >> 16) << shift).max(start);
    base + start..base + end
}

/// Where the group lies that the bucket which is number `at` of `line` is in, from its check on.
pub(crate) fn group(line: &Line, at: usize, groups: Groups) -> Range<u64> {
    let (base, shift) = (base(line), shift(line));
    let first = at - at % groups.buckets;
    let start = if first == 0 { 0 } else { end_of(line, first) };
    let end = end_of(line, first + groups.buckets).max(start);
    base + (start << shift)..base + (end << shift)
}

/// What of a line the checks of its groups cover, where they are of more than one bucket.
pub(crate) fn checked(line: &Line) -> Line {
    // But for the base, which moves with what comes before.
    let mut covered = *line;
    covered[..LINE_BASE_BYTES].fill(0);
    covered
}

/// A line for buckets of these lengths, at most 28, the first of which begins at `base`; and where
/// each begins behind its predecessor's end, which is later than that end where the line has to
/// count in larger units.
pub(crate) fn encode(base: u64, lengths: &[u32]) -> (Line, Vec<u64>) {
    debug_assert!(base < 1 << (8 * LINE_BASE_BYTES) && lengths.len() <= LINE_BUCKETS as usize);
    let shift = (0..=LINE_SHIFT_MAX)
        .find(|&shift| {
            lengths.iter().map(|&len| u64::from(len).div_ceil(1 << shift)).sum::<u64>() <= u16::MAX.into()
        })
        .unwrap_or(LINE_SHIFT_MAX);
    let mut line = [0; LINE_BYTES];
    line[..LINE_BASE_BYTES].copy_from_slice(&base.to_le_bytes()[..LINE_BASE_BYTES]);
    line[LINE_SHIFT_OFFSET..LINE_ENDS_OFFSET].copy_from_slice(&(shift as u16).to_le_bytes());
    let mut end = 0;
    let mut paddings = Vec::with_capacity(lengths.len());
    for at in 0..LINE_BUCKETS as usize {
        if let Some(&len) = lengths.get(at) {
            let units = u64::from(len).div_ceil(1 << shift);
            end += units;
            paddings.push((units << shift) - u64::from(len));
        }
        let offset = LINE_ENDS_OFFSET + 2 * at;
        line[offset..offset + 2].copy_from_slice(&(end as u16).to_le_bytes());
    }
    (line, paddings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_finds_both_ends_of_every_bucket() {
        for lengths in [vec![5; 28], vec![0; 28], vec![1, 0, 70_000, 3, 1 << 20], vec![u32::MAX; 28], vec![7]]
        {
            let base = 1 << 40;
            let (line, paddings) = encode(base, &lengths);
            for groups in crate::layout::GROUPS.map(Groups::of) {
                let mut start = base;
                for (at, &len) in lengths.iter().enumerate() {
                    let end = start + u64::from(len) + paddings[at];
                    let check = if at % groups.buckets == 0 { 4 } else { 0 };
                    let range = range(&line, at, groups);
                    assert_eq!(range, start + check..end.max(start + check));
                    let group = group(&line, at, groups);
                    assert!(group.start <= start && group.end >= end);
                    assert_eq!(group.start == start, check > 0 || len == 0 && at > 0 && group.start == start);
                    start = end;
                }
            }
        }
    }
}

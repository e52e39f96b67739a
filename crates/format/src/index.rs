//! Where the buckets lie: one cache line for every 28 of them.
//!
//! A line says where its first bucket begins and, relative to that and in units that the line chooses, where each of its
//! buckets ends, so that one load finds both ends of a bucket: 18.3 bits a bucket.

use std::ops::Range;

use crate::layout::{
    LINE_BASE_BYTES, LINE_BUCKETS, LINE_BYTES, LINE_ENDS_OFFSET, LINE_SHIFT_MAX, LINE_SHIFT_OFFSET,
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
    u64::from_le_bytes([line[0], line[1], line[2], line[3], line[4], line[5], 0, 0])
}

/// Moves the buckets of a line by `offset` bytes.
pub(crate) fn rebase(line: &mut Line, offset: u64) {
    let moved = base(line) + offset;
    debug_assert!(moved < 1 << (8 * LINE_BASE_BYTES));
    line[..LINE_BASE_BYTES].copy_from_slice(&moved.to_le_bytes()[..LINE_BASE_BYTES]);
}

/// Where the bucket that is number `at` of `line` lies in the section of records. The start is never behind the end, and
/// neither is beyond 2^49.
#[inline(always)]
pub(crate) fn range(line: &Line, at: usize) -> Range<u64> {
    let base = base(line);
    let shift =
        u16::from_le_bytes([line[LINE_SHIFT_OFFSET], line[LINE_SHIFT_OFFSET + 1]]) as u32 & LINE_SHIFT_MAX;
    let end_of = |at: usize| {
        let offset = LINE_SHIFT_OFFSET + 2 * at;
        u64::from(u16::from_le_bytes([line[offset], line[offset + 1]]))
    };
    let start = if at == 0 { 0 } else { end_of(at) };
    let end = end_of(at + 1).max(start);
    base + (start << shift)..base + (end << shift)
}

/// A line for buckets of these lengths, at most 28, the first of which begins at `base`; and where each begins behind its
/// predecessor's end, which is later than that end where the line has to count in larger units.
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
            let mut start = base;
            for (at, &len) in lengths.iter().enumerate() {
                let range = range(&line, at);
                assert_eq!(range.start, start);
                assert_eq!(range.end, start + u64::from(len) + paddings[at]);
                start = range.end;
            }
        }
    }
}

//! From the records of a partition to its lines of the index and its buckets.

use crate::bucket::{LargeReference, Record, Stored, seal};
use crate::build::options::Duplicates;
use crate::build::plan::Plan;
use crate::build::record::{self, Unplaced};
use crate::build::survey::Totals;
use crate::checksum::crc32c;
use crate::codec::Decoder;
use crate::error::Error;
use crate::index::{self, Line};
use crate::key::Order;
use crate::layout::{BUCKET_BYTES_MAX, LINE_BUCKETS};
use crate::limits::KEY_BYTES_MAX;

/// A partition in the form it has in the file, as if it began at byte 0.
pub(crate) struct Carved {
    pub(crate) lines: Vec<Line>,
    pub(crate) records: Vec<u8>,
    pub(crate) totals: Totals,
    pub(crate) duplicates: u64,
    pub(crate) stored_key_bytes: u64,
    pub(crate) stored_value_bytes: u64,
}

impl Plan {
    /// The partition that an order falls into.
    #[inline]
    pub(crate) fn partition_of(&self, order: Order) -> usize {
        (index::line_of(self.keys.place(order).bucket).0 / self.partition_lines) as usize
    }

    /// Sorts, removes duplicates, and makes buckets.
    pub(crate) fn carve(&self, number: usize, bytes: &[u8]) -> Result<Carved, Error> {
        let mut records = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            records.push(record::read(&self.keys, bytes, &mut at));
        }
        // Stable: records of one key stay in the order of the input.
        records.sort_by(|a, b| a.order.cmp(&b.order).then_with(|| a.key.cmp(b.key)));
        let duplicates = self.remove_duplicates(&mut records)?;
        let mut carved = Carved {
            lines: Vec::new(),
            records: Vec::new(),
            totals: Totals::default(),
            duplicates,
            stored_key_bytes: records.iter().map(|record| record.key.len() as u64).sum(),
            stored_value_bytes: records.iter().map(|record| record.value.len() as u64).sum(),
        };

        records.iter().for_each(|record| carved.totals.see(record.given.0, record.given.1));
        let first_line = number as u64 * self.partition_lines;
        let last_line = (first_line + self.partition_lines).min(index::lines(1 << self.bucket_bits));
        let mut rest = records.as_slice();
        let mut line = LineBuilder::default();
        for number in first_line..last_line {
            let first = number * LINE_BUCKETS;
            let end = (first + LINE_BUCKETS).min(1 << self.bucket_bits);
            let count = rest.partition_point(|record| self.keys.place(record.order).bucket < end);
            let (these, others) = rest.split_at(count);
            rest = others;
            line.build(self, first..end, these, &mut carved)?;
        }
        Ok(carved)
    }

    /// Leaves one record of each key and says how many it removed.
    fn remove_duplicates(&self, records: &mut Vec<Unplaced<'_>>) -> Result<u64, Error> {
        let before = records.len();
        match self.duplicates {
            Duplicates::First => records.dedup_by(|later, earlier| same_key(later, earlier)),
            Duplicates::Last => records.dedup_by(|later, earlier| {
                let same = same_key(later, earlier);
                if same {
                    (earlier.value, earlier.given) = (later.value, later.given);
                }
                same
            }),
            Duplicates::Error => {
                if let Some(pair) = records.windows(2).find(|pair| same_key(&pair[0], &pair[1])) {
                    return Err(Error::DuplicateKey { key: self.key_text(&pair[0]) });
                }
            }
        }
        Ok((before - records.len()) as u64)
    }

    fn key_text(&self, record: &Unplaced<'_>) -> Vec<u8> {
        let mut key = Vec::new();
        if self.keys.is_numeric() {
            self.keys.write_number(self.keys.place(record.order), &mut key);
            return key;
        }
        key.extend_from_slice(&self.keys.shape().prefix);
        match self.key_table.as_ref().and_then(|table| Decoder::new(self.key_codec, table)) {
            // What this build has encoded decodes.
            Some(decoder) => {
                let _ = decoder.decode(record.key, record.key.len(), KEY_BYTES_MAX, &mut key);
            }
            None => key.extend_from_slice(record.key),
        }
        key
    }
}

fn same_key(a: &Unplaced<'_>, b: &Unplaced<'_>) -> bool {
    a.order == b.order && a.key == b.key
}

fn check_bucket(found: u64) -> Result<(), Error> {
    let (what, most) = ("the length of a bucket", BUCKET_BYTES_MAX as u64);
    if found > most { Err(Error::TooLarge { what, most, found }) } else { Ok(()) }
}

/// Builds the buckets of one line after the other, reusing its memory.
#[derive(Default)]
struct LineBuilder {
    buckets: Vec<u8>,
    lengths: Vec<u32>,
}

impl LineBuilder {
    fn build(
        &mut self,
        plan: &Plan,
        numbers: std::ops::Range<u64>,
        records: &[Unplaced<'_>],
        carved: &mut Carved,
    ) -> Result<(), Error> {
        let fits = |value: &[u8]| {
            plan.buckets.value_width == 0
                || value.len() <= plan.inline_max as usize && (value.len() as u32) < plan.buckets.large_mark()
        };
        // Where large values lie depends on how long the buckets are, which does not depend on where large values lie.
        let large: Vec<&[u8]> =
            records.iter().map(|record| record.value).filter(|value| !fits(value)).collect();
        self.encode(plan, numbers.clone(), records, |value| {
            if fits(value) {
                Stored::Inline(value)
            } else {
                Stored::Large(LargeReference { offset: 0, len: 0, crc: 0 })
            }
        })?;
        let base = carved.records.len() as u64;
        let (line, paddings) = index::encode(base, &self.lengths);
        if !large.is_empty() {
            let mut offset =
                self.lengths.iter().map(|&len| u64::from(len)).sum::<u64>() + paddings.iter().sum::<u64>();
            self.encode(plan, numbers.clone(), records, |value| {
                if fits(value) {
                    return Stored::Inline(value);
                }
                let reference = LargeReference { offset, len: value.len() as u32, crc: crc32c(0, value) };
                offset += value.len() as u64;
                Stored::Large(reference)
            })?;
        }
        carved.lines.push(line);
        let mut rest = self.buckets.as_slice();
        for ((number, &len), padding) in numbers.zip(&self.lengths).zip(paddings) {
            let (bucket, others) = rest.split_at(len as usize);
            rest = others;
            check_bucket(u64::from(len) + padding)?;
            let start = carved.records.len();
            carved.records.extend_from_slice(bucket);
            carved.records.resize(carved.records.len() + padding as usize, 0);
            seal(number, &mut carved.records[start..]);
        }
        large.iter().for_each(|value| carved.records.extend_from_slice(value));
        Ok(())
    }

    fn encode<'r>(
        &mut self,
        plan: &Plan,
        numbers: std::ops::Range<u64>,
        mut records: &'r [Unplaced<'r>],
        mut store: impl FnMut(&'r [u8]) -> Stored<'r>,
    ) -> Result<(), Error> {
        self.buckets.clear();
        self.lengths.clear();
        let most = if plan.buckets.count_width == 1 { 255 } else { 65_535 };
        for number in numbers {
            let count =
                records.iter().take_while(|record| plan.keys.place(record.order).bucket == number).count();
            if count > most {
                let what = "the number of records that fall into one bucket";
                return Err(Error::TooLarge { what, most: most as u64, found: count as u64 });
            }
            let (these, others) = records.split_at(count);
            records = others;
            let placed: Vec<Record<'r>> = these
                .iter()
                .map(|record| {
                    let place = plan.keys.place(record.order);
                    Record { tag: place.tag, rest: place.rest, key: record.key, value: store(record.value) }
                })
                .collect();
            let start = self.buckets.len();
            plan.buckets.encode(&placed, &mut self.buckets);
            let len = self.buckets.len() - start;
            check_bucket(len as u64)?;
            self.lengths.push(len as u32);
        }
        Ok(())
    }
}

//! From the records of a partition to its lines of the index and its buckets.

use crate::bucket::{Form, Record, Stored};
use crate::build::encode::{reference, shared_number};
use crate::build::options::Duplicates;
use crate::build::plan::Plan;
use crate::build::record::{self, Unplaced};
use crate::build::survey::Totals;
use crate::checksum::pair;
use crate::codec::{Decoder, Values};
use crate::error::{Error, Problem};
use crate::index::{self, Line};
use crate::key::Order;
use crate::layout::{BUCKET_BYTES_MAX, GROUP_CRC_BYTES, LINE_BUCKETS, LINE_BYTES};
use crate::limits::KEY_BYTES_MAX;
use crate::locate::group_crc;
use crate::stored::Large;

/// A partition in the form it has in the file, as if it began at byte 0.
pub(crate) struct Carved {
    pub(crate) lines: Vec<Line>,
    pub(crate) records: Vec<u8>,
    pub(crate) totals: Totals,
    pub(crate) duplicates: u64,
    /// What the pairs that were removed had added to the identity.
    pub(crate) removed: u64,
    pub(crate) stored_key_bytes: u64,
    pub(crate) stored_value_bytes: u64,
}

impl Plan {
    /// The partition that an order falls into.
    #[inline]
    pub(crate) fn partition_of(&self, order: Order) -> usize {
        (index::line_of(self.keys.place(order).bucket).0 / self.partition_lines) as usize
    }

    /// Sorts, removes duplicates, and makes buckets of the records of these blocks, which are in the
    /// order of the input.
    pub(crate) fn carve(&self, number: usize, blocks: &[&[u8]]) -> Result<Carved, Error> {
        let mut records = Vec::new();
        for bytes in blocks {
            let mut at = 0;
            while at < bytes.len() {
                records.push(record::read(&self.keys, bytes, &mut at));
            }
        }
        // Stable: records of one key stay in the order of the input.
        records.sort_by(|a, b| a.order.cmp(&b.order).then_with(|| a.key.cmp(b.key)));
        let (duplicates, removed) = self.remove_duplicates(&mut records)?;
        let mut carved = Carved {
            lines: Vec::new(),
            records: Vec::new(),
            totals: Totals::default(),
            duplicates,
            removed,
            stored_key_bytes: records.iter().map(|record| record.key.len() as u64).sum(),
            stored_value_bytes: records
                .iter()
                .map(|record| {
                    let shared = shared_number(record.form, record.is_large, record.value);
                    if shared.is_some() { 0 } else { record.value.len() as u64 }
                })
                .sum(),
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

    /// Leaves one record of each key and says how many it removed, and what these had added to the
    /// identity.
    fn remove_duplicates(&self, records: &mut Vec<Unplaced<'_>>) -> Result<(u64, u64), Error> {
        let before = records.len();
        let (mut removed, mut value) = (0_u64, Vec::new());
        let mut remove = |record: &Unplaced<'_>| {
            value.clear();
            // What this build has encoded decodes.
            let _ = append_value(self.values(), record, &mut value);
            removed = removed.wrapping_add(pair(record.order, &value));
        };
        match self.duplicates {
            Duplicates::First => records.dedup_by(|later, earlier| {
                let same = same_key(later, earlier);
                if same {
                    remove(later);
                }
                same
            }),
            Duplicates::Last => records.dedup_by(|later, earlier| {
                let same = same_key(later, earlier);
                if same {
                    remove(earlier);
                    *earlier = *later;
                }
                same
            }),
            Duplicates::Error => {
                if let Some(pair) = records.windows(2).find(|pair| same_key(&pair[0], &pair[1])) {
                    return Err(Error::DuplicateKey { key: self.key_text(&pair[0]) });
                }
            }
        }
        Ok(((before - records.len()) as u64, removed))
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

/// Appends the value of a record as it was given.
fn append_value(values: &Values, record: &Unplaced<'_>, value: &mut Vec<u8>) -> Result<(), Problem> {
    let (stored, len) = (record.value, record.given.1);
    if record.is_large {
        let reference = reference(0, record.form, stored, len);
        return Large { start: 0, reference }.append(values, stored, value);
    }
    if let Some(number) = shared_number(record.form, record.is_large, stored) {
        return values.append_shared(number, value);
    }
    values.append_part(record.form, stored, stored.len(), len, value)
}

fn check_bucket(found: u64) -> Result<(), Error> {
    let (what, most) = ("the length of a bucket", BUCKET_BYTES_MAX as u64);
    if found > most { Err(Error::TooLarge { what, most, found }) } else { Ok(()) }
}

/// Writes the checks of the groups of a line, whose first bucket is number `first` and whose
/// buckets begin `records`.
pub(crate) fn seal(plan: &Plan, identity: u64, first: u64, line: &Line, records: &mut [u8]) {
    let base = index::base(line);
    for at in (0..LINE_BUCKETS as usize).step_by(plan.groups.buckets()) {
        let group = index::group(line, at, plan.groups);
        let group = (group.start - base) as usize..(group.end - base) as usize;
        // Behind the last bucket of the table there are no groups.
        if group.len() < GROUP_CRC_BYTES {
            continue;
        }
        let (check, rest) = records[group].split_at_mut(GROUP_CRC_BYTES);
        let bucket = first + at as u64;
        let crc = group_crc(identity, plan.groups, bucket, line, rest);
        check.copy_from_slice(&crc.to_le_bytes());
    }
}

impl Plan {
    /// Gives the groups of the lines that begin with number `first` their checks anew, under
    /// another identity; `records` begins where the first line does.
    pub(crate) fn reseal(&self, identity: u64, first: u64, lines: &[u8], records: &mut [u8]) {
        let (lines, _) = lines.as_chunks::<LINE_BYTES>();
        let start = lines.first().map_or(0, index::base);
        for (line, number) in lines.iter().zip(first..) {
            let records = &mut records[(index::base(line) - start) as usize..];
            seal(self, identity, number * LINE_BUCKETS, line, records);
        }
    }
}

/// Builds the buckets of one line after the other, reusing its memory.
#[derive(Default)]
struct LineBuilder {
    buckets: Vec<u8>,
    /// Bytes of each bucket, those of the check that begins a group included.
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
        // Where large values lie depends on how long the buckets are, which does not depend on
        // where large values lie.
        self.encode(plan, numbers.clone(), records, |record| stored(plan, record, 0))?;
        let base = carved.records.len() as u64;
        let (line, paddings) = index::encode(base, &self.lengths);
        if records.iter().any(|record| record.is_large) {
            let mut offset =
                self.lengths.iter().map(|&len| u64::from(len)).sum::<u64>() + paddings.iter().sum::<u64>();
            self.encode(plan, numbers.clone(), records, |record| {
                let stored = stored(plan, record, offset.cast_signed());
                offset += if record.is_large { record.value.len() as u64 } else { 0 };
                stored
            })?;
        }
        carved.lines.push(line);
        let mut rest = self.buckets.as_slice();
        for (&len, padding) in self.lengths.iter().zip(paddings) {
            let (bucket, others) = rest.split_at(len as usize);
            rest = others;
            check_bucket(u64::from(len) + padding)?;
            carved.records.extend_from_slice(bucket);
            carved.records.resize(carved.records.len() + padding as usize, 0);
        }
        seal(plan, plan.identity, numbers.start, &line, &mut carved.records[base as usize..]);
        let large = records.iter().filter(|record| record.is_large);
        large.for_each(|record| carved.records.extend_from_slice(record.value));
        Ok(())
    }

    fn encode<'r>(
        &mut self,
        plan: &Plan,
        numbers: std::ops::Range<u64>,
        mut records: &'r [Unplaced<'r>],
        mut store: impl FnMut(&Unplaced<'r>) -> Stored<'r>,
    ) -> Result<(), Error> {
        self.buckets.clear();
        self.lengths.clear();
        let most = usize::from(plan.buckets.wide_flag()) - 1;
        for (at, number) in numbers.enumerate() {
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
                    Record { tag: place.tag, rest: place.rest, key: record.key, value: store(record) }
                })
                .collect();
            let start = self.buckets.len();
            if at % plan.groups.buckets() == 0 {
                self.buckets.extend_from_slice(&[0; GROUP_CRC_BYTES]);
            }
            plan.buckets.encode(&placed, &mut self.buckets);
            let len = self.buckets.len() - start;
            check_bucket(len as u64)?;
            self.lengths.push(len as u32);
        }
        Ok(())
    }
}

/// A record's value as its bucket has it; `offset` is where it lies if it is large.
fn stored<'r>(plan: &Plan, record: &Unplaced<'r>, offset: i64) -> Stored<'r> {
    if record.is_large {
        return Stored::Large(reference(offset, record.form, record.value, record.given.1));
    }
    if let Some(number) = shared_number(record.form, record.is_large, record.value) {
        return Stored::Shared(number);
    }
    let is_packed = record.form == Form::Main && plan.buckets.symbol_bits > 0;
    let length = if is_packed { record.given.1 } else { record.value.len() } as u32;
    Stored::Inline { form: record.form, bytes: record.value, length }
}

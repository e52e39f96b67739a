//! Going through a whole table, bucket by bucket: checking it, and listing its pairs.

use std::ops::Range;

use crate::bucket::{Bucket, ValuePlace};
use crate::checksum::{crc32c, pair};
use crate::cpu::{Cpu, Portable};
use crate::error::{Error, Problem};
use crate::home::Window;
use crate::key::{Order, Place};
use crate::layout::{
    HEADER_BYTES, IDENTITY_OFFSET, KEY_BYTES_OFFSET, PAIRS_OFFSET, SECTION_BYTES, STORED_KEY_BYTES_OFFSET,
    STORED_VALUE_BYTES_OFFSET, Section, VALUE_BYTES_OFFSET,
};
use crate::region::Region;
use crate::store::{Store, damaged, small_section};

/// Bytes that are read and checked at a time.
const STEP_BYTES: usize = 1 << 20;

/// Buckets after which a walk tells how far it is.
const TOLD_BUCKETS: u64 = 1 << 12;

/// What is kept from one bucket to the next.
#[derive(Default)]
struct Walk {
    /// Bytes that are read before they are asked for.
    ahead: usize,
    index: Window,
    records: Window,
    key: Vec<u8>,
    value: Vec<u8>,
    /// Where the bucket ended.
    end: usize,
}

/// A key and its value, borrowed from where the walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
}

/// All pairs of a table, in file order: what [`Store::iter`] gives.
pub struct StorePairs<'s> {
    store: &'s Store,
    walk: Walk,
    /// Those that are not read yet.
    buckets: Range<u64>,
    of_bucket: std::vec::IntoIter<Result<OwnedPair, Error>>,
}

/// A key and its value.
type OwnedPair = (Vec<u8>, Vec<u8>);

impl StorePairs<'_> {
    /// The pairs of the next buckets until there is one; `false` behind the last.
    fn fill(&mut self) -> bool {
        for bucket in self.buckets.by_ref() {
            let mut pairs = Vec::new();
            let result = self.store.walk_bucket(bucket, &mut self.walk, |entry, _, _| {
                pairs.push(Ok((entry.key.to_vec(), entry.value.to_vec())));
                Ok(())
            });
            pairs.extend(result.err().map(Err));
            if !pairs.is_empty() {
                self.of_bucket = pairs.into_iter();
                return true;
            }
        }
        false
    }
}

impl Iterator for StorePairs<'_> {
    type Item = Result<OwnedPair, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(pair) = self.of_bucket.next() {
                return Some(pair);
            }
            if !self.fill() {
                return None;
            }
        }
    }
}

impl Store {
    /// The number of buckets: what [`Self::scan`] goes through.
    pub fn buckets(&self) -> u64 {
        1 << self.header.bucket_bits
    }

    /// Calls `each` with every pair of one bucket, in an order that is always the same for a file.
    /// Going through all buckets gives every pair once.
    ///
    /// # Errors
    /// When the bucket is damaged or cannot be read; pairs before the damage were given. `bucket`
    /// beyond [`Self::buckets`] has no pairs.
    pub fn scan(&self, bucket: u64, mut each: impl FnMut(Entry<'_>)) -> Result<(), Error> {
        if bucket >= self.buckets() {
            return Ok(());
        }
        self.walk_bucket(bucket, &mut Walk::default(), |entry, _, _| {
            each(entry);
            Ok(())
        })
        .map(drop)
    }

    /// Calls `each` with every key of one bucket, in the order of [`Self::scan`]; no value is
    /// fetched.
    ///
    /// # Errors
    /// As [`Self::scan`].
    pub fn keys_in(&self, bucket: u64, each: impl FnMut(&[u8])) -> Result<(), Error> {
        if bucket >= self.buckets() {
            return Ok(());
        }
        let mut scratch = Vec::new();
        let line = self.line(bucket)?;
        let (opened, start) = self.bucket(Portable, bucket, &line, &mut scratch)?;
        self.each_key(&opened, bucket, each).map_err(|problem| damaged(Section::Records, start, problem))
    }

    /// Calls `each` with every key of an open bucket.
    pub(crate) fn each_key<C: Cpu>(
        &self,
        bucket: &Bucket<'_, C>,
        number: u64,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), Problem> {
        let mut key = Vec::new();
        for i in 0..bucket.count() {
            key.clear();
            self.append_whole_key(bucket, number, i, &mut key)?;
            each(&key);
        }
        Ok(())
    }

    /// All pairs, in file order.
    ///
    /// # Errors
    /// An item is an error where a bucket is damaged or cannot be read; the iterator goes on behind it.
    ///
    /// ```
    /// use graven_format::{Builder, Options};
    ///
    /// let mut builder = Builder::new(Options::default());
    /// builder.add(b"a", b"1")?;
    /// let (store, _) = builder.finish()?;
    /// let pairs: Vec<_> = store.iter().collect::<Result<_, _>>()?;
    /// assert_eq!(pairs, [(b"a".to_vec(), b"1".to_vec())]);
    /// # Ok::<(), graven_format::Error>(())
    /// ```
    pub fn iter(&self) -> StorePairs<'_> {
        let walk = Walk { ahead: STEP_BYTES, ..Walk::default() };
        StorePairs { store: self, walk, buckets: 0..self.buckets(), of_bucket: Vec::new().into_iter() }
    }

    /// Checks every byte: all checksums, that every key lies once and where a lookup would find
    /// it, that pairs, keys and values are as many and as long as the header says, and that rows have
    /// what their columns say.
    ///
    /// # Errors
    /// The first damage, by the order of the file.
    pub fn verify(&self) -> Result<(), Error> {
        self.verify_with(|_, _| {})
    }

    /// As [`Self::verify`], calling `told` every now and then with how many bytes were checked and
    /// how many there are to check. Some are checked twice, so that there are more than the file
    /// has.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn verify_with(&self, mut told: impl FnMut(u64, u64)) -> Result<(), Error> {
        self.verify_all(&mut told)
    }

    fn verify_all(&self, told: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
        let (index, records) = (self.header.section(Section::Index), self.header.section(Section::Records));
        let total = index.len + 2 * records.len;
        let whole = self.check_section(Section::Index, |done| told(done, total));
        let (mut pairs, mut key_bytes, mut value_bytes, mut stored, mut sum) = (0, 0, 0, (0, 0), 0_u64);
        let mut walk = Walk { ahead: STEP_BYTES, ..Walk::default() };
        let (mut json, mut bad_row) = (Vec::new(), None);
        for bucket in 0..self.buckets() {
            let mut before: Option<(Order, Vec<u8>)> = None;
            let walked = self.walk_bucket(bucket, &mut walk, |entry, place, lens| {
                stored = (stored.0 + lens.0 as u64, stored.1 + lens.1 as u64);
                key_bytes += entry.key.len() as u64;
                value_bytes += entry.value.len() as u64;
                json.clear();
                bad_row = self.write_row(entry.value, &mut json).err();
                if bad_row.is_some() {
                    return Err(Problem::Codec);
                }
                let order = self.keys.order(Portable, entry.key).ok_or(Problem::Codec)?;
                sum = sum.wrapping_add(pair(order, entry.value));
                let ascends = before.as_ref().is_none_or(|(before, key)| {
                    *before < order || (*before == order && key.as_slice() != entry.key)
                });
                before = Some((order, entry.key.to_vec()));
                if ascends && self.keys.place(order) == place { Ok(()) } else { Err(Problem::Misplaced) }
            });
            // What is wrong with a row names its column.
            pairs += walked.map_err(|error| bad_row.take().unwrap_or(error))?;
            if bucket % TOLD_BUCKETS == 0 {
                told(index.len + (walk.end as u64).saturating_sub(records.offset), total);
            }
        }
        // Checksums of buckets cover all that lookups use, so damage is found there first, where
        // it is; a section's own checksum covers the rest.
        whole?;
        self.check_section(Section::Records, |done| told(index.len + records.len + done, total))?;
        let header = &self.header;
        for (field, offset, said, counted) in [
            ("the number of pairs", PAIRS_OFFSET, header.pairs, pairs),
            ("the sum of the lengths of keys", KEY_BYTES_OFFSET, header.key_bytes, key_bytes),
            ("the sum of the lengths of values", VALUE_BYTES_OFFSET, header.value_bytes, value_bytes),
            ("the sum of the stored keys", STORED_KEY_BYTES_OFFSET, header.stored_key_bytes, stored.0),
            ("the sum of the stored values", STORED_VALUE_BYTES_OFFSET, header.stored_value_bytes, stored.1),
        ] {
            if said != counted {
                let problem = Problem::Differs { field, expected: counted, found: said };
                return Err(Error::Damaged { section: "header", offset: offset as u64, problem });
            }
        }
        self.check_identity(sum)?;
        self.check_gaps()
    }

    /// Reads all fields of a value, where it is a row.
    fn write_row(&self, value: &[u8], json: &mut Vec<u8>) -> Result<(), Error> {
        match self.schema() {
            Some(schema) => schema.row(value)?.write_json(json),
            None => Ok(()),
        }
    }

    /// Checks that the identity is that of a table whose pairs have this sum.
    fn check_identity(&self, sum: u64) -> Result<(), Error> {
        let mut small = Vec::new();
        for section in Section::ALL.into_iter().filter(|section| section.is_small()) {
            small.push((section, small_section(&self.home, &self.header, section)?));
        }
        let small: Vec<_> = small.iter().map(|(section, bytes)| (*section, bytes.as_slice())).collect();
        let (expected, found) = (self.header.identity_of(&small, sum), self.header.identity);
        if expected == found {
            return Ok(());
        }
        let problem = Problem::Identity { expected, found };
        Err(Error::Damaged { section: "header", offset: IDENTITY_OFFSET as u64, problem })
    }

    /// Checks that there is nothing between the sections, nor behind the last.
    fn check_gaps(&self) -> Result<(), Error> {
        let mut start = HEADER_BYTES + self.header.sections.len() * SECTION_BYTES;
        let mut scratch = Vec::new();
        let ends = self.header.sections.iter().map(|entry| (entry.offset as usize, entry.end() as usize));
        for (next, end) in ends.chain([(self.header.file_bytes as usize, 0)]) {
            let gap = &self.read(start..next, &mut scratch)?[..next - start];
            if let Some(at) = gap.iter().position(|&byte| byte != 0) {
                let problem = Problem::Differs {
                    field: "what is between sections",
                    expected: 0,
                    found: gap[at].into(),
                };
                return Err(Error::Damaged { section: "gap", offset: (start + at) as u64, problem });
            }
            start = end;
        }
        Ok(())
    }

    /// Bytes of the file.
    fn read<'s>(&'s self, range: Range<usize>, scratch: &'s mut Vec<u8>) -> Result<&'s [u8], Error> {
        self.home.read(range, scratch)
    }

    /// Checks the checksum of a section, calling `told` with how many bytes of it were read.
    pub(crate) fn check_section(&self, section: Section, mut told: impl FnMut(u64)) -> Result<(), Error> {
        let entry = self.header.section(section);
        let (mut found, mut scratch) = (0, Vec::new());
        let end = (entry.offset + entry.len) as usize;
        for start in (entry.offset as usize..end).step_by(STEP_BYTES) {
            let len = STEP_BYTES.min(end - start);
            found = crc32c(found, &self.read(start..start + len, &mut scratch)?[..len]);
            told((start + len) as u64 - entry.offset);
        }
        compare(section, entry.offset, entry.crc, found)
    }

    /// Checks that `region` holds this table, byte for byte as it was carved.
    pub(crate) fn check_whole(&self, region: &Region) -> Result<(), Error> {
        let bytes = region.bytes();
        if !bytes.starts_with(&self.header.to_bytes()) {
            return Err(Error::InputChanged);
        }
        for entry in &self.header.sections {
            // What this version does not know it does not use.
            let Some(section) = entry.section() else { continue };
            let found = crc32c(0, &bytes[entry.offset as usize..entry.end() as usize]);
            compare(section, entry.offset, entry.crc, found)?;
        }
        Ok(())
    }

    /// Calls `each` with the pairs of a bucket, and with where their keys are stored, and says how
    /// many there were.
    fn walk_bucket(
        &self,
        number: u64,
        walk: &mut Walk,
        mut each: impl FnMut(Entry<'_>, Place, (usize, usize)) -> Result<(), Problem>,
    ) -> Result<u64, Error> {
        let Walk { ahead, index, records, key, value, end } = walk;
        let line = self.line_ahead(number, *ahead, index)?;
        let range = self.group_by(&line, number)?;
        let start = range.start;
        *end = range.end;
        let at = |problem| damaged(Section::Records, start, problem);
        let bytes = self.home.read_ahead(range.clone(), *ahead, records)?;
        let bucket = self.open_in_group(Portable, number, &line, bytes, range.len(), true).map_err(at)?;
        for i in 0..bucket.count() {
            key.clear();
            value.clear();
            self.append_whole_key(&bucket, number, i, key).map_err(at)?;
            self.append_value(Portable, &bucket, i, &line, start, value)?;
            let stored_key = if self.keys.is_numeric() { 0 } else { bucket.key(i).map_err(at)?.len() };
            let stored_value = match bucket.value(i).map_err(at)? {
                ValuePlace::Inline(inside) | ValuePlace::Other(_, inside) => inside.len(),
                ValuePlace::Packed { len, .. } => self.values.packed_bytes(len),
                ValuePlace::Shared(_) => 0,
                ValuePlace::Large(reference) => reference.stored as usize,
            };
            let rest = if self.keys.is_numeric() { bucket.rest(i) } else { 0 };
            let place = Place { bucket: number, tag: bucket.tag(i), rest };
            each(Entry { key, value }, place, (stored_key, stored_value)).map_err(at)?;
        }
        Ok(bucket.count() as u64)
    }
}

fn compare(section: Section, offset: u64, expected: u32, found: u32) -> Result<(), Error> {
    if expected == found {
        Ok(())
    } else {
        Err(damaged(section, offset as usize, Problem::Checksum { expected, found }))
    }
}

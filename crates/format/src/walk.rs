//! Going through a whole table, bucket by bucket: checking it, and listing its pairs.

use crate::bucket::ValuePlace;
use crate::checksum::crc32c;
use crate::cpu::Portable;
use crate::error::{Error, Problem};
use crate::layout::{HEADER_BYTES, Section, TAIL_BYTES};
use crate::region::Region;
use crate::store::{Store, damaged};

/// Bytes that are read and checked at a time.
const STEP_BYTES: usize = 1 << 20;

/// A key and its value, borrowed from where the walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
}

impl Store {
    /// The number of buckets: what [`Self::scan`] goes through.
    pub fn buckets(&self) -> u64 {
        1 << self.header.bucket_bits
    }

    /// Calls `each` with every pair of one bucket, in an order that is always the same for a file. Going through all
    /// buckets gives every pair once.
    ///
    /// # Errors
    /// When the bucket is damaged or cannot be read; pairs before the damage were given. `bucket` beyond
    /// [`Self::buckets`] has no pairs.
    pub fn scan(&self, bucket: u64, mut each: impl FnMut(Entry<'_>)) -> Result<(), Error> {
        if bucket >= self.buckets() {
            return Ok(());
        }
        let (mut key, mut value) = (Vec::new(), Vec::new());
        self.walk_bucket(bucket, &mut key, &mut value, |entry| {
            each(entry);
            Ok(())
        })
        .map(drop)
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
    pub fn iter(&self) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), Error>> + '_ {
        (0..self.buckets()).flat_map(|bucket| {
            let mut pairs = Vec::new();
            let result =
                self.scan(bucket, |entry| pairs.push(Ok((entry.key.to_vec(), entry.value.to_vec()))));
            pairs.extend(result.err().map(Err));
            pairs
        })
    }

    /// Checks every byte: all checksums, and that every key lies where a lookup would find it.
    ///
    /// # Errors
    /// The first damage, by the order of the file.
    pub fn verify(&self) -> Result<(), Error> {
        let (mut pairs, mut key, mut value) = (0, Vec::new(), Vec::new());
        let whole = self.check_section(Section::Index);
        for bucket in 0..self.buckets() {
            pairs += self.walk_bucket(bucket, &mut key, &mut value, |entry| {
                let placed = self.keys.order(Portable, entry.key).map(|order| self.keys.place(order).bucket);
                if placed == Some(bucket) { Ok(()) } else { Err(Problem::Codec) }
            })?;
        }
        // Checksums of buckets cover all that lookups use, so damage is found there first, where it is; a section's own
        // checksum covers the rest.
        whole?;
        self.check_section(Section::Records)?;
        if pairs != self.header.pairs {
            let problem =
                Problem::Range { field: "the number of pairs", most: pairs, found: self.header.pairs };
            return Err(Error::Damaged { section: "header", offset: 0, problem });
        }
        self.check_tail()
    }

    fn check_tail(&self) -> Result<(), Error> {
        let end = self.header.file_bytes as usize;
        let mut scratch = Vec::new();
        let tail = self.read(end - TAIL_BYTES..end, &mut scratch)?;
        match tail.iter().take(TAIL_BYTES).position(|&byte| byte != 0) {
            None => Ok(()),
            Some(at) => {
                let problem = Problem::Range { field: "the tail", most: 0, found: tail[at].into() };
                Err(Error::Damaged { section: "tail", offset: (end - TAIL_BYTES + at) as u64, problem })
            }
        }
    }

    fn check_section(&self, section: Section) -> Result<(), Error> {
        let entry = self.header.section(section);
        let (mut found, mut scratch) = (0, Vec::new());
        let end = (entry.offset + entry.len) as usize;
        for start in (entry.offset as usize..end).step_by(STEP_BYTES) {
            let len = STEP_BYTES.min(end - start);
            found = crc32c(found, &self.read(start..start + len, &mut scratch)?[..len]);
        }
        compare(section, entry.offset, entry.crc, found)
    }

    /// Checks that `region` holds this table, byte for byte as it was carved.
    pub(crate) fn check_whole(&self, region: &Region) -> Result<(), Error> {
        let bytes = region.bytes();
        if bytes[..HEADER_BYTES] != self.header.to_bytes() {
            return Err(Error::InputChanged);
        }
        for section in Section::ALL {
            let entry = self.header.section(section);
            let found = crc32c(0, &bytes[entry.offset as usize..(entry.offset + entry.len) as usize]);
            compare(section, entry.offset, entry.crc, found)?;
        }
        Ok(())
    }

    /// Calls `each` with the pairs of a bucket and says how many there were; `key` and `value` are scratch.
    fn walk_bucket(
        &self,
        number: u64,
        key: &mut Vec<u8>,
        value: &mut Vec<u8>,
        mut each: impl FnMut(Entry<'_>) -> Result<(), Problem>,
    ) -> Result<u64, Error> {
        let (mut line, mut scratch) = (Vec::new(), Vec::new());
        let range = self.range(number, &mut line)?;
        let start = range.start;
        let at = |problem| damaged(Section::Records, start, problem);
        let bucket = self.bucket(Portable, number, range, &mut scratch)?;
        for i in 0..bucket.count() {
            key.clear();
            value.clear();
            self.append_whole_key(&bucket, number, i, key).map_err(at)?;
            match bucket.value(i).map_err(at)? {
                ValuePlace::Inline(inside) => {
                    self.append_stored_value(bucket.bytes_from(inside.start), inside.len(), value)
                        .map_err(at)?;
                }
                ValuePlace::Large(reference) => self.append_large(number, reference, value)?,
            }
            each(Entry { key, value }).map_err(at)?;
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

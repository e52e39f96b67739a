//! Where a bucket lies in the file, by the index, and whether its bytes are those of this table.

use std::ops::Range;

use crate::bucket::Bucket;
use crate::checksum::group_seed;
use crate::cpu::{self, Cpu};
use crate::error::{Error, Problem};
use crate::home::Window;
use crate::index::{self, Groups, Line};
use crate::key::Place;
use crate::layout::{BUCKET_BYTES_MAX, GROUP_CRC_BYTES, LINE_BYTES, Section};
use crate::region::Region;
use crate::store::{Store, damaged};

impl Store {
    /// Where the line of the index that `bucket` is in lies in the file.
    #[inline(always)]
    pub(crate) fn line_offset(&self, bucket: u64) -> usize {
        self.index_start + index::line_of(bucket).0 as usize * LINE_BYTES
    }

    /// A range of the records, as one of the file.
    #[inline(always)]
    fn in_file(&self, range: Range<u64>, bucket: u64) -> Result<Range<usize>, Error> {
        if range.end > self.records_len {
            return Err(self.beyond_records(bucket, range.end));
        }
        Ok(self.records_start + range.start as usize..self.records_start + range.end as usize)
    }

    /// Where a bucket lies in the file, by its line of the index.
    #[inline(always)]
    pub(crate) fn range_by(&self, line: &Line, bucket: u64) -> Result<Range<usize>, Error> {
        self.in_file(index::range(line, index::line_of(bucket).1, self.groups), bucket)
    }

    /// Where the group of a bucket lies in the file, by its line of the index: what has to be read
    /// to check it.
    pub(crate) fn group_by(&self, line: &Line, bucket: u64) -> Result<Range<usize>, Error> {
        let group = self.in_file(index::group(line, index::line_of(bucket).1, self.groups), bucket)?;
        let (most, found) = (BUCKET_BYTES_MAX as u64, group.len() as u64);
        if found > most {
            // Before memory is taken for it.
            let problem = Problem::Range { field: "the length of a bucket", most, found };
            return Err(damaged(Section::Index, self.line_offset(bucket), problem));
        }
        Ok(group)
    }

    #[cold]
    fn beyond_records(&self, bucket: u64, found: u64) -> Error {
        let problem = Problem::Range { field: "the end of a bucket", most: self.records_len, found };
        damaged(Section::Index, self.line_offset(bucket), problem)
    }

    /// Where a bucket lies in the file, which is number `at` of the line at `offset` of `bytes`,
    /// all of the file.
    #[inline(always)]
    pub(crate) fn range_at(
        &self,
        bytes: &[u8],
        bucket: u64,
        offset: usize,
        at: usize,
    ) -> Result<Range<usize>, Error> {
        match bytes.get(offset..).and_then(|bytes| bytes.first_chunk()) {
            Some(line) => self.in_file(index::range(line, at, self.groups), bucket),
            None => Err(self.beyond_records(bucket, u64::MAX)),
        }
    }

    #[inline(always)]
    pub(crate) fn range_in(&self, region: &Region, place: Place) -> Result<Range<usize>, Error> {
        let at = index::line_of(place.bucket).1;
        self.range_at(region.bytes(), place.bucket, self.line_offset(place.bucket), at)
    }

    /// The line of the index that a bucket is in.
    pub(crate) fn line(&self, bucket: u64) -> Result<Line, Error> {
        let mut line = [0; LINE_BYTES];
        self.home.read_into(self.line_offset(bucket), &mut line)?;
        Ok(line)
    }

    /// As [`Self::line`], for sequential readers.
    pub(crate) fn line_ahead(&self, bucket: u64, ahead: usize, window: &mut Window) -> Result<Line, Error> {
        let offset = self.line_offset(bucket);
        let bytes = self.home.read_ahead(offset..offset + LINE_BYTES, ahead, window)?;
        bytes.first_chunk().copied().ok_or_else(|| self.beyond_records(bucket, u64::MAX))
    }

    /// Whether `group`, which is that of a bucket, has the check that it had when it was carved
    /// for this table; the bytes behind its first `len` are loaded but do not count.
    pub(crate) fn check_group(
        &self,
        bucket: u64,
        line: &Line,
        group: &[u8],
        len: usize,
    ) -> Result<(), Problem> {
        check_group(self.header.identity, self.groups, bucket, line, group, len)
    }

    /// A bucket that was not checked before: its line, its group, and what it rests on, checked.
    pub(crate) fn bucket<'s, C: Cpu>(
        &'s self,
        cpu: C,
        number: u64,
        line: &Line,
        scratch: &'s mut Vec<u8>,
    ) -> Result<(Bucket<'s, C>, usize), Error> {
        let group = self.group_by(line, number)?;
        let start = group.start;
        let bytes = self.home.read(group.clone(), scratch)?;
        self.open_in_group(cpu, number, line, bytes, group.len(), true)
            .map(|bucket| (bucket, start))
            .map_err(|problem| damaged(Section::Records, start, problem))
    }

    /// Opens a bucket in the bytes of its group, which are checked first where that is asked for.
    pub(crate) fn open_in_group<'s, C: Cpu>(
        &'s self,
        cpu: C,
        number: u64,
        line: &Line,
        group: &'s [u8],
        len: usize,
        check: bool,
    ) -> Result<Bucket<'s, C>, Problem> {
        if check {
            self.check_group(number, line, group, len)?;
        }
        let at = index::line_of(number).1;
        let (bucket, whole) = (index::range(line, at, self.groups), index::group(line, at, self.groups));
        // Buckets of a line that was made to deceive may end before those in front of them.
        let Some(start) = bucket.start.checked_sub(whole.start) else {
            let (most, found) = (bucket.start, whole.start);
            return Err(Problem::Range { field: "the start of a group of buckets", most, found });
        };
        let bytes = group.get(start as usize..).unwrap_or_default();
        self.buckets.open(cpu, bytes, (bucket.end - bucket.start) as usize)
    }
}

/// As [`Store::check_group`], of a table that has this identity and these groups.
fn check_group(
    identity: u64,
    groups: Groups,
    bucket: u64,
    line: &Line,
    group: &[u8],
    len: usize,
) -> Result<(), Problem> {
    let possible = GROUP_CRC_BYTES..=group.len();
    let Some((stored, rest)) =
        group.split_first_chunk::<GROUP_CRC_BYTES>().filter(|_| possible.contains(&len))
    else {
        let (least, found) = (len.max(GROUP_CRC_BYTES) as u64, len.min(group.len()) as u64);
        return Err(Problem::Short { what: "a group of buckets", least, found });
    };
    let expected = u32::from_le_bytes(*stored);
    let found = group_crc(identity, groups, bucket, line, &rest[..len - GROUP_CRC_BYTES]);
    if expected == found { Ok(()) } else { Err(Problem::Checksum { expected, found }) }
}

/// The check of the group that a bucket is in, of whose bytes `rest` are those behind the check.
#[inline(always)]
pub(crate) fn group_crc(identity: u64, groups: Groups, bucket: u64, line: &Line, rest: &[u8]) -> u32 {
    let seed = group_seed(identity, groups.number(bucket));
    // Where a group has several buckets, it is the line that says which is which.
    let covered = index::checked(line);
    let head = if groups.are_buckets() { &[][..] } else { &covered };
    cpu::check(seed, head, rest)
}

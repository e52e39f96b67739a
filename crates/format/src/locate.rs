//! Where a bucket lies in the file, by the index.

use std::ops::Range;

use crate::bucket::Bucket;
use crate::cpu::Cpu;
use crate::error::{Error, Problem};
use crate::home::Window;
use crate::index::{self, Line};
use crate::key::Place;
use crate::layout::{BUCKET_BYTES_MAX, LINE_BYTES, Section};
use crate::region::Region;
use crate::store::{Store, damaged};

impl Store {
    /// Where the line of the index that `bucket` is in lies in the file.
    #[inline(always)]
    pub(crate) fn line_offset(&self, bucket: u64) -> usize {
        self.header.section(Section::Index).offset as usize + index::line_of(bucket).0 as usize * LINE_BYTES
    }

    /// Where a bucket lies in the file, by its line of the index.
    #[inline(always)]
    fn range_by(&self, line: &Line, bucket: u64) -> Result<Range<usize>, Error> {
        let range = index::range(line, index::line_of(bucket).1);
        let records = self.header.section(Section::Records);
        if range.end > records.len {
            return Err(self.beyond_records(bucket, range.end));
        }
        Ok((records.offset + range.start) as usize..(records.offset + range.end) as usize)
    }

    #[cold]
    fn beyond_records(&self, bucket: u64, found: u64) -> Error {
        let most = self.header.section(Section::Records).len;
        let problem = Problem::Range { field: "the end of a bucket", most, found };
        damaged(Section::Index, self.line_offset(bucket), problem)
    }

    #[inline(always)]
    pub(crate) fn range_in(&self, region: &Region, place: Place) -> Result<Range<usize>, Error> {
        let offset = self.line_offset(place.bucket);
        match region.bytes().get(offset..).and_then(|bytes| bytes.first_chunk()) {
            Some(line) => self.range_by(line, place.bucket),
            None => Err(self.beyond_records(place.bucket, u64::MAX)),
        }
    }

    /// Where a bucket lies in the file.
    pub(crate) fn range(&self, bucket: u64, scratch: &mut Vec<u8>) -> Result<Range<usize>, Error> {
        let line = self.line(bucket, scratch)?;
        self.range_by(&line, bucket)
    }

    /// As [`Self::range`], for sequential readers.
    pub(crate) fn range_ahead(
        &self,
        bucket: u64,
        ahead: usize,
        window: &mut Window,
    ) -> Result<Range<usize>, Error> {
        let offset = self.line_offset(bucket);
        let bytes = self.home.read_ahead(offset..offset + LINE_BYTES, ahead, window)?;
        let line = bytes.first_chunk().ok_or_else(|| self.beyond_records(bucket, u64::MAX))?;
        self.range_by(line, bucket)
    }

    pub(crate) fn line(&self, bucket: u64, scratch: &mut Vec<u8>) -> Result<Line, Error> {
        let offset = self.line_offset(bucket);
        let bytes = self.home.read(offset..offset + LINE_BYTES, scratch)?;
        bytes.first_chunk().copied().ok_or_else(|| self.beyond_records(bucket, u64::MAX))
    }

    /// Refuses what no bucket is as long as, before memory is taken for it.
    pub(crate) fn check_length(&self, bucket: u64, range: &Range<usize>) -> Result<(), Error> {
        let (most, found) = (BUCKET_BYTES_MAX as u64, range.len() as u64);
        if found <= most {
            return Ok(());
        }
        let problem = Problem::Range { field: "the length of a bucket", most, found };
        Err(damaged(Section::Index, self.line_offset(bucket), problem))
    }

    /// A bucket that was not checked before.
    pub(crate) fn bucket<'s, C: Cpu>(
        &'s self,
        cpu: C,
        number: u64,
        range: Range<usize>,
        scratch: &'s mut Vec<u8>,
    ) -> Result<Bucket<'s, C>, Error> {
        self.check_length(number, &range)?;
        let bytes = self.home.read(range.clone(), scratch)?;
        let opened = self.buckets.open_checked(cpu, number, bytes, range.len());
        opened.map_err(|problem| damaged(Section::Records, range.start, problem))
    }
}

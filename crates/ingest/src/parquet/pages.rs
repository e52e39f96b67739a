//! The pages of a column chunk, each checked and unpacked before the `parquet` crate decodes it. Its
//! own reader of pages takes the lengths in their headers for granted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use graven_format::PositionalFile;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result as CrateResult};
use parquet::schema::types::ColumnDescPtr;

use super::delta::check_lengths;
use super::footer::{ChunkPlace, SharedFile};
use super::thrift::{PageHeader, ThriftFault};
use crate::input::Meter;
use crate::parquet_problem::ParquetProblem;

/// Bytes of the header of a page: its least and greatest values are in it.
const HEADER_BYTES_MAX: usize = 16 << 20;

/// Bytes that are read for a header at first.
const HEADER_READ_BYTES: usize = 1024;

/// Values of a page whose decoder makes room for all of them at once.
const DELTA_VALUES_MAX: u32 = 1 << 24;

/// Values of the pages that one row of a list reaches over.
const LIST_VALUES_MAX: u64 = 1 << 24;

/// What a value of a dictionary takes in memory beside its bytes.
const DICTIONARY_VALUE_BYTES: u64 = 32;

/// Bytes of pages in memory, of all columns that one thread reads.
#[derive(Debug)]
pub(super) struct PageMemory {
    held: AtomicU64,
    most: u64,
}

impl PageMemory {
    pub(super) fn new(most: u64) -> Self {
        Self { held: AtomicU64::new(0), most }
    }

    /// Takes bytes until what is given back is dropped.
    fn hold(self: &Arc<Self>, bytes: u64) -> Result<HeldBytes, ParquetProblem> {
        let held = HeldBytes { memory: Arc::clone(self), bytes };
        let found = self.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if found > self.most {
            return Err(ParquetProblem::Memory { most: self.most, found });
        }
        Ok(held)
    }
}

struct HeldBytes {
    memory: Arc<PageMemory>,
    bytes: u64,
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.memory.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// An unpacked page: values are slices of it.
struct HeldPage {
    page: Vec<u8>,
    _held: HeldBytes,
}

impl AsRef<[u8]> for HeldPage {
    fn as_ref(&self) -> &[u8] {
        &self.page
    }
}

/// Reads the pages of a column chunk in order.
pub(super) struct ChunkPages {
    pub(super) file: SharedFile,
    pub(super) place: ChunkPlace,
    pub(super) descriptor: ColumnDescPtr,
    pub(super) memory: Arc<PageMemory>,
    pub(super) meter: Arc<Meter>,
    /// What the last read gave of a list, until the next read of rows begins.
    pub(super) list_values: Arc<AtomicU64>,
    /// Values that were read.
    pub(super) values: u64,
    pub(super) has_dictionary: bool,
    /// Why it failed: the `parquet` crate takes texts only.
    pub(super) problem: Arc<std::sync::Mutex<Option<ParquetProblem>>>,
}

/// A page with the bytes behind its header.
struct RawPage {
    header: PageHeader,
    /// Where what is behind it begins.
    next: u64,
    data_at: u64,
}

fn damaged(what: impl Into<String>) -> ParquetProblem {
    ParquetProblem::Damaged(what.into())
}

/// A number that is below zero where it counts something.
fn size(what: &str, number: i32) -> Result<u32, ParquetProblem> {
    u32::try_from(number).map_err(|_| damaged(format!("{what} is {number}")))
}

fn encoding_of(number: i32) -> Result<Encoding, ParquetProblem> {
    Ok(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        #[allow(deprecated)]
        4 => Encoding::BIT_PACKED,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        other => return Err(ParquetProblem::Unsupported(format!("a page has the encoding {other}"))),
    })
}

impl ChunkPages {
    /// The header of the page at the place that is next.
    fn header(&self) -> Result<RawPage, ParquetProblem> {
        let (at, left) = (self.place.at, self.place.end.saturating_sub(self.place.at));
        let mut len = HEADER_READ_BYTES;
        loop {
            let bytes = self.read(at, left.min(len as u64) as usize)?;
            match PageHeader::read(&bytes) {
                Ok((header, header_len)) => {
                    let data_at = at + header_len as u64;
                    let packed = size("the length of a page", header.packed_bytes)?;
                    let next = data_at + u64::from(packed);
                    if next > self.place.end {
                        return Err(damaged(format!(
                            "a page of {packed} bytes begins at {data_at}, and its column ends at {}",
                            self.place.end
                        )));
                    }
                    return Ok(RawPage { header, next, data_at });
                }
                Err(ThriftFault::Ended) if (len as u64) < left && len < HEADER_BYTES_MAX => len *= 8,
                Err(fault) => {
                    let ParquetProblem::Damaged(what) = fault.into() else { unreachable!() };
                    return Err(damaged(format!("the header of the page at {at}: {what}")));
                }
            }
        }
    }

    fn read(&self, at: u64, len: usize) -> Result<Vec<u8>, ParquetProblem> {
        if self.meter.is_stopped() {
            return Err(damaged("stopped"));
        }
        let mut bytes = vec![0; len];
        let read = self.file.file.read_exact_at(&mut bytes, at);
        read.map_err(|error| damaged(format!("cannot read {len} bytes at {at}: {error}")))?;
        Ok(bytes)
    }

    fn next_page(&mut self) -> Result<Option<Page>, ParquetProblem> {
        while self.values < self.place.values && self.place.at < self.place.end {
            let raw = self.header()?;
            let page = match raw.header.page_type {
                0 => Some(self.data_page(&raw)?),
                2 => Some(self.dictionary(&raw)?),
                3 => Some(self.data_page_2(&raw)?),
                // Anything else is passed over, an index above all.
                _ => None,
            };
            self.meter.add(raw.next - self.place.at);
            self.place.at = raw.next;
            if let Some(page) = page {
                return Ok(Some(page));
            }
        }
        if self.values < self.place.values {
            return Err(damaged(format!(
                "its pages have {} values, and the footer says {}",
                self.values, self.place.values
            )));
        }
        Ok(None)
    }

    /// The bytes of a page, of which the first `stored` are not packed.
    fn unpack(&self, raw: &RawPage, stored: usize, is_packed: bool) -> Result<Bytes, ParquetProblem> {
        let RawPage { header, data_at, .. } = raw;
        let len = size("the unpacked length of a page", header.unpacked_bytes)? as usize;
        let packed_len = size("the length of a page", header.packed_bytes)? as usize;
        if stored > packed_len || stored > len {
            return Err(damaged("the levels of a page are longer than the page"));
        }
        let held = self.memory.hold(len as u64 + packed_len as u64)?;
        let mut packed = self.read(*data_at, packed_len)?;
        if let Some(expected) = header.crc {
            let mut crc = flate2::Crc::new();
            crc.update(&packed);
            if crc.sum() != expected {
                let found = crc.sum();
                return Err(damaged(format!(
                    "the checksum of a page is {found:08x}, expected {expected:08x}"
                )));
            }
        }
        let page = if !is_packed || len == stored {
            if len != packed_len && is_packed && self.place.codec != super::unpack::PageCodec::Stored {
                packed.truncate(len);
            }
            packed
        } else {
            let mut page = self.place.codec.unpack(&packed[stored..], len - stored)?;
            if stored > 0 {
                page.splice(..0, packed[..stored].iter().copied());
            }
            page
        };
        if page.len() != len {
            let found = page.len();
            return Err(damaged(format!("a page says that it is {len} bytes long, and holds {found}")));
        }
        drop(held);
        let held = self.memory.hold(page.capacity() as u64)?;
        Ok(Bytes::from_owner(HeldPage { page, _held: held }))
    }

    fn dictionary(&mut self, raw: &RawPage) -> Result<Page, ParquetProblem> {
        if self.has_dictionary {
            return Err(damaged("it has more than one dictionary"));
        }
        self.has_dictionary = true;
        let num_values = size("the number of values of a dictionary", raw.header.values)?;
        let page = self.unpack(raw, 0, true)?;
        let least = match self.descriptor.physical_type() {
            Type::BOOLEAN => return Err(damaged("a column of booleans has a dictionary")),
            Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 4,
            Type::INT64 | Type::DOUBLE => 8,
            Type::INT96 => 12,
            Type::FIXED_LEN_BYTE_ARRAY => {
                u64::try_from(self.descriptor.type_length()).unwrap_or_default().max(1)
            }
        };
        if u64::from(num_values) * least > page.len() as u64 {
            let len = page.len();
            return Err(damaged(format!("a dictionary of {len} bytes says that it has {num_values} values")));
        }
        let values = self.memory.hold(u64::from(num_values) * DICTIONARY_VALUE_BYTES)?;
        // They live as long as the page does, which they are slices of.
        let page = Bytes::from_owner(HeldDictionary { page, _values: values });
        let encoding = match raw.header.encoding {
            0 | 2 => Encoding::PLAIN,
            other => encoding_of(other)?,
        };
        Ok(Page::DictionaryPage { buf: page, num_values, encoding, is_sorted: false })
    }

    /// Counts the values of a page and compares them with what is expected.
    fn count(&mut self, header: &PageHeader) -> Result<u32, ParquetProblem> {
        let values = size("the number of values of a page", header.values)?;
        self.values += u64::from(values);
        if self.values > self.place.values {
            return Err(damaged(format!(
                "its pages have at least {} values, and the footer says {}",
                self.values, self.place.values
            )));
        }
        if self.descriptor.max_rep_level() > 0 {
            let found = self.list_values.fetch_add(u64::from(values), Ordering::Relaxed) + u64::from(values);
            if found > LIST_VALUES_MAX {
                let what = "the number of values of a list, with those beside it in its pages,";
                return Err(ParquetProblem::TooLarge { what, most: LIST_VALUES_MAX, found });
            }
        }
        let is_delta = matches!(header.encoding, 5..=7);
        if is_delta && values > DELTA_VALUES_MAX {
            let (what, most) = ("the number of values of a delta page", u64::from(DELTA_VALUES_MAX));
            return Err(ParquetProblem::TooLarge { what, most, found: values.into() });
        }
        Ok(values)
    }

    fn check_dictionary(&self, encoding: Encoding) -> Result<Encoding, ParquetProblem> {
        let is_indexed = matches!(encoding, Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY);
        if is_indexed && !self.has_dictionary {
            return Err(damaged("a page refers to a dictionary, and there is none before it"));
        }
        Ok(encoding)
    }

    fn data_page(&mut self, raw: &RawPage) -> Result<Page, ParquetProblem> {
        let num_values = self.count(&raw.header)?;
        let encoding = self.check_dictionary(encoding_of(raw.header.encoding)?)?;
        let buf = self.unpack(raw, 0, true)?;
        let levels = self.levels_len(&raw.header, &buf, num_values)?;
        check_lengths(raw.header.encoding, buf.get(levels..).unwrap_or_default(), num_values)?;
        Ok(Page::DataPage {
            buf,
            num_values,
            encoding,
            def_level_encoding: encoding_of(raw.header.definition_encoding)?,
            rep_level_encoding: encoding_of(raw.header.repetition_encoding)?,
            statistics: None,
        })
    }

    /// Bytes of the levels that a page of the first version begins with.
    fn levels_len(&self, header: &PageHeader, page: &[u8], values: u32) -> Result<usize, ParquetProblem> {
        /// `Encoding::RLE` in a file.
        const RLE: i32 = 3;
        let descriptor = &self.descriptor;
        let mut at = 0_usize;
        for (most, encoding) in [
            (descriptor.max_rep_level(), header.repetition_encoding),
            (descriptor.max_def_level(), header.definition_encoding),
        ] {
            if most == 0 {
                continue;
            }
            at += if encoding == RLE {
                let len = page.get(at..).and_then(<[u8]>::first_chunk);
                let Some(len) = len else { return Err(damaged("a page ends inside of its levels")) };
                4 + u32::from_le_bytes(*len) as usize
            } else {
                let bits = u64::from(16 - most.cast_unsigned().leading_zeros());
                (u64::from(values) * bits).div_ceil(8) as usize
            };
        }
        Ok(at)
    }

    fn data_page_2(&mut self, raw: &RawPage) -> Result<Page, ParquetProblem> {
        let header = raw.header;
        let num_values = self.count(&header)?;
        let encoding = self.check_dictionary(encoding_of(header.encoding)?)?;
        let num_nulls = size("the number of nulls of a page", header.nulls)?;
        let num_rows = size("the number of rows of a page", header.rows)?;
        let definition = size("the length of definition levels", header.definition_bytes)?;
        let repetition = size("the length of repetition levels", header.repetition_bytes)?;
        if num_nulls > num_values {
            return Err(damaged(format!("a page of {num_values} values has {num_nulls} nulls")));
        }
        let levels = definition as usize + repetition as usize;
        let buf = self.unpack(raw, levels, !header.is_stored)?;
        check_lengths(header.encoding, buf.get(levels..).unwrap_or_default(), num_values)?;
        Ok(Page::DataPageV2 {
            buf,
            num_values,
            encoding,
            num_nulls,
            num_rows,
            def_levels_byte_len: definition,
            rep_levels_byte_len: repetition,
            is_compressed: false,
            statistics: None,
        })
    }

    fn said<T>(&self, found: Result<T, ParquetProblem>) -> CrateResult<T> {
        found.map_err(|problem| {
            let text = problem.to_string();
            if let Ok(mut slot) = self.problem.lock() {
                slot.get_or_insert(problem);
            }
            ParquetError::General(text)
        })
    }
}

/// A dictionary: its page, and the room that its values take beside it.
struct HeldDictionary {
    page: Bytes,
    _values: HeldBytes,
}

impl AsRef<[u8]> for HeldDictionary {
    fn as_ref(&self) -> &[u8] {
        &self.page
    }
}

impl Iterator for ChunkPages {
    type Item = CrateResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for ChunkPages {
    fn get_next_page(&mut self) -> CrateResult<Option<Page>> {
        let page = self.next_page();
        self.said(page)
    }

    fn peek_next_page(&mut self) -> CrateResult<Option<PageMetadata>> {
        Err(ParquetError::NYI("rows are not passed over".into()))
    }

    fn skip_next_page(&mut self) -> CrateResult<()> {
        Err(ParquetError::NYI("pages are not passed over".into()))
    }

    /// A page of the second version begins with a row; of the first, a row may reach over several.
    fn at_record_boundary(&mut self) -> CrateResult<bool> {
        if self.values >= self.place.values || self.place.at >= self.place.end {
            return Ok(true);
        }
        let raw = self.header();
        Ok(self.said(raw)?.header.page_type == 3)
    }
}

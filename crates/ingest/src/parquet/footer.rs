//! The footer of a Parquet file: read, and checked before and after the `parquet` crate reads it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use graven_format::PositionalFile;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};

use super::thrift::check_footer;
use super::unpack::PageCodec;
use super::{UnreadFile, guarded};
use crate::parquet_problem::{ParquetPlace, ParquetProblem};

/// Bytes of a footer. Files of ten thousand columns and row groups have some tens of millions.
const FOOTER_BYTES_MAX: u64 = 256 << 20;

/// Groups inside of groups of a schema: a list of lists is four of them.
pub(super) const SCHEMA_DEPTH_MAX: usize = 64;

/// Rows that a file may have, and values that a column of it may have: so many in all, and so many more
/// for each of its bytes. Rows that are all alike take no bytes, and reading them takes time; rows
/// with different keys have some bits each, or some bytes for hundreds where they are numbers in
/// sequence.
const ROWS_ALWAYS: u64 = 1_000_000;
const ROWS_PER_BYTE_MAX: u64 = 1_000;

/// What a file begins and ends with.
const MAGIC: &[u8; 4] = b"PAR1";

/// The length of the footer and the magic, behind the footer.
const TAIL_BYTES: u64 = 8;

/// A file whose footer was read and checked.
#[derive(Debug)]
pub(super) struct ParquetFile {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) metadata: ParquetMetaData,
    /// Where the footer begins: no page reaches behind it.
    footer_at: u64,
    /// Bytes of the file.
    len: u64,
}

/// Where the pages of a column chunk lie, and what the footer says of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChunkPlace {
    pub(super) at: u64,
    pub(super) end: u64,
    pub(super) codec: PageCodec,
    /// Values, nulls and empty lists counted in.
    pub(super) values: u64,
}

fn damaged(what: impl Into<String>) -> ParquetProblem {
    ParquetProblem::Damaged(what.into())
}

impl ParquetFile {
    pub(super) fn open(path: &Path) -> Result<Self, UnreadFile> {
        let file = File::open(path).map_err(UnreadFile::Open)?;
        Self::of(path, file)
    }

    /// Reads the footer of an open file.
    pub(super) fn of(path: &Path, file: File) -> Result<Self, UnreadFile> {
        let whole = |problem| UnreadFile::Problem(ParquetPlace::default(), problem);
        let len = file.metadata().map_err(UnreadFile::Read)?.len();
        let mut tail = [0; TAIL_BYTES as usize];
        let Some(tail_at) = len.checked_sub(TAIL_BYTES).filter(|&at| at >= MAGIC.len() as u64) else {
            return Err(whole(damaged(format!("expected at least 12 bytes, found {len}"))));
        };
        file.read_exact_at(&mut tail, tail_at).map_err(UnreadFile::Read)?;
        let (footer_len, magic) = tail.split_at(4);
        if magic == b"PARE" {
            return Err(whole(ParquetProblem::Unsupported("its footer is encrypted".into())));
        }
        if magic != MAGIC {
            let found = magic.escape_ascii();
            return Err(whole(damaged(format!("expected PAR1 at its end, found `{found}`; is it whole?"))));
        }
        let footer_len = u64::from(u32::from_le_bytes(*footer_len.first_chunk().unwrap_or(&[0; 4])));
        let footer_at = tail_at.checked_sub(footer_len).filter(|&at| at >= MAGIC.len() as u64);
        let Some(footer_at) = footer_at else {
            let what = format!("its footer says that it has {footer_len} bytes, and the file has {len}");
            return Err(whole(damaged(what)));
        };
        if footer_len > FOOTER_BYTES_MAX {
            let (what, most) = ("the length of the footer", FOOTER_BYTES_MAX);
            return Err(whole(ParquetProblem::TooLarge { what, most, found: footer_len }));
        }
        let mut footer = vec![0; footer_len as usize];
        file.read_exact_at(&mut footer, footer_at).map_err(UnreadFile::Read)?;
        check_footer(&footer, SCHEMA_DEPTH_MAX).map_err(whole)?;
        let metadata = guarded(|| ParquetMetaDataReader::decode_metadata(&footer)).map_err(whole)?;
        let file = Self { path: path.to_owned(), file, metadata, footer_at, len };
        file.check_rows().map_err(whole)?;
        Ok(file)
    }

    /// The rows of the row groups are those of the file.
    fn check_rows(&self) -> Result<(), ParquetProblem> {
        let about = self.metadata.file_metadata();
        let mut rows = 0_i64;
        for group in self.metadata.row_groups() {
            if group.num_rows() < 0 {
                return Err(damaged(format!("a row group says that it has {} rows", group.num_rows())));
            }
            rows = rows.checked_add(group.num_rows()).ok_or_else(|| damaged("more than 2^63 rows"))?;
            if group.num_columns() != about.schema_descr().num_columns() {
                return Err(damaged(format!(
                    "a row group has {} columns, and the schema {}",
                    group.num_columns(),
                    about.schema_descr().num_columns()
                )));
            }
        }
        if rows != about.num_rows() {
            return Err(damaged(format!(
                "its row groups have {rows} rows together, and the file says {}",
                about.num_rows()
            )));
        }
        self.check_number(rows.cast_unsigned())
    }

    /// Whether a file of this length may have so many rows, or values of a column.
    fn check_number(&self, found: u64) -> Result<(), ParquetProblem> {
        let (bytes, most) = (self.len, ROWS_ALWAYS + self.len.saturating_mul(ROWS_PER_BYTE_MAX));
        if found > most { Err(ParquetProblem::TooManyRows { bytes, most, found }) } else { Ok(()) }
    }

    pub(super) fn rows(&self, group: usize) -> u64 {
        self.metadata.row_group(group).num_rows().cast_unsigned()
    }

    /// Where the pages of a column are, which must lie between the first bytes and the footer.
    pub(super) fn chunk(&self, group: usize, column: usize) -> Result<ChunkPlace, ParquetProblem> {
        let chunk: &ColumnChunkMetaData = self.metadata.row_group(group).column(column);
        if chunk.file_path().is_some() {
            return Err(ParquetProblem::Unsupported("its pages are in another file".into()));
        }
        let data_at = chunk.data_page_offset();
        let at = match chunk.dictionary_page_offset() {
            Some(dictionary_at) if dictionary_at > 0 && dictionary_at < data_at => dictionary_at,
            _ => data_at,
        };
        let (packed, values) = (chunk.compressed_size(), chunk.num_values());
        let end = at.checked_add(packed);
        let is_inside = packed >= 0
            && u64::try_from(at).is_ok_and(|at| at >= MAGIC.len() as u64)
            && end.is_some_and(|end| end.cast_unsigned() <= self.footer_at);
        let rows = self.rows(group);
        if !is_inside {
            return Err(damaged(format!(
                "its pages are said to be {packed} bytes at {at}, and the footer begins at {}",
                self.footer_at
            )));
        }
        let is_flat = chunk.column_descr().max_rep_level() == 0;
        if values < 0 || (is_flat && values.cast_unsigned() != rows) || values.cast_unsigned() < rows {
            return Err(damaged(format!(
                "it says that it has {values} values, and the row group {rows} rows"
            )));
        }
        let (at, values) = (at.cast_unsigned(), values.cast_unsigned());
        self.check_number(values)?;
        let codec = PageCodec::of(chunk.compression_codec())?;
        Ok(ChunkPlace { at, end: at + packed.cast_unsigned(), codec, values })
    }

    /// Bytes of some columns of a row group, unpacked, as the footer says.
    pub(super) fn unpacked_bytes(&self, group: usize, columns: &[usize]) -> u64 {
        let group = self.metadata.row_group(group);
        let bytes = columns.iter().map(|&column| group.column(column).uncompressed_size().max(0));
        bytes.fold(0, |sum, bytes| sum.saturating_add(bytes.cast_unsigned()))
    }
}

/// A file that several threads read.
pub(super) type SharedFile = Arc<ParquetFile>;

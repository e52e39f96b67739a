//! The compressions of pages. What a page says of its length is not believed: a decoder is given
//! memory in proportion to the bytes that there are.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use parquet::basic::CompressionCodec;

use crate::compressed::Compression;
use crate::parquet_problem::ParquetProblem;

/// The most that a byte of snappy stands for: a copy of 64 bytes takes three.
const SNAPPY_RATIO_MAX: usize = 22;

/// The most that a byte of LZ4 stands for: one of a length says 255.
const LZ4_RATIO_MAX: usize = 255;

/// Room that is made at first for what has no such bound.
const ROOM_BYTES: usize = 64 * 1024;

/// How the pages of a column chunk are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageCodec {
    Stored,
    Snappy,
    Gzip,
    /// Blocks with two lengths before each, as Hadoop writes them, or one without.
    HadoopLz4,
    Lz4,
    Zstd,
}

impl PageCodec {
    pub(super) fn of(codec: CompressionCodec) -> Result<Self, ParquetProblem> {
        Ok(match codec {
            CompressionCodec::UNCOMPRESSED => Self::Stored,
            CompressionCodec::SNAPPY => Self::Snappy,
            CompressionCodec::GZIP => Self::Gzip,
            CompressionCodec::LZ4 => Self::HadoopLz4,
            CompressionCodec::LZ4_RAW => Self::Lz4,
            CompressionCodec::ZSTD => Self::Zstd,
            other => {
                return Err(ParquetProblem::Unsupported(format!("its pages are compressed with {other:?}")));
            }
        })
    }

    /// What `packed` was made from, which is `len` bytes.
    pub(super) fn unpack(self, packed: &[u8], len: usize) -> Result<Vec<u8>, ParquetProblem> {
        let fail = |error: &dyn std::fmt::Display| {
            ParquetProblem::Damaged(format!("a page cannot be unpacked with {}: {error}", self.name()))
        };
        let unpacked = match self {
            Self::Stored => packed.to_vec(),
            Self::Snappy => {
                let found = snap::raw::decompress_len(packed).map_err(|error| fail(&error))?;
                self.check(packed.len(), found, SNAPPY_RATIO_MAX)?;
                snap::raw::Decoder::new().decompress_vec(packed).map_err(|error| fail(&error))?
            }
            Self::Lz4 => {
                self.check(packed.len(), len, LZ4_RATIO_MAX)?;
                lz4_flex::block::decompress(packed, len).map_err(|error| fail(&error))?
            }
            Self::HadoopLz4 => match self.unpack_hadoop(packed, len) {
                Some(unpacked) => unpacked,
                None => return Self::Lz4.unpack(packed, len),
            },
            Self::Gzip => {
                read_all(MultiGzDecoder::new(packed), packed.len(), len).map_err(|error| fail(&error))?
            }
            Self::Zstd => {
                let decoder = Compression::decode_zstd(packed).map_err(|error| fail(&error))?;
                read_all(decoder, packed.len(), len).map_err(|error| fail(&error))?
            }
        };
        if unpacked.len() != len {
            return Err(ParquetProblem::Damaged(format!(
                "a page says that it is {len} bytes long, and holds {}",
                unpacked.len()
            )));
        }
        Ok(unpacked)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Stored => "nothing",
            Self::Snappy => "snappy",
            Self::Gzip => "gzip",
            Self::HadoopLz4 | Self::Lz4 => "LZ4",
            Self::Zstd => "zstd",
        }
    }

    /// Refuses a length that so few bytes cannot stand for.
    fn check(self, packed: usize, len: usize, ratio: usize) -> Result<(), ParquetProblem> {
        if len / ratio > packed {
            return Err(ParquetProblem::Damaged(format!(
                "a page of {packed} bytes of {} says that it holds {len}",
                self.name()
            )));
        }
        Ok(())
    }

    fn unpack_hadoop(self, mut packed: &[u8], len: usize) -> Option<Vec<u8>> {
        let mut unpacked = Vec::new();
        while !packed.is_empty() {
            let (lengths, rest) = packed.split_at_checked(8)?;
            let number = |at: usize| u32::from_be_bytes(*lengths[at..].first_chunk().unwrap_or(&[0; 4]));
            let (block_len, block_packed) = (number(0) as usize, number(4) as usize);
            let (block, rest) = rest.split_at_checked(block_packed)?;
            if unpacked.len().checked_add(block_len)? > len {
                return None;
            }
            self.check(block.len(), block_len, LZ4_RATIO_MAX).ok()?;
            unpacked.extend(lz4_flex::block::decompress(block, block_len).ok()?);
            packed = rest;
        }
        Some(unpacked)
    }
}

/// All that a decoder gives, and one byte more than expected at most.
fn read_all(decoder: impl Read, packed: usize, len: usize) -> std::io::Result<Vec<u8>> {
    let mut unpacked = Vec::with_capacity(len.min(packed.saturating_mul(8)).max(ROOM_BYTES.min(len)));
    decoder.take(len as u64 + 1).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_bytes_that_say_they_are_gigabytes_are_refused_without_memory_for_them() {
        let snappy = [0xFF, 0xFF, 0xFF, 0xFF, 0x07, 0x00];
        for (codec, packed) in [
            (PageCodec::Snappy, &snappy[..]),
            (PageCodec::Lz4, b"\x10a"),
            (PageCodec::HadoopLz4, b"\x7F\xFF\xFF\xFF\0\0\0\x02\x10a"),
            (PageCodec::Gzip, b"\x1f\x8b\x08\0\0\0\0\0\0\x03"),
            (PageCodec::Zstd, b"\x28\xb5\x2f\xfd"),
        ] {
            let found = codec.unpack(packed, i32::MAX as usize);
            assert!(matches!(found, Err(ParquetProblem::Damaged(_))), "{codec:?}: {found:?}");
        }
    }

    #[test]
    fn lz4_is_read_with_the_lengths_of_hadoop_and_without() {
        let text = b"carved once, carved once, carved once, read forever";
        let raw = lz4_flex::block::compress(text);
        let mut framed = (text.len() as u32).to_be_bytes().to_vec();
        framed.extend((raw.len() as u32).to_be_bytes());
        framed.extend(&raw);
        for (codec, packed) in
            [(PageCodec::Lz4, &raw), (PageCodec::HadoopLz4, &raw), (PageCodec::HadoopLz4, &framed)]
        {
            assert_eq!(codec.unpack(packed, text.len()).unwrap(), text, "{codec:?}");
        }
    }
}

//! Compressed inputs, read as what was compressed: gzip of any number of members, zstd of any
//! number of frames.
//!
//! `zlib-rs` decodes 270 to 880 MB/s, and `zstd`'s own library, which `graven-format` needs anyway,
//! 940 to 1650.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use zstd_safe::{DCtx, DParameter, ErrorCode, InBuffer, OutBuffer};

/// How an input is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// RFC 1952, by its first bytes `1f 8b 08`.
    Gzip,
    /// RFC 8878, by its first bytes `28 b5 2f fd` or those of a skippable frame.
    Zstd,
}

/// The most memory that a zstd frame may ask for is 2 to this many bytes: what its own command
/// allows. Passed: an error.
const WINDOW_LOG_MAX: u32 = 27;

/// Compressed bytes that are read from the system at a time.
const READ_BYTES: usize = 128 * 1024;

impl Compression {
    /// The compression that a file which begins with `head` has.
    ///
    /// ```
    /// use graven_ingest::Compression;
    ///
    /// assert_eq!(Compression::of(b"\x1f\x8b\x08\x00"), Some(Compression::Gzip));
    /// assert_eq!(Compression::of(b"key value"), None);
    /// ```
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1F, 0x8B, 0x08, ..] => Some(Self::Gzip),
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// What `source`, which is compressed, was made from.
    ///
    /// # Errors
    ///
    /// Where there is no memory for the decoder.
    pub(crate) fn decode(self, source: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        let source = BufReader::with_capacity(READ_BYTES, source);
        Ok(match self {
            Self::Gzip => {
                Box::new(CompressedReader { compression: self, decoder: MultiGzDecoder::new(source) })
            }
            Self::Zstd => Box::new(CompressedReader { compression: self, decoder: ZstdFrames::new(source)? }),
        })
    }

    /// What `packed`, which is compressed with zstd, was made from.
    ///
    /// # Errors
    ///
    /// As [`Self::decode`].
    #[cfg(feature = "parquet")]
    pub(crate) fn decode_zstd(packed: &[u8]) -> io::Result<impl Read + '_> {
        ZstdFrames::new(packed)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// What a decoder said, on its way through [`io::Error`].
#[derive(Debug)]
pub(crate) struct Undecoded {
    pub(crate) compression: Compression,
    pub(crate) source: io::Error,
}

impl fmt::Display for Undecoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} data cannot be read: {}", self.compression, self.source)
    }
}

impl std::error::Error for Undecoded {}

/// A decoder whose errors say that they are a decoder's.
struct CompressedReader<R> {
    compression: Compression,
    decoder: R,
}

impl<R: Read> Read for CompressedReader<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(bytes).map_err(|error| {
            // What the system said is not the decoder's.
            if error.raw_os_error().is_some() || error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            io::Error::other(Undecoded { compression: self.compression, source: error })
        })
    }
}

/// One zstd frame after the other, each compared with its checksum where it has one.
struct ZstdFrames<R> {
    source: R,
    decoder: DCtx<'static>,
    /// Whether a frame has begun and not ended.
    in_frame: bool,
}

impl<R: BufRead> ZstdFrames<R> {
    fn new(source: R) -> io::Result<Self> {
        let mut decoder = DCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).map_err(undecoded)?;
        Ok(Self { source, decoder, in_frame: false })
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut out = OutBuffer::around(bytes);
        while out.pos() == 0 && out.capacity() > 0 {
            let compressed = self.source.fill_buf()?;
            let is_end = compressed.is_empty();
            if is_end && !self.in_frame {
                break;
            }
            let mut input = InBuffer::around(compressed);
            // 0: a frame has ended and all of it is out.
            let wanted = self.decoder.decompress_stream(&mut out, &mut input).map_err(undecoded)?;
            let read = input.pos();
            self.source.consume(read);
            self.in_frame = wanted != 0;
            if is_end && self.in_frame && out.pos() == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(out.pos())
    }
}

fn undecoded(code: ErrorCode) -> io::Error {
    io::Error::other(zstd_safe::get_error_name(code))
}

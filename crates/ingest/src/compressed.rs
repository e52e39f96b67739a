//! Compressed inputs, read as what was compressed: gzip of any number of members, zstd of any
//! number of frames.
//!
//! Both decoders are Rust: a build needs no C compiler. `zlib-rs` decodes 270 to 880 MB/s and
//! `ruzstd` 220 to 530 MB/s where `zstd`'s C library decodes 940 to 1650, which takes nine times
//! as long to compile (16 s of 2 s).

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// How an input is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// RFC 1952, by its first bytes `1f 8b 08`.
    Gzip,
    /// RFC 8878, by its first bytes `28 b5 2f fd` or those of a skippable frame.
    Zstd,
}

/// The most memory that a zstd frame may ask for, in bytes: what its own command allows. Passed:
/// an error.
const WINDOW_BYTES_MAX: u64 = 1 << 27;

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
    pub(crate) fn decode(self, source: impl Read + Send + 'static) -> Box<dyn Read + Send> {
        let source = BufReader::with_capacity(READ_BYTES, source);
        match self {
            Self::Gzip => {
                Box::new(CompressedReader { compression: self, decoder: MultiGzDecoder::new(source) })
            }
            Self::Zstd => Box::new(CompressedReader { compression: self, decoder: ZstdFrames::new(source) }),
        }
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
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> ZstdFrames<R> {
    fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW_BYTES_MAX);
        Self { source, decoder, in_frame: false }
    }

    /// Begins the next frame that has content; `false` at the end of the input.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let skipped = io::copy(&mut self.source.by_ref().take(length.into()), &mut io::sink())?;
                    if skipped < length.into() {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }

    fn end(&mut self) -> io::Result<()> {
        self.in_frame = false;
        match (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum()) {
            (Some(expected), Some(found)) if expected != found => {
                Err(io::Error::other(format!("expected the checksum {expected:08x}, found {found:08x}")))
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.in_frame && !self.begin()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(io::Error::other)?;
            }
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(bytes);
            }
            self.end()?;
        }
    }
}

//! Long values through zstd: each on its own, with a dictionary that was trained on values like
//! them, so that what they have in common need not be stored with each.
//!
//! Contexts are kept by each thread. What a frame declares is looked at before there is room made
//! for it, and a frame is decoded into just so much room as it may have.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use zstd_safe::{CCtx, CDict, CParameter, DCtx, DDict};

use crate::layout::PART_BYTES;

/// What every frame of zstd begins with; of values with the dictionary it is not stored.
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

/// Values from this many bytes on are stored without the dictionary, so that any decoder of zstd
/// reads what is stored.
pub(crate) const PLAIN_BYTES_MIN: usize = 16 << 10;

/// The most bytes that a decoder has to look back in what HTTP calls `zstd` (RFC 9659).
const WINDOW_BYTES_MAX: u64 = 8 << 20;

/// Whether `bytes` are one frame of `len` bytes that every decoder of HTTP's `zstd` reads: without
/// a dictionary, and with a window that is not too large.
pub(crate) fn is_plain_frame(bytes: &[u8], len: usize) -> bool {
    let Some(&[descriptor, window]) = bytes.get(MAGIC.len()..MAGIC.len() + 2) else { return false };
    let (has_dictionary, is_one_segment) = (descriptor & 0b11 != 0, descriptor & 0b10_0000 != 0);
    let window_base = 1_u64 << (10 + (window >> 3));
    let window_bytes = window_base + window_base / 8 * u64::from(window & 0b111);
    bytes.starts_with(&MAGIC)
        && !has_dictionary
        && (is_one_segment || window_bytes <= WINDOW_BYTES_MAX)
        && matches!(zstd_safe::get_frame_content_size(bytes), Ok(Some(size)) if size == len as u64)
        && zstd_safe::find_frame_compressed_size(bytes) == Ok(bytes.len())
        && len as u64 <= WINDOW_BYTES_MAX
}

/// The decoder of long values.
#[derive(Clone)]
pub(crate) struct LongDecoder(Arc<DDict<'static>>);

impl fmt::Debug for LongDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LongDecoder")
    }
}

/// A thread's means of decoding.
struct Decoding {
    context: DCtx<'static>,
    /// A frame with its magic.
    frame: Vec<u8>,
}

thread_local! {
    static DECODING: RefCell<Option<Decoding>> = const { RefCell::new(None) };
}

impl LongDecoder {
    /// The decoder with this dictionary; `None` where zstd takes it for none, or has no memory.
    pub(crate) fn new(dictionary: &[u8]) -> Option<Self> {
        DDict::try_create(dictionary).map(|dictionary| Self(Arc::new(dictionary)))
    }

    /// The length of the value that `stored`, which was stored with the dictionary, stands for;
    /// `None` where it does not say or is longer than a part.
    pub(crate) fn length(&self, stored: &[u8]) -> Option<usize> {
        let mut head = [0; 18];
        let len = stored.len().min(head.len() - MAGIC.len());
        head[..MAGIC.len()].copy_from_slice(&MAGIC);
        head[MAGIC.len()..][..len].copy_from_slice(&stored[..len]);
        let size = zstd_safe::get_frame_content_size(&head[..MAGIC.len() + len]).ok()??;
        usize::try_from(size).ok().filter(|&size| size <= PART_BYTES)
    }

    /// Appends the `len` bytes, at most [`PART_BYTES`], that `stored` stands for, with the
    /// dictionary or without: whether it does stand for so many.
    pub(crate) fn decode(&self, stored: &[u8], with_dictionary: bool, len: usize, out: &mut Vec<u8>) -> bool {
        if len > PART_BYTES {
            return false;
        }
        let start = out.len();
        out.resize(start + len, 0);
        let room = &mut out[start..];
        let decoded = DECODING.with_borrow_mut(|decoding| {
            if decoding.is_none() {
                *decoding = Some(Decoding { context: DCtx::try_create()?, frame: Vec::new() });
            }
            let Decoding { context, frame } = decoding.as_mut()?;
            if !with_dictionary {
                return context.decompress(room, stored).ok();
            }
            frame.clear();
            frame.extend_from_slice(&MAGIC);
            frame.extend_from_slice(stored);
            context.decompress_using_ddict(room, frame, &self.0).ok()
        });
        if decoded == Some(len) {
            return true;
        }
        out.truncate(start);
        false
    }
}

/// The encoder of long values.
pub(crate) struct LongEncoder<'d> {
    with_dictionary: CCtx<'d>,
    plain: CCtx<'d>,
}

/// A dictionary that is ready for encoders, and how hard they try.
pub(crate) struct LongDictionary {
    bytes: Vec<u8>,
    prepared: CDict<'static>,
    level: i32,
}

impl LongDictionary {
    pub(crate) fn new(bytes: Vec<u8>, level: i32) -> Option<Self> {
        let prepared = CDict::try_create(&bytes, level)?;
        Some(Self { bytes, prepared, level })
    }

    /// A dictionary of at most `bytes` bytes, trained on `sample`; `None` where that is too small
    /// to learn from.
    pub(crate) fn train(sample: &[&[u8]], bytes: usize, level: i32) -> Option<Self> {
        let sizes: Vec<usize> = sample.iter().map(|text| text.len()).collect();
        let mut dictionary = vec![0; bytes];
        let len = zstd_safe::train_from_buffer(&mut dictionary[..], &sample.concat(), &sizes).ok()?;
        dictionary.truncate(len);
        Self::new(dictionary, level)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// An encoder for one thread; `None` where there is no memory.
    pub(crate) fn encoder(&self) -> Option<LongEncoder<'_>> {
        let mut with_dictionary = CCtx::try_create()?;
        with_dictionary.set_parameter(CParameter::DictIdFlag(false)).ok()?;
        with_dictionary.ref_cdict(&self.prepared).ok()?;
        let mut plain = CCtx::try_create()?;
        plain.set_parameter(CParameter::CompressionLevel(self.level)).ok()?;
        Some(LongEncoder { with_dictionary, plain })
    }
}

impl LongEncoder<'_> {
    /// Appends a frame of `value`, without its magic where it needs the dictionary: whether that
    /// could be done.
    pub(crate) fn encode(&mut self, value: &[u8], with_dictionary: bool, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        out.resize(start + zstd_safe::compress_bound(value.len()), 0);
        let context = if with_dictionary { &mut self.with_dictionary } else { &mut self.plain };
        let Ok(len) = context.compress2(&mut out[start..], value) else {
            out.truncate(start);
            return false;
        };
        out.truncate(start + len);
        if with_dictionary {
            out.drain(start..start + MAGIC.len());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Vec<u8>> {
        let words = ["carve", "stone", "letters", "once", "and", "read", "them", "forever"];
        (0..2000_usize)
            .map(|i| {
                let text: Vec<&str> = (0..40 + i % 60).map(|j| words[(i * 31 + j * j * 7) % 8]).collect();
                text.join(" ").into_bytes()
            })
            .collect()
    }

    #[test]
    fn a_frame_is_plain_that_browsers_read() {
        let text = sample().concat();
        let frame = |of: &[u8], parameters: &[CParameter]| {
            let mut context = CCtx::create();
            for &parameter in parameters {
                context.set_parameter(parameter).unwrap();
            }
            let mut frame = Vec::with_capacity(of.len() + 1000);
            context.compress2(&mut frame, of).unwrap();
            frame
        };
        let plain = frame(&text, &[]);
        assert!(is_plain_frame(&plain, text.len()));
        // As builds do it.
        let dictionary = LongDictionary::new(Vec::new(), 19).unwrap();
        let mut stored = Vec::new();
        assert!(dictionary.encoder().unwrap().encode(&text[..PART_BYTES], false, &mut stored));
        assert!(is_plain_frame(&stored, PART_BYTES));
        for len in [0, text.len() - 1, text.len() + 1] {
            assert!(!is_plain_frame(&plain, len), "{len}");
        }
        for cut in [0, 3, 4, 5, 6, 10, plain.len() - 1] {
            assert!(!is_plain_frame(&plain[..cut], text.len()), "{cut}");
        }
        assert!(!is_plain_frame(&[&plain[..], &plain].concat(), text.len()));
        assert!(!is_plain_frame(&[&plain[..], b"x"].concat(), text.len()));
        let without_size = frame(&text, &[CParameter::ContentSizeFlag(false)]);
        assert!(!is_plain_frame(&without_size, text.len()));

        // A window of 8 MiB is allowed, one of 9 or 16 is not.
        for (window, allowed) in [(13 << 3, true), (13 << 3 | 1, false), (14 << 3, false), (31 << 3, false)] {
            let mut with_window = [&plain[..5], &[window], &plain[5..]].concat();
            assert_ne!(plain[4] & 0b10_0000, 0, "a frame of known size has one segment");
            with_window[4] &= !0b10_0000;
            assert_eq!(is_plain_frame(&with_window, text.len()), allowed, "{window:#x}");
        }
    }

    #[test]
    fn values_come_back_with_the_dictionary_and_without() {
        let sample = sample();
        let texts: Vec<&[u8]> = sample.iter().map(Vec::as_slice).collect();
        let dictionary = LongDictionary::train(&texts, 4096, 3).unwrap();
        let (mut encoder, decoder) =
            (dictionary.encoder().unwrap(), LongDecoder::new(dictionary.bytes()).unwrap());
        for (i, value) in texts.iter().enumerate() {
            let with_dictionary = i % 2 == 0;
            let mut stored = Vec::new();
            assert!(encoder.encode(value, with_dictionary, &mut stored));
            assert!(stored.len() < value.len());
            let mut out = b"before".to_vec();
            assert!(decoder.decode(&stored, with_dictionary, value.len(), &mut out));
            assert_eq!(&out[6..], *value);
            if with_dictionary {
                assert_eq!(decoder.length(&stored), Some(value.len()));
            }
            for len in [0, value.len() - 1, value.len() + 1, PART_BYTES + 1, usize::MAX] {
                assert!(!decoder.decode(&stored, with_dictionary, len, &mut out));
            }
            for cut in [0, 1, stored.len() / 2, stored.len() - 1] {
                assert!(!decoder.decode(&stored[..cut], with_dictionary, value.len(), &mut out));
            }
            assert_eq!(out.len(), 6 + value.len());
        }
    }
}

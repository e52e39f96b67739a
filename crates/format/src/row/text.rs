//! The text of a field, lent: from the schema where it lies there, else from room that is used again and again.

use super::number::ShortText;

/// Room for the text of a field, used again and again.
///
/// See [`Row::lend_text`](crate::Row::lend_text).
#[derive(Clone, Debug, Default)]
pub struct TextRoom {
    pub(super) short: ShortText,
    pub(super) long: Vec<u8>,
}

impl TextRoom {
    /// Gives back what it holds above `kept` bytes.
    #[inline]
    pub fn give_back(&mut self, kept: usize) {
        if self.long.capacity() > kept {
            self.long = Vec::new();
        }
    }
}

/// The text of a field, and bytes behind it that mean nothing: whoever copies a short text may copy
/// a fixed number of bytes.
#[derive(Clone, Copy, Debug)]
pub struct LentText<'t> {
    bytes: &'t [u8],
    len: usize,
}

impl<'t> LentText<'t> {
    /// The first `len` of `bytes`.
    #[inline]
    pub(super) fn new(bytes: &'t [u8], len: usize) -> Self {
        Self { bytes, len }
    }

    /// The text.
    #[inline]
    pub fn bytes(self) -> &'t [u8] {
        &self.bytes[..self.len]
    }

    /// Its length.
    #[inline]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(self) -> usize {
        self.len
    }

    /// Bytes that begin with the text. Nothing is said of those behind it, nor how many there are.
    #[inline]
    pub fn with_bytes_behind(self) -> &'t [u8] {
        self.bytes
    }
}

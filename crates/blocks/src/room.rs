//! Room for bytes that are read, aligned as the disk wants it.

const PAGE_BYTES: usize = 4096;

#[derive(Debug)]
pub(crate) struct Room {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Room {
    /// Room for `len` bytes at a multiple of `alignment`, and of a page: bytes that lie in two pages go to the disk as two
    /// segments, which take up twice the room in its queue.
    pub(crate) fn new(len: usize, alignment: usize) -> Self {
        let alignment = alignment.max(PAGE_BYTES);
        let bytes = vec![0; len + alignment];
        let start = bytes.as_ptr().align_offset(alignment);
        Self { bytes, start, len }
    }

    /// Makes it room for `len` bytes, no more than it was made for.
    #[cfg(target_os = "linux")]
    pub(crate) fn resize(&mut self, len: usize) {
        assert!(self.start + len <= self.bytes.len(), "a room does not grow");
        self.len = len;
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

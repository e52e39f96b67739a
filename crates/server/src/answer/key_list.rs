//! The keys of one request that asks for many, kept while it is not answered.

/// Keys in order, of which those at the front are let go as they are answered.
#[derive(Debug, Default)]
pub(super) struct KeyList {
    /// Each key's length in four bytes, then the key.
    bytes: Vec<u8>,
    at: usize,
}

impl KeyList {
    pub(super) fn of<'a>(keys: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut bytes = Vec::new();
        for key in keys {
            bytes.extend_from_slice(&(key.len() as u32).to_le_bytes());
            bytes.extend_from_slice(key);
        }
        Self { bytes, at: 0 }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The keys that are left.
    pub(super) fn left(&self) -> Left<'_> {
        Left(&self.bytes[self.at..])
    }

    /// The first `keys` of those that are left are answered.
    pub(super) fn answered(&mut self, keys: usize) {
        self.at += self.left().take(keys).map(|key| key.len() + 4).sum::<usize>();
    }
}

/// The keys that are left of a [`KeyList`].
#[derive(Clone, Debug)]
pub(super) struct Left<'a>(&'a [u8]);

impl<'a> Iterator for Left<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.0 = rest;
        Some(key)
    }
}

//! What of a carved file has to be there before a key can be looked up, for readers that fetch
//! ranges from elsewhere: they copy these ranges into a file of the same length, open that, and
//! copy into it what each key needs. What was not copied is not what was carved, and every lookup
//! checks that.

use std::ops::Range;

use crate::cpu::Portable;
use crate::error::Error;
use crate::header::{HEAD_BYTES_MAX, Header};
use crate::layout::{LINE_BYTES, Section};
use crate::store::Store;

/// Where the parts of a carved file end that are read when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Front {
    /// Bytes from the start of the file that hold all that is read when it is opened as
    /// [`Storage::Memory`](crate::Storage::Memory): header, directory and tables.
    pub opening_bytes: u64,
}

impl Front {
    /// Bytes from the start of a file in which header and directory lie, whatever they say; a
    /// shorter file has fewer.
    pub const HEAD_BYTES: usize = HEAD_BYTES_MAX;

    /// Reads the first [`Self::HEAD_BYTES`] bytes of a file that has `file_bytes`.
    ///
    /// # Errors
    /// As [`Store::open`] for what these bytes say.
    pub fn read(head: &[u8], file_bytes: u64) -> Result<Self, Error> {
        let header = Header::from_bytes(head, file_bytes)?;
        let small = header.sections.iter().filter(|entry| entry.section().is_some_and(Section::is_small));
        let end = small.map(|entry| entry.end()).max().unwrap_or(0);
        Ok(Self { opening_bytes: end.max(head.len() as u64).min(file_bytes) })
    }
}

impl Store {
    /// Which bytes of the file say where the piece of `key` lies, so that [`Self::piece`] reads
    /// these and no others; `None` when the table cannot hold such a key.
    pub fn line_of_key(&self, key: &[u8]) -> Option<Range<u64>> {
        let order = self.keys.order(Portable, key)?;
        let start = self.line_offset(self.keys.place(order).bucket) as u64;
        Some(start..start + LINE_BYTES as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{Builder, Options};
    use crate::piece::Looked;
    use crate::positional::PositionalFile;
    use crate::store::Storage;

    #[test]
    fn a_key_is_found_in_a_file_that_has_its_ranges_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.graven");
        let mut builder = Builder::new(Options::default());
        for i in 0..20_000_u32 {
            builder.add(format!("key {i}").as_bytes(), format!("value {}", i % 97).as_bytes()).unwrap();
        }
        let large = vec![b'x'; 300_000];
        builder.add(b"large", &large).unwrap();
        builder.write(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let part = |range: Range<u64>| &whole[range.start as usize..range.end as usize];

        let copy = tempfile::tempfile().unwrap();
        copy.set_len(whole.len() as u64).unwrap();
        let front = Front::read(&whole[..Front::HEAD_BYTES], whole.len() as u64).unwrap();
        assert!(front.opening_bytes < whole.len() as u64 / 2);
        copy.write_all_at(part(0..front.opening_bytes), 0).unwrap();
        let store = Store::from_file(copy.try_clone().unwrap(), Storage::Memory).unwrap();
        for (key, expected) in [("key 77", &b"value 77"[..]), ("large", &large), ("key 19999", b"value 17")] {
            let line = store.line_of_key(key.as_bytes()).unwrap();
            copy.write_all_at(part(line.clone()), line.start).unwrap();
            let mut piece = store.piece(key.as_bytes()).unwrap().unwrap();
            let mut value = Vec::new();
            loop {
                let range = piece.start()..piece.start() + piece.len() as u64;
                let block = store.block(&piece, part(range)).unwrap();
                match store.look(key.as_bytes(), &piece, &block, &mut value).unwrap() {
                    Looked::Found => break,
                    Looked::Elsewhere(next) => piece = next,
                    Looked::Missing => panic!("{key}"),
                }
            }
            assert!(value == expected, "{key}");
        }
        // Whoever looks where nothing was copied is told that it is not what was carved.
        let unread = (0..20_000).map(|i| format!("key {i}")).find(|key| {
            let line = store.line_of_key(key.as_bytes()).unwrap();
            let mut found = [0; LINE_BYTES];
            copy.read_exact_at(&mut found, line.start).unwrap();
            found == [0; LINE_BYTES]
        });
        store.get(unread.unwrap().as_bytes(), &mut Vec::new()).unwrap_err();
    }

    #[test]
    fn what_is_no_carved_file_has_no_front() {
        let head = vec![b'k'; Front::HEAD_BYTES];
        assert!(matches!(Front::read(&head, 1 << 20), Err(Error::NotCarved)));
        assert!(Front::read(b"", 0).is_err());
    }
}

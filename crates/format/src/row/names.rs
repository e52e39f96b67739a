//! Finds columns by their names: an open-addressed table of their places, half full at most.

use super::schema::Column;

/// The places of columns by their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct ColumnNames {
    /// A power of two of them.
    slots: Vec<NameSlot>,
}

/// What tells a name from others: all of one that has no more than 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NameWords {
    /// Its first and its last eight bytes, which overlap where it has fewer than 16.
    head: u64,
    tail: u64,
    len: u32,
}

/// Names above this length are compared byte by byte besides.
const WORDS_BYTES_MAX: usize = 16;

#[derive(Clone, Copy, Debug)]
struct NameSlot {
    words: NameWords,
    place: u16,
}

impl NameSlot {
    /// No name has such a length.
    const EMPTY: Self = Self { words: NameWords { head: 0, tail: 0, len: u32::MAX }, place: u16::MAX };
}

impl NameWords {
    #[inline]
    fn of(name: &[u8]) -> Self {
        let len = name.len();
        let (head, tail) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
            (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
            _ => {
                let word = short_word(name);
                (word, word)
            }
        };
        Self { head, tail, len: u32::try_from(len).unwrap_or(u32::MAX - 1) }
    }

    /// Where the name is looked for first.
    #[inline]
    fn hash(self) -> usize {
        let mixed =
            (self.head ^ self.tail.rotate_left(29) ^ u64::from(self.len)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) as usize
    }
}

/// Another word for each name of fewer than eight bytes that has the same length.
#[inline]
fn short_word(name: &[u8]) -> u64 {
    match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        (Some(head), Some(tail)) => {
            u64::from(u32::from_le_bytes(*head)) | u64::from(u32::from_le_bytes(*tail)) << 32
        }
        _ => match name {
            [] => 0,
            _ => {
                let byte = |i: usize| u64::from(name[i]);
                byte(0) | byte(name.len() / 2) << 8 | byte(name.len() - 1) << 16
            }
        },
    }
}

impl ColumnNames {
    /// Those of `columns`, at most 2^15; `None` where two have the same name.
    pub(crate) fn of(columns: &[Column]) -> Option<Self> {
        let mut names = Self { slots: vec![NameSlot::EMPTY; (columns.len() * 2).next_power_of_two()] };
        for (place, column) in columns.iter().enumerate() {
            let words = NameWords::of(column.name.as_bytes());
            let mut at = names.first(words);
            while names.slots[at].words != NameSlot::EMPTY.words {
                if columns[usize::from(names.slots[at].place)].name == column.name {
                    return None;
                }
                at = names.next(at);
            }
            names.slots[at] = NameSlot { words, place: place as u16 };
        }
        Some(names)
    }

    /// The place among `columns`, which are those that it was made of, of the one that is called `name`.
    #[inline]
    pub(crate) fn find(&self, name: &[u8], columns: &[Column]) -> Option<usize> {
        let words = NameWords::of(name);
        let mut at = self.first(words);
        loop {
            let slot = self.slots.get(at)?;
            let place = usize::from(slot.place);
            if slot.words == words
                && (name.len() <= WORDS_BYTES_MAX || columns.get(place)?.name.as_bytes() == name)
            {
                return Some(place);
            }
            if slot.words == NameSlot::EMPTY.words {
                return None;
            }
            at = self.next(at);
        }
    }

    #[inline]
    fn first(&self, words: NameWords) -> usize {
        words.hash() & self.slots.len().wrapping_sub(1)
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use crate::row::schema::Schema;
    use crate::{FieldInput, Options, RowBuilder};

    fn schema(names: &[&str]) -> Schema {
        let mut builder = RowBuilder::new("key", Options::default());
        for name in names {
            builder.column(name, None).unwrap();
        }
        builder.add(b"1", &vec![FieldInput::Int(1); names.len()]).unwrap();
        builder.finish().unwrap().0.schema().unwrap().clone()
    }

    #[test]
    fn every_name_is_found_at_its_place_and_no_other() {
        let many: Vec<String> =
            (0..1000).map(|i| format!("a column of a long name, number {i}, in the middle")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let few = [
            "a",
            "",
            "ab",
            "b",
            "ba",
            "aaa",
            "aba",
            "aab",
            "baa",
            "abab",
            "abba",
            "ababa",
            "abbba",
            "1234567",
            "12345678",
            "123456789",
            "aaaaaaaaaaaaaaaa",
            "aaaaaaaaabaaaaaaa",
            "aaaaaaaabaaaaaaaa",
        ];
        for names in [&few[..], &many, &["x"], &[]] {
            let schema = schema(names);
            for (place, name) in names.iter().enumerate() {
                assert_eq!(schema.position(name), Some(place), "{name}");
                assert_eq!(schema.position(format!("{name} ")), None, "{name}");
            }
            for before in [None, Some(0), Some(names.len() / 2), Some(names.len()), Some(usize::MAX - 1)] {
                for (place, name) in names.iter().enumerate() {
                    assert_eq!(schema.position_behind(before, name.as_bytes()), Some(place), "{name}");
                }
                assert_eq!(schema.position_behind(before, b"none"), None);
            }
            assert_eq!(schema.position("none"), None);
            assert_eq!(schema.position(b"\xFF"), None);
        }
    }

    #[test]
    fn names_that_lie_in_the_same_place_are_told_apart() {
        // The middle does not count, so all of these begin their search at one slot.
        let names: Vec<String> = (100..400).map(|i| format!("12345678{i}12345678")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let schema = schema(&names);
        for (place, name) in names.iter().enumerate() {
            assert_eq!(schema.position(name), Some(place));
        }
        assert_eq!(schema.position("1234567850012345678"), None);
    }
}

//! Finds columns by their names: an open-addressed table of their places, half full at most.

use super::schema::Column;

/// No column.
const NONE: u16 = u16::MAX;

/// The places of columns by their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct ColumnNames {
    /// A power of two of them.
    slots: Vec<u16>,
}

impl ColumnNames {
    /// Those of `columns`, at most 2^15; `None` where two have the same name.
    pub(crate) fn of(columns: &[Column]) -> Option<Self> {
        let mut names = Self { slots: vec![NONE; (columns.len() * 2).next_power_of_two()] };
        for (place, column) in columns.iter().enumerate() {
            let mut at = names.first(column.name.as_bytes());
            while names.slots[at] != NONE {
                if columns[usize::from(names.slots[at])].name == column.name {
                    return None;
                }
                at = names.next(at);
            }
            names.slots[at] = place as u16;
        }
        Some(names)
    }

    /// The place among `columns`, which are those that it was made of, of the one that is called `name`.
    #[inline]
    pub(crate) fn find(&self, name: &[u8], columns: &[Column]) -> Option<usize> {
        let mut at = self.first(name);
        loop {
            let place = usize::from(*self.slots.get(at)?);
            // That of no column is none of them.
            if columns.get(place)?.name.as_bytes() == name {
                return Some(place);
            }
            at = self.next(at);
        }
    }

    /// Where a name is looked for first: by its length, its first and its last eight bytes.
    #[inline]
    fn first(&self, name: &[u8]) -> usize {
        let word = |bytes: &[u8]| {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(word)
        };
        let head = word(&name[..name.len().min(8)]);
        let tail = word(&name[name.len() - name.len().min(8)..]);
        let mixed = (head ^ tail.rotate_left(29) ^ name.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((mixed >> 32) as usize) & self.slots.len().wrapping_sub(1)
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
        for names in
            [&["a", "", "ab", "b", "ba", "aaaaaaaaaaaaaaaa", "aaaaaaaabaaaaaaaa"][..], &many, &["x"], &[]]
        {
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

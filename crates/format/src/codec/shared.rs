//! Values that many keys have: each is stored once, and a record has its number.

use std::collections::HashMap;
use std::ops::Range;

/// The shared values of a table, for readers.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedReader {
    /// Where each ends in `bytes`.
    ends: Vec<u32>,
    /// The values, and behind them as many zeros as a reader may touch.
    bytes: Vec<u8>,
}

/// Bytes behind the values that may be loaded.
const BEHIND_BYTES: usize = 64;

impl SharedReader {
    /// The `count` values of a section: for each where it ends, u32, from the end of these; then
    /// the values. `None` where the section has not so many, or others.
    pub(crate) fn read(section: &[u8], count: usize) -> Option<Self> {
        let (ends, values) = section.split_at_checked(count.checked_mul(4)?)?;
        let ends: Vec<u32> = ends.as_chunks().0.iter().map(|end| u32::from_le_bytes(*end)).collect();
        if !ends.is_sorted() || ends.last().map_or(0, |&end| end as usize) != values.len() {
            return None;
        }
        let mut bytes = values.to_vec();
        bytes.resize(values.len() + BEHIND_BYTES, 0);
        Some(Self { ends, bytes })
    }

    /// Where value `number` lies in [`Self::bytes`].
    #[inline(always)]
    pub(crate) fn range(&self, number: u32) -> Option<Range<usize>> {
        let number = number as usize;
        let end = *self.ends.get(number)? as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        Some(start..end)
    }

    /// All values, one behind the other.
    #[inline(always)]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The shared values of a table in the making.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SharedValues {
    numbers: HashMap<Vec<u8>, u32>,
    section: Vec<u8>,
}

impl SharedValues {
    /// Those of `values`, which are all different, numbered in this order.
    pub(crate) fn new(values: &[&[u8]]) -> Self {
        let mut section = Vec::new();
        let mut end = 0;
        for value in values {
            end += value.len() as u32;
            section.extend_from_slice(&end.to_le_bytes());
        }
        section.extend(values.iter().flat_map(|value| value.iter()));
        let numbers = values.iter().zip(0..).map(|(value, number)| (value.to_vec(), number)).collect();
        Self { numbers, section }
    }

    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(crate) fn section(&self) -> &[u8] {
        &self.section
    }

    /// The number of a value, where it is shared.
    pub(crate) fn number(&self, value: &[u8]) -> Option<u32> {
        self.numbers.get(value).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_by_their_numbers() {
        let values: [&[u8]; 4] = [b"one", b"", b"three", b"four"];
        let made = SharedValues::new(&values);
        let read = SharedReader::read(made.section(), made.len()).unwrap();
        for value in values {
            let range = read.range(made.number(value).unwrap()).unwrap();
            assert_eq!(&read.bytes()[range], value);
        }
        assert_eq!((made.number(b"two"), read.range(4)), (None, None));
        for (section, count) in
            [(&made.section()[1..], 4), (made.section(), 3), (made.section(), usize::MAX), (b"", 1)]
        {
            assert!(SharedReader::read(section, count).is_none());
        }
    }
}

//! The pairs of a `.data` text, read by the rule of `docs/TEXT.md` and held in memory.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// Pairs in the order of the text, no key twice.
#[derive(Debug)]
pub(crate) struct Pairs {
    text: Vec<u8>,
    places: Vec<Place>,
}

/// Where a pair lies in the text.
#[derive(Debug)]
struct Place {
    key: usize,
    key_end: usize,
    value: usize,
    value_end: usize,
}

impl Pairs {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(text).with_context(|| format!("cannot use {}", path.display()))
    }

    fn parse(text: Vec<u8>) -> Result<Self> {
        let mut places = Vec::new();
        let mut start = 0;
        for (i, line) in text.split_inclusive(|&byte| byte == b'\n').enumerate() {
            let bare = match line.strip_suffix(b"\n") {
                Some(bare) => bare.strip_suffix(b"\r").unwrap_or(bare),
                None => line,
            };
            if !bare.is_empty() {
                let key_bytes = bare.iter().position(|byte| b" \t".contains(byte)).unwrap_or(bare.len());
                ensure!(key_bytes > 0, "line {} begins with a separator", i + 1);
                places.push(Place {
                    key: start,
                    key_end: start + key_bytes,
                    value: start + bare.len().min(key_bytes + 1),
                    value_end: start + bare.len(),
                });
            }
            start += line.len();
        }
        let pairs = Self { text, places };
        ensure!(!pairs.places.is_empty(), "it has no pairs");
        let mut seen = HashSet::with_capacity(pairs.len());
        if let Some((key, _)) = pairs.iter().find(|(key, _)| !seen.insert(*key)) {
            bail!("the key {} comes twice", key.escape_ascii());
        }
        Ok(pairs)
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The key and the value of the pair with this number.
    pub(crate) fn get(&self, i: usize) -> (&[u8], &[u8]) {
        let place = &self.places[i];
        (&self.text[place.key..place.key_end], &self.text[place.value..place.value_end])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        (0..self.len()).map(|i| self.get(i))
    }
}

#[cfg(test)]
impl Pairs {
    /// The pairs of a text that has no fault.
    pub(crate) fn of(text: &str) -> Self {
        Self::parse(text.as_bytes().to_vec()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::Pairs;

    #[test]
    fn lines_are_read_by_the_rule_of_the_text() {
        let pairs = Pairs::of("a 1\r\nb  2 \n\nc\td e\r\r\nf\ng 3\r");
        let expected: [(&[u8], &[u8]); 5] =
            [(b"a", b"1"), (b"b", b" 2 "), (b"c", b"d e\r"), (b"f", b""), (b"g", b"3\r")];
        assert!(pairs.iter().eq(expected), "{:?}", pairs.iter().collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_be_served_alike_by_all_is_refused() {
        for (text, reason) in
            [("", "no pairs"), ("a 1\n b\n", "line 2 begins"), ("a 1\nb 2\na 1\n", "the key a comes twice")]
        {
            let error = Pairs::parse(text.as_bytes().to_vec()).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}

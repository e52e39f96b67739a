//! Keys and values of a table of which every byte of an answer says which version it comes from.

use std::io::Write;

use anyhow::{Context, Result, ensure};

/// Pairs between two values of this length.
const MIDDLE: (u64, usize) = (1_000, 2_000);
const LARGE: (u64, usize) = (100_000, 200_000);
/// One pair in so many has a key that only its version has.
const MARKED: u64 = 100;
/// The number of the first large value; the middle ones begin elsewhere.
const FIRST_LARGE: u64 = 9;
const FIRST_MIDDLE: u64 = 7;
const FIRST_MARKED: u64 = 3;
/// Where the tag lies in a key.
const TAG: std::ops::Range<usize> = 19..21;
/// The tag of the keys that all versions have.
const COMMON: u64 = 0xff;

/// A table's pairs, of which some contents are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content {
    pub(crate) pairs: u64,
    /// Contents that follow each other, and then the first again.
    pub(crate) cycle: u64,
    /// Bytes of a value, at most.
    pub(crate) value_bytes_max: usize,
}

/// The finalizer of splitmix64: a permutation that looks random.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A UUID with the tag and the number in its last two parts.
fn uuid(i: u64, tag: u64) -> String {
    let high = mix(i);
    format!("{:08x}-{:04x}-{:04x}-{tag:02x}00-{i:012x}", high >> 32, (high >> 16) & 0xffff, high & 0xffff)
}

impl Content {
    /// A key that all versions have.
    pub(crate) fn key(self, i: u64) -> String {
        uuid(i, COMMON)
    }

    /// The number of a large value's pair.
    pub(crate) fn large(self, i: u64) -> u64 {
        let larges = (self.pairs.saturating_sub(FIRST_LARGE)).div_ceil(LARGE.0).max(1);
        (i % larges) * LARGE.0 + FIRST_LARGE
    }

    /// The value of a pair in a content: it begins with the content's number, and all that follows
    /// depends on it.
    pub(crate) fn value(self, content: u64, i: u64) -> Vec<u8> {
        let bytes = match i {
            _ if i % LARGE.0 == FIRST_LARGE => LARGE.1,
            _ if i % MIDDLE.0 == FIRST_MIDDLE => MIDDLE.1,
            _ => 10 + (mix(i) % 41) as usize,
        };
        let bytes = bytes.min(self.value_bytes_max);
        let mut value = format!("{content}:{i},").into_bytes();
        let mut state = mix(content << 48 | i);
        while value.len() < bytes {
            state = mix(state);
            value.extend(state.to_le_bytes().map(|byte| b'a' + byte % 26));
        }
        value.truncate(bytes.max(8));
        value
    }

    /// The content that the value of pair `i` comes from, of which every byte is compared.
    pub(crate) fn of_value(self, i: u64, value: &[u8]) -> Result<u64> {
        let number = value.split(|&byte| byte == b':').next().unwrap_or_default();
        let content = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
        let content: u64 =
            content.with_context(|| format!("no version in {}", start(value).escape_ascii()))?;
        ensure!(
            content < self.cycle && value == self.value(content, i),
            "the value of pair {i} is mixed: {}",
            start(value).escape_ascii()
        );
        Ok(content)
    }

    /// The content that a listed key belongs to alone, where it does not belong to all.
    pub(crate) fn of_key(self, key: &[u8]) -> Result<Option<u64>> {
        let tag = key.get(TAG).and_then(|tag| u64::from_str_radix(std::str::from_utf8(tag).ok()?, 16).ok());
        let tag = tag.with_context(|| format!("a foreign key {}", start(key).escape_ascii()))?;
        ensure!(tag == COMMON || tag < self.cycle, "a foreign key {}", start(key).escape_ascii());
        Ok((tag != COMMON).then_some(tag))
    }

    /// Writes the pairs of a content as `.data` text.
    pub(crate) fn write(self, content: u64, mut to: impl Write) -> Result<()> {
        for i in 0..self.pairs {
            to.write_all(self.key(i).as_bytes())?;
            to.write_all(b" ")?;
            to.write_all(&self.value(content, i))?;
            to.write_all(b"\n")?;
            if i % MARKED == FIRST_MARKED {
                writeln!(to, "{} only", uuid(i, content))?;
            }
        }
        Ok(to.flush()?)
    }
}

/// As much of an answer as a message has room for.
fn start(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(60)]
}

#[cfg(test)]
mod tests {
    use super::Content;

    const CONTENT: Content = Content { pairs: 200, cycle: 8, value_bytes_max: usize::MAX };

    #[test]
    fn a_value_says_its_version_and_a_mixed_one_is_seen() {
        for i in [0, 7, 9] {
            let (one, other) = (CONTENT.value(3, i), CONTENT.value(4, i));
            assert_eq!(CONTENT.of_value(i, &one).unwrap(), 3);
            assert!(CONTENT.of_value(i + 1, &one).is_err(), "the value of another key");
            let mixed = [&one[..one.len() / 2], &other[one.len() / 2..]].concat();
            assert!(CONTENT.of_value(i, &mixed).is_err(), "{}", mixed.escape_ascii());
        }
        assert!(CONTENT.of_value(0, &CONTENT.value(8, 0)).is_err(), "a version that there is not");
    }

    #[test]
    fn some_keys_belong_to_one_version() {
        let mut text = Vec::new();
        CONTENT.write(5, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let keys = text.lines().map(|line| line.split_once(' ').unwrap().0);
        let marks: Vec<_> = keys.filter_map(|key| CONTENT.of_key(key.as_bytes()).unwrap()).collect();
        assert_eq!(marks, [5, 5]);
        assert!(CONTENT.of_key(b"something else").is_err());
    }
}

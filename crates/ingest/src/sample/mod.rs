//! Sample tables: lines of `.data` text that follow from a seed alone.
//!
//! The same seed gives the same bytes in every release and on every machine. The generator is xoshiro256++, its state
//! filled from the seed by SplitMix64; what is drawn from it is decided here and pinned by a test. Never change either:
//! recorded measurements name a seed and mean these bytes.
//!
//! ```
//! use graven_ingest::sample::{SampleGenerator, SampleValues};
//!
//! let mut text = Vec::new();
//! SampleGenerator::new(0, SampleValues::Letters).append_line(&mut text);
//! assert!(text.starts_with(b"53175d61-490b-43df-a1da-6f3dc"));
//! ```

mod rows;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

pub use rows::{ROW_BYTES_MAX, RowForm, RowGenerator};

/// What the values look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleValues {
    /// 10 to 50 letters, a-z and A-Z.
    Letters,
    /// 1 to 10 words of 1 to 10 letters, a-z.
    Words,
}

/// The longest line: a key, a space, ten words of ten letters with their spaces, and `\n`.
pub const LINE_BYTES_MAX: usize = UUID_BYTES + 1 + 10 * 11;

const UUID_BYTES: usize = 36;

/// Every byte as two hexadecimal digits.
const HEX: [[u8; 2]; 256] = two_of(*b"0123456789abcdef");
/// Every two of the letters, so that one step draws two.
const LETTERS: [[u8; 2]; 52 * 52] = two_of(*b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
const LOWER_CASE: [[u8; 2]; 26 * 26] = two_of(*b"abcdefghijklmnopqrstuvwxyz");

const fn two_of<const N: usize, const N2: usize>(symbols: [u8; N]) -> [[u8; 2]; N2] {
    let mut all = [[0; 2]; N2];
    let mut i = 0;
    while i < N2 {
        all[i] = [symbols[i / N], symbols[i % N]];
        i += 1;
    }
    all
}

/// Draws one line after the other, each a random version 4 UUID and a value.
#[derive(Debug)]
pub struct SampleGenerator {
    random: Xoshiro256PlusPlus,
    values: SampleValues,
}

impl SampleGenerator {
    /// A generator whose lines follow from `seed`.
    pub fn new(seed: u64, values: SampleValues) -> Self {
        Self { random: Xoshiro256PlusPlus::seed_from_u64(seed), values }
    }

    /// Appends the next line to `text`, of at most [`LINE_BYTES_MAX`] bytes.
    pub fn append_line(&mut self, text: &mut Vec<u8>) {
        self.append_key(text);
        text.push(b' ');
        match self.values {
            SampleValues::Letters => self.append_letters(text),
            SampleValues::Words => self.append_words(text),
        }
        text.push(b'\n');
    }

    fn append_key(&mut self, text: &mut Vec<u8>) {
        let mut key = [b'-'; UUID_BYTES];
        let version = 0x0000_0000_0000_4000;
        let variant = 0x8000_0000_0000_0000;
        let high = self.random.next_u64() & !0xf000 | version;
        let low = self.random.next_u64() & !0xc000_0000_0000_0000 | variant;
        let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
        let places = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
        for (byte, place) in bytes.into_iter().zip(places) {
            key[place..place + 2].copy_from_slice(&HEX[usize::from(byte)]);
        }
        text.extend_from_slice(&key);
    }

    /// A number to draw digits from.
    fn draw(&mut self) -> Draw {
        Draw(self.random.next_u64())
    }

    fn append_letters(&mut self, text: &mut Vec<u8>) {
        let letters = 10 + Draw(self.random.next_u64()).below(41);
        let mut value = [0; 56];
        for eight in value.chunks_exact_mut(8).take(letters.div_ceil(8)) {
            let mut draw = Draw(self.random.next_u64());
            for two in eight.chunks_exact_mut(2) {
                two.copy_from_slice(&LETTERS[draw.below(LETTERS.len())]);
            }
        }
        text.extend_from_slice(&value[..letters]);
    }

    fn append_words(&mut self, text: &mut Vec<u8>) {
        let words = 1 + Draw(self.random.next_u64()).below(10);
        for i in 0..words {
            if i > 0 {
                text.push(b' ');
            }
            let mut draw = Draw(self.random.next_u64());
            let letters = 1 + draw.below(10);
            let mut word = [0; 10];
            for two in word.chunks_exact_mut(2) {
                two.copy_from_slice(&LOWER_CASE[draw.below(LOWER_CASE.len())]);
            }
            text.extend_from_slice(&word[..letters]);
        }
    }
}

/// A random number of 64 bits read as a fraction below one: each digit taken from it uses up the digit's bits.
struct Draw(u64);

impl Draw {
    /// The next digit in base `base`. Ten letters and their number use 50 of the 64 bits, so that the last two letters are
    /// uniform to one part in ten thousand, all others to better.
    fn below(&mut self, base: usize) -> usize {
        let wide = u128::from(self.0) * base as u128;
        self.0 = wide as u64;
        (wide >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac_sha256::Hash;

    fn text(lines: usize, seed: u64, values: SampleValues) -> Vec<u8> {
        let mut sample = SampleGenerator::new(seed, values);
        let mut text = Vec::new();
        for _ in 0..lines {
            sample.append_line(&mut text);
        }
        text
    }

    fn sha256(bytes: &[u8]) -> String {
        Hash::hash(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_seed_gives_the_same_bytes_forever() {
        assert_eq!(
            sha256(&text(100_000, 0, SampleValues::Letters)),
            "a79c3e8de03ef8d034687dce3c5e5ad885c1f4d8b204090db98a7f916756bddd"
        );
        assert_eq!(
            sha256(&text(100_000, 0, SampleValues::Words)),
            "ad60c827a40a36a3c6ec1d25f434cb76b2886de9a3ae65c1ce113eb3554fd172"
        );
        assert_eq!(
            sha256(&text(100_000, u64::MAX, SampleValues::Letters)),
            "221bbd00472d6f497aebf4a28c97aa23e7965183eaeca6d845a866245fdc3bce"
        );
    }

    #[test]
    fn another_seed_gives_another_table() {
        let a = text(1, 1, SampleValues::Letters);
        let b = text(1, 2, SampleValues::Letters);
        assert_ne!(a[..UUID_BYTES], b[..UUID_BYTES]);
    }

    #[test]
    fn every_key_is_a_lower_case_uuid_of_version_4() {
        for line in text(20_000, 3, SampleValues::Letters).split_inclusive(|&byte| byte == b'\n') {
            for (i, &byte) in line[..UUID_BYTES].iter().enumerate() {
                let expected: &[u8] = match i {
                    8 | 13 | 18 | 23 => b"-",
                    14 => b"4",
                    19 => b"89ab",
                    _ => b"0123456789abcdef",
                };
                assert!(expected.contains(&byte), "byte {i} of {}", line.escape_ascii());
            }
            assert_eq!(line[UUID_BYTES], b' ');
        }
    }

    #[test]
    fn letters_are_10_to_50_and_all_of_them_equally_often() {
        let mut lengths = [0_u32; 51];
        let mut letters = [0_u32; 256];
        let text = text(100_000, 4, SampleValues::Letters);
        for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let value = &line[UUID_BYTES + 1..];
            lengths[value.len()] += 1;
            value.iter().for_each(|&letter| letters[usize::from(letter)] += 1);
        }
        assert_eq!(lengths[..10], [0; 10]);
        assert_even(&lengths[10..], 0.1);
        let used: Vec<u32> =
            (b'a'..=b'z').chain(b'A'..=b'Z').map(|letter| letters[usize::from(letter)]).collect();
        assert_even(&used, 0.02);
        assert_eq!(used.iter().sum::<u32>(), letters.iter().sum::<u32>());
    }

    #[test]
    fn words_are_1_to_10_of_1_to_10_lower_case_letters() {
        let mut words = [0_u32; 10];
        let mut lengths = [0_u32; 10];
        let mut letters = [0_u32; 26];
        let text = text(100_000, 5, SampleValues::Words);
        for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            assert!(line.len() < LINE_BYTES_MAX);
            let mut count = 0;
            for word in line[UUID_BYTES + 1..].split(|&byte| byte == b' ') {
                count += 1;
                lengths[word.len() - 1] += 1;
                word.iter().for_each(|&letter| letters[usize::from(letter - b'a')] += 1);
            }
            words[count - 1] += 1;
        }
        assert_even(&words, 0.1);
        assert_even(&lengths, 0.02);
        assert_even(&letters, 0.02);
    }

    fn assert_even(counts: &[u32], tolerance: f64) {
        let mean = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
        for &count in counts {
            assert!((f64::from(count) / mean - 1.0).abs() < tolerance, "{count} of {counts:?}, mean {mean}");
        }
    }
}

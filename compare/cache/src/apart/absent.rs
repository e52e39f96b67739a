//! Keys that are not there, but look like those that are.

use anyhow::{Result, ensure};
use graven_format::Store;

use crate::pairs::Pairs;

/// The most keys that are made.
const KEYS_MAX: usize = 1 << 20;

/// Bytes at the end of a key that others are put in place of.
const CHANGED_BYTES: usize = 8;

/// Keys in a row that may be there after all.
const TRIES: usize = 1_000;

/// Keys without values, none of which `index` holds. They are of the kind of `held`, so that they have to be looked for.
pub(super) fn keys(held: &Pairs, index: &Store) -> Result<Pairs> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut absent = Pairs::default();
    let (mut key, mut tries) = (Vec::new(), 0);
    while absent.len() < held.len().min(KEYS_MAX) {
        key.clear();
        key.extend_from_slice(held.key(random.usize(..held.len())));
        let unchanged = key.len().saturating_sub(CHANGED_BYTES);
        key[unchanged..].iter_mut().for_each(|byte| *byte = alike(*byte, &mut random));
        if index.contains(&key)? {
            tries += 1;
            ensure!(
                tries < TRIES,
                "nearly every key like those of the pairs is there; take pairs with longer keys"
            );
        } else {
            tries = 0;
            absent.push(&key, b"");
        }
    }
    Ok(absent)
}

/// A byte of the same kind: a digit for a digit, a letter for a letter, and one of a hexadecimal number for such a one.
fn alike(byte: u8, random: &mut fastrand::Rng) -> u8 {
    match byte {
        b'0'..=b'9' => random.u8(b'0'..=b'9'),
        b'a'..=b'f' => random.u8(b'a'..=b'f'),
        b'g'..=b'z' => random.u8(b'g'..=b'z'),
        b'A'..=b'F' => random.u8(b'A'..=b'F'),
        b'G'..=b'Z' => random.u8(b'G'..=b'Z'),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use graven_format::{Builder, Options};

    use super::*;

    fn made_of(keys: &[String]) -> (Pairs, Store) {
        let (mut pairs, mut builder) = (Pairs::default(), Builder::new(Options::default()));
        for key in keys {
            pairs.push(key.as_bytes(), b"");
            builder.add(key.as_bytes(), b"").unwrap();
        }
        (pairs, builder.finish().unwrap().0)
    }

    #[test]
    fn keys_that_are_made_are_not_there_and_of_the_same_form() {
        let (held, index) = made_of(&(0..500).map(|number| format!("a-{number:03}")).collect::<Vec<_>>());
        let absent = keys(&held, &index).unwrap();
        assert_eq!(absent.len(), 500);
        for number in 0..500 {
            let key = absent.key(number);
            assert!(!index.contains(key).unwrap());
            assert!(key.len() == 5 && key[1] == b'-' && key[2..].iter().all(u8::is_ascii_digit));
        }
    }

    #[test]
    fn where_every_such_key_is_there_none_is_looked_for_without_end() {
        let (held, index) = made_of(&(0..10).map(|number| number.to_string()).collect::<Vec<_>>());
        assert!(keys(&held, &index).unwrap_err().to_string().contains("longer keys"));
    }
}

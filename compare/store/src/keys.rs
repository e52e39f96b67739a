//! The keys that are looked up, made ready before the clock starts: in one flat buffer, in the order they are asked for.

use std::collections::HashSet;

use anyhow::{Result, bail};

use crate::pairs::Pairs;

/// Keys in one buffer.
#[derive(Default)]
pub(crate) struct Keys {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Keys {
    fn push(&mut self, key: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(key);
        match u32::try_from(self.bytes.len()) {
            Ok(end) => self.ends.push(end),
            Err(_) => bail!("the keys have more than 4 GiB; take fewer pairs"),
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline(always)]
    pub(crate) fn get(&self, i: usize) -> &[u8] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.bytes[start as usize..self.ends[i] as usize]
    }

    /// All keys of `pairs`, in a random order that is always the same.
    pub(crate) fn present(pairs: &Pairs) -> Result<Self> {
        let mut order: Vec<u32> = (0..pairs.len() as u32).collect();
        fastrand::Rng::with_seed(1).shuffle(&mut order);
        let mut keys = Self::default();
        order.iter().try_for_each(|&i| keys.push(pairs.get(i as usize).0))?;
        Ok(keys)
    }

    /// `count` keys that `pairs` does not have but that look like those it has: each has the length of a key, and each of
    /// its bytes stands in some key at the same place. Missing UUIDs are UUIDs of the same version.
    pub(crate) fn missing(pairs: &Pairs, count: usize) -> Result<Self> {
        let present: HashSet<&[u8]> = pairs.iter().map(|(key, _)| key).collect();
        if present.len() < pairs.len() {
            bail!("some keys come more than once; the comparison takes a text whose keys are all different");
        }
        let mut random = fastrand::Rng::with_seed(2);
        let (mut keys, mut key, mut tries) = (Self::default(), Vec::new(), 0);
        while keys.len() < count {
            key.clear();
            key.extend_from_slice(pairs.get(random.usize(..pairs.len())).0);
            for (i, byte) in key.iter_mut().enumerate() {
                if let Some(&other) = pairs.get(random.usize(..pairs.len())).0.get(i) {
                    *byte = other;
                }
            }
            if !present.contains(key.as_slice()) {
                keys.push(&key)?;
            }
            tries += 1;
            if tries > 100 * (count + 1) {
                bail!("no keys could be made that are missing and look like those that are there");
            }
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;
    use crate::pairs::Pairs;

    fn pairs() -> Pairs {
        let mut pairs = Pairs::default();
        (0..50).for_each(|i| pairs.push(format!("{i:02}-{:02}", 99 - i).as_bytes(), b""));
        pairs
    }

    #[test]
    fn keys_that_are_missing_look_like_those_that_are_there() {
        let (pairs, missing) = (pairs(), Keys::missing(&pairs(), 100).unwrap());
        assert_eq!(missing.len(), 100);
        for i in 0..missing.len() {
            let key = missing.get(i);
            assert!(pairs.iter().all(|(present, _)| present != key));
            assert!(
                key.len() == 5 && key[2] == b'-' && b"01234".contains(&key[0]) && b"56789".contains(&key[3])
            );
        }
    }

    #[test]
    fn keys_that_are_there_come_once_each_in_another_order() {
        let (pairs, present) = (pairs(), Keys::present(&pairs()).unwrap());
        let mut keys: Vec<_> = (0..present.len()).map(|i| present.get(i)).collect();
        assert!(!keys.is_sorted());
        keys.sort_unstable();
        assert!(keys.into_iter().eq(pairs.iter().map(|(key, _)| key)));
    }

    #[test]
    fn a_key_that_comes_twice_is_refused() {
        let mut pairs = pairs();
        pairs.push(b"00-99", b"again");
        assert!(Keys::missing(&pairs, 1).is_err());
    }
}

//! Which keys are asked for how often, and which keys are certain not to be there.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use rand_distr::{Distribution as _, Zipf};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;

/// How requests are spread over the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum KeyDistribution {
    /// Every key as likely as any other.
    #[default]
    Uniform,
    /// The key of rank r with a likelihood of 1 / r^S; ranks are scattered over the keys.
    Zipf(f64),
    /// In the order of the keys, again and again.
    Sequential,
    /// This percentage of the requests goes to that percentage of the keys.
    Hot {
        /// The percentage of the requests.
        requests: f64,
        /// The percentage of the keys.
        keys: f64,
    },
}

impl FromStr for KeyDistribution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let distribution = match text.split_once(':') {
            None if text == "uniform" => Some(Self::Uniform),
            None if text == "sequential" => Some(Self::Sequential),
            Some(("zipf", s)) => number(s).filter(|&s| s > 0.0 && s <= 10.0).map(Self::Zipf),
            Some(("hot", share)) => share.split_once('/').and_then(|(requests, keys)| {
                let (requests, keys) = (number(requests)?, number(keys)?);
                let percent = |share: f64| (0.0..=100.0).contains(&share);
                (percent(requests) && percent(keys) && keys > 0.0).then_some(Self::Hot { requests, keys })
            }),
            _ => None,
        };
        distribution.ok_or_else(|| {
            "write uniform, sequential, zipf:S with S up to 10 (as zipf:0.99), or hot:P/Q, where P percent of the \
             requests go to Q percent of the keys (as hot:90/10)"
                .to_owned()
        })
    }
}

impl fmt::Display for KeyDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Zipf(s) => write!(f, "zipf:{s}"),
            Self::Sequential => f.write_str("sequential"),
            Self::Hot { requests, keys } => write!(f, "hot:{requests}/{keys}"),
        }
    }
}

/// Draws the places of keys.
pub(crate) struct KeyPicker {
    keys: usize,
    next: usize,
    method: PickMethod,
}

enum PickMethod {
    Uniform,
    Sequential,
    Zipf(Zipf<f64>, Scatter),
    Hot { share: f64, hot: usize, scatter: Scatter },
}

impl KeyPicker {
    /// Draws from `keys` keys, of which there is at least one.
    pub(crate) fn new(distribution: KeyDistribution, keys: usize) -> Self {
        let method = match distribution {
            KeyDistribution::Uniform => PickMethod::Uniform,
            KeyDistribution::Sequential => PickMethod::Sequential,
            KeyDistribution::Zipf(s) => match Zipf::new(keys as f64, s) {
                Ok(zipf) => PickMethod::Zipf(zipf, Scatter::new(keys)),
                // Only an exponent outside of what the parser lets through.
                Err(_) => PickMethod::Uniform,
            },
            KeyDistribution::Hot { requests, keys: percent } => {
                let hot = (whole((keys as f64 * percent / 100.0).round()) as usize).clamp(1, keys);
                PickMethod::Hot { share: requests / 100.0, hot, scatter: Scatter::new(keys) }
            }
        };
        Self { keys, next: 0, method }
    }

    /// The place of the next key.
    pub(crate) fn pick(&mut self, random: &mut Xoshiro256PlusPlus) -> usize {
        match &self.method {
            PickMethod::Uniform => below(random, self.keys),
            PickMethod::Sequential => {
                let place = self.next;
                self.next = (self.next + 1) % self.keys;
                place
            }
            PickMethod::Zipf(zipf, scatter) => {
                let rank = whole(zipf.sample(random)) as usize;
                scatter.place(rank.clamp(1, self.keys) - 1)
            }
            &PickMethod::Hot { share, hot, ref scatter } => {
                let rank = if unit(random) < share || hot == self.keys {
                    below(random, hot)
                } else {
                    hot + below(random, self.keys - hot)
                };
                scatter.place(rank)
            }
        }
    }
}

/// A fixed permutation, so that the most wanted keys do not stand side by side.
struct Scatter {
    factor: usize,
    keys: usize,
}

impl Scatter {
    fn new(keys: usize) -> Self {
        // The golden section of the keys is far from every simple fraction of them.
        let mut factor = (whole(keys as f64 * 0.618_033_988_75) as usize).max(1);
        while greatest_common_divisor(factor, keys) != 1 {
            factor += 1;
        }
        Self { factor, keys }
    }

    fn place(&self, rank: usize) -> usize {
        (self.factor as u128 * rank as u128 % self.keys as u128) as usize
    }
}

pub(crate) fn greatest_common_divisor(mut a: usize, mut b: usize) -> usize {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// A number from 0 to `end - 1`, each as likely but for one part in 2^64 / `end`.
pub(crate) fn below(random: &mut Xoshiro256PlusPlus, end: usize) -> usize {
    ((u128::from(random.next_u64()) * end as u128) >> 64) as usize
}

/// The whole part of a number; 0 for one below it.
#[expect(clippy::cast_sign_loss, reason = "a cast from a float goes to the nearest number that there is")]
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}

/// A number from 0 to 1, 1 left out.
pub(crate) fn unit(random: &mut Xoshiro256PlusPlus) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// How often a key's last bytes are drawn anew before it is made longer instead.
const ABSENT_TRIES: usize = 16;

/// A key that looks like `like` and is none of `present`.
pub(crate) fn absent_key(
    like: &[u8],
    present: &HashMap<&[u8], &[u8]>,
    random: &mut Xoshiro256PlusPlus,
) -> Vec<u8> {
    const DRAWN_ANEW: usize = 8;
    let mut key = like.to_vec();
    let is_hexadecimal = key.iter().all(|&byte| byte == b'-' || byte.is_ascii_hexdigit());
    let letters: &[u8] =
        if is_hexadecimal { b"0123456789abcdef" } else { b"0123456789abcdefghijklmnopqrstuvwxyz" };
    for _ in 0..ABSENT_TRIES {
        for byte in key.iter_mut().rev().filter(|byte| **byte != b'-').take(DRAWN_ANEW) {
            *byte = letters[below(random, letters.len())];
        }
        if !present.contains_key(&key[..]) {
            return key;
        }
    }
    while present.contains_key(&key[..]) {
        key.push(letters[below(random, letters.len())]);
    }
    key
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;

    const DRAWS: usize = 200_000;

    fn counts(distribution: KeyDistribution, keys: usize) -> Vec<usize> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut picker = KeyPicker::new(distribution, keys);
        let mut counts = vec![0; keys];
        (0..DRAWS).for_each(|_| counts[picker.pick(&mut random)] += 1);
        counts
    }

    #[test]
    fn a_distribution_is_read_as_it_is_written() {
        for text in ["uniform", "sequential", "zipf:0.99", "hot:90/10"] {
            assert_eq!(text.parse::<KeyDistribution>().unwrap().to_string(), text);
        }
        for text in
            ["", "zipf", "zipf:0", "zipf:nan", "zipf:11", "hot:90", "hot:101/1", "hot:1/0", "sequential:1"]
        {
            assert!(text.parse::<KeyDistribution>().is_err(), "{text} was taken");
        }
    }

    #[test]
    fn uniform_draws_find_every_key_about_as_often() {
        let counts = counts(KeyDistribution::Uniform, 100);
        assert!(counts.iter().all(|&count| (1_800..2_200).contains(&count)), "{counts:?}");
    }

    #[test]
    fn sequential_draws_go_round() {
        assert_eq!(counts(KeyDistribution::Sequential, 3), [66_667, 66_667, 66_666]);
    }

    #[test]
    fn zipf_draws_fall_off_with_the_rank_and_are_scattered() {
        let counts = counts(KeyDistribution::Zipf(1.0), 1_000);
        let mut ranked = counts.clone();
        ranked.sort_unstable_by(|a, b| b.cmp(a));
        // The harmonic number of 1,000 is 7.485.
        let expected = DRAWS as f64 / 7.485;
        for (rank, slack) in [(1, 0.03), (2, 0.04), (10, 0.1)] {
            let found = ranked[rank - 1] as f64;
            assert!((found / (expected / rank as f64) - 1.0).abs() < slack, "rank {rank}: {found}");
        }
        let first = counts.iter().position(|&count| count == ranked[0]).unwrap();
        let second = counts.iter().position(|&count| count == ranked[1]).unwrap();
        assert!(first.abs_diff(second) > 1, "{first} and {second}");
    }

    #[test]
    fn hot_keys_get_their_share() {
        let mut counts = counts(KeyDistribution::Hot { requests: 90.0, keys: 10.0 }, 100);
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let hot: usize = counts[..10].iter().sum();
        assert!((hot as f64 / DRAWS as f64 - 0.9).abs() < 0.005, "{hot}");
        assert!(counts[99] > 0, "the others are asked for too");
    }

    #[test]
    fn every_key_has_its_own_scattered_place() {
        for keys in [1, 2, 3, 7, 100, 1_000] {
            let scatter = Scatter::new(keys);
            let mut places: Vec<usize> = (0..keys).map(|rank| scatter.place(rank)).collect();
            places.sort_unstable();
            assert_eq!(places, (0..keys).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_absent_key_looks_like_a_key_and_is_none() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let like = b"53175d61-490b-43df-a1da-6f3dc380d507";
        let key = absent_key(like, &HashMap::new(), &mut random);
        assert_eq!((&key[..28], key.len()), (&like[..28], 36));
        assert!(key[28..].iter().all(u8::is_ascii_hexdigit));
        // Every key of one byte is there, so only a longer one is not.
        let all: Vec<[u8; 1]> = (0..=255).map(|byte| [byte]).collect();
        let present = all.iter().map(|key| (&key[..], &b""[..])).collect();
        assert_eq!(absent_key(b"z", &present, &mut random).len(), 2);
    }
}

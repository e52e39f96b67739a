//! Which of some numbered things is asked for next.

use std::fmt;

use anyhow::{Context, Result};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, Zipf};

/// How likely each is.
#[derive(Clone, Copy)]
pub(crate) enum Spread {
    /// All alike
    Uniform,
    /// That of number n in proportion to 1 / (n + 1)^0.99
    Zipf,
}

/// The exponent of YCSB's keys.
const EXPONENT: f64 = 0.99;

impl Spread {
    /// All, in the order in which tables list them.
    pub(crate) const ALL: [Self; 2] = [Self::Uniform, Self::Zipf];
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Zipf => write!(f, "zipf({EXPONENT})"),
        }
    }
}

/// Numbers below some bound, without end.
pub(crate) enum Draws {
    /// Of the numbers below the bound, all alike
    Uniform(fastrand::Rng, u64),
    /// Of ranks, which begin at one
    Zipf(Box<SmallRng>, Zipf<f64>),
}

impl Draws {
    /// Draws of the numbers below `bound`; the same for the same `seed`.
    pub(crate) fn new(spread: Spread, bound: u64, seed: u64) -> Result<Self> {
        Ok(match spread {
            Spread::Uniform => Self::Uniform(fastrand::Rng::with_seed(seed), bound),
            Spread::Zipf => {
                let zipf = Zipf::new(bound as f64, EXPONENT).context("there is nothing to draw from")?;
                Self::Zipf(Box::new(SmallRng::seed_from_u64(seed)), zipf)
            }
        })
    }
}

impl Iterator for Draws {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        Some(match self {
            Self::Uniform(random, bound) => random.u64(..*bound),
            Self::Zipf(random, zipf) => zipf.sample(random) as u64 - 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_below_their_bound_and_as_likely_as_said() {
        let count = |spread| {
            let mut counts = [0_u32; 10];
            for number in Draws::new(spread, 10, 1).unwrap().take(100_000) {
                counts[number as usize] += 1;
            }
            counts
        };
        assert!(count(Spread::Uniform).iter().all(|count| (9_500..10_500).contains(count)));
        let zipf = count(Spread::Zipf);
        let ratio = f64::from(zipf[0]) / f64::from(zipf[9]);
        assert!((9.0..10.5).contains(&ratio), "{ratio}");
    }
}

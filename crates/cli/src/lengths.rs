//! How long keys and values are: least, mean, median, percentiles and most, exactly.

use std::collections::BTreeMap;
use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// The lengths that were seen, with how often.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lengths {
    counts: BTreeMap<usize, u64>,
    number: u64,
    sum: u64,
}

/// The percentiles that are told, in thousandths, with their names.
const PERCENTILES: [(u64, &str); 3] = [(900, "p90"), (990, "p99"), (999, "p99.9")];

impl Lengths {
    pub(crate) fn see(&mut self, bytes: usize) {
        *self.counts.entry(bytes).or_default() += 1;
        self.number += 1;
        self.sum += bytes as u64;
    }

    /// Bytes of all together.
    pub(crate) fn sum(&self) -> u64 {
        self.sum
    }

    fn mean(&self) -> f64 {
        self.sum as f64 / self.number.max(1) as f64
    }

    /// The length that stands at `place`, from 0, when all are put in order.
    fn at(&self, place: u64) -> usize {
        let mut before = 0;
        for (&length, &count) in &self.counts {
            before += count;
            if place < before {
                return length;
            }
        }
        self.most()
    }

    /// The middle one; of an even number the mean of the two in the middle.
    fn median(&self) -> f64 {
        let (low, high) = (self.at(self.number.saturating_sub(1) / 2), self.at(self.number / 2));
        (low + high) as f64 / 2.0
    }

    /// The least length that so many thousandths do not exceed.
    fn percentile(&self, thousandths: u64) -> usize {
        self.at((self.number * thousandths).div_ceil(1000).saturating_sub(1))
    }

    fn least(&self) -> usize {
        self.counts.keys().next().copied().unwrap_or_default()
    }

    fn most(&self) -> usize {
        self.counts.keys().next_back().copied().unwrap_or_default()
    }
}

/// The head of a table whose lines are [`Lengths`].
pub(crate) fn head() -> String {
    let [p90, p99, p999] = PERCENTILES.map(|(_, name)| name);
    format!("{:>10}{:>12}{:>12}{p90:>10}{p99:>10}{p999:>10}{:>12}", "least", "mean", "median", "most")
}

impl fmt::Display for Lengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p90, p99, p999] = PERCENTILES.map(|(thousandths, _)| self.percentile(thousandths));
        let (mean, median) = (self.mean(), self.median());
        write!(
            f,
            "{:>10}{mean:>12.2}{median:>12}{p90:>10}{p99:>10}{p999:>10}{:>12}",
            self.least(),
            self.most()
        )
    }
}

impl Serialize for Lengths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("least", &self.least())?;
        map.serialize_entry("mean", &self.mean())?;
        map.serialize_entry("median", &self.median())?;
        for (thousandths, name) in PERCENTILES {
            map.serialize_entry(name, &self.percentile(thousandths))?;
        }
        map.serialize_entry("most", &self.most())?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(all: impl IntoIterator<Item = usize>) -> Lengths {
        let mut lengths = Lengths::default();
        all.into_iter().for_each(|length| lengths.see(length));
        lengths
    }

    #[test]
    fn figures_are_those_of_all_lengths_in_order() {
        let odd = lengths([5, 1, 3]);
        assert_eq!((odd.least(), odd.mean(), odd.median(), odd.most()), (1, 3.0, 3.0, 5));
        let even = lengths([4, 1, 2, 9]);
        assert_eq!((even.mean(), even.median()), (4.0, 3.0));
        let many = lengths(1..=1000);
        assert_eq!(PERCENTILES.map(|(thousandths, _)| many.percentile(thousandths)), [900, 990, 999]);
        assert_eq!(many.median(), 500.5);
        assert_eq!(many.sum(), 500_500);
        let one = lengths([7]);
        assert_eq!((one.percentile(900), one.median(), one.percentile(999)), (7, 7.0, 7));
    }
}

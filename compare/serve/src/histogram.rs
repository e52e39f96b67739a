//! Waits, counted in boxes of a fixed number: each is less than one percent wide, so that a percentile is known to one.

use std::time::Duration;

/// Boxes for each doubling of the time.
const BOXES: usize = 1 << BOX_BITS;
const BOX_BITS: u32 = 7;

/// How often which wait occurred, from a nanosecond to centuries.
pub(crate) struct Histogram {
    boxes: Vec<u64>,
    count: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { boxes: vec![0; (64 - BOX_BITS as usize + 1) * BOXES], count: 0 }
    }

    pub(crate) fn record(&mut self, wait: Duration) {
        self.boxes[place(wait.as_nanos() as u64)] += 1;
        self.count += 1;
    }

    /// How many waits there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Adds the waits of another.
    pub(crate) fn add(&mut self, other: &Self) {
        for (count, more) in self.boxes.iter_mut().zip(&other.boxes) {
            *count += more;
        }
        self.count += other.count;
    }

    /// The wait that `part` of all waits do not exceed; zero when there are none.
    pub(crate) fn percentile(&self, part: f64) -> Duration {
        let wanted = ((self.count as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        for (i, &count) in self.boxes.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(highest(i));
            }
        }
        Duration::ZERO
    }
}

/// The box of a wait: below `BOXES` nanoseconds one each, then `BOXES` for each doubling.
fn place(nanoseconds: u64) -> usize {
    let doublings = (64 - nanoseconds.leading_zeros()).saturating_sub(BOX_BITS + 1);
    doublings as usize * BOXES + (nanoseconds >> doublings) as usize
}

/// The longest wait of a box.
fn highest(place: usize) -> u64 {
    let doublings = (place / BOXES).saturating_sub(1);
    let first = (place - doublings * BOXES) as u64;
    (first << doublings) + ((1 << doublings) - 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Histogram, highest, place};

    #[test]
    fn every_wait_lies_in_its_box_and_no_box_is_wider_than_a_percent() {
        let mut before = 0;
        for wait in
            (0..64).flat_map(|bit| [1u64 << bit, (1 << bit) | (1 << bit >> 1), u64::MAX >> (63 - bit)])
        {
            let (i, highest) = (place(wait), highest(place(wait)));
            assert!(highest >= wait && (highest - wait) as f64 <= wait as f64 * 0.01, "{wait}: {highest}");
            assert!(i >= before && i < Histogram::new().boxes.len(), "{wait} lies in box {i}");
            before = i;
        }
    }

    #[test]
    fn percentiles_are_those_of_the_waits() {
        let mut waits = Histogram::new();
        for micros in 1..=1000 {
            waits.record(Duration::from_micros(micros));
        }
        for (part, micros) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0), (1.0, 1000.0)] {
            let measured = waits.percentile(part).as_nanos() as f64 / 1000.0;
            assert!((measured / micros - 1.0).abs() < 0.01, "{part}: {measured} and not {micros}");
        }
    }

    #[test]
    fn no_waits_have_no_length() {
        assert_eq!(Histogram::new().percentile(0.99), Duration::ZERO);
    }
}

//! Histograms for people: buckets that are as wide as each other on a logarithmic scale, between
//! round numbers, so that a tail ten times as long takes a few more lines and not ten times as
//! many.

use hdrhistogram::Histogram;

use super::HistogramBucket;

/// The most buckets of a histogram.
const BUCKETS_MAX: usize = 20;

/// Round numbers of a decade, from fine to coarse (the preferred numbers of ISO 3), in hundredths.
const SERIES: [&[u64]; 4] = [
    &[100, 125, 160, 200, 250, 320, 400, 500, 630, 800],
    &[100, 160, 250, 400, 630],
    &[100, 200, 500],
    &[100],
];

/// The histogram of `times`, in nanoseconds, without empty buckets at its ends.
pub(super) fn buckets(times: &Histogram<u64>) -> Vec<HistogramBucket> {
    if times.is_empty() {
        return Vec::new();
    }
    let (least, most) = (times.min().max(1), times.lowest_equivalent(times.max()).max(1));
    let edges = SERIES.into_iter().map(|series| edges(series, least, most));
    let edges = edges.reduce(|fine, coarse| if fine.len() <= BUCKETS_MAX { fine } else { coarse });
    let edges = edges.unwrap_or_default();
    let mut buckets: Vec<HistogramBucket> =
        edges.iter().map(|&edge| HistogramBucket { up_to_us: edge as f64 / 1e3, count: 0 }).collect();
    for slot in times.iter_recorded() {
        // A slot of the recorder that lies across an edge counts where it begins.
        let begins = times.lowest_equivalent(slot.value_iterated_to());
        let at = edges.partition_point(|&edge| edge < begins);
        if let Some(bucket) = buckets.get_mut(at) {
            bucket.count += slot.count_at_value();
        }
    }
    buckets
}

/// The round numbers from the first that is not less than `least` to the first that is not less
/// than `most`.
fn edges(series: &[u64], least: u64, most: u64) -> Vec<u64> {
    let mut edges = Vec::new();
    // In hundredths, as the series.
    let mut decade = 1u128;
    loop {
        for &number in series {
            let edge = u128::from(number) * decade;
            // Below 10 ns a number may have a fraction, which no recorded time has.
            if edge.is_multiple_of(100) && edge / 100 >= u128::from(least) {
                edges.push(u64::try_from(edge / 100).unwrap_or(u64::MAX));
                if edge / 100 >= u128::from(most) {
                    return edges;
                }
            }
        }
        decade *= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(times: &[u64]) -> Vec<(f64, u64)> {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
        times.iter().for_each(|&time| histogram.record(time).unwrap());
        buckets(&histogram).into_iter().map(|bucket| (bucket.up_to_us, bucket.count)).collect()
    }

    #[test]
    fn buckets_lie_between_round_numbers_and_hold_every_time_once() {
        assert_eq!(shown(&[]), []);
        assert_eq!(shown(&[90_000]), [(100.0, 1)]);
        assert_eq!(shown(&[100_000, 100_100, 125_000]), [(100.0, 1), (125.0, 2)]);
        assert_eq!(
            shown(&[110_000, 300_000, 310_000]),
            [(125.0, 1), (160.0, 0), (200.0, 0), (250.0, 0), (320.0, 2)]
        );
        assert_eq!(shown(&[1, 2, 3]), [(0.001, 1), (0.002, 1), (0.004, 1)]);
    }

    #[test]
    fn a_long_tail_has_coarser_buckets_and_not_more() {
        for most in [1_000, 1_000_000, 1_000_000_000, 3_600_000_000_000] {
            let buckets = shown(&[50_000, 60_000, most.max(60_000)]);
            assert!(buckets.len() <= BUCKETS_MAX, "{} for {most}", buckets.len());
            assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), 3);
            assert!(buckets[0].1 > 0 && buckets[buckets.len() - 1].1 > 0, "{buckets:?}");
            let ratios: Vec<f64> = buckets.windows(2).map(|pair| pair[1].0 / pair[0].0).collect();
            assert!(ratios.iter().all(|ratio| (1.2..=10.0).contains(ratio)), "{ratios:?}");
        }
    }
}

//! The median of some runs, which counts: a machine that does other things as well makes single runs slow.

/// The number in the middle, the upper of two; the numbers are in order afterwards.
pub(crate) fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// The median of a number of each run.
pub(crate) fn median_of<R>(runs: &[R], number: impl Fn(&R) -> f64) -> f64 {
    median(&mut runs.iter().map(number).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        assert_eq!(median(&mut [9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(&mut [4.0, 3.0, 2.0, 1.0]), 3.0);
    }
}

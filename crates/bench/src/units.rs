//! Times and bytes as people read them.

/// A time in the unit that suits it.
pub(crate) fn time(us: f64) -> String {
    match us {
        us if us < 1_000.0 => format!("{us:.1} us"),
        us if us < 1_000_000.0 => format!("{:.3} ms", us / 1e3),
        us => format!("{:.3} s", us / 1e6),
    }
}

/// A time for an axis: no digits that say nothing.
pub(crate) fn short_time(us: f64) -> String {
    let (number, unit) = in_unit(us);
    format!("{} {unit}", plain(number, 2))
}

/// A time for a table with many columns: three digits.
pub(crate) fn brief_time(us: f64) -> String {
    let (number, unit) = in_unit(us);
    let decimals = match number {
        number if number < 10.0 => 2,
        number if number < 100.0 => 1,
        _ => 0,
    };
    format!("{number:.decimals$} {unit}")
}

fn in_unit(us: f64) -> (f64, &'static str) {
    match us {
        us if us < 1_000.0 => (us, "us"),
        us if us < 1_000_000.0 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    }
}

/// A number with at most so many `decimals`, and none that are zeros.
pub(crate) fn plain(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A number of bytes in the unit that suits it.
pub(crate) fn bytes(bytes: f64) -> String {
    match bytes {
        bytes if bytes < 1e3 => format!("{bytes} B"),
        bytes if bytes < 1e6 => format!("{:.1} kB", bytes / 1e3),
        bytes if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_on_axes_have_no_digits_that_say_nothing() {
        for (number, decimals, text) in
            [(0.1 * 3.0, 3, "0.3"), (100.0, 3, "100"), (100.0, 0, "100"), (0.0, 2, "0"), (12.345, 2, "12.35")]
        {
            assert_eq!(plain(number, decimals), text);
        }
        assert_eq!([0.5, 1_500.0, 2e6].map(short_time), ["0.5 us", "1.5 ms", "2 s"]);
        assert_eq!([4.567, 45_678.0, 4.567e8].map(brief_time), ["4.57 us", "45.7 ms", "457 s"]);
    }
}

//! Numbers, sizes and times as people write them, the same for every option: `10k`, `1e6`,
//! `1_000`, `64MiB`, `1m30s`. What is not understood is an error that names what was found and
//! says what is understood.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Why a text is not the quantity that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Misread {
    /// No number stands at the beginning, or something else stands behind its unit.
    NotANumber { kind: QuantityKind },
    /// What stands behind the number is no unit of this kind.
    Unit { found: String, kind: QuantityKind },
    /// Counts, sizes and times have a smallest part.
    Fraction { kind: QuantityKind },
    /// Outside of what this option takes; without `most` there is no end.
    Range { least: String, most: Option<String> },
}

/// What is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuantityKind {
    Count,
    Size,
    Time,
    Number,
}

impl std::error::Error for Misread {}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotANumber { kind } => write!(f, "this is not a {}; {}", kind.name(), kind.advice()),
            Self::Unit { found, kind } => {
                write!(f, "`{found}` is not a unit of a {}; {}", kind.name(), kind.advice())
            }
            Self::Fraction { kind } => write!(f, "this is not a whole number{}", kind.of_smallest()),
            Self::Range { least, most: Some(most) } => write!(f, "it must be from {least} to {most}"),
            Self::Range { least, most: None } => write!(f, "it must be {least} or more"),
        }
    }
}

impl QuantityKind {
    fn name(self) -> &'static str {
        match self {
            Self::Count | Self::Number => "number",
            Self::Size => "size",
            Self::Time => "time",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Count => "write it as 10, 10k, 1M, 1e6 or 1_000",
            Self::Number => "write it as 0.5, 10, 10k or 1e6",
            Self::Size => {
                "write it as 512, 10k, 64MiB or 1.5GB, where k, M, G and T count in thousands, and Ki, Mi, Gi \
                 and Ti in 1024"
            }
            Self::Time => {
                "write it as 30s, 250ms or 1m30s, in us, ms, s, m, h or d; without a unit it is in seconds"
            }
        }
    }

    fn of_smallest(self) -> &'static str {
        match self {
            Self::Count | Self::Number => "",
            Self::Size => " of bytes",
            Self::Time => " of nanoseconds",
        }
    }

    /// What the units of this kind are worth: in ones, bytes, nanoseconds.
    fn unit(self, unit: &str) -> Option<u128> {
        const KI: u128 = 1024;
        match self {
            Self::Count | Self::Number => match unit {
                "" => Some(1),
                "k" | "K" => Some(1_000),
                "M" => Some(1_000_000),
                "G" => Some(1_000_000_000),
                "T" => Some(1_000_000_000_000),
                _ => None,
            },
            Self::Size => {
                let unit = unit.to_ascii_lowercase();
                match unit.strip_suffix('b').unwrap_or(&unit) {
                    "" => Some(1),
                    "k" => Some(1_000),
                    "m" => Some(1_000_000),
                    "g" => Some(1_000_000_000),
                    "t" => Some(1_000_000_000_000),
                    "ki" => Some(KI),
                    "mi" => Some(KI.pow(2)),
                    "gi" => Some(KI.pow(3)),
                    "ti" => Some(KI.pow(4)),
                    _ => None,
                }
            }
            Self::Time => match unit {
                "ns" => Some(1),
                "us" | "µs" => Some(1_000),
                "ms" => Some(1_000_000),
                "" | "s" => Some(1_000_000_000),
                "m" | "min" => Some(60_000_000_000),
                "h" => Some(3_600_000_000_000),
                "d" => Some(86_400_000_000_000),
                _ => None,
            },
        }
    }
}

/// A time of any length.
pub(crate) fn any_time(text: &str) -> Result<Duration, Misread> {
    time(text, Duration::ZERO..=Duration::MAX)
}

/// How long something may take that takes time: a millisecond at least, a day at most.
pub(crate) fn some_time(text: &str) -> Result<Duration, Misread> {
    time(text, Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60))
}

/// A whole number of any size.
pub(crate) fn any_count(text: &str) -> Result<u64, Misread> {
    count(text, 0..=u64::MAX)
}

/// How many of something without which nothing works, such as threads.
pub(crate) fn positive(text: &str) -> Result<NonZeroUsize, Misread> {
    let range = 1..=usize::MAX as u64;
    let found = count(text, range.clone())?;
    let found = usize::try_from(found).ok().and_then(NonZeroUsize::new);
    found.ok_or_else(|| outside(&range, u64::MAX, show_count))
}

/// A whole number, such as that of lines or connections.
pub(crate) fn count(text: &str, range: RangeInclusive<u64>) -> Result<u64, Misread> {
    whole(text, QuantityKind::Count, range, show_count)
}

/// A number of bytes.
pub(crate) fn size(text: &str, range: RangeInclusive<u64>) -> Result<u64, Misread> {
    whole(text, QuantityKind::Size, range, show_size)
}

/// A time, which may be put together of several: `1m30s`. Without a unit it is in seconds.
pub(crate) fn time(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, Misread> {
    let mut nanoseconds = 0_u128;
    let mut rest = text.trim();
    loop {
        let (part, after) = Scaled::read(rest, QuantityKind::Time)?;
        nanoseconds = nanoseconds.saturating_add(part.whole(QuantityKind::Time)?);
        rest = after.trim_start();
        if rest.is_empty() {
            break;
        }
    }
    // Five centuries are more than any option takes.
    let found = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
    within(found, range, Duration::MAX, show_time)
}

/// A number that need not be whole, such as that of requests a second.
pub(crate) fn number(text: &str, range: RangeInclusive<f64>) -> Result<f64, Misread> {
    let (scaled, rest) = Scaled::read(text.trim(), QuantityKind::Number)?;
    if !rest.is_empty() {
        return Err(Misread::NotANumber { kind: QuantityKind::Number });
    }
    // The decimal text is what the standard library reads to the nearest number that there is.
    let number = format!("{}e{}", scaled.digits, scaled.exponent).parse::<f64>().unwrap_or(f64::INFINITY);
    within(number * scaled.unit as f64, range, f64::MAX, |number| number.to_string())
}

/// A count as it can be read.
pub(crate) fn show_count(count: u64) -> String {
    count.to_string()
}

/// A size as it can be read: in the largest unit in which it is whole.
pub(crate) fn show_size(bytes: u64) -> String {
    let binary = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")].map(|(bits, name)| (1 << bits, name));
    let decimal = [(12, "TB"), (9, "GB"), (6, "MB")].map(|(zeros, name)| (10_u64.pow(zeros), name));
    let is_whole = |(unit, _): &(u64, &str)| bytes > 0 && bytes.is_multiple_of(*unit);
    // Whichever says it in the smaller number.
    let whole = binary.into_iter().chain(decimal).filter(is_whole).max_by_key(|(unit, _)| *unit);
    whole.map_or_else(|| bytes.to_string(), |(unit, name)| format!("{}{name}", bytes / unit))
}

/// A time as it can be read: in the largest unit in which it is whole, minutes left out.
pub(crate) fn show_time(time: Duration) -> String {
    let nanoseconds = time.as_nanos();
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    let units = ["d", "h", "s", "ms", "us", "ns"].into_iter();
    let mut worth = units.filter_map(|name| Some((name, QuantityKind::Time.unit(name)?)));
    let whole = worth.find(|(_, unit)| nanoseconds.is_multiple_of(*unit));
    whole.map_or_else(String::new, |(name, unit)| format!("{}{name}", nanoseconds / unit))
}

fn whole(
    text: &str,
    kind: QuantityKind,
    range: RangeInclusive<u64>,
    show: fn(u64) -> String,
) -> Result<u64, Misread> {
    let (scaled, rest) = Scaled::read(text.trim(), kind)?;
    if !rest.is_empty() {
        return Err(Misread::NotANumber { kind });
    }
    match u64::try_from(scaled.whole(kind)?) {
        Ok(found) => within(found, range, u64::MAX, show),
        Err(_) => Err(outside(&range, u64::MAX, show)),
    }
}

fn within<T: PartialOrd + Copy>(
    found: T,
    range: RangeInclusive<T>,
    largest: T,
    show: fn(T) -> String,
) -> Result<T, Misread> {
    if range.contains(&found) { Ok(found) } else { Err(outside(&range, largest, show)) }
}

/// `largest` is the end of what the type holds, which is no limit that anybody has set.
fn outside<T: PartialOrd + Copy>(range: &RangeInclusive<T>, largest: T, show: fn(T) -> String) -> Misread {
    let most = (*range.end() < largest).then(|| show(*range.end()));
    Misread::Range { least: show(*range.start()), most }
}

/// A decimal number and its unit: `digits` times ten to the power of `exponent` times `unit`.
struct Scaled {
    digits: u128,
    exponent: i32,
    unit: u128,
}

/// As many digits as always fit.
const DIGITS_MAX: u32 = 30;

impl Scaled {
    /// The number that `text` begins with, and what follows its unit.
    fn read(text: &str, kind: QuantityKind) -> Result<(Self, &str), Misread> {
        let not_a_number = Misread::NotANumber { kind };
        let mut scaled = Self { digits: 0, exponent: 0, unit: 1 };
        let (mut seen, mut in_fraction, mut at) = (0, false, 0);
        let bytes = text.as_bytes();
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'0'..=b'9' if scaled.digits == 0 || seen < DIGITS_MAX => {
                    scaled.digits = scaled.digits * 10 + u128::from(byte - b'0');
                    scaled.exponent -= i32::from(in_fraction);
                    seen += 1;
                }
                b'0'..=b'9' => return Err(not_a_number),
                b'.' if !in_fraction => in_fraction = true,
                // Only between two digits.
                b'_' if at > 0
                    && bytes[at - 1].is_ascii_digit()
                    && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => {}
                _ => break,
            }
            at += 1;
        }
        if seen == 0 || bytes[at - 1] == b'.' {
            return Err(not_a_number);
        }
        let mut rest = &text[at..];
        if let Some((exponent, after)) = exponent(rest) {
            scaled.exponent = scaled.exponent.saturating_add(exponent);
            rest = after;
        }
        let rest = rest.trim_start();
        let unit = rest.find(|letter: char| !letter.is_alphabetic()).unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(unit);
        scaled.unit = kind.unit(unit).ok_or_else(|| Misread::Unit { found: unit.to_owned(), kind })?;
        Ok((scaled, rest))
    }

    /// The whole number that this is; one beyond every range for what has no place in 128 bits.
    fn whole(&self, kind: QuantityKind) -> Result<u128, Misread> {
        if self.digits == 0 {
            return Ok(0);
        }
        let Some(mut number) = self.digits.checked_mul(self.unit) else { return Ok(u128::MAX) };
        if let Ok(up) = u32::try_from(self.exponent) {
            let power = 10_u128.checked_pow(up);
            return Ok(power.and_then(|power| number.checked_mul(power)).unwrap_or(u128::MAX));
        }
        for _ in 0..self.exponent.unsigned_abs() {
            if number % 10 != 0 {
                return Err(Misread::Fraction { kind });
            }
            number /= 10;
        }
        Ok(number)
    }
}

/// The power of ten that `text` begins with, such as `e6`, and what follows.
fn exponent(text: &str) -> Option<(i32, &str)> {
    let text = text.strip_prefix(['e', 'E'])?;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let len = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    let (number, rest) = text.split_at(text.len() - digits.len() + len);
    // More than four digits are out of every range.
    let number = if len > 4 { "9999" } else { number };
    number.parse().ok().map(|exponent| (exponent, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: RangeInclusive<u64> = 0..=u64::MAX;
    const EVER: RangeInclusive<Duration> = Duration::ZERO..=Duration::MAX;

    #[test]
    fn counts_are_read_as_people_type_them() {
        for (text, want) in [
            ("0", 0),
            ("007", 7),
            ("10k", 10_000),
            ("10K", 10_000),
            ("1.5M", 1_500_000),
            ("1e6", 1_000_000),
            ("2.5E3", 2_500),
            ("1_000", 1_000),
            ("100e-2", 1),
            ("2 G", 2_000_000_000),
            ("18446744073709551615", u64::MAX),
            ("0e9999", 0),
        ] {
            assert_eq!(count(text, ALL), Ok(want), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_in_both_kinds_of_units() {
        for (text, want) in [
            ("0", 0),
            ("512", 512),
            ("512B", 512),
            ("10k", 10_000),
            ("10kB", 10_000),
            ("64MiB", 64 << 20),
            ("64mib", 64 << 20),
            ("64 MiB", 64 << 20),
            ("1.5GiB", 3 << 29),
            ("1.5GB", 1_500_000_000),
            ("2Ti", 2 << 40),
            ("1e3KiB", 1_024_000),
        ] {
            assert_eq!(size(text, ALL), Ok(want), "{text}");
        }
    }

    #[test]
    fn times_are_read_with_and_without_a_unit() {
        for (text, microseconds) in [
            ("0", 0),
            ("10", 10_000_000),
            ("1.5s", 1_500_000),
            ("250ms", 250_000),
            ("50us", 50),
            ("1m", 60_000_000),
            ("1m30s", 90_000_000),
            ("1h 30m", 5_400_000_000),
            ("2d", 172_800_000_000),
            ("1e3ms", 1_000_000),
        ] {
            assert_eq!(time(text, EVER), Ok(Duration::from_micros(microseconds)), "{text}");
        }
    }

    #[test]
    fn numbers_need_not_be_whole() {
        for (text, want) in [("0.1", 0.1), ("10k", 10_000.0), ("1e6", 1e6), ("1_000.5", 1000.5)] {
            assert_eq!(number(text, 0.0..=f64::MAX), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let say = |read: Result<u64, Misread>| read.unwrap_err().to_string();
        for text in ["", " ", "k", "-1", "+1", ".", "1.", "1..2", "_1", "1_", "1__0", "1 2", "ten", "1,000"] {
            assert!(count(text, ALL).is_err(), "{text} was taken");
        }
        assert_eq!(
            say(count("10q", ALL)),
            "`q` is not a unit of a number; write it as 10, 10k, 1M, 1e6 or 1_000"
        );
        assert_eq!(say(count("1.5", ALL)), "this is not a whole number");
        assert_eq!(say(count("0", 1..=8)), "it must be from 1 to 8");
        assert_eq!(say(count("0", 1..=u64::MAX)), "it must be 1 or more");
        assert_eq!(say(count("1e30", 1..=8)), "it must be from 1 to 8");
        assert_eq!(say(count("9e9999", 1..=8)), "it must be from 1 to 8");
        assert_eq!(
            say(count(&"9".repeat(40), 1..=8)),
            "this is not a number; write it as 10, 10k, 1M, 1e6 or 1_000"
        );
        assert!(say(size("64MiBB", ALL)).starts_with("`MiBB` is not a unit of a size; write it as 512, "));
        assert_eq!(say(size("1GiB", 1..=65_536)), "it must be from 1 to 64KiB");
        assert_eq!(say(size("0.3KiB", ALL)), "this is not a whole number of bytes");
        for text in ["", "s", "5 parsecs", "1M", "1m-5s", "1mm", "1h:30m", "soon"] {
            assert!(time(text, EVER).is_err(), "{text} was taken");
        }
        let late = time("8d", Duration::ZERO..=Duration::from_secs(7 * 86_400)).unwrap_err();
        assert_eq!(late.to_string(), "it must be from 0s to 7d");
        for text in ["", "inf", "NaN", "1e9999", "-0.1", "0x10"] {
            assert!(number(text, 0.0..=1e9).is_err(), "{text} was taken");
        }
    }

    #[test]
    fn what_is_shown_is_read_back_as_it_was() {
        for bits in 0..64 {
            for value in [1_u64 << bits, (1 << bits) + 1, (3 << bits) | 1 << 9, u64::MAX >> bits] {
                assert_eq!(count(&show_count(value), ALL), Ok(value));
                assert_eq!(size(&show_size(value), ALL), Ok(value));
                let wait = Duration::from_nanos(value);
                assert_eq!(time(&show_time(wait), EVER), Ok(wait));
            }
        }
        assert_eq!(
            [0, 1000, 1024, 64 << 20, 200_000_000].map(show_size),
            ["0", "1000", "1KiB", "64MiB", "200MB"]
        );
        let times = [0, 75_000, 250, 90_500].map(Duration::from_millis);
        assert_eq!(times.map(show_time), ["0s", "75s", "250ms", "90500ms"]);
    }
}

//! Days and times, and their texts in the form of ISO 8601. A text is read only in the spelling in
//! which it would be written.

use super::number::POWERS;
use super::types::TimeForm;

/// The days of year 0000 to year 9999, from 1970-01-01.
const DAYS: std::ops::RangeInclusive<i64> = -719_528..=2_932_896;

const SECONDS_A_DAY: i64 = 86_400;

/// The most digits behind the point of a second.
pub(crate) const SECOND_DIGITS_MAX: u8 = 9;

/// The day of a date, from 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a day from 1970-01-01.
fn date_of(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let day_of_era = day - era * 146_097;
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// The last digit of a number that is not below zero.
fn digit(number: i64) -> u8 {
    b'0' + (number.cast_unsigned() % 10) as u8
}

/// The number that exactly these digits stand for.
fn number(digits: &[u8]) -> Option<i64> {
    let digit = |number, &byte: &u8| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'));
    digits.iter().try_fold(0, digit)
}

/// The day that `2026-11-27` is, from 1970-01-01.
pub(crate) fn parse_date(text: &[u8]) -> Option<i64> {
    let [a, b, c, d, b'-', e, f, b'-', g, h] = text else { return None };
    let (year, month, day) = (number(&[*a, *b, *c, *d])?, number(&[*e, *f])?, number(&[*g, *h])?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let found = day_of(year, month, day);
    // A day that the month does not have is one of the next.
    (date_of(found) == (year, month, day)).then_some(found)
}

/// Appends the text of a day; `false`, and nothing appended, where it is in no year of four digits.
pub(crate) fn write_date(day: i64, out: &mut Vec<u8>) -> bool {
    if !DAYS.contains(&day) {
        return false;
    }
    let (year, month, day) = date_of(day);
    let two = |number: i64| [digit(number / 10), digit(number)];
    let ([a, b], [c, d], [e, f], [g, h]) = (two(year / 100), two(year), two(month), two(day));
    out.extend_from_slice(&[a, b, c, d, b'-', e, f, b'-', g, h]);
    true
}

/// A time as a whole number: of seconds from 1970-01-01 times ten to the power of `digits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParsedTime {
    pub(crate) ticks: i64,
    pub(crate) digits: u8,
    pub(crate) form: TimeForm,
}

/// The time that a text such as `2026-11-27T07:34:25.125Z` is.
pub(crate) fn parse_time(text: &[u8]) -> Option<ParsedTime> {
    let day = parse_date(text.get(..10)?)?;
    let (separator, clock) = text[10..].split_first()?;
    let is_spaced = match separator {
        b'T' => false,
        b' ' => true,
        _ => return None,
    };
    let [a, b, b':', c, d, b':', e, f, rest @ ..] = clock else { return None };
    let (hour, minute, second) = (number(&[*a, *b])?, number(&[*c, *d])?, number(&[*e, *f])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, zone) = match rest {
        [b'.', rest @ ..] => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 || digits > usize::from(SECOND_DIGITS_MAX) {
                return None;
            }
            rest.split_at(digits)
        }
        rest => (&rest[..0], rest),
    };
    let zone = TimeForm::ZONES.iter().position(|known| known.as_bytes() == zone)?;
    let seconds = day * SECONDS_A_DAY + hour * 3600 + minute * 60 + second;
    let power = POWERS[fraction.len()];
    let ticks = i128::from(seconds) * i128::from(power) + i128::from(number(fraction)?);
    let (ticks, digits) = (i64::try_from(ticks).ok()?, fraction.len() as u8);
    Some(ParsedTime { ticks, digits, form: TimeForm::of(is_spaced, zone) })
}

/// Appends the text of a time; `false`, and nothing appended, where it is in no year of four
/// digits.
pub(crate) fn write_time(time: ParsedTime, out: &mut Vec<u8>) -> bool {
    let ParsedTime { ticks, digits, form } = time;
    let digits = digits.min(SECOND_DIGITS_MAX);
    let power = POWERS[usize::from(digits)].cast_signed();
    let (seconds, mut fraction) = (ticks.div_euclid(power), ticks.rem_euclid(power));
    if !write_date(seconds.div_euclid(SECONDS_A_DAY), out) {
        return false;
    }
    let clock = seconds.rem_euclid(SECONDS_A_DAY);
    let two = |number: i64| [digit(number / 10), digit(number)];
    let ([a, b], [c, d], [e, f]) = (two(clock / 3600), two(clock / 60 % 60), two(clock % 60));
    out.extend_from_slice(&[form.separator(), a, b, b':', c, d, b':', e, f]);
    if digits > 0 {
        let mut text = *b".000000000";
        for at in (1..=usize::from(digits)).rev() {
            text[at] = digit(fraction);
            fraction /= 10;
        }
        out.extend_from_slice(&text[..=usize::from(digits)]);
    }
    out.extend_from_slice(form.zone().as_bytes());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_ten_thousand_years_has_its_text() {
        let mut before = Vec::new();
        for day in DAYS {
            let mut text = Vec::new();
            assert!(write_date(day, &mut text));
            assert_eq!(parse_date(&text), Some(day));
            assert!(before < text);
            before = text;
        }
        for day in [DAYS.start() - 1, DAYS.end() + 1, i64::MIN, i64::MAX] {
            assert!(!write_date(day, &mut Vec::new()));
        }
        assert_eq!(parse_date(b"1970-01-01"), Some(0));
    }

    #[test]
    fn what_is_no_day_is_not_read() {
        for text in [
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-01-00",
            "2026-04-31",
            "26-01-01",
            "2026-1-01",
            "2026-01-01 ",
            "+026-01-01",
            "2026/01/01",
            "",
        ] {
            assert_eq!(parse_date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        for text in [
            "2026-11-27T07:34:25Z",
            "2026-11-27 07:34:25",
            "1969-12-31T23:59:59.999+00:00",
            "0000-01-01T00:00:00",
            "9999-12-31 23:59:59.5Z",
            "2262-04-11T23:47:16.854775807Z",
        ] {
            let time = parse_time(text.as_bytes()).unwrap();
            let mut written = Vec::new();
            assert!(write_time(time, &mut written));
            assert_eq!(String::from_utf8(written).unwrap(), text);
        }
        for text in [
            "2026-11-27",
            "2026-11-27T24:00:00Z",
            "2026-11-27T07:34Z",
            "2026-11-27T07:34:25.Z",
            "2026-11-27T07:34:25+01:00",
            "2026-11-27T07:34:25.1234567890Z",
            "2026-11-27t07:34:25z",
            "2262-04-11T23:47:16.854775808Z",
        ] {
            assert_eq!(parse_time(text.as_bytes()), None, "{text}");
        }
    }
}

//! Numbers and their texts. A text is read only in the spelling in which it would be written, so
//! that a number and its text name each other.

use super::types::NumberForm;

/// The most digits behind the point of a number that is kept as a whole number.
pub(crate) const DIGITS_MAX: u8 = 18;

/// The powers of ten.
pub(crate) const POWERS: [u64; 19] = {
    let mut powers = [1; 19];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// A number that is written without an exponent: its digits as a whole number, and how many of
/// them stand behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlainNumber {
    pub(crate) is_negative: bool,
    pub(crate) magnitude: u64,
    pub(crate) digits: u8,
}

impl PlainNumber {
    /// Reads `-?(0|[1-9][0-9]*)(\.[0-9]+)?`, where the digits come to a number below 2^64. A minus
    /// before zero is not read: it would be lost.
    #[inline]
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let (is_negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let mut magnitude = 0_u64;
        let mut whole = 0;
        while let Some(digit) =
            rest.get(whole).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10)
        {
            magnitude = magnitude.checked_mul(10)?.checked_add(digit.into())?;
            whole += 1;
        }
        if whole == 0 || (whole > 1 && rest[0] == b'0') {
            return None;
        }
        let fraction = match &rest[whole..] {
            [] => &[],
            [b'.', fraction @ ..] if !fraction.is_empty() => fraction,
            _ => return None,
        };
        for byte in fraction {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            magnitude = magnitude.checked_mul(10)?.checked_add(digit.into())?;
        }
        if is_negative && magnitude == 0 {
            return None;
        }
        Some(Self { is_negative, magnitude, digits: u8::try_from(fraction.len()).ok()? })
    }

    /// The number times ten to the power of its digits, where that fits.
    pub(crate) fn mantissa(self) -> Option<i64> {
        let magnitude = i128::from(self.magnitude);
        i64::try_from(if self.is_negative { -magnitude } else { magnitude }).ok()
    }

    /// The same, times ten to the power of `digits`, which are no fewer.
    pub(crate) fn scaled(self, digits: u8) -> Option<i64> {
        let more = POWERS.get(usize::from(digits.checked_sub(self.digits)?))?;
        i64::try_from(i128::from(self.mantissa()?) * i128::from(*more)).ok()
    }
}

/// Whether `text` is a number as JSON has them.
pub(crate) fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    let mut rest = &rest[whole..];
    if let [b'.', fraction @ ..] = rest {
        let behind = digits(fraction);
        if behind == 0 {
            return false;
        }
        rest = &fraction[behind..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let behind = digits(exponent);
        return behind > 0 && behind == exponent.len();
    }
    rest.is_empty()
}

/// The number that a text in ASCII stands for.
pub(crate) fn parse_float(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Bytes of a short text, and of what may be copied for one.
pub(super) const SHORT_BYTES: usize = 32;

/// Room for the text of a number of at most 16 digits; behind the text lies what was left there.
#[derive(Clone, Debug)]
pub(super) struct ShortText {
    /// A sign, 16 digits, the point, and 16 digits that are written at once even where fewer count.
    bytes: [u8; 48],
}

impl Default for ShortText {
    fn default() -> Self {
        Self { bytes: [0; 48] }
    }
}

/// The digits of a number below 10^8, one a byte, the first in the lowest: parted into halves, pairs and digits, all halves and
/// all pairs at once. 10486 / 2^20 and 103 / 2^10 are a hundredth and a tenth, exact for numbers below 10^4 and 10^2.
#[inline]
fn eight_digits(number: u64) -> u64 {
    let high = number / 10_000;
    let fours = high | (number - high * 10_000) << 32;
    let hundreds = (fours * 10_486) >> 20 & 0x0000_007F_0000_007F;
    let pairs = hundreds | (fours - hundreds * 100) << 16;
    let tens = (pairs * 103) >> 10 & 0x000F_000F_000F_000F;
    tens | (pairs - tens * 10) << 8
}

/// Writes `$digits`, as many as the word has bytes, behind the sign, the point before the last `behind` of them, which are fewer.
/// Returns where the text ends.
macro_rules! place_digits {
    ($name:ident, $word:ty) => {
        #[inline]
        fn $name(&mut self, start: usize, digits: $word, behind: usize, form: NumberForm) -> usize {
            const BYTES: usize = size_of::<$word>();
            let text = digits | <$word>::MAX / 0xFF * 0x30;
            let leading = (digits.trailing_zeros() as usize / 8).min(BYTES - 1 - behind);
            let whole = text >> (8 * leading);
            let end = start + BYTES - behind - leading;
            self.bytes[start..start + BYTES].copy_from_slice(&whole.to_le_bytes());
            let mut kept = behind;
            if form != NumberForm::Digits {
                kept = behind.saturating_sub(digits.leading_zeros() as usize / 8);
                if kept == 0 && form != NumberForm::JavaScript {
                    self.bytes[end..end + 2].copy_from_slice(b".0");
                    return end + 2;
                }
            }
            if kept == 0 {
                return end;
            }
            self.bytes[end] = b'.';
            let fraction = text >> (8 * (BYTES - behind));
            self.bytes[end + 1..end + 1 + BYTES].copy_from_slice(&fraction.to_le_bytes());
            end + 1 + kept
        }
    };
}

impl ShortText {
    place_digits!(place_8, u64);
    place_digits!(place_16, u128);

    /// Writes `magnitude` / 10^`digits`, never with an exponent. Returns its length, or `None` where it is not short.
    #[inline]
    pub(super) fn write(
        &mut self,
        is_negative: bool,
        magnitude: u64,
        digits: u8,
        form: NumberForm,
    ) -> Option<usize> {
        const EIGHT: u64 = POWERS[8];
        let behind = usize::from(digits);
        self.bytes[0] = b'-';
        let start = usize::from(is_negative);
        if magnitude < EIGHT && behind < 8 {
            return Some(self.place_8(start, eight_digits(magnitude), behind, form));
        }
        if magnitude < POWERS[16] && behind < 16 {
            let high = magnitude / EIGHT;
            let low = eight_digits(magnitude - high * EIGHT);
            let digits = u128::from(eight_digits(high)) | u128::from(low) << 64;
            return Some(self.place_16(start, digits, behind, form));
        }
        None
    }

    /// Writes `true` or `false`, and returns its length.
    #[inline]
    pub(super) fn write_bool(&mut self, is_true: bool) -> usize {
        self.bytes[..8].copy_from_slice(if is_true { b"true    " } else { b"false   " });
        5 - usize::from(is_true)
    }

    /// All of the room.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends the first `len` bytes.
    #[inline]
    fn append(&self, len: usize, out: &mut Vec<u8>) {
        let end = out.len() + len;
        out.extend_from_slice(&self.bytes[..SHORT_BYTES]);
        out.truncate(end);
    }
}

pub(crate) fn write_int(number: i64, out: &mut Vec<u8>) {
    write_scaled(number, 0, NumberForm::Digits, out);
}

pub(crate) fn write_uint(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Writes `mantissa` / 10^`digits`, never with an exponent.
pub(crate) fn write_scaled(mantissa: i64, digits: u8, form: NumberForm, out: &mut Vec<u8>) {
    let mut short = ShortText::default();
    match short.write(mantissa < 0, mantissa.unsigned_abs(), digits, form) {
        Some(len) => short.append(len, out),
        None => write_long(mantissa, digits, form, out),
    }
}

#[inline(never)]
fn write_long(mantissa: i64, digits: u8, form: NumberForm, out: &mut Vec<u8>) {
    let power = POWERS[usize::from(digits.min(DIGITS_MAX))];
    let magnitude = mantissa.unsigned_abs();
    if mantissa < 0 {
        out.push(b'-');
    }
    let (whole, mut part) = (magnitude / power, magnitude % power);
    write_uint(whole, out);
    let mut digits = usize::from(digits.min(DIGITS_MAX));
    if form != NumberForm::Digits {
        if part == 0 {
            if form != NumberForm::JavaScript {
                out.extend_from_slice(b".0");
            }
            return;
        }
        while part % 10 == 0 {
            part /= 10;
            digits -= 1;
        }
    }
    if digits == 0 {
        return;
    }
    let mut text = *b".000000000000000000";
    let mut at = digits;
    while part > 0 {
        text[at] = b'0' + (part % 10) as u8;
        part /= 10;
        at -= 1;
    }
    out.extend_from_slice(&text[..=digits]);
}

/// `mantissa` / 10^`digits` as the nearest number of 64 bits.
pub(crate) fn scaled_to_float(mantissa: i64, digits: u8) -> f64 {
    const EXACT: u64 = 1 << 53;
    if mantissa.unsigned_abs() <= EXACT {
        // Both are exact, and so their quotient is rounded once.
        return mantissa as f64 / POWERS[usize::from(digits.min(DIGITS_MAX))] as f64;
    }
    let mut text = Vec::with_capacity(24);
    write_scaled(mantissa, digits, NumberForm::Digits, &mut text);
    parse_float(&text).unwrap_or(f64::NAN)
}

/// The shortest digits of a number, none of them a zero at either end but for zero itself, and
/// where the point is: the number is 0.DIGITS times ten to the power of `point`.
struct Shortest {
    is_negative: bool,
    digits: [u8; 20],
    len: usize,
    point: i32,
}

impl Shortest {
    /// Reads what `zmij` writes: `-12.5`, `1.5e-7`.
    fn of(text: &str) -> Self {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let mut shortest =
            Self { is_negative, digits: [b'0'; 20], len: 0, point: exponent.parse().unwrap_or(0) };
        let (mut is_behind, mut is_leading) = (false, true);
        for byte in mantissa.bytes() {
            match byte {
                b'.' => is_behind = true,
                b'0' if is_leading => shortest.point -= i32::from(is_behind),
                digit => {
                    is_leading = false;
                    if shortest.len < shortest.digits.len() {
                        shortest.digits[shortest.len] = digit;
                        shortest.len += 1;
                    }
                    shortest.point += i32::from(!is_behind);
                }
            }
        }
        while shortest.len > 0 && shortest.digits[shortest.len - 1] == b'0' {
            shortest.len -= 1;
        }
        if shortest.len == 0 {
            (shortest.len, shortest.point) = (1, 1);
        }
        shortest
    }

    /// The digits, where `lowest` < `point` <= `highest`; otherwise with an exponent of at least
    /// `exponent` digits and, where `has_plus`, with a sign in any case.
    fn write(
        &self,
        (lowest, highest): (i32, i32),
        ends_in_zero: bool,
        (width, has_plus): (usize, bool),
        out: &mut Vec<u8>,
    ) {
        let digits = &self.digits[..self.len];
        if self.is_negative {
            out.push(b'-');
        }
        let point = self.point;
        if point > highest || point <= lowest {
            out.push(digits[0]);
            if digits.len() > 1 {
                out.push(b'.');
                out.extend_from_slice(&digits[1..]);
            }
            let exponent = point - 1;
            out.push(b'e');
            if exponent < 0 {
                out.push(b'-');
            } else if has_plus {
                out.push(b'+');
            }
            if exponent.unsigned_abs() < 10 && width > 1 {
                out.push(b'0');
            }
            write_uint(exponent.unsigned_abs().into(), out);
            return;
        }
        if point <= 0 {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + point.unsigned_abs() as usize, b'0');
            out.extend_from_slice(digits);
            return;
        }
        let whole = point.unsigned_abs() as usize;
        if digits.len() > whole {
            out.extend_from_slice(&digits[..whole]);
            out.push(b'.');
            out.extend_from_slice(&digits[whole..]);
            return;
        }
        out.extend_from_slice(digits);
        out.resize(out.len() + whole - digits.len(), b'0');
        if ends_in_zero {
            out.extend_from_slice(b".0");
        }
    }
}

/// Writes a number in the fewest digits that name it.
pub(crate) fn write_float(number: f64, form: NumberForm, out: &mut Vec<u8>) {
    write_shortest(zmij::Buffer::new().format(number), number.is_finite(), form, out);
}

/// As [`write_float`].
pub(crate) fn write_float32(number: f32, form: NumberForm, out: &mut Vec<u8>) {
    write_shortest(zmij::Buffer::new().format(number), number.is_finite(), form, out);
}

fn write_shortest(text: &str, is_finite: bool, form: NumberForm, out: &mut Vec<u8>) {
    if !is_finite {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let mut shortest = Shortest::of(text);
    match form {
        NumberForm::JavaScript => {
            shortest.is_negative &= shortest.digits[0] != b'0';
            shortest.write((-6, 21), false, (1, true), out);
        }
        NumberForm::Python => shortest.write((-4, 16), true, (2, true), out),
        NumberForm::Digits | NumberForm::Rust => shortest.write((-5, 16), true, (1, false), out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(mantissa: i64, digits: u8, form: NumberForm) -> String {
        let mut out = Vec::new();
        write_scaled(mantissa, digits, form, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn float(number: f64, form: NumberForm) -> String {
        let mut out = Vec::new();
        write_float(number, form, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_plain_number_is_read_in_one_spelling_alone() {
        for (text, mantissa, digits) in [
            ("0", 0, 0),
            ("7", 7, 0),
            ("-12.50", -1250, 2),
            ("0.001", 1, 3),
            ("9223372036854775807", i64::MAX, 0),
        ] {
            let plain = PlainNumber::read(text.as_bytes()).unwrap();
            assert_eq!((plain.mantissa(), plain.digits), (Some(mantissa), digits), "{text}");
            assert_eq!(scaled(mantissa, digits, NumberForm::Digits), text);
        }
        for text in [
            "",
            "-",
            "+1",
            "007",
            "00",
            ".5",
            "5.",
            "-0",
            "-0.0",
            "1e5",
            "1.5.2",
            "1 ",
            "0x1",
            "１",
            "18446744073709551616",
            "1.99999999999999999999",
        ] {
            assert_eq!(PlainNumber::read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(PlainNumber::read(b"18446744073709551615").unwrap().magnitude, u64::MAX);
    }

    #[test]
    fn scaled_numbers_are_written_in_their_form() {
        for (mantissa, digits, fixed, whole, point) in [
            (1500, 3, "1.500", "1.5", "1.5"),
            (-35, 0, "-35", "-35", "-35.0"),
            (200, 2, "2.00", "2", "2.0"),
            (5, 2, "0.05", "0.05", "0.05"),
            (0, 1, "0.0", "0", "0.0"),
            (i64::MIN, 18, "-9.223372036854775808", "-9.223372036854775808", "-9.223372036854775808"),
        ] {
            assert_eq!(scaled(mantissa, digits, NumberForm::Digits), fixed);
            assert_eq!(scaled(mantissa, digits, NumberForm::JavaScript), whole);
            assert_eq!(scaled(mantissa, digits, NumberForm::Python), point);
        }
    }

    #[test]
    fn a_number_has_one_text_however_long_it_is() {
        let forms = [NumberForm::Digits, NumberForm::JavaScript, NumberForm::Python, NumberForm::Rust];
        let mut magnitudes: Vec<i64> = vec![0, 7, 1 << 40, 999_999_999_999, i64::MAX];
        for power in POWERS {
            let power = power.cast_signed();
            magnitudes.extend([power, power - 1, power + 1, power / 7 * 10, power.saturating_mul(3)]);
        }
        let mut short = 0;
        for mantissa in magnitudes.iter().flat_map(|&magnitude| [magnitude, -magnitude]) {
            for (digits, form) in (0..=DIGITS_MAX).flat_map(|digits| forms.map(|form| (digits, form))) {
                let mut long = Vec::new();
                write_long(mantissa, digits, form, &mut long);
                let expected = String::from_utf8(long).unwrap();
                assert_eq!(scaled(mantissa, digits, form), expected);
                let mut text = ShortText::default();
                text.bytes.fill(b'#');
                if let Some(len) = text.write(mantissa < 0, mantissa.unsigned_abs(), digits, form) {
                    assert_eq!(text.bytes()[..len], *expected.as_bytes());
                    short += 1;
                }
            }
        }
        assert!(short > 5000, "{short} are short");
        for number in (0..100_000_000).step_by(9973) {
            assert_eq!(scaled(number, 0, NumberForm::Digits), number.to_string());
            assert_eq!(scaled(-number - 1, 0, NumberForm::Digits), (-number - 1).to_string());
        }
    }

    #[test]
    fn floats_are_written_as_each_language_writes_them() {
        for (number, javascript, python, rust) in [
            (0.0, "0", "0.0", "0.0"),
            (-0.0, "0", "-0.0", "-0.0"),
            (35.0, "35", "35.0", "35.0"),
            (-0.1, "-0.1", "-0.1", "-0.1"),
            (1e15, "1000000000000000", "1000000000000000.0", "1000000000000000.0"),
            (1e16, "10000000000000000", "1e+16", "1e16"),
            (1.5e21, "1.5e+21", "1.5e+21", "1.5e21"),
            (1.5e300, "1.5e+300", "1.5e+300", "1.5e300"),
            (0.0001, "0.0001", "0.0001", "0.0001"),
            (0.00001, "0.00001", "1e-05", "0.00001"),
            (0.0000015, "0.0000015", "1.5e-06", "1.5e-6"),
            (1.5e-7, "1.5e-7", "1.5e-07", "1.5e-7"),
            (0.1 + 0.2, "0.30000000000000004", "0.30000000000000004", "0.30000000000000004"),
        ] {
            assert_eq!(float(number, NumberForm::JavaScript), javascript);
            assert_eq!(float(number, NumberForm::Python), python);
            assert_eq!(float(number, NumberForm::Rust), rust);
        }
    }

    #[test]
    fn the_form_of_rust_is_what_its_library_writes_but_for_a_plus() {
        let mut bits = 1_u64;
        let library = |number: f64| zmij::Buffer::new().format(number).replace("e+", "e");
        for _ in 0..20_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = f64::from_bits(bits);
            assert_eq!(float(number, NumberForm::Rust), library(number), "{bits:x}");
            let near = (bits >> 20) as f64 / 1e6 * 10_f64.powi((bits % 24) as i32 - 20);
            assert_eq!(float(near, NumberForm::Rust), library(near), "{bits:x}");
        }
    }

    #[test]
    fn a_scaled_number_is_the_float_that_its_text_is() {
        for mantissa in [1, 7, -123_456, 987_654_321_012_345, i64::MAX, i64::MIN + 1, (1 << 53) + 1] {
            for digits in 0..=DIGITS_MAX {
                let text = scaled(mantissa, digits, NumberForm::Digits);
                assert_eq!(scaled_to_float(mantissa, digits), text.parse::<f64>().unwrap(), "{text}");
            }
        }
    }

    #[test]
    fn numbers_of_json_are_told_from_what_only_looks_like_them() {
        for text in ["0", "-0", "1.50", "1e5", "1E+05", "-2.5e-3", "123456789012345678901234567890"] {
            assert!(is_number(text.as_bytes()), "{text}");
        }
        for text in ["", "-", "01", "1.", ".1", "1e", "1e+", "+1", "NaN", "1_000", "1 ", "0x10"] {
            assert!(!is_number(text.as_bytes()), "{text}");
        }
    }
}

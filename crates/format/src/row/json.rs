//! JSON, as far as rows need it: strings and base64 written, and values looked over.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::number::is_number;

/// What is put behind the name of a member whose value is base64.
pub const BASE64_SUFFIX: &str = "_base64";

/// How deep the arrays and objects of a value may lie in each other, as in other readers of JSON.
const DEPTH_MAX: usize = 127;

/// Appends `text` as a string, with quotes. What is not UTF-8 becomes U+FFFD.
pub(crate) fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    match std::str::from_utf8(text) {
        Ok(_) => write_escaped(text, out),
        Err(_) => write_escaped(String::from_utf8_lossy(text).as_bytes(), out),
    }
    out.push(b'"');
}

fn write_escaped(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        let short = match rest[at] {
            b'"' => b'"',
            b'\\' => b'\\',
            0x08 => b'b',
            0x0C => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            byte => {
                let hex = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
                rest = &rest[at + 1..];
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// The text that [`write_string`] has made this string of; `None` where it has not.
pub(crate) fn read_string(string: &[u8]) -> Option<Vec<u8>> {
    let mut rest = string.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut text = Vec::with_capacity(rest.len());
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        text.extend_from_slice(&rest[..at]);
        let (byte, behind) = match &rest[at + 1..] {
            [b'u', b'0', b'0', code @ ..] => {
                let (code, behind) = code.split_at_checked(2)?;
                (u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok()?, behind)
            }
            [b'b', behind @ ..] => (0x08, behind),
            [b'f', behind @ ..] => (0x0C, behind),
            [b'n', behind @ ..] => (b'\n', behind),
            [b'r', behind @ ..] => (b'\r', behind),
            [b't', behind @ ..] => (b'\t', behind),
            [byte, behind @ ..] => (*byte, behind),
            [] => return None,
        };
        text.push(byte);
        rest = behind;
    }
    text.extend_from_slice(rest);
    // Other writers escape more, or otherwise.
    let mut again = Vec::with_capacity(string.len());
    write_string(&text, &mut again);
    (again == string).then_some(text)
}

/// Appends `bytes` in base64, as a string.
pub(crate) fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.push(b'"');
}

/// Whether `text` is one value in JSON, without blanks around it.
pub(crate) fn is_value(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok() && value(text, 0).is_some_and(<[u8]>::is_empty)
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
    &text[blanks..]
}

/// What stands behind the value that `text` begins with.
fn value(text: &[u8], depth: usize) -> Option<&[u8]> {
    match text.first()? {
        b'"' => string(text),
        b'[' if depth < DEPTH_MAX => members(&text[1..], b']', |text| value(text, depth + 1)),
        b'{' if depth < DEPTH_MAX => members(&text[1..], b'}', |text| {
            let rest = skip_blanks(string(text)?).strip_prefix(b":")?;
            value(skip_blanks(rest), depth + 1)
        }),
        b'[' | b'{' => None,
        _ => {
            for word in [&b"true"[..], b"false", b"null"] {
                if let Some(rest) = text.strip_prefix(word) {
                    return Some(rest);
                }
            }
            let len = text.iter().take_while(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte)).count();
            is_number(&text[..len]).then_some(&text[len..])
        }
    }
}

/// What stands behind `end`, before which there are members with commas between them.
fn members(text: &[u8], end: u8, member: impl Fn(&[u8]) -> Option<&[u8]>) -> Option<&[u8]> {
    let mut rest = skip_blanks(text);
    if rest.first() == Some(&end) {
        return Some(&rest[1..]);
    }
    loop {
        rest = skip_blanks(member(rest)?);
        match rest.split_first()? {
            (b',', tail) => rest = skip_blanks(tail),
            (&byte, tail) if byte == end => return Some(tail),
            _ => return None,
        }
    }
}

fn string(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        match rest {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', b'u', a, b, c, d, tail @ ..]
                if [a, b, c, d].iter().all(|byte| byte.is_ascii_hexdigit()) =>
            {
                rest = tail;
            }
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', tail @ ..] => rest = tail,
            [byte, tail @ ..] if *byte >= 0x20 && *byte != b'\\' => rest = tail,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        let mut out = Vec::new();
        write_string("a\"b\\c\n\t\u{1}\u{7f}é".as_bytes(), &mut out);
        write_string(b"\xFF", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "\"a\\\"b\\\\c\\n\\t\\u0001\u{7f}é\"\"\u{FFFD}\"");
    }

    #[test]
    fn strings_are_read_that_are_written_so() {
        for text in ["", "a\"b\\c\n\r\t\u{8}\u{c}\u{1}\u{1f}\u{7f}é", "\\u0041", "\"\""] {
            let mut string = Vec::new();
            write_string(text.as_bytes(), &mut string);
            assert_eq!(read_string(&string).as_deref(), Some(text.as_bytes()));
        }
        for other in [
            "",
            "\"",
            "a",
            "\"\\u0041\"",
            "\"\\/\"",
            "\"\\u000A\"",
            "\"\\u00zz\"",
            "\"\\u00\"",
            "\"\\\"",
            "\"\n\"",
        ] {
            assert_eq!(read_string(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn values_are_told_from_what_is_none() {
        let deep = |depth: usize| [b"[".repeat(depth), b"]".repeat(depth)].concat();
        for text in
            ["1", "-1.5e3", "\"a\\u00e9\\n\"", "null", "[]", "[1, [2], {}]", "{\"a\": {\"b\": [true]}}"]
        {
            assert!(is_value(text.as_bytes()), "{text}");
        }
        let deep_object =
            |depth: usize| [b"{\"a\": ".repeat(depth), b"1".to_vec(), b"}".repeat(depth)].concat();
        for (text, is_json) in [
            (deep(DEPTH_MAX), true),
            (deep(DEPTH_MAX + 1), false),
            (deep(1_000_000), false),
            (deep_object(DEPTH_MAX), true),
            (deep_object(DEPTH_MAX + 1), false),
            (deep_object(1_000_000), false),
        ] {
            assert_eq!(is_value(&text), is_json);
        }
        for text in [
            "",
            " 1",
            "1 ",
            "1 2",
            "[1,]",
            "[1 2]",
            "{\"a\"}",
            "{a:1}",
            "\"a",
            "\"\n\"",
            "\"\\x\"",
            "nul",
            "01",
            "[",
            "}",
            "\"\\u00zz\"",
            "\"\\u00\"",
        ] {
            assert!(!is_value(text.as_bytes()), "{text}");
        }
        assert!(!is_value(b"\"\xFF\""));
    }
}

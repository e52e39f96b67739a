//! Inline commands: a line of words, typed by hand or by a script, with the quotes and escapes that Redis knows.
//!
//! Words with escapes do not stand in the line as they are meant, so an inline command is rewritten as an array and then
//! decoded as one. This is the one place in the server's direction that allocates.

use super::{Args, Invalid, Limits, Request, RequestDecoder, request};
use crate::Decoded;

/// A line that is a command: at least one word, every quote closed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Inline<'b> {
    line: &'b [u8],
    words: usize,
}

impl Inline<'_> {
    /// Rewrites the words as an array of bulk strings in `scratch`, which is emptied first, and returns them.
    ///
    /// ```
    /// use graven_wire::Decoded;
    /// use graven_wire::resp::{Limits, Request, RequestDecoder};
    ///
    /// let line = b"GET \"a\\x20b\"\r\n";
    /// let Decoded::Message(Request::Inline(inline), _) = RequestDecoder::new(Limits::default()).decode(line) else {
    ///     panic!("not an inline command");
    /// };
    /// let mut scratch = Vec::new();
    /// let args: Vec<&[u8]> = inline.to_args(&mut scratch).collect();
    /// assert_eq!(args, [&b"GET"[..], b"a b"]);
    /// ```
    pub fn to_args<'s>(&self, scratch: &'s mut Vec<u8>) -> Args<'s> {
        scratch.clear();
        request::head(scratch, self.words);
        let mut word = Vec::new();
        let mut rest = self.line;
        while let Ok(true) = next_word(&mut rest, &mut |byte| word.push(byte)) {
            request::arg(scratch, &word);
            word.clear();
        }
        let unlimited = Limits {
            args_max: usize::MAX,
            arg_bytes_max: usize::MAX,
            request_bytes_max: usize::MAX,
            inline_bytes_max: usize::MAX,
        };
        match RequestDecoder::new(unlimited).decode(scratch) {
            Decoded::Message(Request::Command(args), _) => args,
            other => unreachable!("an inline command rewritten as an array is a command, not {other:?}"),
        }
    }
}

impl std::fmt::Debug for Inline<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inline({})", self.line.escape_ascii())
    }
}

/// Checks a line, its end cut off. `None` is a line of nothing but blanks.
pub(super) fn read(line: &[u8]) -> Result<Option<Inline<'_>>, Invalid> {
    let mut rest = line;
    let mut words = 0;
    while next_word(&mut rest, &mut |_| {})? {
        words += 1;
    }
    Ok((words > 0).then_some(Inline { line, words }))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

enum Quote {
    None,
    Single,
    Double,
}

/// Takes one word off `rest` and gives its bytes to `put`; false when only blanks were left.
fn next_word(rest: &mut &[u8], put: &mut dyn FnMut(u8)) -> Result<bool, Invalid> {
    let start = rest.iter().position(|&byte| !is_blank(byte)).unwrap_or(rest.len());
    *rest = &rest[start..];
    if rest.is_empty() {
        return Ok(false);
    }
    let mut quote = Quote::None;
    loop {
        let taken = match (&quote, *rest) {
            (Quote::None, []) => 0,
            (Quote::None, [byte, ..]) if is_blank(*byte) => 0,
            (Quote::None, [b'"', ..]) => {
                quote = Quote::Double;
                1
            }
            (Quote::None, [b'\'', ..]) => {
                quote = Quote::Single;
                1
            }
            (_, []) => return Err(Invalid::UnbalancedQuotes),
            (Quote::Double, [b'"', after @ ..]) | (Quote::Single, [b'\'', after @ ..]) => {
                if after.first().is_some_and(|&byte| !is_blank(byte)) {
                    return Err(Invalid::UnbalancedQuotes);
                }
                *rest = after;
                return Ok(true);
            }
            (Quote::Double, [b'\\', b'x', high, low, ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                put(hex(*high) << 4 | hex(*low));
                4
            }
            (Quote::Double, [b'\\', escaped, ..]) => {
                put(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                2
            }
            (Quote::Single, [b'\\', b'\'', ..]) => {
                put(b'\'');
                2
            }
            (_, [byte, ..]) => {
                put(*byte);
                1
            }
        };
        if taken == 0 {
            return Ok(true);
        }
        *rest = &rest[taken..];
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

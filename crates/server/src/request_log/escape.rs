//! Bytes of peers as text that no terminal and no reader of lines takes for anything else.

use std::fmt::{self, Display, Write};

/// Bytes as text: letters, digits and signs of ASCII as they are, letters of other scripts too; everything else, quotation marks
/// and backslashes, as `\xNN`.
pub(super) struct Escaped<'a>(pub(super) &'a [u8]);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for letter in chunk.valid().chars() {
                let is_plain = match letter {
                    '"' | '\\' => false,
                    ' '..='~' => true,
                    _ => letter.is_alphanumeric(),
                };
                if is_plain {
                    f.write_char(letter)?;
                } else {
                    write_bytes(letter.encode_utf8(&mut [0; 4]).as_bytes(), f)?;
                }
            }
            write_bytes(chunk.invalid(), f)?;
        }
        Ok(())
    }
}

fn write_bytes(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_end_a_line_or_a_string_or_move_a_cursor_is_escaped() {
        for (bytes, text) in [
            (&b"A-1 b"[..], "A-1 b"),
            (b"a\"b\\c", r"a\x22b\x5cc"),
            (b"\r\n\x1b[2J\0", r"\x0d\x0a\x1b[2J\x00"),
            ("käse 東".as_bytes(), "käse 東"),
            // Turns the direction of writing around; is a line end to some.
            ("a\u{202e}b\u{2028}\u{85}".as_bytes(), r"a\xe2\x80\xaeb\xe2\x80\xa8\xc2\x85"),
            (b"\xff\xc3(", r"\xff\xc3("),
        ] {
            assert_eq!(Escaped(bytes).to_string(), text);
        }
    }
}

//! The glob patterns of Redis' `KEYS`, `SCAN MATCH` and `CONFIG GET`, matched in time that cannot blow up.

/// Whether the whole of `text` matches `pattern`, byte by byte and case-sensitively.
///
/// `*` is any run of bytes, `?` any one byte, `[abc]`, `[a-z]` and `[^abc]` one byte of a set, and `\` takes the byte
/// after it as it is. A set that is not closed ends with the pattern.
///
/// Only the last `*` passed is ever tried again, so the time is at most the product of both lengths: there is no pattern
/// that makes it exponential.
///
/// ```
/// use graven_wire::glob::matches;
/// assert!(matches(b"user:*:[0-9]?", b"user:anna:42"));
/// assert!(!matches(b"user:*:[^0-9]?", b"user:anna:42"));
/// ```
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at_pattern, mut at_text) = (0, 0);
    // After the last `*`: where the pattern goes on, and where the text would if the `*` took one byte more.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(at_pattern) == Some(&b'*') {
            at_pattern += 1;
            if at_pattern == pattern.len() {
                return true;
            }
            retry = Some((at_pattern, at_text + 1));
            continue;
        }
        match (pattern.get(at_pattern..).filter(|rest| !rest.is_empty()), text.get(at_text)) {
            (None, None) => return true,
            (Some(rest), Some(&byte)) => {
                if let Some(taken) = one(rest, byte) {
                    at_pattern += taken;
                    at_text += 1;
                    continue;
                }
            }
            (Some(_), None) => return false,
            (None, Some(_)) => {}
        }
        let Some((after_star, next)) = retry else { return false };
        if next > text.len() {
            return false;
        }
        (at_pattern, at_text) = (after_star, next);
        retry = Some((after_star, next + 1));
    }
}

/// How many bytes of `pattern`, which is not empty, match `byte`; `None` when they do not.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'[', set @ ..] => {
            let (found, taken) = in_set(set, byte);
            found.then_some(taken + 1)
        }
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

/// Whether `byte` is in the set that begins after its `[`, and how many bytes the set takes, its `]` counted.
fn in_set(set: &[u8], byte: u8) -> (bool, usize) {
    let negated = set.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match &set[at..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', escaped, ..] => {
                found |= *escaped == byte;
                at += 2;
            }
            [from, b'-', to, ..] => {
                found |= (*from.min(to)..=*from.max(to)).contains(&byte);
                at += 3;
            }
            [member, ..] => {
                found |= *member == byte;
                at += 1;
            }
        }
    }
    (found != negated, at)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_redis() {
        // Every row was asked of Redis 7.0 with KEYS.
        let table: &[(&str, &str, bool)] = &[
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "anything", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbd", false),
            ("*a*b", "xaxbxb", true),
            ("*a*b", "xaxbxbx", false),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("?", "", false),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("h[a-c]llo", "hdllo", false),
            ("[\\]]", "]", true),
            ("[]a]", "]a]", false),
            ("[a-]", "-", false),
            ("[abc", "b", true),
            ("[", "a", false),
            ("[^", "a", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("a\\", "a\\", true),
            ("a\\b", "ab", true),
            ("*]", "x]", true),
            ("[a-z]*[0-9]", "key:1", true),
        ];
        for &(pattern, text, expected) in table {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_costs_no_more_than_both_lengths() {
        let pattern = b"a*".repeat(2_000);
        let mut text = vec![b'a'; 4_000];
        assert!(matches(&pattern, &text));
        text.push(b'b');
        let mut pattern = pattern;
        pattern.push(b'c');
        assert!(!matches(&pattern, &text));
    }
}

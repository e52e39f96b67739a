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
    let mut matcher = Matcher::default();
    loop {
        let mut steps = u64::MAX;
        if let Some(matches) = matcher.go_on(pattern, text, &mut steps) {
            return matches;
        }
    }
}

/// A match of one text that is made in pieces, so that no pattern holds up its caller: the state is kept between them.
///
/// ```
/// use graven_wire::glob::Matcher;
///
/// let (mut matcher, mut pieces) = (Matcher::default(), 0);
/// let matches = loop {
///     pieces += 1;
///     if let Some(matches) = matcher.go_on(b"*a*a*a*b", &[b'a'; 100], &mut 10) {
///         break matches;
///     }
/// };
/// assert!(!matches && pieces > 5);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    at_pattern: usize,
    at_text: usize,
    /// After the last `*`: where the pattern goes on, and where the text would if the `*` took one byte more.
    retry: Option<(usize, usize)>,
}

impl Matcher {
    /// Goes on to match `text`, always the same, with `pattern`, likewise: the answer, or `None` when `steps` are used up.
    ///
    /// A step is a comparison of one byte of the pattern, and takes some nanoseconds. What was used is subtracted from `steps`,
    /// which a set of bytes may overdraw by its length.
    pub fn go_on(&mut self, pattern: &[u8], text: &[u8], steps: &mut u64) -> Option<bool> {
        let Self { at_pattern, at_text, retry } = self;
        while *steps > 0 {
            *steps -= 1;
            if pattern.get(*at_pattern) == Some(&b'*') {
                *at_pattern += 1;
                if *at_pattern == pattern.len() {
                    return Some(true);
                }
                *retry = Some((*at_pattern, *at_text + 1));
                continue;
            }
            match (pattern.get(*at_pattern..).filter(|rest| !rest.is_empty()), text.get(*at_text)) {
                (None, None) => return Some(true),
                (Some(rest), Some(&byte)) => {
                    let (same, taken) = one(rest, byte);
                    *steps = steps.saturating_sub(taken as u64 - 1);
                    if same {
                        *at_pattern += taken;
                        *at_text += 1;
                        continue;
                    }
                }
                (Some(_), None) => return Some(false),
                (None, Some(_)) => {}
            }
            let Some((after_star, next)) = *retry else { return Some(false) };
            if next > text.len() {
                return Some(false);
            }
            (*at_pattern, *at_text) = (after_star, next);
            *retry = Some((after_star, next + 1));
        }
        None
    }
}

/// Whether the first element of `pattern`, which is not empty, matches `byte`, and how many bytes it takes.
fn one(pattern: &[u8], byte: u8) -> (bool, usize) {
    match pattern {
        [b'?', ..] => (true, 1),
        [b'[', set @ ..] => {
            let (found, taken) = in_set(set, byte);
            (found, taken + 1)
        }
        [b'\\', escaped, ..] => (*escaped == byte, 2),
        [literal, ..] => (*literal == byte, 1),
        [] => (false, 1),
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
    use super::{Matcher, matches};

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
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            assert_eq!(
                matches(pattern, text),
                expected,
                "{} on {}",
                pattern.escape_ascii(),
                text.escape_ascii()
            );
            let mut matcher = Matcher::default();
            let by_steps = loop {
                if let Some(matches) = matcher.go_on(pattern, text, &mut 1) {
                    break matches;
                }
            };
            assert_eq!(by_steps, expected, "{} on {} in steps", pattern.escape_ascii(), text.escape_ascii());
        }
    }

    #[test]
    fn a_set_costs_as_many_steps_as_it_has_bytes() {
        let pattern = [b"[".as_slice(), &[b'x'; 1_000], b"]"].concat();
        let mut steps = 5_000;
        assert_eq!(Matcher::default().go_on(&pattern, b"y", &mut steps), Some(false));
        assert_eq!(steps, 5_000 - 1_002);
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

//! Globs: the matcher agrees with a model that tries everything once.

/// The first byte says how much of the input is the pattern; the rest is the text.
pub fn matches(input: &[u8]) {
    let Some((&first, rest)) = input.split_first() else { return };
    let (pattern, text) = rest.split_at(usize::from(first).min(rest.len()));
    let text = &text[..text.len().min(256)];
    assert_eq!(graven_wire::glob::matches(pattern, text), model(pattern, text));
}

/// One part of a pattern.
enum Part {
    AnyRun,
    Any,
    /// Ranges, and whether they are those not to match.
    Set(Vec<(u8, u8)>, bool),
}

/// For every part, from which places of the text on the rest matches: a table, filled from the
/// end.
fn model(pattern: &[u8], text: &[u8]) -> bool {
    let parts = parts(pattern);
    let mut rest: Vec<bool> = (0..=text.len()).map(|at| at == text.len()).collect();
    for part in parts.iter().rev() {
        let mut here = vec![false; text.len() + 1];
        for at in (0..=text.len()).rev() {
            here[at] = match part {
                Part::AnyRun => rest[at] || (at < text.len() && here[at + 1]),
                Part::Any => at < text.len() && rest[at + 1],
                Part::Set(ranges, negated) => {
                    at < text.len()
                        && rest[at + 1]
                        && ranges.iter().any(|&(from, to)| (from..=to).contains(&text[at])) != *negated
                }
            };
        }
        rest = here;
    }
    rest[0]
}

fn parts(pattern: &[u8]) -> Vec<Part> {
    let mut bytes = pattern.iter().copied().peekable();
    let mut parts = Vec::new();
    while let Some(byte) = bytes.next() {
        parts.push(match byte {
            b'*' => Part::AnyRun,
            b'?' => Part::Any,
            b'\\' => {
                let byte = bytes.next().unwrap_or(b'\\');
                Part::Set(vec![(byte, byte)], false)
            }
            b'[' => {
                let negated = bytes.next_if_eq(&b'^').is_some();
                let mut ranges = Vec::new();
                while let Some(member) = bytes.next() {
                    let left: Vec<u8> = bytes.clone().take(2).collect();
                    match (member, &left[..]) {
                        (b']', _) => break,
                        (b'\\', [escaped, ..]) => {
                            ranges.push((*escaped, *escaped));
                            bytes.next();
                        }
                        (from, [b'-', to]) => {
                            ranges.push((from.min(*to), from.max(*to)));
                            bytes.next();
                            bytes.next();
                        }
                        (member, _) => ranges.push((member, member)),
                    }
                }
                Part::Set(ranges, negated)
            }
            literal => Part::Set(vec![(literal, literal)], false),
        });
    }
    parts
}

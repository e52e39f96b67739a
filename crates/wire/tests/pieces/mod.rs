//! Feeds a decoder the same bytes in every way they can be cut, and holds the outcomes together.

use graven_wire::Decoded;

/// What came out of the bytes: every message in words, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Every message, described.
    pub(crate) messages: Vec<String>,
    /// Why the connection was lost, or how many bytes were left waiting for more.
    pub(crate) end: Result<usize, String>,
}

impl Outcome {
    pub(crate) fn new<E: std::fmt::Debug>(messages: &[&str], end: Result<usize, E>) -> Self {
        let messages = messages.iter().map(|&message| message.to_owned()).collect();
        Self { messages, end: end.map_err(|invalid| format!("{invalid:?}")) }
    }
}

/// Runs a decoder over `bytes`, which arrive in pieces that end at `cuts`. A message described as nothing is left out.
pub(crate) fn outcome<E: std::fmt::Debug>(
    bytes: &[u8],
    cuts: impl IntoIterator<Item = usize>,
    mut decode: impl FnMut(&[u8]) -> Decoded<String, E>,
) -> Outcome {
    let mut messages = Vec::new();
    let mut start = 0;
    for arrived in cuts.into_iter().chain([bytes.len()]) {
        while start <= arrived {
            let input = &bytes[start..arrived];
            match decode(input) {
                Decoded::Message(message, consumed) => {
                    assert!(
                        consumed > 0 && consumed <= input.len(),
                        "consumed {consumed} of {}",
                        input.len()
                    );
                    messages.extend(Some(message).filter(|message| !message.is_empty()));
                    start += consumed;
                }
                Decoded::NeedMore => break,
                Decoded::Invalid(invalid) => {
                    return Outcome { messages, end: Err(format!("{invalid:?}")) };
                }
            }
        }
    }
    Outcome { messages, end: Ok(bytes.len() - start) }
}

/// Checks one conversation in one piece, in two pieces cut anywhere, and byte by byte.
pub(crate) fn check_every_cut(bytes: &[u8], expected: &Outcome, run: impl Fn(Vec<usize>) -> Outcome) {
    assert_eq!(&run(vec![]), expected, "{}", bytes.escape_ascii());
    for cut in 0..bytes.len() {
        assert_eq!(&run(vec![cut]), expected, "{} cut at {cut}", bytes.escape_ascii());
    }
    assert_eq!(&run((0..bytes.len()).collect()), expected, "{} byte by byte", bytes.escape_ascii());
}

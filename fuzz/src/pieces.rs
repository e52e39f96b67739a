//! The same bytes in one piece, in pieces of a length that the input chooses, and byte by byte.

use std::fmt::Debug;

use graven_wire::Decoded;

/// Byte by byte only up to here: a decoder without memory takes quadratic time.
const BYTE_BY_BYTE_MAX: usize = 512;

/// Takes the length of the pieces off the input, and holds the outcomes together. `fresh` makes a
/// decoder that describes each message, or says nothing of those that depend on how the bytes
/// arrive.
pub(crate) fn same_in_pieces<E: Debug, D>(input: &[u8], fresh: impl Fn() -> D)
where
    D: FnMut(&[u8]) -> Decoded<Option<String>, E>,
{
    let Some((&first, bytes)) = input.split_first() else { return };
    let piece = usize::from(first) + 1;
    let whole = outcome(bytes, bytes.len().max(1), fresh());
    assert_eq!(outcome(bytes, piece, fresh()), whole, "in pieces of {piece}");
    if bytes.len() <= BYTE_BY_BYTE_MAX {
        assert_eq!(outcome(bytes, 1, fresh()), whole, "byte by byte");
    }
}

/// Every message in words; the bytes left over, or why there is no going on.
fn outcome<E: Debug>(
    bytes: &[u8],
    piece: usize,
    mut decode: impl FnMut(&[u8]) -> Decoded<Option<String>, E>,
) -> (Vec<String>, Result<usize, String>) {
    let (mut messages, mut start, mut arrived) = (Vec::new(), 0, 0);
    loop {
        match decode(&bytes[start..arrived]) {
            Decoded::Message(message, consumed) => {
                assert!(consumed > 0 && consumed <= arrived - start, "consumed {consumed}");
                messages.extend(message);
                start += consumed;
            }
            Decoded::NeedMore if arrived == bytes.len() => return (messages, Ok(bytes.len() - start)),
            Decoded::NeedMore => arrived = bytes.len().min(arrived + piece),
            Decoded::Invalid(invalid) => return (messages, Err(format!("{invalid:?}"))),
        }
    }
}

//! The client's mouth: commands as arrays of bulk strings.

use crate::decimal;

/// Appends one command.
///
/// ```
/// let mut out = Vec::new();
/// graven_wire::resp::request::encode(&mut out, [&b"GET"[..], b"key"]);
/// assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
/// ```
pub fn encode<'a, I>(out: &mut Vec<u8>, args: I)
where
    I: IntoIterator<Item = &'a [u8]>,
    I::IntoIter: ExactSizeIterator,
{
    let args = args.into_iter();
    head(out, args.len());
    for argument in args {
        arg(out, argument);
    }
}

/// Appends the announcement of a command of `count` arguments, its name counted.
pub fn head(out: &mut Vec<u8>, count: usize) {
    out.push(b'*');
    decimal::push(out, count);
    out.extend_from_slice(b"\r\n");
}

/// Appends one argument after [`head`].
pub fn arg(out: &mut Vec<u8>, argument: &[u8]) {
    super::reply::bulk(out, argument);
}

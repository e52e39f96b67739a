//! The client's mouth: lines that memcached understands. Keys must be free of blanks and control characters.

/// `version`.
pub const VERSION: &[u8] = b"version\r\n";
/// `mn`, answered by [`Reply::MetaNoop`](super::Reply::MetaNoop).
pub const META_NOOP: &[u8] = b"mn\r\n";
/// `quit`.
pub const QUIT: &[u8] = b"quit\r\n";

/// Appends `get` for one key or many.
///
/// ```
/// let mut out = Vec::new();
/// graven_wire::memcached::request::get(&mut out, [&b"a"[..], b"b"]);
/// assert_eq!(out, b"get a b\r\n");
/// ```
pub fn get<'a>(out: &mut Vec<u8>, keys: impl IntoIterator<Item = &'a [u8]>) {
    words(out, b"get", keys);
}

/// Appends `gets`, which asks for CAS numbers too.
pub fn gets<'a>(out: &mut Vec<u8>, keys: impl IntoIterator<Item = &'a [u8]>) {
    words(out, b"gets", keys);
}

/// Appends `mg` with its flags, such as `v` or `v k Oabc`.
pub fn meta_get(out: &mut Vec<u8>, key: &[u8], flags: &[u8]) {
    words(out, b"mg", [key, flags]);
}

/// Appends `stats`, of everything or of one topic.
pub fn stats(out: &mut Vec<u8>, topic: Option<&str>) {
    words(out, b"stats", topic.map(str::as_bytes));
}

fn words<'a>(out: &mut Vec<u8>, command: &[u8], words: impl IntoIterator<Item = &'a [u8]>) {
    out.extend_from_slice(command);
    for word in words {
        out.push(b' ');
        out.extend_from_slice(word);
    }
    out.extend_from_slice(b"\r\n");
}

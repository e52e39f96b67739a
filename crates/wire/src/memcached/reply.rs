//! What memcached answers. Nothing here fails, and nothing allocates but the output itself.
//!
//! The answers to `mg` are shaped by the request and stand with it: [`MetaGet::hit`](super::MetaGet::hit).

use crate::decimal;

/// After a value.
pub const CRLF: &[u8] = b"\r\n";
/// After the last `VALUE` or `STAT`.
pub const END: &[u8] = b"END\r\n";
/// The answer to `verbosity`.
pub const OK: &[u8] = b"OK\r\n";
/// The answer to `stats reset`.
pub const RESET: &[u8] = b"RESET\r\n";
/// The answer to `mn`.
pub const META_NOOP: &[u8] = b"MN\r\n";
/// The answer to a login that is one.
pub const STORED: &[u8] = b"STORED\r\n";
/// The answer to a login with a name and token that are not those of a user.
pub const LOGIN_FAILED: &[u8] = b"CLIENT_ERROR authentication failure\r\n";
/// The answer to a login that is not a name, a blank and a token.
pub const LOGIN_MALFORMED: &[u8] = b"CLIENT_ERROR bad authentication token format\r\n";
/// The answer to everything else before that.
pub const LOGIN_FIRST: &[u8] = b"CLIENT_ERROR unauthenticated\r\n";
/// The answer to everything that would change data. Clients take it for a mistake of the caller and go on: after a
/// `SERVER_ERROR` some connect anew for every write, and some send nothing to the server for a while, reads included.
pub const READ_ONLY: &[u8] = b"CLIENT_ERROR read-only\r\n";

/// Appends a `VALUE`, with a CAS number for `gets` and `gats`.
#[inline]
pub fn value(out: &mut Vec<u8>, key: &[u8], flags: u32, cas: Option<u64>, value: &[u8]) {
    out.reserve(key.len() + value.len() + 64);
    value_head(out, key, flags, cas, value.len());
    out.extend_from_slice(value);
    out.extend_from_slice(CRLF);
}

/// Appends what stands before a value of `len` bytes; the bytes and [`CRLF`] follow by other means.
#[inline]
pub fn value_head(out: &mut Vec<u8>, key: &[u8], flags: u32, cas: Option<u64>, len: usize) {
    out.extend_from_slice(b"VALUE ");
    out.extend_from_slice(key);
    out.push(b' ');
    decimal::push_len(out, flags as usize);
    out.push(b' ');
    decimal::push_len(out, len);
    if let Some(cas) = cas {
        out.push(b' ');
        decimal::push(out, cas);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the answer to `version`.
pub fn version(out: &mut Vec<u8>, version: &str) {
    line(out, &[b"VERSION ", version.as_bytes()]);
}

/// Appends one `STAT`; [`END`] follows the last.
pub fn stat(out: &mut Vec<u8>, name: &str, value: impl std::fmt::Display) {
    line(out, &[b"STAT ", name.as_bytes(), b" ", value.to_string().as_bytes()]);
}

/// Appends a failure of the server's own, and why.
pub fn server_error(out: &mut Vec<u8>, text: &str) {
    line(out, &[b"SERVER_ERROR ", text.as_bytes()]);
}

/// Appends a failure of the client's, and why.
pub fn client_error(out: &mut Vec<u8>, text: &str) {
    line(out, &[b"CLIENT_ERROR ", text.as_bytes()]);
}

fn line(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend(part.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    }
    out.extend_from_slice(b"\r\n");
}

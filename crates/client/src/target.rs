//! Which server, as people write it.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// A server: `HOST:PORT`, or `http://HOST[:PORT][/PATH]` for one that answers somewhere else than `/`.
///
/// ```
/// use graven_client::Target;
///
/// let target: Target = "http://localhost/table".parse()?;
/// assert_eq!(target.to_string(), "localhost:80");
/// # Ok::<(), graven_client::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    path: String,
    /// Host and port as URLs and `Host` headers write them.
    authority: String,
}

impl Target {
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority)
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |reason| Error::BadTarget { text: text.to_owned(), reason };
        let (rest, default_port) = match text.split_once("://") {
            Some(("http", rest)) => (rest, Some("80")),
            Some(("https", _)) => {
                return Err(bad("TLS is not spoken here; use http:// or a proxy that speaks it"));
            }
            Some(_) => return Err(bad("the scheme is not http")),
            None => (text, None),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) if default_port.is_some() => rest.split_at(at),
            _ => (rest, "/"),
        };
        if path.bytes().any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'?' | b'#')) {
            return Err(bad("the path must be escaped, and the query is the key's place"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let port = port.or(default_port).ok_or_else(|| bad("the port is missing, as in localhost:8000"))?;
        let port: u16 = port.parse().map_err(|_| bad("the port is not a number from 1 to 65535"))?;
        if port == 0 {
            return Err(bad("the port is not a number from 1 to 65535"));
        }
        let bare = match host.strip_prefix('[') {
            Some(inside) => inside.strip_suffix(']').ok_or_else(|| bad("a bracket is not closed"))?,
            None if host.contains(':') => {
                return Err(bad("an IPv6 address needs brackets, as in [::1]:8000"));
            }
            None => host,
        };
        let allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'%');
        if bare.is_empty() || !bare.bytes().all(allowed) {
            return Err(bad("the host is missing or malformed"));
        }
        let authority = format!("{host}:{port}");
        Ok(Self { host: bare.to_owned(), port, path: path.to_owned(), authority })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_target_is_read() {
        for (text, host, port, path, authority) in [
            ("127.0.0.1:8000", "127.0.0.1", 8000, "/", "127.0.0.1:8000"),
            ("[::1]:8000", "::1", 8000, "/", "[::1]:8000"),
            ("http://localhost", "localhost", 80, "/", "localhost:80"),
            ("http://localhost:1/", "localhost", 1, "/", "localhost:1"),
            ("http://[::1]/a/b", "::1", 80, "/a/b", "[::1]:80"),
        ] {
            let target: Target = text.parse().unwrap();
            let read = (target.host(), target.port(), target.path(), target.authority());
            assert_eq!(read, (host, port, path, authority), "{text}");
        }
    }

    #[test]
    fn a_bad_target_is_refused_with_its_reason() {
        for (text, expected) in [
            ("localhost", "the port is missing, as in localhost:8000"),
            ("localhost:", "the port is not a number from 1 to 65535"),
            ("localhost:0", "the port is not a number from 1 to 65535"),
            ("localhost:65536", "the port is not a number from 1 to 65535"),
            ("localhost:80/path", "the port is not a number from 1 to 65535"),
            (":80", "the host is missing or malformed"),
            ("a b:80", "the host is missing or malformed"),
            ("::1:80", "an IPv6 address needs brackets, as in [::1]:8000"),
            ("[::1:80", "a bracket is not closed"),
            ("https://localhost", "TLS is not spoken here; use http:// or a proxy that speaks it"),
            ("ftp://localhost", "the scheme is not http"),
            ("http://localhost/?key=a", "the path must be escaped, and the query is the key's place"),
        ] {
            let Err(Error::BadTarget { reason, .. }) = text.parse::<Target>() else {
                panic!("{text} was accepted")
            };
            assert_eq!(reason, expected, "{text}");
        }
    }
}

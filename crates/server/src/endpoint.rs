//! Where a server listens, and what it speaks there, as people write it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::Error;

/// A place to listen on: `127.0.0.1:8000`, `[::1]:8000`, `localhost:8000` or `unix:PATH`, with `http://`, `resp://` or
/// `memcached://` before it to speak only that.
///
/// ```
/// use graven_server::{Endpoint, Speaks};
///
/// let endpoint: Endpoint = "http://127.0.0.1:8000".parse()?;
/// assert_eq!(endpoint.speaks, Speaks::Http);
/// assert_eq!(endpoint.to_string(), "http://127.0.0.1:8000");
/// # Ok::<(), graven_server::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The protocols that are spoken there.
    pub speaks: Speaks,
    /// The address.
    pub address: Address,
}

/// What an endpoint speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speaks {
    /// Every protocol, told apart by the first bytes of a connection.
    #[default]
    Any,
    /// Only HTTP.
    Http,
    /// Only RESP, the protocol of Redis.
    Resp,
    /// Only memcached's text and meta commands.
    Memcached,
}

/// The address of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP host (a name, or an address without brackets) and port.
    Tcp(String, u16),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

const SCHEMES: [(&str, Speaks); 3] =
    [("http://", Speaks::Http), ("resp://", Speaks::Resp), ("memcached://", Speaks::Memcached)];

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |reason| Error::BadEndpoint { endpoint: text.to_owned(), reason };
        let scheme = SCHEMES.iter().find_map(|(scheme, speaks)| Some((text.strip_prefix(scheme)?, *speaks)));
        let (rest, speaks) = scheme.unwrap_or((text, Speaks::Any));
        if let Some(path) = rest.strip_prefix("unix:") {
            return match path {
                "" => Err(bad("the path of the Unix socket is missing")),
                path => Ok(Self { speaks, address: Address::Unix(PathBuf::from(path)) }),
            };
        }
        if rest.contains("://") {
            return Err(bad("the scheme is not http, resp or memcached"));
        }
        // Addresses are pasted from URLs.
        let rest = if speaks == Speaks::Any { rest } else { rest.strip_suffix('/').unwrap_or(rest) };
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| bad("the port is missing"))?;
        let port = port.parse().map_err(|_| bad("the port is not a number from 0 to 65535"))?;
        let host = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']').ok_or_else(|| bad("a bracket is not closed"))?,
            None if host.contains(':') => {
                return Err(bad("an IPv6 address needs brackets, as in [::1]:8000"));
            }
            None => host,
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || "/?#@[]".contains(c)) {
            return Err(bad("the host is missing or malformed"));
        }
        Ok(Self { speaks, address: Address::Tcp(host.to_owned(), port) })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((scheme, _)) = SCHEMES.iter().find(|(_, speaks)| *speaks == self.speaks) {
            f.write_str(scheme)?;
        }
        match &self.address {
            Address::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_endpoint_reads_and_writes_back() {
        for text in [
            "127.0.0.1:8000",
            "[::1]:8000",
            "localhost:0",
            "http://127.0.0.1:8000",
            "resp://[::]:6379",
            "memcached://0.0.0.0:11211",
            "unix:/run/graven.sock",
            "http://unix:graven.sock",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        assert_eq!("http://[::1]:80/".parse::<Endpoint>().unwrap().to_string(), "http://[::1]:80");
    }

    #[test]
    fn a_bad_endpoint_is_refused_with_its_reason() {
        for (text, reason) in [
            ("127.0.0.1", "the port is missing"),
            ("127.0.0.1:", "the port is not a number from 0 to 65535"),
            ("127.0.0.1:65536", "the port is not a number from 0 to 65535"),
            ("::1:8000", "an IPv6 address needs brackets, as in [::1]:8000"),
            ("[::1:8000", "a bracket is not closed"),
            (":8000", "the host is missing or malformed"),
            ("a b:1", "the host is missing or malformed"),
            ("https://a:1", "the scheme is not http, resp or memcached"),
            ("unix:", "the path of the Unix socket is missing"),
        ] {
            let Err(Error::BadEndpoint { reason: got, endpoint }) = text.parse::<Endpoint>() else {
                panic!("{text} was accepted")
            };
            assert_eq!((endpoint.as_str(), got), (text, reason));
        }
    }
}

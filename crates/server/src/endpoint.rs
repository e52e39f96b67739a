//! Where a server listens, and what it speaks there, as people write it.

use std::fmt;
use std::str::FromStr;

use graven_catalog::TableName;
use graven_wire::address::{Address, AddressError, AddressProblem, Location, Protocol};

/// A place to listen on: `127.0.0.1:8000`, `[::1]:8000`, `localhost:8000` or `unix:PATH`; with a
/// scheme (`http://`, `redis://` or `resp://`, `memcached://`, `redis+unix:` and so on) to speak
/// only that, on its usual port if none is given. `?table=NAME` behind it keeps it to one table.
///
/// ```
/// use graven_server::{Endpoint, Speaks};
///
/// let endpoint: Endpoint = "http://127.0.0.1:8000".parse()?;
/// assert_eq!(endpoint.speaks, Speaks::Http);
/// assert_eq!(endpoint.to_string(), "http://127.0.0.1:8000");
///
/// let endpoint: Endpoint = "resp://127.0.0.1:6380?table=prices".parse()?;
/// assert_eq!(endpoint.table.unwrap().as_str(), "prices");
/// # Ok::<(), graven_wire::address::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The protocols that are spoken there.
    pub speaks: Speaks,
    /// Where.
    pub location: Location,
    /// The one table that is asked there, whatever others there are; `None` for all of them.
    pub table: Option<TableName>,
}

/// The parameter of an address that keeps a listener to one table.
const TABLE: &str = "table";

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

impl FromStr for Endpoint {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let address = Address::to_listen(text)?;
        if let Some(problem) = unusable(&address) {
            return Err(AddressError::new(text, problem));
        }
        let table = table_of(&address).map_err(|problem| AddressError::new(text, problem))?;
        Ok(Self { speaks: address.protocol.into(), location: address.location, table })
    }
}

/// What an address says that a listener has no use for.
fn unusable(address: &Address) -> Option<AddressProblem> {
    let Address { protocol, is_tls, credentials, path, .. } = address;
    if *is_tls {
        let (scheme, plain) = match protocol {
            Some(Protocol::Redis) => ("rediss", "redis"),
            _ => ("https", "http"),
        };
        return Some(AddressProblem::TlsUnsupported { scheme, plain });
    }
    if credentials.is_some() {
        return Some(AddressProblem::UnusableCredentials);
    }
    // Addresses are pasted from URLs, which end in a slash.
    if !matches!(path.as_str(), "" | "/") {
        return Some(AddressProblem::UnusablePath { found: path.clone() });
    }
    None
}

/// What an address has behind the `?`: `table=NAME`, or nothing.
fn table_of(address: &Address) -> Result<Option<TableName>, AddressProblem> {
    let Some(query) = &address.query else { return Ok(None) };
    let mut table = None;
    for parameter in query.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name != TABLE || table.is_some() {
            return Err(AddressProblem::UnknownParameter { name: name.to_owned() });
        }
        let parsed = value.parse().map_err(|error: graven_catalog::root::NotAName| error.to_string());
        table = Some(parsed.map_err(|reason| AddressProblem::BadParameter { name: TABLE, reason })?);
    }
    Ok(table)
}

impl From<Option<Protocol>> for Speaks {
    fn from(protocol: Option<Protocol>) -> Self {
        match protocol {
            None => Self::Any,
            Some(Protocol::Http) => Self::Http,
            Some(Protocol::Redis) => Self::Resp,
            Some(Protocol::Memcached) => Self::Memcached,
        }
    }
}

impl Speaks {
    /// The only protocol that is spoken, if there is one.
    pub fn only(self) -> Option<Protocol> {
        match self {
            Self::Any => None,
            Self::Http => Some(Protocol::Http),
            Self::Resp => Some(Protocol::Redis),
            Self::Memcached => Some(Protocol::Memcached),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Address {
            protocol: self.speaks.only(),
            is_tls: false,
            credentials: None,
            location: self.location.clone(),
            path: String::new(),
            query: self.table.as_ref().map(|table| format!("{TABLE}={table}")),
        };
        address.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_endpoint_reads_and_writes_back() {
        for (text, speaks, written) in [
            ("127.0.0.1:8000", Speaks::Any, "127.0.0.1:8000"),
            ("[::1]:8000", Speaks::Any, "[::1]:8000"),
            ("localhost:0", Speaks::Any, "localhost:0"),
            ("127.0.0.1:8000/", Speaks::Any, "127.0.0.1:8000"),
            ("HTTP://127.0.0.1:8000", Speaks::Http, "http://127.0.0.1:8000"),
            ("http://[::1]:80/", Speaks::Http, "http://[::1]:80"),
            ("http://localhost", Speaks::Http, "http://localhost:80"),
            ("resp://[::]:0", Speaks::Resp, "resp://[::]:0"),
            ("redis://localhost", Speaks::Resp, "resp://localhost:6379"),
            ("memcached://0.0.0.0:11211", Speaks::Memcached, "memcached://0.0.0.0:11211"),
            ("unix:/run/graven.sock", Speaks::Any, "unix:/run/graven.sock"),
            ("http://unix:graven.sock", Speaks::Http, "http+unix:graven.sock"),
            ("redis+unix:/run/graven.sock", Speaks::Resp, "resp+unix:/run/graven.sock"),
            ("resp://127.0.0.1:6380?table=a.b-c", Speaks::Resp, "resp://127.0.0.1:6380?table=a.b-c"),
            ("127.0.0.1:80/?table=a", Speaks::Any, "127.0.0.1:80?table=a"),
            ("unix:/a?table=b", Speaks::Any, "unix:/a?table=b"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!((endpoint.speaks, endpoint.to_string().as_str()), (speaks, written), "{text}");
            assert_eq!(written.parse::<Endpoint>(), Ok(endpoint), "{text}");
        }
    }

    #[test]
    fn a_bad_endpoint_is_refused_with_what_was_found() {
        use AddressProblem as P;
        for (text, problem) in [
            ("127.0.0.1", P::MissingPort { host: "127.0.0.1".into() }),
            ("127.0.0.1:65536", P::BadPort { found: "65536".into(), least: 0 }),
            ("a b:1", P::BadHost { host: "a b".into(), found: ' ' }),
            ("https://a:1", P::TlsUnsupported { scheme: "https", plain: "http" }),
            ("rediss://a:1", P::TlsUnsupported { scheme: "rediss", plain: "redis" }),
            ("redis://:password@a:1", P::UnusableCredentials),
            ("http://a:1/v1/kv", P::UnusablePath { found: "/v1/kv".into() }),
            ("resp://a:1?tabel=b", P::UnknownParameter { name: "tabel".into() }),
            ("unix:/a?b", P::UnknownParameter { name: "b".into() }),
            ("resp://a:1?table=a&table=b", P::UnknownParameter { name: "table".into() }),
            (
                "resp://a:1?table=17",
                P::BadParameter {
                    name: "table",
                    reason: "a table's name has more than digits, found digits alone".into(),
                },
            ),
            (
                "resp://a:1?table=",
                P::BadParameter {
                    name: "table",
                    reason: "a name has one character at least, found none".into(),
                },
            ),
            ("unix:", P::MissingSocketPath),
        ] {
            assert_eq!(text.parse::<Endpoint>().map_err(|error| error.problem), Err(problem), "{text}");
        }
    }
}

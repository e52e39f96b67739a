//! Where a server listens, and what it speaks there, as people write it.

use std::fmt;
use std::str::FromStr;

use graven_catalog::TableName;
use graven_wire::address::{Address, AddressError, AddressProblem, Location, Protocol};

use crate::network::Network;

/// A place to listen on: `127.0.0.1:8000`, `[::1]:8000`, `localhost:8000` or `unix:PATH`; with a
/// scheme (`http://`, `redis://` or `resp://`, `memcached://`, `redis+unix:` and so on) to speak
/// only that, on its usual port if none is given. `?table=NAME` behind it keeps it to one table. `?tls=on`, `off` or `both` says
/// whether TLS is spoken, as do the schemes `https://`, `rediss://` and `memcacheds://`; `?client=required`, `optional` or `none`
/// whether clients show certificates. `?proxy=required` is for a load balancer, whose connections begin with a header of the PROXY
/// protocol; `from=` names the networks of those that are believed. Several are joined with `&`.
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
    /// Whether TLS is spoken there; `None` where nothing says so: over TCP it is once there is a certificate, over a Unix socket
    /// it is not.
    pub tls: Option<TlsMode>,
    /// Whether clients show certificates there; `None` where nothing says so: they must once there is an authority to check them by.
    pub client: Option<ClientCertificates>,
    /// The sources whose connections begin with a header of the PROXY protocol, which says who the client is: those of these networks, or
    /// where there are none those of this machine. All others are closed. `None` where connections begin with a request.
    pub proxy: Option<Vec<Network>>,
}

/// Whether TLS is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// No.
    Off,
    /// Yes, and nothing else.
    On,
    /// By those who begin with it; others speak plain text.
    Both,
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked for one.
    None,
    /// They may. One that is shown must be good.
    Optional,
    /// They must.
    Required,
}

const TLS_MODES: [(&str, TlsMode); 3] = [("on", TlsMode::On), ("off", TlsMode::Off), ("both", TlsMode::Both)];

const CLIENT_CERTIFICATES: [(&str, ClientCertificates); 3] = [
    ("required", ClientCertificates::Required),
    ("optional", ClientCertificates::Optional),
    ("none", ClientCertificates::None),
];

/// The parameters of an address that a listener knows.
const TABLE: &str = "table";
const TLS: &str = "tls";
const CLIENT: &str = "client";
const PROXY: &str = "proxy";
const FROM: &str = "from";

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
        let EndpointParameters { table, tls, client, proxy, from } =
            EndpointParameters::of(&address).map_err(|problem| AddressError::new(text, problem))?;
        let tls = if address.is_tls { Some(TlsMode::On) } else { tls };
        let proxy = proxy.map(|()| from.unwrap_or_default());
        Ok(Self { speaks: address.protocol.into(), location: address.location, table, tls, client, proxy })
    }
}

/// What an address says that a listener has no use for.
fn unusable(address: &Address) -> Option<AddressProblem> {
    let Address { credentials, path, .. } = address;
    if credentials.is_some() {
        return Some(AddressProblem::UnusableCredentials);
    }
    // Addresses are pasted from URLs, which end in a slash.
    if !matches!(path.as_str(), "" | "/") {
        return Some(AddressProblem::UnusablePath { found: path.clone() });
    }
    None
}

/// What an address has behind the `?`.
#[derive(Default)]
struct EndpointParameters {
    table: Option<TableName>,
    tls: Option<TlsMode>,
    client: Option<ClientCertificates>,
    proxy: Option<()>,
    from: Option<Vec<Network>>,
}

impl EndpointParameters {
    fn of(address: &Address) -> Result<Self, AddressProblem> {
        let mut found = Self::default();
        let Some(query) = &address.query else { return Ok(found) };
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name {
                TABLE if found.table.is_none() => {
                    let table =
                        value.parse().map_err(|error: graven_catalog::root::NotAName| error.to_string());
                    found.table =
                        Some(table.map_err(|reason| AddressProblem::BadParameter { name: TABLE, reason })?);
                }
                TLS if found.tls.is_none() => found.tls = Some(one_of(TLS, value, &TLS_MODES)?),
                CLIENT if found.client.is_none() => {
                    found.client = Some(one_of(CLIENT, value, &CLIENT_CERTIFICATES)?);
                }
                // Without `required` anybody could send a header and be whom it names.
                PROXY if found.proxy.is_none() => {
                    found.proxy = Some(one_of(PROXY, value, &[("required", ())])?);
                }
                FROM if found.from.is_none() => found.from = Some(networks(value)?),
                _ => {
                    return Err(
                        match [TABLE, TLS, CLIENT, PROXY, FROM].into_iter().find(|&known| known == name) {
                            Some(name) => {
                                AddressProblem::BadParameter { name, reason: "it is given twice".to_owned() }
                            }
                            None => AddressProblem::UnknownParameter { name: name.to_owned() },
                        },
                    );
                }
            }
        }
        if found.from.is_some() {
            let reason = match (found.proxy, &address.location) {
                (None, _) => "it names the sources of PROXY headers; write proxy=required, too",
                (_, Location::Unix(_)) => "the rights of the socket's file say who may connect; leave it out",
                _ => "",
            };
            if !reason.is_empty() {
                return Err(AddressProblem::BadParameter { name: FROM, reason: reason.to_owned() });
            }
        }
        if address.is_tls && found.tls.is_some_and(|tls| tls != TlsMode::On) {
            let reason = "the scheme says that TLS is spoken, and this something else; leave one of them out";
            return Err(AddressProblem::BadParameter { name: TLS, reason: reason.to_owned() });
        }
        if found.tls == Some(TlsMode::Both) && found.client == Some(ClientCertificates::Required) {
            let reason = "with tls=both those who speak plain text show no certificate; write tls=on, or client=optional";
            return Err(AddressProblem::BadParameter { name: CLIENT, reason: reason.to_owned() });
        }
        if found.tls == Some(TlsMode::Off) && found.client.is_some() {
            let reason = "there are no certificates without TLS; leave out tls=off or this";
            return Err(AddressProblem::BadParameter { name: CLIENT, reason: reason.to_owned() });
        }
        Ok(found)
    }
}

/// Networks, separated by commas.
fn networks(text: &str) -> Result<Vec<Network>, AddressProblem> {
    let networks = text.split(',').map(str::parse::<Network>).collect::<Result<_, _>>();
    networks.map_err(|error| AddressProblem::BadParameter { name: FROM, reason: error.to_string() })
}

/// The one of several words that `found` is.
fn one_of<T: Copy>(
    name: &'static str,
    found: &str,
    words: &[(&'static str, T)],
) -> Result<T, AddressProblem> {
    words.iter().find(|(word, _)| *word == found).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        AddressProblem::BadParameter {
            name,
            reason: format!("expected {}, found `{found}`", words.join(", ")),
        }
    })
}

/// The word for one of several values.
fn word_for<T: PartialEq>(value: &T, words: &[(&'static str, T)]) -> &'static str {
    words.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
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
        let protocol = self.speaks.only();
        let is_tls = self.tls == Some(TlsMode::On) && protocol.is_some();
        let tls = self.tls.filter(|_| !is_tls).map(|tls| format!("{TLS}={}", word_for(&tls, &TLS_MODES)));
        let client =
            self.client.map(|client| format!("{CLIENT}={}", word_for(&client, &CLIENT_CERTIFICATES)));
        let table = self.table.as_ref().map(|table| format!("{TABLE}={table}"));
        let proxy = self.proxy.as_ref().map(|_| format!("{PROXY}=required"));
        let from = self.proxy.as_deref().filter(|networks| !networks.is_empty()).map(|networks| {
            let networks: Vec<String> = networks.iter().map(Network::to_string).collect();
            format!("{FROM}={}", networks.join(","))
        });
        let parameters: Vec<String> = [table, tls, client, proxy, from].into_iter().flatten().collect();
        let address = Address {
            protocol,
            is_tls,
            credentials: None,
            location: self.location.clone(),
            path: String::new(),
            query: (!parameters.is_empty()).then(|| parameters.join("&")),
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
            ("https://a:1", Speaks::Http, "https://a:1"),
            ("http://a:1?tls=on", Speaks::Http, "https://a:1"),
            ("rediss://a", Speaks::Resp, "rediss://a:6379"),
            ("memcacheds://a:1?client=optional", Speaks::Memcached, "memcacheds://a:1?client=optional"),
            ("a:1?tls=both&client=none&table=t", Speaks::Any, "a:1?table=t&tls=both&client=none"),
            ("a:1?tls=on", Speaks::Any, "a:1?tls=on"),
            ("resp://a:1?tls=off", Speaks::Resp, "resp://a:1?tls=off"),
            ("unix:/a?tls=on&client=required", Speaks::Any, "unix:/a?tls=on&client=required"),
            ("a:1?proxy=required&tls=on", Speaks::Any, "a:1?tls=on&proxy=required"),
            ("a:1?from=10.0.0.0/8,::1&proxy=required", Speaks::Any, "a:1?proxy=required&from=10.0.0.0/8,::1"),
            ("unix:/a?proxy=required", Speaks::Any, "unix:/a?proxy=required"),
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
            (
                "https://a:1?tls=both",
                P::BadParameter {
                    name: "tls",
                    reason: "the scheme says that TLS is spoken, and this something else; leave one of them out"
                        .into(),
                },
            ),
            (
                "a:1?tls=yes",
                P::BadParameter { name: "tls", reason: "expected on, off, both, found `yes`".into() },
            ),
            (
                "a:1?client=must",
                P::BadParameter {
                    name: "client",
                    reason: "expected required, optional, none, found `must`".into(),
                },
            ),
            (
                "a:1?tls=both&client=required",
                P::BadParameter {
                    name: "client",
                    reason: "with tls=both those who speak plain text show no certificate; write tls=on, or client=optional"
                        .into(),
                },
            ),
            (
                "a:1?tls=off&client=required",
                P::BadParameter {
                    name: "client",
                    reason: "there are no certificates without TLS; leave out tls=off or this".into(),
                },
            ),
            (
                "a:1?proxy=on",
                P::BadParameter { name: "proxy", reason: "expected required, found `on`".into() },
            ),
            (
                "a:1?from=::1",
                P::BadParameter {
                    name: "from",
                    reason: "it names the sources of PROXY headers; write proxy=required, too".into(),
                },
            ),
            (
                "unix:/a?proxy=required&from=::1",
                P::BadParameter {
                    name: "from",
                    reason: "the rights of the socket's file say who may connect; leave it out".into(),
                },
            ),
            (
                "a:1?proxy=required&from=::1,",
                P::BadParameter {
                    name: "from",
                    reason: "expected an address as in 10.0.0.0/8, found ``".into(),
                },
            ),
            ("redis://:password@a:1", P::UnusableCredentials),
            ("http://a:1/v1/kv", P::UnusablePath { found: "/v1/kv".into() }),
            ("resp://a:1?tabel=b", P::UnknownParameter { name: "tabel".into() }),
            ("unix:/a?b", P::UnknownParameter { name: "b".into() }),
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

    #[test]
    fn what_is_said_twice_is_refused() {
        for (name, value) in
            [(TABLE, "a"), (TLS, "on"), (CLIENT, "optional"), (PROXY, "required"), (FROM, "10.0.0.0/8")]
        {
            let found = format!("a:1?{name}={value}&{name}={value}").parse::<Endpoint>().unwrap_err();
            let reason = "it is given twice".to_owned();
            assert_eq!(found.problem, AddressProblem::BadParameter { name, reason });
        }
    }
}

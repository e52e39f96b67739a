//! The reader of the grammar, from left to right.

use std::net::Ipv6Addr;

use super::{Address, AddressError, AddressProblem, Credentials, Location, Protocol};
use crate::http;

const SCHEMES: [(&str, Protocol, bool); 7] = [
    ("http", Protocol::Http, false),
    ("https", Protocol::Http, true),
    ("redis", Protocol::Redis, false),
    // What RESP is called where no Redis is meant.
    ("resp", Protocol::Redis, false),
    ("rediss", Protocol::Redis, true),
    ("memcached", Protocol::Memcached, false),
    // No standard has a scheme for it; this one is made as `https` and `rediss` are.
    ("memcacheds", Protocol::Memcached, true),
];

/// Before the path of a Unix socket.
const UNIX: &str = "unix:";

/// Reads `text`, in which no port is less than `port_min`.
pub(super) fn parse(text: &str, port_min: u16) -> Result<Address, AddressError> {
    read(text, port_min).map_err(|problem| AddressError::new(text, problem))
}

fn read(text: &str, port_min: u16) -> Result<Address, AddressProblem> {
    let (scheme, rest) = split_scheme(text)?;
    let (protocol, is_tls) = scheme.unzip();
    let is_tls = is_tls.unwrap_or(false);
    let (before_query, query) = match rest.split_once('?') {
        Some((before, query)) => (before, Some(query.to_owned())),
        None => (rest, None),
    };
    if let Some(path) = strip_prefix(before_query, UNIX) {
        // `unix:///run/a` is the same as `unix:/run/a`.
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(AddressProblem::MissingSocketPath);
        }
        // More slashes than one say what one says, and would read as another address when written behind `unix:`.
        let path = match path.trim_start_matches('/') {
            relative if relative.len() == path.len() => path.to_owned(),
            absolute => format!("/{absolute}"),
        };
        let location = Location::Unix(path.into());
        return Ok(Address { protocol, is_tls, credentials: None, location, path: String::new(), query });
    }
    let (authority, path) = before_query.split_at(before_query.find('/').unwrap_or(before_query.len()));
    check_escaped(path)?;
    query.as_deref().map_or(Ok(()), check_escaped)?;
    let (credentials, place) = match authority.rsplit_once('@') {
        Some((credentials, place)) => (Some(read_credentials(credentials)?), place),
        None => (None, authority),
    };
    let default_port = protocol.map(|protocol| protocol.default_port(is_tls));
    let (host, port) = read_place(place, default_port, port_min)?;
    let location = Location::Tcp { host: host.to_owned(), port };
    Ok(Address { protocol, is_tls, credentials, location, path: path.to_owned(), query })
}

type Scheme = (Protocol, bool);

/// The scheme and what follows it: `scheme://…`, `scheme+unix:…`, or none.
fn split_scheme(text: &str) -> Result<(Option<Scheme>, &str), AddressProblem> {
    let known = |name: &str| {
        let found = SCHEMES.iter().find(|(scheme, ..)| scheme.eq_ignore_ascii_case(name));
        found.map(|&(_, protocol, is_tls)| (protocol, is_tls))
    };
    if strip_prefix(text, UNIX).is_some() {
        return Ok((None, text));
    }
    if let Some((name, rest)) = text.split_once('+')
        // It may also stand in a path or a query.
        && !name.contains(['/', '?', '@'])
        && strip_prefix(rest, UNIX).is_some()
    {
        return match known(name) {
            Some(scheme) => Ok((Some(scheme), rest)),
            None => Err(AddressProblem::UnknownScheme(name.to_owned())),
        };
    }
    match text.split_once("://") {
        // A `://` may also stand in a path or a query.
        Some((name, rest)) if !name.contains(['/', '?']) => match known(name) {
            Some(scheme) => Ok((Some(scheme), rest)),
            None => Err(AddressProblem::UnknownScheme(name.to_owned())),
        },
        _ => Ok((None, text)),
    }
}

/// As [`str::strip_prefix`], with letters of either case.
fn strip_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn check_escaped(text: &str) -> Result<(), AddressProblem> {
    match text.chars().find(|&found| !found.is_ascii_graphic() || found == '#') {
        Some('#') => Err(AddressProblem::Fragment),
        Some(found) => Err(AddressProblem::Unescaped(found)),
        None => Ok(()),
    }
}

fn read_credentials(text: &str) -> Result<Credentials, AddressProblem> {
    let unescape = |text: &str| {
        let mut room = Vec::new();
        let bytes = http::unescape(text.as_bytes(), http::UriComponent::Path, &mut room);
        bytes.map(<[u8]>::to_vec).map_err(|_| AddressProblem::BadEscape)
    };
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (text, None),
    };
    Ok(Credentials { user: unescape(user)?, password: password.map(unescape).transpose()? })
}

fn read_place(place: &str, default_port: Option<u16>, port_min: u16) -> Result<(&str, u16), AddressProblem> {
    let (host, port) = if let Some(inside) = place.strip_prefix('[') {
        let (host, after) = inside.split_once(']').ok_or(AddressProblem::UnclosedBracket)?;
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return Err(AddressProblem::AfterBracket(after.to_owned())),
        }
    } else {
        match place.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => return Err(AddressProblem::BareIpv6(place.to_owned())),
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        }
    };
    if host.is_empty() {
        return Err(AddressProblem::MissingHost);
    }
    let is_bracketed = place.starts_with('[');
    let belongs = |found: char| {
        found.is_ascii_alphanumeric() || "-._".contains(found) || (is_bracketed && ":%".contains(found))
    };
    if let Some(found) = host.chars().find(|&found| !belongs(found)) {
        return Err(AddressProblem::BadHost { host: host.to_owned(), found });
    }
    // With a port behind it, it would read as the path of a socket.
    if host.eq_ignore_ascii_case("unix") {
        return Err(AddressProblem::HostNamedUnix);
    }
    // An IPv6 address, perhaps with the interface that it is on.
    let address = host.split_once('%').map_or(host, |(address, _)| address);
    if is_bracketed && address.parse::<Ipv6Addr>().is_err() {
        return Err(AddressProblem::BadHost { host: format!("[{host}]"), found: '[' });
    }
    let port = match (port, default_port) {
        // Not `+80`, which `parse` would take.
        (Some(digits), _) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        (Some(_), _) => None,
        (None, Some(port)) => Some(port),
        (None, None) => return Err(AddressProblem::MissingPort { host: host.to_owned() }),
    };
    match port.filter(|&port| port >= port_min) {
        Some(port) => Ok((host, port)),
        None => {
            let found = place.rsplit_once(':').map_or("", |(_, port)| port).to_owned();
            Err(AddressProblem::BadPort { found, least: port_min })
        }
    }
}

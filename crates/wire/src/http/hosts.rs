//! The hosts under which a server may be asked. A web page whose own name was made to point to this machine (DNS rebinding)
//! reads nothing here, for its browser goes on to send that name.

use std::net::Ipv4Addr;

/// The hosts under which a server may be asked: `localhost`, every IP address, and names. Names are compared without regard
/// to case, to a final dot, and to the port; `*.example.org` is every name below `example.org`, and `*` every name.
///
/// An IP address is allowed whichever it is: a page cannot have a name's place taken by one.
///
/// ```
/// use graven_wire::http::Hosts;
///
/// let hosts = Hosts::only(["graven.example.org", "*.example.net"]);
/// assert!(hosts.allow(b"localhost:8000") && hosts.allow(b"[::1]:8000") && hosts.allow(b"10.0.0.1"));
/// assert!(hosts.allow(b"Graven.Example.org.:80") && hosts.allow(b"a.b.example.net"));
/// assert!(!hosts.allow(b"example.net") && !hosts.allow(b"graven.example.org.evil.example"));
/// assert!(Hosts::any().allow(b"evil.example"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// In lower case; `None` where every host is allowed.
    names: Option<Vec<String>>,
}

impl Hosts {
    /// All hosts.
    pub fn any() -> Self {
        Self { names: None }
    }

    /// `localhost`, IP addresses and `names`.
    pub fn only<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Self {
        let names = names.into_iter().map(|name| without_dot(name.as_ref()).to_ascii_lowercase());
        Self { names: Some(names.collect()) }
    }

    /// Whether the value of a `Host`, which is well formed, is one of them. An empty one, which says nothing, is.
    pub fn allow(&self, host: &[u8]) -> bool {
        let Some(names) = &self.names else { return true };
        // Nothing but an IP address has brackets.
        if host.starts_with(b"[") {
            return true;
        }
        let name = &host[..memchr::memchr(b':', host).unwrap_or(host.len())];
        let Ok(name) = std::str::from_utf8(name) else { return false };
        let name = without_dot(name);
        name.is_empty()
            || name.eq_ignore_ascii_case("localhost")
            || name.parse::<Ipv4Addr>().is_ok()
            || names.iter().any(|allowed| matches(allowed, name))
    }
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

fn matches(allowed: &str, name: &str) -> bool {
    let Some(suffix) = allowed.strip_prefix('*') else { return allowed.eq_ignore_ascii_case(name) };
    // `*` alone has no suffix. There is something in place of the star, and a name is ASCII.
    name.len() > suffix.len()
        && name.is_ascii()
        && name[name.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
}

/// The host and port of a target in absolute form; a user's name before them is part of it, which no host has.
pub(super) fn authority(after_scheme: &[u8]) -> &[u8] {
    let end = after_scheme.iter().position(|byte| b"/?".contains(byte));
    &after_scheme[..end.unwrap_or(after_scheme.len())]
}

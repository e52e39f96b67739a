//! What a connection speaks, and what its protocol remembers between two requests.

use std::sync::Arc;

use graven_wire::address::Protocol;

use super::{Language as _, http, memcached, resp};
use crate::clients::{ClientEntry, ClientState};
use crate::listener::ListenerRules;
use crate::options::ServerOptions;

/// What a connection speaks, and what its protocol remembers between two requests. That is boxed: each remembers more than a
/// connection does that has said nothing yet.
#[derive(Debug)]
pub(crate) enum Session {
    /// Nothing that tells has been received yet.
    Undecided(ListenerRules, Arc<ClientEntry>),
    /// HTTP.
    Http(Box<http::HttpSession>),
    /// RESP.
    Resp(Box<resp::RespSession>),
    /// memcached.
    Memcached(Box<memcached::MemcachedSession>),
}

impl Session {
    pub(crate) fn new(rules: ListenerRules, client: &Arc<ClientEntry>, options: &ServerOptions) -> Self {
        match rules.speaks.only() {
            None => Self::Undecided(rules, Arc::clone(client)),
            Some(protocol) => Self::of(protocol, rules, client, options),
        }
    }

    /// Writes down for others what a client has made of its connection.
    pub(crate) fn record(&self, state: &mut ClientState) {
        if let Self::Resp(resp) = self {
            resp.record(&mut state.resp);
        }
    }

    pub(super) fn of(
        protocol: Protocol,
        rules: ListenerRules,
        client: &Arc<ClientEntry>,
        options: &ServerOptions,
    ) -> Self {
        let (name, session) = match protocol {
            Protocol::Http => {
                ("http", Self::Http(Box::new(http::HttpSession::new(Arc::clone(client), rules))))
            }
            Protocol::Redis => {
                let session = resp::RespSession::new(Arc::clone(client), options.limits.resp, rules.table);
                ("resp", Self::Resp(Box::new(session)))
            }
            Protocol::Memcached => {
                let session = memcached::MemcachedSession::new(
                    Arc::clone(client),
                    options.limits.memcached,
                    rules.table,
                );
                ("memcached", Self::Memcached(Box::new(session)))
            }
        };
        let mut state = client.state();
        state.protocol = name;
        session.record(&mut state);
        drop(state);
        session
    }

    /// Whether the client wants to be told of switches.
    pub(crate) fn is_tracking(&self) -> bool {
        matches!(self, Self::Resp(resp) if resp.is_tracking())
    }

    /// Whether the connection is one of those that are expected to come and go.
    pub(crate) fn is_short_lived(&self) -> bool {
        matches!(self, Self::Undecided(..) | Self::Http(_))
    }

    /// Bytes of requests that are received and not yet answered in full.
    pub(crate) fn held_bytes(&self) -> usize {
        match self {
            Self::Undecided(..) => 0,
            Self::Http(http) => http.held_bytes(),
            Self::Resp(resp) => resp.held_bytes(),
            Self::Memcached(memcached) => memcached.held_bytes(),
        }
    }

    /// Whether a request is kept of which a part is not answered.
    pub(crate) fn is_unfinished(&self) -> bool {
        match self {
            Self::Undecided(..) => false,
            Self::Http(http) => http.is_unfinished(),
            Self::Resp(resp) => resp.is_unfinished(),
            Self::Memcached(memcached) => memcached.is_unfinished(),
        }
    }

    /// Lets go of all that is kept of requests.
    pub(crate) fn forget_requests(&mut self) {
        match self {
            Self::Undecided(..) => {}
            Self::Http(http) => http.forget_requests(),
            Self::Resp(resp) => resp.forget_requests(),
            Self::Memcached(memcached) => memcached.forget_requests(),
        }
    }

    /// The next request that is decoded lies before the last.
    pub(crate) fn rewind(&mut self) {
        match self {
            Self::Undecided(..) => {}
            Self::Http(http) => http.rewind(),
            Self::Resp(resp) => resp.rewind(),
            Self::Memcached(memcached) => memcached.rewind(),
        }
    }
}

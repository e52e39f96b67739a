//! Who asks, and what they may: the one place that decides it, for every protocol, for single requests and pipelines.
//!
//! Whoever connects is an [`Asker`]: nobody, the user `anonymous`, or one that has logged in. What an asker may ask is kept as
//! the [`TableRule`] of its connection, so that a request of somebody who may ask costs nothing more than without users.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use graven_access::{Access, TokenDigest, User, Users};
use graven_catalog::{Catalog, TableId, TableName};

use super::tables::{TableChoice, TableRule};
use crate::clients::{ClientEntry, Ends};
use crate::counters::LoopCounters;
use crate::journal::Journal;

/// Why a request is not answered to who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessRefusal {
    /// Nobody has said who they are.
    LoginFirst,
    /// The user may not ask that table.
    NotPermitted,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// To come in or to go, or whether the server lives: nobody has to be known for that.
    Entry,
    /// Anything else. Of the server everybody sees what they may ask, and which tables that are is the asker's [`TableRule`].
    Service,
    /// To close the connections of others, or to forget what is known of their requests.
    Administration,
}

/// Why a login failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoginFailure {
    /// No user has this name and token.
    Wrong,
    /// Too many logins of the address have failed; this one was not looked at.
    TooMany,
}

/// Who asks on a connection.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    identity: Identity,
    /// The table that the listener keeps the connection to.
    listener: Option<TableId>,
    /// The tables that may be asked.
    rule: Arc<TableRule>,
    /// The generation of the users among which the asker was found; 0 before it was looked for.
    generation: u64,
}

#[derive(Clone, Debug)]
enum Identity {
    Nobody,
    /// Whoever comes to a server without users.
    Everybody,
    /// The user of that name.
    Anonymous,
    User(Arc<LoggedIn>),
}

/// A user, and the token with which it came, unless it came with a certificate.
#[derive(Debug)]
struct LoggedIn {
    name: Arc<str>,
    digest: Option<TokenDigest>,
}

/// What somebody may ask who is not known.
static NOTHING: LazyLock<Arc<TableRule>> = LazyLock::new(|| Arc::new(TableRule::none()));

impl Asker {
    /// Somebody who has just come by a listener, which may keep them to one table.
    pub(super) fn new(listener: Option<TableId>) -> Self {
        Self { identity: Identity::Nobody, listener, rule: Arc::clone(&NOTHING), generation: 0 }
    }

    /// Whether something is answered, and if not, why.
    #[inline]
    pub(super) fn may(&self, wanted: Wanted) -> Result<(), AccessRefusal> {
        match (&self.identity, wanted) {
            (_, Wanted::Entry) => Ok(()),
            (Identity::Nobody, _) => Err(AccessRefusal::LoginFirst),
            (_, Wanted::Service) | (Identity::Everybody, Wanted::Administration) => Ok(()),
            (_, Wanted::Administration) => Err(AccessRefusal::NotPermitted),
        }
    }

    /// The tables that may be asked.
    #[inline]
    pub(super) fn rule(&self) -> &TableRule {
        &self.rule
    }

    /// The table that the listener keeps the connection to.
    pub(super) fn listener(&self) -> Option<TableId> {
        self.listener
    }

    /// Writes down for others who asks on a connection.
    pub(super) fn note_user(&self, client: &ClientEntry) {
        client.state().user = self.name().cloned();
    }

    /// Whether it is whoever comes to a server without users.
    pub(super) fn is_everybody(&self) -> bool {
        matches!(self.identity, Identity::Everybody)
    }

    /// The name of the user that has logged in.
    pub(super) fn name(&self) -> Option<&Arc<str>> {
        match &self.identity {
            Identity::User(user) => Some(&user.name),
            Identity::Nobody | Identity::Everybody | Identity::Anonymous => None,
        }
    }
}

/// The users as one loop sees them.
#[derive(Debug)]
pub(super) struct AccessView<'a> {
    access: &'a Access,
    is_open: bool,
    catalog: &'a Catalog,
    loop_counters: &'a LoopCounters,
    generation: u64,
    users: Arc<Users>,
    /// What users may ask by a listener, as far as they have come.
    rules: HashMap<(Arc<str>, Option<TableId>), Arc<TableRule>>,
    journal: Journal,
}

impl<'a> AccessView<'a> {
    pub(super) fn new(access: &'a Access, catalog: &'a Catalog, loop_counters: &'a LoopCounters) -> Self {
        let generation = access.generation();
        let (users, journal) = (access.users(), Journal::new(Instant::now()));
        let is_open = access.is_open();
        Self { access, is_open, catalog, loop_counters, generation, users, rules: HashMap::new(), journal }
    }

    /// Whether nobody has to say who they are, because there are no users.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Sees the users as they are now.
    #[inline]
    pub(super) fn follow(&mut self) {
        if self.access.generation() != self.generation {
            // In this order: users that come in between are found the next time.
            self.generation = self.access.generation();
            self.users = self.access.users();
            self.rules.clear();
        }
    }

    /// Whether `asker` was looked for among the users as they are seen now.
    #[inline]
    pub(super) fn has_found(&self, asker: &Asker) -> bool {
        asker.generation == self.generation
    }

    /// Looks for an asker among the users as they are now. Whose token is no longer anybody's is as somebody who has just come.
    pub(super) fn find_again(&mut self, asker: &Asker, client: &ClientEntry) -> Asker {
        let users = Arc::clone(&self.users);
        if let Identity::User(logged_in) = &asker.identity
            && let Some(digest) = &logged_in.digest
            && let Some(user) = users.of_token(digest)
        {
            return self.logged_in(user, Some(*digest), asker.listener);
        }
        self.stranger(asker, client)
    }

    /// Who an asker is that says nothing: the user of its certificate, or `anonymous`, or nobody.
    pub(super) fn stranger(&mut self, asker: &Asker, client: &ClientEntry) -> Asker {
        let (listener, users) = (asker.listener, Arc::clone(&self.users));
        if let Some(user) = client.certificate_name().and_then(|name| users.of_certificate(name)) {
            return self.logged_in(user, None, listener);
        }
        match users.anonymous() {
            Some(anonymous) => {
                let rule = self.rule(anonymous, listener);
                let identity = if self.is_open() { Identity::Everybody } else { Identity::Anonymous };
                Asker { identity, listener, rule, generation: self.generation }
            }
            None => self.nobody(asker),
        }
    }

    /// Who an asker is that has said something wrong.
    pub(super) fn nobody(&self, asker: &Asker) -> Asker {
        Asker { generation: self.generation, ..Asker::new(asker.listener) }
    }

    /// Whether strangers may ask anything.
    pub(super) fn has_anonymous(&self) -> bool {
        self.users.anonymous().is_some()
    }

    /// Who `asker` is with a name and a token, or with a token alone.
    pub(super) fn login(
        &mut self,
        asker: &Asker,
        name: Option<&[u8]>,
        token: &[u8],
        client: &ClientEntry,
    ) -> Result<Asker, LoginFailure> {
        let (peer, now) = (address(client.ends()), Instant::now());
        let attempts = self.access.attempts();
        if peer.is_some_and(|peer| !attempts.may_try(peer, now)) {
            self.loop_counters.logins_failed.add(1);
            return Err(LoginFailure::TooMany);
        }
        let users = Arc::clone(&self.users);
        if let Some(user) = users.login(name, token) {
            self.loop_counters.logins.add(1);
            return Ok(self.logged_in(user, Some(TokenDigest::of(token)), asker.listener));
        }
        if let Some(peer) = peer {
            attempts.failed(peer, now);
        }
        self.loop_counters.logins_failed.add(1);
        self.journal.refused_login(now, &client.ends().peer(), name);
        Err(LoginFailure::Wrong)
    }

    fn logged_in(&mut self, user: &User, digest: Option<TokenDigest>, listener: Option<TableId>) -> Asker {
        let identity = Identity::User(Arc::new(LoggedIn { name: Arc::clone(user.name()), digest }));
        Asker { identity, listener, rule: self.rule(user, listener), generation: self.generation }
    }

    /// The tables that a user may ask by a listener.
    fn rule(&mut self, user: &User, listener: Option<TableId>) -> Arc<TableRule> {
        let Self { rules, catalog, .. } = self;
        let rule = rules.entry((Arc::clone(user.name()), listener)).or_insert_with(|| {
            let id = |name: &str| name.parse::<TableName>().ok().map(|name| catalog.reserve(name));
            let among = user.tables().map(|tables| {
                let mut among: Vec<TableId> = tables.filter_map(id).collect();
                among.sort_unstable();
                among
            });
            let first = match (user.default_table().and_then(id), &among) {
                (Some(table), _) => TableChoice::Table(table),
                (None, None) => TableChoice::Default,
                (None, Some(_)) => TableChoice::NotNamed,
            };
            Arc::new(TableRule::new(listener, among, first))
        });
        Arc::clone(rule)
    }
}

/// The address whose failures are counted; over a Unix socket, which the rights of its file guard, none.
fn address(ends: Ends) -> Option<IpAddr> {
    match ends {
        Ends::Tcp { peer, .. } => Some(peer.ip()),
        Ends::Unix | Ends::Unknown => None,
    }
}

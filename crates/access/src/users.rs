//! Users: their names, what lets them in, and the tables that they may ask.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use crate::error::{UserProblem, UsersError};
use crate::token::TokenDigest;

/// The name of the user that everybody is who has neither a token nor a certificate. Without such a
/// user they may ask nothing.
pub const ANONYMOUS: &str = "anonymous";

/// The longest file of users, in bytes: some five thousand users.
pub const USERS_BYTES_MAX: usize = 1 << 20;

/// The user that Redis clients name where their callers name none.
const REDIS_DEFAULT: &[u8] = b"default";

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: Arc<str>,
    /// `None` for all.
    tables: Option<BTreeSet<String>>,
    default: Option<String>,
}

impl User {
    /// The name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The tables that may be asked, in order; `None` for all.
    pub fn tables(&self) -> Option<impl ExactSizeIterator<Item = &str>> {
        self.tables.as_ref().map(|tables| tables.iter().map(String::as_str))
    }

    /// The table that is asked where none is named: the one that was chosen, or the only one that may
    /// be asked. `None` leaves that to the server, where all may be asked.
    pub fn default_table(&self) -> Option<&str> {
        let only = self.tables.iter().filter(|tables| tables.len() == 1).flatten();
        self.default.as_ref().or(only.last()).map(String::as_str)
    }

    /// Whether the table of this name may be asked.
    pub fn may_ask(&self, table: &str) -> bool {
        self.tables.as_ref().is_none_or(|tables| tables.contains(table))
    }
}

/// All users of a server.
#[derive(Clone, Debug)]
pub struct Users {
    users: Vec<Arc<User>>,
    by_token: HashMap<TokenDigest, usize>,
    by_certificate: HashMap<String, usize>,
    anonymous: Option<usize>,
}

/// A file of users.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct UsersFile {
    #[serde(default)]
    users: Vec<UserEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserEntry {
    name: String,
    #[serde(default)]
    token: OneOrMore,
    #[serde(default)]
    certificate: OneOrMore,
    tables: Option<OneOrMore>,
    default: Option<String>,
}

/// One text, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Default for OneOrMore {
    fn default() -> Self {
        Self::More(Vec::new())
    }
}

impl OneOrMore {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
    }
}

impl Users {
    /// Everybody may ask every table, as on a server without users.
    pub fn open() -> Self {
        let everybody = User { name: ANONYMOUS.into(), tables: None, default: None };
        Self {
            users: vec![Arc::new(everybody)],
            by_token: HashMap::new(),
            by_certificate: HashMap::new(),
            anonymous: Some(0),
        }
    }

    /// Those of a file in TOML: a `[[users]]` each, with `name`, `token` (a [`TokenDigest`] or several, as
    /// while one takes another's place), `certificate` (names of client certificates), `tables` (`"*"`,
    /// which is the default, a name or several) and `default` (the table that is asked where none is
    /// named).
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn from_toml(text: &str) -> Result<Self, UsersError> {
        if text.len() > USERS_BYTES_MAX {
            return Err(UsersError::TooLong { found: text.len() });
        }
        let file: UsersFile = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..start].iter().filter(|&&byte| byte == b'\n').count() + 1;
            UsersError::Syntax { line, message: error.message().replace('\n', " ") }
        })?;
        let mut users = Self {
            users: Vec::new(),
            by_token: HashMap::new(),
            by_certificate: HashMap::new(),
            anonymous: None,
        };
        for entry in file.users {
            let name = entry.name.clone();
            users.add(entry).map_err(|problem| UsersError::User { user: name, problem })?;
        }
        Ok(users)
    }

    fn add(&mut self, entry: UserEntry) -> Result<(), UserProblem> {
        let UserEntry { name, token, certificate, tables, default } = entry;
        let number = self.users.len();
        if !is_name(&name) {
            return Err(UserProblem::Name);
        }
        if name.as_bytes() == REDIS_DEFAULT {
            return Err(UserProblem::ReservedName);
        }
        if self.users.iter().any(|user| *user.name == *name) {
            return Err(UserProblem::SameName);
        }
        let (tokens, certificates) = (token.as_slice(), certificate.as_slice());
        match (name == ANONYMOUS, tokens.is_empty() && certificates.is_empty()) {
            (true, true) => self.anonymous = Some(number),
            (true, false) => return Err(UserProblem::AnonymousToken),
            (false, true) => return Err(UserProblem::NoToken),
            (false, false) => {}
        }
        for token in tokens {
            let digest = token.parse().map_err(UserProblem::Token)?;
            if self.by_token.insert(digest, number).is_some_and(|other| other != number) {
                return Err(UserProblem::SameToken);
            }
        }
        for certificate in certificates {
            let other = self.by_certificate.insert(certificate.clone(), number);
            if other.is_some_and(|other| other != number) {
                return Err(UserProblem::SameCertificate);
            }
        }
        let tables = tables.unwrap_or(OneOrMore::One("*".to_owned()));
        let tables = tables.as_slice();
        let all = tables.iter().any(|table| table == "*");
        let user =
            User { name: name.into(), tables: (!all).then(|| tables.iter().cloned().collect()), default };
        if let Some(table) = user.default.as_ref().filter(|table| !user.may_ask(table)) {
            return Err(UserProblem::Default { table: table.clone() });
        }
        self.users.push(Arc::new(user));
        Ok(())
    }

    /// All users, in the order of the file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<User>> {
        self.users.iter()
    }

    /// Who comes with this token. A `name` must be the user's, unless it is empty or `default`, which
    /// clients send that were told none. Takes one SHA-256 and one look into a hash table.
    pub fn login(&self, name: Option<&[u8]>, token: &[u8]) -> Option<&Arc<User>> {
        let user = self.of_token(&TokenDigest::of(token))?;
        let is_named = name.is_none_or(|name| name.is_empty() || name == REDIS_DEFAULT);
        (is_named || name == Some(user.name.as_bytes())).then_some(user)
    }

    /// Whose token has this digest.
    pub fn of_token(&self, digest: &TokenDigest) -> Option<&Arc<User>> {
        self.by_token.get(digest).map(|&number| &self.users[number])
    }

    /// Who comes with a client certificate of this name, which the caller has verified.
    pub fn of_certificate(&self, name: &str) -> Option<&Arc<User>> {
        self.by_certificate.get(name).map(|&number| &self.users[number])
    }

    /// Who comes with nothing, if they may ask anything.
    pub fn anonymous(&self) -> Option<&Arc<User>> {
        self.anonymous.map(|number| &self.users[number])
    }
}

fn is_name(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.len() <= 64
        && name.bytes().next().is_some_and(is_word)
        && name.bytes().all(|byte| is_word(byte) || byte == b'-' || byte == b'.')
}

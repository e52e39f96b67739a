//! What can be wrong with a file of users.

use std::fmt;

use crate::token::NotADigest;
use crate::users::{ANONYMOUS, USERS_BYTES_MAX};

/// Why a file of users is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UsersError {
    /// It is longer than [`USERS_BYTES_MAX`].
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// It is no TOML, or has a field that is not known.
    Syntax {
        /// The line, from 1 on.
        line: usize,
        /// What was found and what was expected.
        message: String,
    },
    /// A user is not as a user can be.
    User {
        /// Its name as it was written.
        user: String,
        /// What is wrong with it.
        problem: UserProblem,
    },
}

/// What is wrong with a user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserProblem {
    /// The name is no name.
    Name,
    /// The name is that under which Redis clients come that name nobody.
    ReservedName,
    /// There is another user of this name.
    SameName,
    /// Another user has the same token, so it would not be known who comes.
    SameToken,
    /// Another user has the same name of a certificate.
    SameCertificate,
    /// Nobody can be this user: there is neither a token nor a certificate.
    NoToken,
    /// Whoever says nothing is `anonymous`, which needs no token.
    AnonymousToken,
    /// A token is not written as it has to be.
    Token(NotADigest),
    /// The table that is asked where none is named is none of those that may be asked.
    Default {
        /// The table.
        table: String,
    },
}

impl fmt::Display for UsersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { found } => {
                write!(f, "a file of users has {USERS_BYTES_MAX} bytes at most, this one has {found}")
            }
            Self::Syntax { line, message } => write!(f, "line {line}: {message}"),
            Self::User { user, problem } => write!(f, "user `{}`: {problem}", user.escape_debug()),
        }
    }
}

impl std::error::Error for UsersError {}

impl fmt::Display for UserProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str(
                "a name is 1 to 64 of the characters A-Z, a-z, 0-9, `_`, `-` and `.`, and begins with none of \
                 the last two",
            ),
            Self::ReservedName => {
                f.write_str("`default` is what Redis clients say that name nobody; choose another name")
            }
            Self::SameName => f.write_str("there is a user of this name above"),
            Self::SameToken => f.write_str("a user above has the same token; every user needs one of its own"),
            Self::SameCertificate => f.write_str("a user above has a certificate of the same name"),
            Self::NoToken => f.write_str("there is neither a `token` nor a `certificate`, so nobody can be this user"),
            Self::AnonymousToken => {
                write!(f, "`{ANONYMOUS}` is whoever has no token, and has neither `token` nor `certificate`")
            }
            Self::Token(error) => error.fmt(f),
            Self::Default { table } => write!(f, "`default` is `{table}`, which is not among `tables`"),
        }
    }
}

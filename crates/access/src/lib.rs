//! Who may ask a server, and which tables: users and their tokens, read from one file that may be
//! read again while the server runs.
//!
//! ```
//! use graven_access::{Access, Token, Users};
//!
//! let token = Token::generate()?;
//! let file = format!(
//!     "[[users]]\nname = \"shop\"\ntoken = \"{}\"\ntables = [\"prices\"]\n",
//!     token.digest(),
//! );
//! let access = Access::new(Users::from_toml(&file)?);
//!
//! let users = access.users();
//! let shop = users.login(None, token.as_str().as_bytes()).expect("the token is the user's");
//! assert_eq!(&**shop.name(), "shop");
//! assert!(shop.may_ask("prices") && !shop.may_ask("salaries"));
//! assert!(users.login(None, b"a guess").is_none());
//! assert!(users.anonymous().is_none(), "whoever has no token may ask nothing");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A token is compared by its SHA-256, as Redis keeps its passwords: that is safe for tokens of 256
//! random bits, which nobody guesses, and costs the server one short hash a login instead of the
//! tenths of a second that a password of a person needs. Nothing there opens a file, logs, or knows
//! a protocol.
//!
//! `tls`, behind the feature of that name, makes what rustls needs from files of certificates and
//! keys, for servers and for clients, and renews it when the files change. It opens no socket.

mod access;
mod attempts;
mod error;
#[cfg(feature = "tls")]
pub mod tls;
mod token;
mod trust;
mod users;

pub use access::Access;
pub use attempts::{FAILED_LOGINS_PER_SECOND_MAX, LoginAttempts};
pub use error::{UserProblem, UsersError};
pub use token::{NotADigest, TOKEN_BYTES_MIN, Token, TokenDigest, TokenTooShort};
pub use trust::ServerTrust;
pub use users::{ANONYMOUS, USERS_BYTES_MAX, User, Users};

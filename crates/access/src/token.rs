//! Tokens, and the digests by which they are known.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use subtle::ConstantTimeEq;

/// The least length of a token that somebody chose, in bytes. Tokens are not slow to hash, so they
/// have to be too many to be tried.
pub const TOKEN_BYTES_MIN: usize = 32;

/// What stands before the digits of a digest.
const PREFIX: &str = "sha256:";

/// A secret that stands for a user. Its `Debug` form does not tell it.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// 256 random bits of the operating system, as 64 hexadecimal digits.
    ///
    /// # Errors
    /// When the system has no random bits to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits)?;
        Ok(Self(hexadecimal(&bits)))
    }

    /// A token that somebody chose.
    ///
    /// # Errors
    /// When it has fewer than [`TOKEN_BYTES_MIN`] bytes.
    pub fn chosen(text: &str) -> Result<Self, TokenTooShort> {
        match text.len() {
            found if found < TOKEN_BYTES_MIN => Err(TokenTooShort { found }),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The secret itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a server knows of it.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// A token that somebody chose, and that is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenTooShort {
    /// Its length in bytes.
    pub found: usize,
}

impl fmt::Display for TokenTooShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found } = self;
        write!(f, "a token has {TOKEN_BYTES_MIN} bytes or more, or it can be guessed; this one has {found}")
    }
}

impl std::error::Error for TokenTooShort {}

/// The SHA-256 of a token, written as `sha256:` and 64 hexadecimal digits. Two are compared in a
/// time that does not depend on them.
#[derive(Clone, Copy, Eq)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// That of a token as a client sends it.
    pub fn of(token: &[u8]) -> Self {
        Self(hmac_sha256::Hash::hash(token))
    }
}

impl PartialEq for TokenDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Hash for TokenDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest")
    }
}

impl fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hexadecimal(&self.0))
    }
}

/// A text that is no digest of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADigest;

impl fmt::Display for NotADigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a token is written as `sha256:` and 64 hexadecimal digits, the SHA-256 of the token itself",
        )
    }
}

impl std::error::Error for NotADigest {}

impl FromStr for TokenDigest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let digits = text.strip_prefix(PREFIX).ok_or(NotADigest)?.as_bytes();
        let mut digest = [0; 32];
        if digits.len() != 2 * digest.len() {
            return Err(NotADigest);
        }
        let value = |digit: u8| char::from(digit).to_digit(16).ok_or(NotADigest);
        for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = (value(pair[0])? * 16 + value(pair[1])?) as u8;
        }
        Ok(Self(digest))
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_as_it_is_read() {
        // The test vector of FIPS 180-2 for "abc".
        let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(TokenDigest::of(b"abc").to_string(), abc);
        assert_eq!(abc.parse(), Ok(TokenDigest::of(b"abc")));
        assert_eq!(abc.to_uppercase().replace("SHA", "sha").parse(), Ok(TokenDigest::of(b"abc")));
        for wrong in ["", "sha256:", &abc[7..], &abc[..70], &format!("{abc}0"), &abc.replace('7', "x")] {
            assert_eq!(wrong.parse::<TokenDigest>(), Err(NotADigest), "{wrong}");
        }
    }

    #[test]
    fn two_tokens_are_never_the_same_and_say_nothing_of_themselves() {
        let (one, other) = (Token::generate().unwrap(), Token::generate().unwrap());
        assert_eq!(one.as_str().len(), 64);
        assert_ne!(one.as_str(), other.as_str());
        assert_ne!(one.digest(), other.digest());
        assert!(!format!("{one:?}{:?}", one.digest()).contains(&one.as_str()[..8]));
    }

    #[test]
    fn a_chosen_token_is_long() {
        assert_eq!(Token::chosen(&"a".repeat(31)).unwrap_err(), TokenTooShort { found: 31 });
        assert!(Token::chosen(&"a".repeat(32)).is_ok());
    }
}

//! Why files of certificates and keys cannot be used.

use std::path::PathBuf;
use std::{fmt, io};

/// Why files of certificates and keys cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file is not what PEM is.
    NotPem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file holds no certificate.
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// Whether there is a private key in it.
        has_key: bool,
    },
    /// A file holds no private key.
    NoKey {
        /// The file.
        path: PathBuf,
        /// Whether there is a certificate in it.
        has_certificate: bool,
    },
    /// The private key is encrypted.
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// The private key is of a kind that cannot be used.
    UnusableKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate cannot be used.
    UnusableCertificate {
        /// The file.
        path: PathBuf,
        /// Which of the certificates in it, from 1 on.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The key does not belong to the certificate.
    KeyMismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The key belongs to a certificate that is not the first.
    NotFirst {
        /// The file of the certificates.
        path: PathBuf,
        /// Which of the certificates the key belongs to, from 1 on.
        number: usize,
    },
    /// A certificate does not stand before the one that issued it.
    ChainOrder {
        /// The file.
        path: PathBuf,
        /// Which of the certificates, from 1 on.
        number: usize,
        /// Who issued it.
        issuer: String,
        /// Whose certificate stands behind it.
        found: String,
    },
    /// Clients are to show certificates, and there is no authority to check them by.
    NoClientAuthority,
    /// The system has no authorities to check a server by.
    NoAuthorities {
        /// What the system said.
        reason: String,
    },
    /// rustls refuses the configuration.
    Refused(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } if source.kind() == io::ErrorKind::PermissionDenied => write!(
                f,
                "no permission to read {0}; let the server's user read it, as with `chgrp GROUP {0} && chmod 640 {0}`",
                path.display()
            ),
            Self::Read { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Self::NotPem { path, reason } => write!(
                f,
                "{0} is not PEM ({reason}); if it is DER, write `openssl x509 -inform der -in {0}`",
                path.display()
            ),
            Self::NoCertificate { path, has_key: true } => {
                write!(
                    f,
                    "{} holds a private key and no certificate; are the two files exchanged?",
                    path.display()
                )
            }
            Self::NoCertificate { path, has_key: false } => {
                write!(f, "{} holds no `-----BEGIN CERTIFICATE-----`; it must be PEM", path.display())
            }
            Self::NoKey { path, has_certificate: true } => {
                write!(
                    f,
                    "{} holds a certificate and no private key; are the two files exchanged?",
                    path.display()
                )
            }
            Self::NoKey { path, has_certificate: false } => {
                write!(f, "{} holds no `-----BEGIN PRIVATE KEY-----`; it must be PEM", path.display())
            }
            Self::EncryptedKey { path } => write!(
                f,
                "the private key in {0} is encrypted, and nobody is there to type its password; decrypt it with `openssl pkey \
                 -in {0} -out KEY && chmod 600 KEY`",
                path.display()
            ),
            Self::UnusableKey { path, reason } => write!(
                f,
                "the private key in {} cannot be used: {reason}; RSA of 2048 to 4096 bits, ECDSA P-256 and P-384 and Ed25519 can",
                path.display()
            ),
            Self::UnusableCertificate { path, number, reason } => {
                write!(f, "certificate {number} in {} cannot be used: {reason}", path.display())
            }
            Self::KeyMismatch { certificate, key } => write!(
                f,
                "the private key in {1} does not belong to the certificate in {0}; `openssl x509 -noout -pubkey -in {0}` and \
                 `openssl pkey -pubout -in {1}` must print the same",
                certificate.display(),
                key.display()
            ),
            Self::NotFirst { path, number } => write!(
                f,
                "the private key belongs to certificate {number} in {}; that one must come first, then the one that issued it, \
                 and so on",
                path.display()
            ),
            Self::ChainOrder { path, number, issuer, found } => write!(
                f,
                "in {}, certificate {number} was issued by {issuer}, but behind it stands the one of {found}; each must be \
                 followed by its issuer's, as in `cat SERVER.pem INTERMEDIATE.pem`",
                path.display()
            ),
            Self::NoClientAuthority => f.write_str(
                "clients are to show certificates, but there is no authority's certificate to check them by",
            ),
            Self::NoAuthorities { reason } => write!(
                f,
                "the system has no certificates of authorities ({reason}); install the package ca-certificates, or name a file"
            ),
            Self::Refused(reason) => write!(f, "TLS cannot be set up: {reason}"),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}

//! Configurations of TLS from files, for servers and for clients.
//!
//! A server has one [`ServerIdentity`]: a certificate, its key, and perhaps the authorities of its clients. Each way to accept
//! connections is an [`Acceptance`], of which every new connection takes the configuration that holds then. When the files
//! change, [`ServerIdentity::reload`] checks them whole before they hold; connections keep what they began with.

mod certificate;
mod client;
mod error;
mod files;
mod server;

pub use certificate::peer_name;
pub use client::{client_config, server_name};
pub use error::TlsError;
pub use files::TlsFiles;
pub use server::{Acceptance, ClientAuth, Reloaded, ServerIdentity};

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

#[cfg(feature = "aws-lc")]
use rustls::crypto::aws_lc_rs as cryptography;
#[cfg(not(feature = "aws-lc"))]
use rustls::crypto::ring as cryptography;

/// What signs, agrees on keys and encrypts: ring, or aws-lc where it is built in.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(cryptography::default_provider())
}

//! What is said where this graven was built without TLS.

use graven_server::{Listener, TlsMode};

use crate::config::Config;
use crate::failure::{Failure, Outcome};
use crate::tls::WITHOUT;

/// No certificates.
pub(crate) struct NoCertificates;

impl NoCertificates {
    pub(crate) fn reload(&self) {}
}

/// Refuses options and listeners that ask for TLS.
pub(crate) fn secure(listeners: &mut [Listener], config: &Config) -> Outcome<NoCertificates> {
    let paths = &config.options.tls;
    let given = [
        ("--tls-cert", &paths.certificate),
        ("--tls-key", &paths.key),
        ("--tls-client-ca", &paths.client_ca),
    ];
    if let Some((name, _)) = given.iter().find(|(_, path)| path.is_some()) {
        return Err(Failure::new(format!("{name} has no effect: {WITHOUT}")));
    }
    let wants_tls =
        |listener: &&mut Listener| matches!(listener.endpoint().tls, Some(TlsMode::On | TlsMode::Both));
    match listeners.iter_mut().find(wants_tls) {
        Some(listener) => Err(Failure::new(format!("{} asks for TLS, and {WITHOUT}", listener.endpoint()))),
        None => Ok(NoCertificates),
    }
}

//! A server's side: what its connections are made with, and how that is renewed.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};

use super::cryptography::Ticketer;
use super::error::TlsError;
use super::files::{LoadedFiles, TlsFiles};
use super::provider;

/// Days before a certificate expires from which on that is warned of.
const EXPIRES_SOON_DAYS: u64 = 14;

const DAY_SECONDS: u64 = 86_400;

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientAuth {
    /// They are not asked for one.
    None,
    /// Those that show one are checked, the others come in without a name.
    Optional,
    /// Without one there is no connection.
    Required,
}

/// A certificate with its key, for all listeners of a server.
pub struct ServerIdentity {
    files: TlsFiles,
    loaded: Mutex<LoadedFiles>,
    acceptances: Mutex<Vec<Arc<Acceptance>>>,
    /// Seconds since 1970.
    expires: Arc<AtomicU64>,
}

/// One way to accept connections: of each new one it gives the configuration that holds then.
pub struct Acceptance {
    clients: ClientAuth,
    alpn: Vec<Vec<u8>>,
    config: Mutex<Arc<ServerConfig>>,
}

/// What reading the files again has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// Whose certificate it is.
    pub subject: String,
    /// Until when it holds, in seconds since 1970.
    pub expires: u64,
    /// What should be looked after, though it works.
    pub warnings: Vec<String>,
}

impl fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerIdentity").field("files", &self.files).finish_non_exhaustive()
    }
}

impl fmt::Debug for Acceptance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptance").field("clients", &self.clients).finish_non_exhaustive()
    }
}

impl ServerIdentity {
    /// Reads and checks the files, and says what should be looked after.
    ///
    /// # Errors
    /// What is wrong with them, and what to do.
    pub fn open(files: TlsFiles) -> Result<(Self, Reloaded), TlsError> {
        let loaded = files.load()?;
        let expires = Arc::new(AtomicU64::new(loaded.facts.not_after));
        let reloaded = Reloaded::of(&loaded);
        let acceptances = Mutex::default();
        Ok((Self { files, loaded: Mutex::new(loaded), acceptances, expires }, reloaded))
    }

    /// The files.
    pub fn files(&self) -> &TlsFiles {
        &self.files
    }

    /// Whether there are authorities by which clients' certificates are checked.
    pub fn checks_clients(&self) -> bool {
        self.files.client_ca.is_some()
    }

    /// When the certificate expires, in seconds since 1970; it follows reloads.
    pub fn expires(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.expires)
    }

    /// What is to be said today of the time for which the certificate holds: that it expires soon, has expired, or does not hold yet.
    pub fn validity_warning(&self) -> Option<String> {
        let loaded = lock(&self.loaded);
        validity_warning(loaded.facts.not_before..loaded.facts.not_after, unix_seconds())
    }

    /// A way to accept connections of `clients`, which may choose one of the protocols in `alpn`.
    ///
    /// # Errors
    /// [`TlsError::NoClientAuthority`] where clients are to show certificates and no authority is known.
    pub fn acceptance(&self, clients: ClientAuth, alpn: &[&[u8]]) -> Result<Arc<Acceptance>, TlsError> {
        let alpn: Vec<Vec<u8>> = alpn.iter().map(|name| name.to_vec()).collect();
        let config = configuration(&lock(&self.loaded), clients, &alpn, None)?;
        let acceptance = Arc::new(Acceptance { clients, alpn, config: Mutex::new(Arc::new(config)) });
        lock(&self.acceptances).push(Arc::clone(&acceptance));
        Ok(acceptance)
    }

    /// Reads the files again. From now on connections are made with what they hold; those that are there go on.
    ///
    /// # Errors
    /// What is wrong with the files; then everything stays as it is.
    pub fn reload(&self) -> Result<Reloaded, TlsError> {
        let next = self.files.load()?;
        let mut loaded = lock(&self.loaded);
        // A session that was begun under other authorities must not go on.
        let keeps_sessions = next.client_ca_bytes == loaded.client_ca_bytes;
        let acceptances = lock(&self.acceptances);
        let mut configs = Vec::new();
        for acceptance in acceptances.iter() {
            let current = acceptance.current();
            let before = keeps_sessions.then_some(&*current);
            configs.push(Arc::new(configuration(&next, acceptance.clients, &acceptance.alpn, before)?));
        }
        for (acceptance, config) in acceptances.iter().zip(configs) {
            *lock(&acceptance.config) = config;
        }
        self.expires.store(next.facts.not_after, Ordering::Relaxed);
        let reloaded = Reloaded::of(&next);
        *loaded = next;
        Ok(reloaded)
    }
}

impl Acceptance {
    /// What a connection that begins now is made with.
    pub fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&lock(&self.config))
    }

    /// Whether clients show certificates.
    pub fn clients(&self) -> ClientAuth {
        self.clients
    }
}

impl Reloaded {
    fn of(loaded: &LoadedFiles) -> Self {
        let mut warnings = loaded.warnings.clone();
        let facts = &loaded.facts;
        warnings.extend(validity_warning(facts.not_before..facts.not_after, unix_seconds()));
        Self { subject: facts.subject.clone(), expires: facts.not_after, warnings }
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs())
}

/// What is to be said at the time `now` of a certificate that holds for `validity`; times are in seconds since 1970.
fn validity_warning(validity: Range<u64>, now: u64) -> Option<String> {
    let days = |seconds: u64| match seconds / DAY_SECONDS {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    };
    if now >= validity.end {
        let ago = days(now - validity.end);
        return Some(format!("the certificate has expired {ago} ago; clients refuse it"));
    }
    if now < validity.start {
        let hence = days(validity.start - now);
        return Some(format!("the certificate does not hold yet, but in {hence}; clients refuse it"));
    }
    let left = validity.end - now;
    (left < EXPIRES_SOON_DAYS * DAY_SECONDS).then(|| format!("the certificate expires in {}", days(left)))
}

/// A configuration of rustls. Sessions of the one `before` it can be resumed. Each way to accept has tickets of its own: what
/// was begun where no certificate was asked for must not be resumed where one is.
fn configuration(
    loaded: &LoadedFiles,
    clients: ClientAuth,
    alpn: &[Vec<u8>],
    before: Option<&ServerConfig>,
) -> Result<ServerConfig, TlsError> {
    let refused = |error: &dyn fmt::Display| TlsError::Refused(error.to_string());
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| refused(&error))?;
    let builder = match clients {
        ClientAuth::None => builder.with_no_client_auth(),
        ClientAuth::Optional | ClientAuth::Required => {
            let roots = loaded.client_roots.as_ref().ok_or(TlsError::NoClientAuthority)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider());
            let verifier = match clients {
                ClientAuth::Optional => verifier.allow_unauthenticated(),
                _ => verifier,
            };
            builder.with_client_cert_verifier(verifier.build().map_err(|error| refused(&error))?)
        }
    };
    let mut config =
        builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::clone(&loaded.key))));
    config.alpn_protocols = alpn.to_vec();
    // Tickets alone: nothing is kept here for clients that may never come back.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = match before {
        Some(before) => Arc::clone(&before.ticketer),
        None => Ticketer::new().map_err(|error| refused(&error))?,
    };
    Ok(config)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_warned_of_from_two_weeks_before_it_expires_on() {
        const DAY: u64 = DAY_SECONDS;
        for (now, says) in [
            (0, Some("the certificate does not hold yet, but in 10 days; clients refuse it")),
            (
                10 * DAY - 1,
                Some("the certificate does not hold yet, but in less than a day; clients refuse it"),
            ),
            (10 * DAY, None),
            (86 * DAY, None),
            (86 * DAY + 1, Some("the certificate expires in 13 days")),
            (98 * DAY + 1, Some("the certificate expires in 1 day")),
            (100 * DAY - 1, Some("the certificate expires in less than a day")),
            (100 * DAY, Some("the certificate has expired less than a day ago; clients refuse it")),
            (107 * DAY, Some("the certificate has expired 7 days ago; clients refuse it")),
        ] {
            assert_eq!(validity_warning(10 * DAY..100 * DAY, now).as_deref(), says, "{now}");
        }
    }
}

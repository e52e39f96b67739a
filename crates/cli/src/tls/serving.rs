//! The certificate of a running server: read at the start, at SIGHUP and when its files change.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use graven_access::tls::{Reloaded, ServerIdentity, TlsError, TlsFiles};
use graven_format::FileStamp;
use graven_server::{Listener, TlsMode};

use crate::config::Config;
use crate::failure::{Failure, Outcome, cannot_start_thread};

/// How often the files are looked at. A change counts when the next look finds the same, so that a certificate and its key may
/// be replaced one after the other.
const LOOK: Duration = Duration::from_secs(1);

/// How often a certificate is warned of that expires soon or has expired, as long as nobody renews it.
const REMIND: Duration = Duration::from_secs(24 * 60 * 60);

/// What keeps the certificate up to date.
pub(crate) struct Certificates(Option<Sender<()>>);

impl Certificates {
    /// Has the files read again now.
    pub(crate) fn reload(&self) {
        if let Some(asked) = &self.0 {
            // As long as this is called, the thread is there.
            let _ = asked.send(());
        }
    }
}

/// Has the listeners speak TLS that are to, and follows the certificate.
pub(crate) fn secure(listeners: &mut [Listener], config: &Config) -> Outcome<Certificates> {
    let paths = &config.options.tls;
    let files = match (&paths.certificate, &paths.key) {
        (Some(certificate), Some(key)) => TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
            client_ca: paths.client_ca.clone(),
        },
        (Some(_), None) => {
            return Err(Failure::new("--tls-cert needs its private key; add `--tls-key FILE`"));
        }
        (None, Some(_)) => {
            return Err(Failure::new("--tls-key needs its certificate; add `--tls-cert FILE`"));
        }
        (None, None) => {
            if paths.client_ca.is_some() {
                return Err(Failure::new(
                    "--tls-client-ca needs a certificate of the server's own; add `--tls-cert FILE --tls-key FILE`",
                ));
            }
            let wants_tls = |listener: &&mut Listener| {
                matches!(listener.endpoint().tls, Some(TlsMode::On | TlsMode::Both))
            };
            return match listeners.iter_mut().find(wants_tls) {
                Some(listener) => Err(Failure::new(format!(
                    "{} speaks TLS, which needs a certificate; add `--tls-cert FILE --tls-key FILE`",
                    listener.endpoint()
                ))),
                None => Ok(Certificates(None)),
            };
        }
    };
    // Taken before the files are read, so that no change is missed.
    let stamps = stamps(&files);
    let (identity, opened) = ServerIdentity::open(files).map_err(|error| Failure::new(error.to_string()))?;
    for listener in &mut *listeners {
        let endpoint = listener.endpoint().to_string();
        listener.use_tls(&identity).map_err(|error| match error {
            TlsError::NoClientAuthority => Failure::new(format!(
                "{endpoint} asks clients for certificates, and nothing says who issues them; add `--tls-client-ca FILE`"
            )),
            error => Failure::new(error.to_string()),
        })?;
    }
    report(&opened);
    let (ask, asked) = channel();
    let identity = Arc::new(identity);
    let follow = move || {
        let (mut holds, mut seen) = (stamps.clone(), stamps);
        let mut reminded = Instant::now();
        loop {
            let is_asked = match asked.recv_timeout(LOOK) {
                Ok(()) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let now = self::stamps(identity.files());
            let has_changed = now != holds && now == seen;
            seen = now.clone();
            if !is_asked && !has_changed {
                if reminded.elapsed() >= REMIND {
                    reminded = Instant::now();
                    if let Some(warning) = identity.validity_warning() {
                        tracing::warn!(event = "certificate_warning", "{warning}");
                    }
                }
                continue;
            }
            reminded = Instant::now();
            // Whatever comes of it: what fails is said once, and tried again when the files change again.
            holds = now;
            match identity.reload() {
                Ok(reloaded) => report(&reloaded),
                Err(error) => {
                    tracing::error!(
                        event = "certificate_refused",
                        "{error}; the former certificate stays in use"
                    );
                }
            }
        }
    };
    let spawned = thread::Builder::new().name("certificates".into()).spawn(follow);
    spawned.map_err(|error| cannot_start_thread(&error))?;
    Ok(Certificates(Some(ask)))
}

fn stamps(files: &TlsFiles) -> Vec<Option<FileStamp>> {
    files.paths().map(FileStamp::of).collect()
}

fn report(reloaded: &Reloaded) {
    let expires = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(reloaded.expires));
    tracing::info!(
        event = "certificate_reloaded",
        subject = reloaded.subject,
        %expires,
        "TLS certificate read"
    );
    for warning in &reloaded.warnings {
        tracing::warn!(event = "certificate_warning", "{warning}");
    }
}

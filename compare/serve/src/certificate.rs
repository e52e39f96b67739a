//! The certificate that all servers with TLS have in a run.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

/// What signs the handshakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum KeyKind {
    /// ECDSA with P-256
    Ecdsa,
    /// RSA with 2048 bits
    Rsa,
}

impl KeyKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ecdsa => "ECDSA P-256",
            Self::Rsa => "RSA, 2048 bits",
        }
    }
}

/// A certificate for 127.0.0.1, which has signed itself, and its key.
pub(crate) struct Certificate {
    folder: TempDir,
    pub(crate) kind: KeyKind,
    client: Arc<ClientConfig>,
}

impl Certificate {
    /// Has `openssl` make one.
    pub(crate) fn make(kind: KeyKind) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let key: &[&str] = match kind {
            KeyKind::Ecdsa => &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            KeyKind::Rsa => &["rsa:2048"],
        };
        let output = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=compare-serve"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", "key.pem", "-out", "cert.pem", "-newkey"])
            .args(key)
            .current_dir(folder.path())
            .output();
        let output = match output {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("openssl is missing: apt-get install openssl")
            }
            output => output.context("cannot run openssl")?,
        };
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "openssl has made no certificate: {}", said.trim());
        let client = client_config(&folder.path().join("cert.pem"))?;
        Ok(Self { folder, kind, client })
    }

    pub(crate) fn chain(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// What the load speaks: it trusts this certificate alone, and begins a session anew with each connection.
    pub(crate) fn client(&self) -> &Arc<ClientConfig> {
        &self.client
    }
}

fn client_config(chain: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(chain).context("cannot read the certificate")?)?;
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

//! Reading certificates and keys, and finding out whether they fit together before anybody connects.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::certificate::CertificateFacts;
use super::error::TlsError;
use super::provider;

/// Where a server's certificates and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the server's certificate, then the one that issued it, and so on.
    pub certificate: PathBuf,
    /// PEM: the private key of the first of these.
    pub key: PathBuf,
    /// PEM: the authorities whose certificates clients show; `None` where clients are asked for none.
    pub client_ca: Option<PathBuf>,
}

/// What the files hold, checked.
#[derive(Debug)]
pub(super) struct LoadedFiles {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) facts: CertificateFacts,
    pub(super) client_roots: Option<Arc<RootCertStore>>,
    /// The bytes of the authorities' file, by which a change is known.
    pub(super) client_ca_bytes: Vec<u8>,
    /// What should be looked after, though it works.
    pub(super) warnings: Vec<String>,
}

impl TlsFiles {
    /// All that is read, in the order in which it is.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path)
    }

    pub(super) fn load(&self) -> Result<LoadedFiles, TlsError> {
        let chain = certificates(&self.certificate, &read(&self.certificate)?)?;
        let mut warnings = Vec::new();
        let mode = fs::metadata(&self.key).map_or(0, |file| file.permissions().mode());
        if mode & 0o004 != 0 {
            let key = self.key.display();
            warnings.push(format!(
                "every user of this machine may read the private key {key}; write `chmod o-r {key}`"
            ));
        }
        let key = private_key(&self.key, &read(&self.key)?)?;
        let facts = check_chain(&self.certificate, &chain)?;
        let key = self.certified(chain, key)?;
        let (client_roots, client_ca_bytes) = match &self.client_ca {
            Some(path) => {
                let bytes = read(path)?;
                (Some(Arc::new(roots(path, &bytes)?)), bytes)
            }
            None => (None, Vec::new()),
        };
        Ok(LoadedFiles { key: Arc::new(key), facts, client_roots, client_ca_bytes, warnings })
    }

    fn certified(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<CertifiedKey, TlsError> {
        let signing = provider()
            .key_provider
            .load_private_key(key)
            .map_err(|error| TlsError::UnusableKey { path: self.key.clone(), reason: error.to_string() })?;
        let fits = |certificate: &CertificateDer<'static>| {
            CertifiedKey::new(vec![certificate.clone()], Arc::clone(&signing)).keys_match()
        };
        match fits(&chain[0]) {
            Ok(()) => Ok(CertifiedKey::new(chain, signing)),
            Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
                match chain.iter().position(|certificate| fits(certificate).is_ok()) {
                    Some(at) => Err(TlsError::NotFirst { path: self.certificate.clone(), number: at + 1 }),
                    None => Err(TlsError::KeyMismatch {
                        certificate: self.certificate.clone(),
                        key: self.key.clone(),
                    }),
                }
            }
            Err(error) => Err(TlsError::UnusableCertificate {
                path: self.certificate.clone(),
                number: 1,
                reason: error.to_string(),
            }),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    /// More than any chain or bundle of authorities takes.
    const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, FILE_BYTES_MAX), &mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// What a text in PEM holds.
struct Sections {
    certificates: Vec<CertificateDer<'static>>,
    keys: Vec<PrivateKeyDer<'static>>,
}

fn sections(path: &Path, bytes: &[u8]) -> Result<Sections, TlsError> {
    let mut found = Sections { certificates: Vec::new(), keys: Vec::new() };
    let mut rest = bytes;
    loop {
        let section = pem::from_buf(&mut rest)
            .map_err(|error| TlsError::NotPem { path: path.to_owned(), reason: error.to_string() })?;
        let Some((kind, der)) = section else { break };
        match kind {
            SectionKind::Certificate => found.certificates.push(der.into()),
            _ => found.keys.extend(PrivateKeyDer::from_pem(kind, der)),
        }
    }
    Ok(found)
}

pub(super) fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let Sections { certificates, keys } = sections(path, bytes)?;
    match certificates.is_empty() {
        true => Err(TlsError::NoCertificate { path: path.to_owned(), has_key: !keys.is_empty() }),
        false => Ok(certificates),
    }
}

fn private_key(path: &Path, bytes: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    // PKCS#8, and the older form of OpenSSL.
    let is_encrypted = [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| bytes.windows(mark.len()).any(|window| window == *mark));
    if is_encrypted {
        return Err(TlsError::EncryptedKey { path: path.to_owned() });
    }
    let Sections { certificates, keys } = sections(path, bytes)?;
    let missing = || TlsError::NoKey { path: path.to_owned(), has_certificate: !certificates.is_empty() };
    keys.into_iter().next().ok_or_else(missing)
}

/// The authorities that `bytes` names.
pub(super) fn roots(path: &Path, bytes: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for (i, certificate) in certificates(path, bytes)?.into_iter().enumerate() {
        roots.add(certificate).map_err(|error| TlsError::UnusableCertificate {
            path: path.to_owned(),
            number: i + 1,
            reason: error.to_string(),
        })?;
    }
    Ok(roots)
}

/// What the first certificate says, if each is followed by its issuer's.
fn check_chain(path: &Path, chain: &[CertificateDer<'_>]) -> Result<CertificateFacts, TlsError> {
    let mut facts = Vec::new();
    for (i, certificate) in chain.iter().enumerate() {
        facts.push(CertificateFacts::read(certificate).map_err(|reason| TlsError::UnusableCertificate {
            path: path.to_owned(),
            number: i + 1,
            reason,
        })?);
    }
    for (i, pair) in facts.windows(2).enumerate() {
        if pair[0].issuer != pair[1].subject {
            return Err(TlsError::ChainOrder {
                path: path.to_owned(),
                number: i + 1,
                issuer: pair[0].issuer.clone(),
                found: pair[1].subject.clone(),
            });
        }
    }
    Ok(facts.swap_remove(0))
}

/// Reads a file of authorities.
pub(super) fn read_roots(path: &Path) -> Result<RootCertStore, TlsError> {
    roots(path, &read(path)?)
}

//! Files of certificates and keys that do not fit: each is refused with what is wrong and what to do.
#![cfg(feature = "tls")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use graven_access::ServerTrust;
use graven_access::tls::{ClientAuth, ServerIdentity, TlsFiles, client_config, peer_name};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates").join(name)
}

fn open(certificate: &str, key: &str, client_ca: Option<&str>) -> Result<Vec<String>, String> {
    let files = TlsFiles { certificate: file(certificate), key: file(key), client_ca: client_ca.map(file) };
    match ServerIdentity::open(files) {
        Ok((_, opened)) => Ok(opened.warnings),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn each_mistake_is_refused_with_what_is_wrong() {
    for (certificate, key, client_ca, says) in [
        ("missing.pem", "server.key", None, "cannot read"),
        ("server.pem", "missing.key", None, "cannot read"),
        (
            "server.key",
            "server.pem",
            None,
            "holds a private key and no certificate; are the two files exchanged?",
        ),
        ("server.pem", "server.pem", None, "holds a certificate and no private key"),
        ("make.sh", "server.key", None, "holds no `-----BEGIN CERTIFICATE-----`"),
        ("server.pem", "make.sh", None, "holds no `-----BEGIN PRIVATE KEY-----`"),
        (
            "server.pem",
            "encrypted.key",
            None,
            "is encrypted, and nobody is there to type its password; decrypt it with",
        ),
        ("server.pem", "client.key", None, "does not belong to the certificate"),
        ("reversed.pem", "leaf.key", None, "certificate 1 was issued by"),
        (
            "gap.pem",
            "leaf.key",
            None,
            "certificate 1 was issued by CN=graven test intermediate, but behind it stands",
        ),
        ("server.pem", "server.key", Some("client.key"), "holds a private key and no certificate"),
        ("server.pem", "server.key", Some("missing.pem"), "cannot read"),
    ] {
        let error = open(certificate, key, client_ca).unwrap_err();
        assert!(error.contains(says), "{certificate} {key}: {error}");
    }
}

#[test]
fn the_key_of_an_issuer_is_told_apart_from_one_that_does_not_belong() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cert.pem");
    // Issued by itself as far as names go: only the order is wrong.
    let text = fs::read_to_string(file("renewed.pem")).unwrap();
    fs::write(&path, text.clone() + &fs::read_to_string(file("server.pem")).unwrap()).unwrap();
    let files = TlsFiles { certificate: path, key: file("server.key"), client_ca: None };
    let error = ServerIdentity::open(files).unwrap_err().to_string();
    // Both have the same subject and issuer, which is another.
    assert!(error.contains("certificate 1 was issued by CN=graven test authority"), "{error}");
}

#[test]
fn what_fits_is_taken_and_what_should_be_looked_after_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key.pem");
    fs::copy(file("leaf.key"), &key).unwrap();
    let files =
        TlsFiles { certificate: file("chain.pem"), key: key.clone(), client_ca: Some(file("ca.pem")) };
    for (mode, warns) in [(0o600, false), (0o640, false), (0o644, true)] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let (_, opened) = ServerIdentity::open(files.clone()).unwrap();
        let found = opened.warnings.iter().any(|warning| warning.contains("may read the private key"));
        assert_eq!(found, warns, "{mode:o}");
        assert_eq!(opened.subject, "CN=localhost");
    }
    let warnings = open("expired.pem", "expired.key", None).unwrap();
    assert!(
        warnings.iter().any(|warning| warning.starts_with("the certificate has expired")),
        "{warnings:?}"
    );
}

#[test]
fn clients_are_not_asked_for_certificates_that_nobody_can_check() {
    let files = TlsFiles { certificate: file("server.pem"), key: file("server.key"), client_ca: None };
    let (identity, _) = ServerIdentity::open(files).unwrap();
    assert!(identity.acceptance(ClientAuth::None, &[]).is_ok());
    for clients in [ClientAuth::Optional, ClientAuth::Required] {
        let error = identity.acceptance(clients, &[]).unwrap_err().to_string();
        assert!(error.contains("no authority's certificate"), "{error}");
    }
}

#[test]
fn a_bad_pair_leaves_everything_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    fs::copy(file("server.pem"), &certificate).unwrap();
    fs::copy(file("server.key"), &key).unwrap();
    let files = TlsFiles { certificate: certificate.clone(), key: key.clone(), client_ca: None };
    let (identity, _) = ServerIdentity::open(files).unwrap();
    let acceptance = identity.acceptance(ClientAuth::None, &[]).unwrap();
    let before = acceptance.current();
    fs::copy(file("client.key"), &key).unwrap();
    assert!(identity.reload().is_err());
    assert!(std::sync::Arc::ptr_eq(&before, &acceptance.current()));
    fs::copy(file("client.pem"), &certificate).unwrap();
    assert_eq!(identity.reload().unwrap().subject, "CN=reader");
    assert!(!std::sync::Arc::ptr_eq(&before, &acceptance.current()));
}

#[test]
fn sessions_go_on_over_a_renewed_certificate_but_not_under_other_authorities() {
    let dir = tempfile::tempdir().unwrap();
    let authorities = dir.path().join("ca.pem");
    fs::copy(file("ca.pem"), &authorities).unwrap();
    let files = TlsFiles {
        certificate: file("server.pem"),
        key: file("server.key"),
        client_ca: Some(authorities.clone()),
    };
    let (identity, _) = ServerIdentity::open(files).unwrap();
    let acceptance = identity.acceptance(ClientAuth::Required, &[]).unwrap();
    let tickets = || std::sync::Arc::clone(&acceptance.current().ticketer);
    let before = tickets();
    identity.reload().unwrap();
    let ticket = before.encrypt(b"session").unwrap();
    assert_eq!(tickets().decrypt(&ticket).as_deref(), Some(&b"session"[..]));
    fs::copy(file("other-ca.pem"), &authorities).unwrap();
    identity.reload().unwrap();
    assert_eq!(tickets().decrypt(&ticket), None);
}

#[test]
fn a_peer_is_called_by_its_common_name_or_else_by_another_of_its_names() {
    for (name, called) in [
        ("client.pem", Some("reader")),
        ("spiffe.pem", Some("spiffe://example.org/reader")),
        ("server.pem", Some("localhost")),
    ] {
        let certificate = CertificateDer::from_pem_file(file(name)).unwrap();
        assert_eq!(peer_name(&certificate).as_deref(), called, "{name}");
    }
    let certificate = CertificateDer::from_pem_file(file("client.pem")).unwrap();
    for end in 0..certificate.len() {
        assert_eq!(peer_name(&certificate[..end].to_vec().into()), None);
    }
}

#[test]
fn a_client_is_told_what_is_wrong_with_its_file_of_authorities() {
    assert!(client_config(&ServerTrust::File(file("ca.pem")), &[]).is_ok());
    assert!(client_config(&ServerTrust::Anyone, &[]).is_ok());
    let error = client_config(&ServerTrust::File(file("client.key")), &[]).unwrap_err().to_string();
    assert!(error.contains("holds a private key and no certificate"), "{error}");
}

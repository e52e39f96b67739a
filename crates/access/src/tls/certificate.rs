//! What a certificate says: whose it is, who issued it, and until when it holds.

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::asn1::{PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

/// The common name's object identifier.
const COMMON_NAME: &str = "2.5.4.3";

/// What is read of a certificate.
#[derive(Clone, Debug)]
pub(super) struct CertificateFacts {
    pub(super) subject: String,
    pub(super) issuer: String,
    /// Seconds since 1970.
    pub(super) not_before: u64,
    pub(super) not_after: u64,
}

impl CertificateFacts {
    pub(super) fn read(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let certificate = Certificate::from_der(certificate).map_err(|error| error.to_string())?;
        let certificate = certificate.tbs_certificate();
        let validity = certificate.validity();
        Ok(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            not_before: validity.not_before.to_unix_duration().as_secs(),
            not_after: validity.not_after.to_unix_duration().as_secs(),
        })
    }
}

/// The name that stands for whoever showed `certificate`: its subject's common name, else the first of its alternative names
/// that is a host, a URI or an address of mail. `None` where it has none of these, or cannot be read.
pub fn peer_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let certificate = certificate.tbs_certificate();
    if let Some(name) = common_name(certificate.subject()) {
        return Some(name);
    }
    let extensions = certificate.extensions()?;
    let names = extensions.iter().find(|extension| extension.extn_id == SubjectAltName::OID)?;
    let names = SubjectAltName::from_der(names.extn_value.as_bytes()).ok()?;
    names.0.iter().find_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::UniformResourceIdentifier(name) => Some(name.to_string()),
        GeneralName::Rfc822Name(name) => Some(name.to_string()),
        _ => None,
    })
}

fn common_name(name: &Name) -> Option<String> {
    let found = name.iter().find(|attribute| attribute.oid.to_string() == COMMON_NAME)?;
    let value = &found.value;
    let text = match value.tag() {
        x509_cert::der::Tag::Utf8String => value.decode_as::<Utf8StringRef<'_>>().ok()?.to_string(),
        x509_cert::der::Tag::PrintableString => value.decode_as::<PrintableStringRef<'_>>().ok()?.to_string(),
        x509_cert::der::Tag::TeletexString => value.decode_as::<TeletexStringRef<'_>>().ok()?.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

//! How URLs of object stores begin.

/// What kind of store a URL names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObjectScheme {
    /// `s3://BUCKET/KEY`: Amazon's S3, and what speaks its protocol.
    S3,
    /// `gs://BUCKET/KEY`: Google's.
    Google,
    /// `az://CONTAINER/KEY`: Azure's.
    Azure,
    /// `https://HOST/PATH` or `http://`: a web server, for reading.
    Web,
}

pub(crate) const SCHEMES: [(&str, ObjectScheme); 5] = [
    ("s3://", ObjectScheme::S3),
    ("gs://", ObjectScheme::Google),
    ("az://", ObjectScheme::Azure),
    ("https://", ObjectScheme::Web),
    ("http://", ObjectScheme::Web),
];

/// Whether a text begins as the URL of an object store or of a web server does.
///
/// ```
/// assert!(graven_objects::is_object_url("s3://bucket/root"));
/// assert!(!graven_objects::is_object_url("data/s3:/x"));
/// ```
pub fn is_object_url(text: &str) -> bool {
    SCHEMES.iter().any(|(scheme, _)| text.starts_with(scheme))
}

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

/// Whether somebody wrote credentials before the bucket or the host. They may have a slash in
/// them, which then looks as the beginning of the path.
pub(crate) fn has_user(rest: &str, scheme: ObjectScheme) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_port = |behind: &str| {
        scheme == ObjectScheme::Web
            && (behind.ends_with(']') || behind.bytes().all(|byte| byte.is_ascii_digit()))
    };
    authority.contains('@') || authority.rsplit_once(':').is_some_and(|(_, behind)| !is_port(behind))
}

/// What may be repeated of a text that was to be a URL: neither users nor what comes behind `?`.
///
/// ```
/// assert_eq!(graven_objects::without_secrets("https://me:secret@host/x?key=secret"), "https://host/x");
/// ```
pub fn without_secrets(text: &str) -> String {
    let (beginning, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (&text[..scheme.len() + 3], rest),
        None => ("", text),
    };
    let scheme = SCHEMES.iter().find(|(known, _)| *known == beginning);
    let rest = match rest.rsplit_once('@') {
        Some((_, behind)) if has_user(rest, scheme.map_or(ObjectScheme::Web, |(_, scheme)| *scheme)) => {
            behind
        }
        _ => rest,
    };
    let plain = rest.split(['?', '#']).next().unwrap_or_default();
    format!("{beginning}{plain}")
}

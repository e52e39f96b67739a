//! Where objects are, as people write it.

use std::fmt;

use object_store::path::Path;

use crate::error::{ObjectError, ObjectProblem};
use crate::scheme::{ObjectScheme, SCHEMES, has_user, without_secrets};

/// A place in an object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectUrl {
    scheme: ObjectScheme,
    /// The scheme and the bucket, or the host, without a slash at the end.
    base: String,
    prefix: Path,
}

impl ObjectUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`ObjectProblem::Url`] when it is none, or one that cannot be asked for. The error has no
    /// more of it than is no secret: neither users nor what comes behind `?`.
    ///
    /// ```
    /// use graven_objects::ObjectUrl;
    ///
    /// let url = ObjectUrl::parse("s3://shop/tables/").unwrap();
    /// assert_eq!((url.container(), url.to_string().as_str()), ("shop", "s3://shop/tables"));
    /// assert!(ObjectUrl::parse("s3:///tables").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, ObjectError> {
        let wrong = |reason: &str| ObjectError {
            doing: "read the URL",
            url: without_secrets(text),
            problem: ObjectProblem::Url { reason: reason.to_owned() },
        };
        let found = SCHEMES.iter().find(|(scheme, _)| text.starts_with(scheme));
        let Some(&(beginning, scheme)) = found else {
            return Err(wrong(
                "expected s3://, gs://, az:// or https:// before the name of a bucket or host",
            ));
        };
        let rest = &text[beginning.len()..];
        let (container, path) = rest.split_once('/').unwrap_or((rest, ""));
        if container.is_empty() {
            return Err(wrong(match scheme {
                ObjectScheme::Web => "expected a host behind //, found none",
                _ => "expected the name of a bucket behind //, found none",
            }));
        }
        if has_user(rest, scheme) {
            return Err(wrong("expected no user in it; credentials are taken from the environment"));
        }
        if rest.contains(['?', '#']) {
            return Err(wrong("expected no ? or #, for nothing but a path is sent"));
        }
        let path = path.trim_end_matches('/');
        let prefix = match scheme {
            ObjectScheme::Web => Path::from_url_path(path),
            _ => Path::parse(path),
        };
        let prefix = prefix.map_err(|error| wrong(&error.to_string()))?;
        Ok(Self { scheme, base: format!("{beginning}{container}"), prefix })
    }

    /// What kind of store it is.
    pub fn scheme(&self) -> ObjectScheme {
        self.scheme
    }

    /// The name of the bucket, or the host.
    pub fn container(&self) -> &str {
        self.base.split_once("://").map_or("", |(_, container)| container)
    }

    /// The scheme and the bucket, or the host.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The path of what is called `key` below this place; the place itself where that is empty.
    pub(crate) fn path(&self, key: &str) -> Path {
        match (self.prefix.as_ref(), key) {
            (_, "") => self.prefix.clone(),
            ("", key) => Path::from(key),
            (prefix, key) => Path::from(format!("{prefix}/{key}")),
        }
    }

    /// What an object below this place is called.
    pub(crate) fn key_of<'p>(&self, path: &'p Path) -> Option<&'p str> {
        let rest = path.as_ref().strip_prefix(self.prefix.as_ref())?;
        if self.prefix.as_ref().is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    }

    /// The URL of what is called `key` below this place.
    pub fn of(&self, key: &str) -> String {
        let path = self.path(key);
        if path.as_ref().is_empty() { self.base.clone() } else { format!("{}/{path}", self.base) }
    }
}

impl fmt::Display for ObjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.of(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_written_alike() {
        for (text, written, container) in [
            ("s3://b", "s3://b", "b"),
            ("s3://b/", "s3://b", "b"),
            ("s3://b/a/root/", "s3://b/a/root", "b"),
            ("gs://b/root", "gs://b/root", "b"),
            ("az://b/root", "az://b/root", "b"),
            ("https://h:8443/t.graven", "https://h:8443/t.graven", "h:8443"),
        ] {
            let url = ObjectUrl::parse(text).unwrap();
            assert_eq!((url.to_string().as_str(), url.container()), (written, container));
        }
    }

    #[test]
    fn what_is_no_url_is_refused_with_the_reason() {
        for (text, reason) in [
            ("ftp://x", "expected s3://"),
            ("s3://", "found none"),
            ("s3:///root", "found none"),
            ("https:///x", "found none"),
            ("s3://a/b//c", "empty"),
            ("s3://a/../c", ".."),
        ] {
            let error = ObjectUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains(text), "{text}: {error}");
        }
    }

    #[test]
    fn what_may_be_a_secret_is_not_repeated() {
        for (text, reason, shown) in [
            ("https://u:geheim@h/x", "user", "https://h/x:"),
            ("https://geheim@h/x", "user", "https://h/x:"),
            ("s3://id:ge/heim+geheim@b/root", "user", "s3://b/root:"),
            ("s3://id:ge?geheim@b/root", "user", "s3://b/root:"),
            ("gs://geheim@b/a@b", "user", "gs://b:"),
            ("https://h/x?sig=geheim", "?", "https://h/x:"),
            ("https://h/x?sig=geheim@geheim", "?", "https://h/x:"),
            ("https://h/x#geheim", "#", "https://h/x:"),
            ("s3://b/x?versionId=geheim", "?", "s3://b/x:"),
            ("ftp://u:geheim@h/x?geheim", "expected s3://", "ftp://h/x:"),
        ] {
            let error = ObjectUrl::parse(text).unwrap_err().to_string();
            assert!(!error.contains("geheim") && !error.contains("heim"), "{text}: {error}");
            assert!(error.contains(reason) && error.contains(shown), "{text}: {error}");
        }
        // What is no user is none.
        for text in ["s3://b/a@b", "https://h:8443/a@b:c", "https://[::1]:80/x", "https://[::1]/x"] {
            assert_eq!(ObjectUrl::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn keys_are_those_behind_the_prefix_and_no_others() {
        let url = ObjectUrl::parse("s3://b/root").unwrap();
        for (path, key) in [
            ("root/t/v.graven", Some("t/v.graven")),
            ("root", None),
            ("rooted/t", None),
            ("other/root/t", None),
        ] {
            assert_eq!(url.key_of(&Path::from(path)), key, "{path}");
        }
        assert_eq!(ObjectUrl::parse("s3://b").unwrap().key_of(&Path::from("t/v")), Some("t/v"));
        assert_eq!(url.of("t/CURRENT"), "s3://b/root/t/CURRENT");
    }
}

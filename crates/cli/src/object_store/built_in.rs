//! Roots in object stores, and the directories that servers fetch them into.

use std::path::Path;
use std::sync::Arc;

use graven_catalog::{BucketRoot, Catalog, Directory, PullOptions, Puller, Root, RootError, TableName};
use graven_objects::ObjectUrl;

use crate::failure::{Failure, Outcome};
use crate::options::serve::ServeOptions;
use crate::root::explain;
use crate::table_source::RootSource;

/// The root at a URL. Nothing is asked yet.
pub(crate) fn open(url: &Path) -> Outcome<Box<dyn Root>> {
    let bucket = BucketRoot::open(&url.display().to_string()).map_err(|error| explain(&error, ""))?;
    Ok(Box::new(bucket))
}

/// The directory that a root is fetched into, below the one that the options name.
pub(crate) fn directory(source: &RootSource, options: &ServeOptions) -> Outcome<Directory> {
    let url = ObjectUrl::parse(&source.path.display().to_string())
        .map_err(|error| explain(&RootError::from(error), ""))?;
    let Some(directory) = &options.data_dir else {
        return Err(Failure::new(format!(
            "{url} is in an object store, and its versions are fetched into a directory; name one, as in `graven serve {url} \
             --data-dir /var/lib/graven`"
        )));
    };
    Directory::create(&directory.join(directory_name(&url, source.only.as_ref())))
        .map_err(|error| explain(&error, ""))
}

/// A name that no other URL has: `s3+bucket+root`. Where one table of it is served alone, it has a
/// directory of its own, `s3+bucket+root+@prices`: each is fetched into by itself.
fn directory_name(url: &ObjectUrl, only: Option<&TableName>) -> String {
    let url = url.to_string();
    let (scheme, rest) = url.split_once("://").unwrap_or(("", &url));
    let mut name = scheme.to_owned();
    for part in rest.split('/') {
        name.push('+');
        for byte in part.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' => name.push(byte.into()),
                other => name.push_str(&format!("%{other:02X}")),
            }
        }
    }
    if let Some(only) = only {
        name.push_str(&format!("+@{only}"));
    }
    name
}

/// How a root is fetched.
pub(crate) fn pull_options(source: &RootSource, options: &ServeOptions) -> PullOptions {
    PullOptions {
        poll: options.poll,
        rate: (options.download_rate > 0).then_some(options.download_rate),
        bytes_max: (options.data_max > 0).then_some(options.data_max),
        only: source.only.clone(),
    }
}

/// Fetches a root into `directory` from now on. Its tables are known when this returns.
pub(crate) fn pull(
    source: &RootSource,
    directory: &Directory,
    options: &ServeOptions,
    catalog: &Arc<Catalog>,
) -> Result<Puller, RootError> {
    let bucket = BucketRoot::open(&source.path.display().to_string())?;
    Puller::start(bucket, directory.clone(), Arc::clone(catalog), pull_options(source, options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_url_has_a_directory_of_its_own() {
        for (url, only, name) in [
            ("s3://bucket/root", None, "s3+bucket+root"),
            ("s3://bucket/root/", None, "s3+bucket+root"),
            ("s3://bucket/root", Some("prices"), "s3+bucket+root+@prices"),
            ("s3://bucket/root/@prices", None, "s3+bucket+root+%40prices"),
            ("s3://bucket", None, "s3+bucket"),
            ("gs://bucket/a+b/c", None, "gs+bucket+a%2Bb+c"),
            ("s3://bucket/a%2Bb", None, "s3+bucket+a%252Bb"),
        ] {
            let only = only.map(|only: &str| only.parse().unwrap());
            assert_eq!(directory_name(&ObjectUrl::parse(url).unwrap(), only.as_ref()), name);
        }
    }
}

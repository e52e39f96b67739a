//! Roots in object stores, and the directories that servers fetch them into.

use std::path::Path;
use std::sync::Arc;

use graven_catalog::{BucketRoot, Catalog, Directory, PullOptions, Puller, Root, RootError};

use crate::failure::{Failure, Outcome};
use crate::options::serve::ServeOptions;
use crate::root::explain;
use crate::table_source::RootSource;

/// The root at a URL. Nothing is asked yet.
pub(crate) fn open(url: &Path) -> Outcome<Box<dyn Root>> {
    let bucket = BucketRoot::open(&url.display().to_string()).map_err(|error| explain(&error, ""))?;
    Ok(Box::new(bucket))
}

/// The directory that the root at a URL is fetched into, below the one that the options name.
pub(crate) fn directory(url: &Path, options: &ServeOptions) -> Outcome<Directory> {
    let url = url.display().to_string();
    let Some(directory) = &options.data_dir else {
        return Err(Failure::new(format!(
            "{url} is in an object store, and its versions are fetched into a directory; name one, as in `graven serve {url} \
             --data-dir /var/lib/graven`"
        )));
    };
    Directory::create(&directory.join(directory_name(&url))).map_err(|error| explain(&error, ""))
}

/// A name that no other URL has: `s3+bucket+root`.
fn directory_name(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let mut name = scheme.to_owned();
    for part in rest.trim_end_matches('/').split('/') {
        name.push('+');
        for byte in part.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' => name.push(byte.into()),
                other => name.push_str(&format!("%{other:02X}")),
            }
        }
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
        for (url, name) in [
            ("s3://bucket/root", "s3+bucket+root"),
            ("s3://bucket/root/", "s3+bucket+root"),
            ("s3://bucket", "s3+bucket"),
            ("gs://bucket/a+b/c", "gs+bucket+a%2Bb+c"),
            ("s3://bucket/a%2Bb", "s3+bucket+a%252Bb"),
        ] {
            assert_eq!(directory_name(url), name);
        }
    }
}

//! Roots and tables in object stores, as the command line names them. Without the feature
//! `object-store`, every such name says what has it.

#[cfg(feature = "object-store")]
mod built_in;
#[cfg(feature = "object-store")]
mod staging;
#[cfg(feature = "object-store")]
mod table;
#[cfg(not(feature = "object-store"))]
mod without;

use std::path::Path;

use graven_catalog::root::VERSION_SUFFIX;
use graven_objects::is_object_url;

#[cfg(feature = "object-store")]
pub(crate) use built_in::{directory, open, pull, pull_options};
#[cfg(feature = "object-store")]
pub(crate) use graven_catalog::Puller;
#[cfg(feature = "object-store")]
pub(crate) use staging::Staging;
#[cfg(feature = "object-store")]
pub(crate) use table::ObjectTable;
#[cfg(not(feature = "object-store"))]
pub(crate) use without::{
    NoObjectTable as ObjectTable, NoPuller as Puller, NoStaging as Staging, directory, open, pull,
    pull_options,
};

/// Whether a path is the URL of a root or a table in an object store.
pub(crate) fn is_url(path: &Path) -> bool {
    path.to_str().is_some_and(|text| is_object_url(text) && !is_web(text))
}

/// Whether a path is the URL of an object, or of a file behind a web server, and no file is called
/// so.
fn stands_for_object(path: &Path) -> bool {
    path.to_str().is_some_and(is_object_url) && !path.exists()
}

/// Whether a text names a table that is read range by range: one in an object store, or a carved
/// file behind a web server.
pub(crate) fn names_table(text: &str) -> bool {
    is_object_url(text) && (!is_web(text) || text.ends_with(VERSION_SUFFIX))
}

fn is_web(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_told_from_a_table_behind_a_web_server() {
        for (text, is_root, is_table) in [
            ("s3://b/root", true, true),
            ("gs://b/root", true, true),
            ("https://h/t.graven", false, true),
            ("http://127.0.0.1:8000", false, false),
            ("https://h/v1/kv/{key}", false, false),
            ("redis://h", false, false),
            ("dir/s3://b", false, false),
        ] {
            assert_eq!((is_url(Path::new(text)), names_table(text)), (is_root, is_table), "{text}");
        }
    }
}

//! Which graven the tests ask.

use std::env;
use std::path::{Path, PathBuf};

/// The one that `GRAVEN` names, or the release build of this repository, with `tls` among its features.
pub(crate) fn graven() -> PathBuf {
    match env::var_os("GRAVEN") {
        Some(named) => named.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/graven"),
    }
}

//! Programs that are not graven's: who has not installed one is told what to install.

use std::io::{self, ErrorKind};

/// What came of starting `program`, which is in the Debian package `package`.
#[track_caller]
pub(crate) fn started<T>(program: &str, package: &str, result: io::Result<T>) -> T {
    match result {
        Ok(started) => started,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("{program} is missing; install it with `apt-get install {package}`")
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

//! Programs that are not graven's: who has not installed one is told what to install.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

/// What came of starting `program`, which is in the Debian package `package`.
#[track_caller]
pub(crate) fn started<T>(program: &str, package: &str, result: io::Result<T>) -> T {
    started_or(program, &format!("apt-get install {package}"), result)
}

/// The same where `command` installs it.
#[track_caller]
pub(crate) fn started_or<T>(program: &str, command: &str, result: io::Result<T>) -> T {
    match result {
        Ok(started) => started,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("{program} is missing; install it with `{command}`")
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

/// The Python that has redis-py and pymemcache: that of `GRAVEN_TEST_PYTHON`, else Debian's.
pub(crate) fn python() -> String {
    std::env::var("GRAVEN_TEST_PYTHON").unwrap_or_else(|_| "/usr/bin/python3".to_owned())
}

/// The folder of node's packages, where `package` is one of them.
#[track_caller]
pub(crate) fn node_packages(package: &str) -> PathBuf {
    let folder =
        std::env::var_os("GRAVEN_TEST_NODE").map(|folder| PathBuf::from(folder).join("node_modules"));
    folder.filter(|folder| folder.join(package).exists()).unwrap_or_else(|| {
        panic!(
            "{package} is missing; install it with `npm install --prefix FOLDER {package}`, \
             and set GRAVEN_TEST_NODE to FOLDER"
        )
    })
}

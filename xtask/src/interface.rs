//! That the libraries keep what programs that use them were compiled against, as `cargo
//! semver-checks` sees it.

use std::process::Command;

use crate::process::{Outcome, cargo, line_of, output_of, root, run};

/// The crates whose interface is for others. Of the rest, which are published because `graven`
/// needs them, nothing is promised.
const PACKAGES: [&str; 4] = ["graven-access", "graven-client", "graven-format", "graven-wire"];

/// From here on interfaces are compared, until there is a release.
const BEGINNING: &str = "fc1ac707e015a39c7ffe86bfa014b583a0dbd280";

/// The version of `cargo semver-checks` that reads what the compiler in use tells of interfaces.
const TOOL: [&str; 4] = ["cargo-semver-checks", "--locked", "--version", "0.51.0"];

/// Compares the libraries with those of the last release, and asks for another version where
/// something was taken away.
pub(crate) fn compare() -> Outcome<()> {
    if output_of(cargo().args(["semver-checks", "--version"])).is_err() {
        run(cargo().arg("install").args(TOOL))?;
    }
    let mut check = cargo();
    check.args(["semver-checks", "--baseline-rev", &baseline()?]);
    for package in PACKAGES {
        check.args(["--package", package]);
    }
    run(&mut check)
}

/// The last release before this commit, by its tag, else where comparing begins.
fn baseline() -> Outcome<String> {
    let tags = ["tag", "--list", "v[0-9]*", "--merged", "HEAD", "--sort=-version:refname"];
    let tag = line_of(Command::new("git").current_dir(root()).args(tags))?;
    Ok(if tag.is_empty() { BEGINNING.to_owned() } else { tag })
}

//! What `graven --version` says of how it was built: the commit, the target and the features.
//! Sources without git, as from a tarball, are built with the commit in `GRAVEN_COMMIT`, or with
//! none.

use std::env;
use std::path::Path;
use std::process::Command;

/// Digits of a commit that are shown.
const COMMIT_DIGITS: usize = 12;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=GRAVEN_COMMIT");
    let given = env::var("GRAVEN_COMMIT").ok().filter(|commit| !commit.trim().is_empty());
    let commit = given.or_else(checked_out_commit).unwrap_or_else(|| "unknown".to_owned());
    let commit: String = commit.trim().chars().take(COMMIT_DIGITS).collect();
    println!("cargo::rustc-env=GRAVEN_BUILT_COMMIT={commit}");
    println!("cargo::rustc-env=GRAVEN_BUILT_TARGET={}", env::var("TARGET").unwrap_or_default());
    println!("cargo::rustc-env=GRAVEN_BUILT_FEATURES={}", features());
}

/// The commit that is checked out, if the sources are in a repository of their own.
fn checked_out_commit() -> Option<String> {
    // A tarball that was unpacked inside another repository is not that repository's.
    git(&["ls-files", "--error-unmatch", "Cargo.toml"])?;
    // The commit changes with these; a file that is not there would have the script run every
    // time.
    let branch = git(&["rev-parse", "--symbolic-full-name", "HEAD"])?;
    for name in ["HEAD", "logs/HEAD", "packed-refs", &branch] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "HEAD"])
}

/// What git answers in the directory of this package, where build scripts run.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The package's features that are on, as Cargo names them to build scripts.
fn features() -> String {
    let names = env::vars().filter_map(|(name, _)| name.strip_prefix("CARGO_FEATURE_").map(str::to_owned));
    let mut names: Vec<String> =
        names.filter(|name| name != "DEFAULT").map(|name| name.to_lowercase().replace('_', "-")).collect();
    names.sort();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

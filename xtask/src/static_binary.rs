//! The static binary: musl, mimalloc, nothing of this machine in its bytes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Outcome, cargo, line_of, output_of, root, run};

/// What it runs on.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-musl";

/// What is in a binary, and how large it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The default features.
    Core,
    /// All features: what packages ship.
    Full,
}

impl Scope {
    pub(crate) const ALL: [Self; 2] = [Self::Full, Self::Core];

    /// The binary's name in `dist/`.
    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::Core => "graven-core-x86_64-linux",
            Self::Full => "graven-x86_64-linux",
        }
    }

    pub(crate) fn features(self) -> &'static str {
        match self {
            Self::Core => "",
            Self::Full => "full,aws-lc",
        }
    }

    fn bytes_max(self) -> u64 {
        match self {
            Self::Core => 6 << 20,
            Self::Full => 14 << 20,
        }
    }
}

/// The name of the section with symbols, among the names of sections.
const SYMBOLS: &[u8] = b"\0.symtab\0";

/// Builds the binary of the sources in `sources`, with what cargo writes in `target`, and gives its path.
pub(crate) fn build(scope: Scope, sources: &Path, target: &Path) -> Outcome<PathBuf> {
    let sources = sources.canonicalize()?;
    let home = env::var("CARGO_HOME").or_else(|_| env::var("HOME").map(|home| format!("{home}/.cargo")))?;
    // The places of the sources are in messages of panics.
    let flags = [
        format!("--remap-path-prefix={home}=/cargo"),
        format!("--remap-path-prefix={}=/graven", sources.display()),
        "-Ctarget-feature=+crt-static".to_owned(),
        // Cargo's own wish comes down to --strip-debug here, which also undoes a -s, since gcc hands
        // that to the linker first.
        "-Clink-arg=-Wl,--strip-all".to_owned(),
        // Of each address that is adjusted at the start a bit is kept, and not 24 bytes.
        "-Clink-arg=-Wl,-z,pack-relative-relocs".to_owned(),
    ];
    let commit = line_of(Command::new("git").current_dir(root()).args(["rev-parse", "HEAD"]))?;
    let time = line_of(Command::new("git").current_dir(root()).args(["log", "-1", "--format=%ct"]))?;
    let mut build = cargo();
    build
        .current_dir(&sources)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("CARGO_INCREMENTAL", "0")
        // No panic goes through C.
        .env(
            "CFLAGS_x86_64_unknown_linux_musl",
            format!("-ffile-prefix-map={home}=/cargo -fno-asynchronous-unwind-tables -fno-unwind-tables"),
        )
        .env("GRAVEN_COMMIT", commit)
        .env("SOURCE_DATE_EPOCH", time)
        .args(["build", "--locked", "--package", "graven", "--profile", "dist", "--target", TARGET])
        .args(["--features", scope.features(), "--target-dir"])
        .arg(target);
    run(&mut build)?;
    let binary = target.join(TARGET).join("dist/graven");
    check(scope, &binary)?;
    Ok(binary)
}

/// That it is static, runs, says what it is, and is small enough.
fn check(scope: Scope, binary: &Path) -> Outcome<()> {
    let bytes = fs::metadata(binary)?.len();
    println!("{} has {bytes} bytes", scope.file_name());
    if bytes > scope.bytes_max() {
        let max = scope.bytes_max();
        return Err(format!("{} has {bytes} bytes, more than {max}", scope.file_name()).into());
    }
    let said = String::from_utf8(output_of(Command::new(binary).arg("--version"))?)?;
    if !said.contains(TARGET) {
        return Err(format!("{} says {said}", scope.file_name()).into());
    }
    let text = fs::read(binary)?;
    if text.windows(SYMBOLS.len()).any(|window| window == SYMBOLS) {
        return Err(format!("{} has a table of symbols: it is not stripped", scope.file_name()).into());
    }
    // A program that needs a loader names it.
    if text.windows(7).any(|window| window == b"ld-musl" || window == b"ld-linu") {
        return Err(format!("{} names a loader: it is not static", scope.file_name()).into());
    }
    Ok(())
}

/// Builds each binary here and from a copy of the sources elsewhere, and compares the bytes.
pub(crate) fn build_twice() -> Outcome<()> {
    let copy = env::temp_dir().join(format!("graven-reproducible-{}", std::process::id()));
    let removed = RemovedAtEnd(copy.clone());
    run(Command::new("git").current_dir(root()).args(["clone", "--quiet", "."]).arg(&copy))?;
    for scope in Scope::ALL {
        let first = build(scope, &root(), &root().join("target/static"))?;
        let first = fs::read(first)?;
        let second = build(scope, &copy, &copy.join("target/static"))?;
        compare(scope, &first, &fs::read(second)?)?;
    }
    drop(removed);
    Ok(())
}

fn compare(scope: Scope, first: &[u8], second: &[u8]) -> Outcome<()> {
    let name = scope.file_name();
    if first.len() != second.len() {
        let (first, second) = (first.len(), second.len());
        return Err(format!("two builds of {name} have {first} and {second} bytes").into());
    }
    if let Some(at) = first.iter().zip(second).position(|(a, b)| a != b) {
        return Err(format!("two builds of {name} differ, first at byte {at}").into());
    }
    println!("two builds of {name} in two places have the same {} bytes", first.len());
    Ok(())
}

/// A folder that is removed when it is dropped.
struct RemovedAtEnd(PathBuf);

impl Drop for RemovedAtEnd {
    fn drop(&mut self) {
        // What is left lies in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_builds_that_differ_are_named_with_where() {
        let said = |first: &[u8], second: &[u8]| {
            compare(Scope::Full, first, second).err().map_or_else(String::new, |failure| failure.to_string())
        };
        assert_eq!(said(b"abc", b"abc"), "");
        assert_eq!(said(b"abc", b"abd"), "two builds of graven-x86_64-linux differ, first at byte 2");
        assert_eq!(said(b"abc", b"abcd"), "two builds of graven-x86_64-linux have 3 and 4 bytes");
    }
}

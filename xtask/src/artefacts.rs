//! Everything that is shipped, made into `dist/`: the static binaries, the Debian package, what they are made of, and checksums.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::process::{Outcome, cargo, output_of, root, run};
use crate::sbom;
use crate::static_binary::{self, Scope};

/// Shells that complete what is typed, and where Debian has their scripts.
const COMPLETIONS: [(&str, &str); 3] = [("bash", "graven.bash"), ("fish", "graven.fish"), ("zsh", "_graven")];

/// Makes all that is shipped of these binaries, of which one has all features.
pub(crate) fn make_all(scopes: &[Scope]) -> Outcome<()> {
    let dist = make_binaries(scopes)?;
    let full = dist.join(Scope::Full.file_name());
    stage(&full, &root().join("target/package"))?;
    package(&dist)?;
    for &scope in scopes {
        let path = dist.join(format!("{}.cdx.json", scope.file_name()));
        fs::write(path, sbom::of(scope)?)?;
    }
    write_checksums(&dist)
}

/// Makes static binaries, and gives the folder, in which nothing else is left.
pub(crate) fn make_binaries(scopes: &[Scope]) -> Outcome<PathBuf> {
    let dist = root().join("dist");
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    fs::create_dir(&dist)?;
    for &scope in scopes {
        let binary = static_binary::build(scope, &root(), &root().join("target/static"))?;
        fs::copy(binary, dist.join(scope.file_name()))?;
    }
    Ok(dist)
}

/// Puts what the package holds into `folder`: the binary, and the pages and scripts that it prints.
fn stage(binary: &Path, folder: &Path) -> Outcome<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder.join("man"))?;
    fs::copy(binary, folder.join("graven"))?;
    let overview = String::from_utf8(output_of(Command::new(binary).arg("man"))?)?;
    fs::write(folder.join("man/graven.1"), &overview)?;
    for command in commands(&overview) {
        let page = output_of(Command::new(binary).args(["man", command]))?;
        fs::write(folder.join(format!("man/graven-{command}.1")), page)?;
    }
    for (shell, name) in COMPLETIONS {
        fs::write(folder.join(name), output_of(Command::new(binary).args(["completions", shell]))?)?;
    }
    Ok(())
}

/// The commands that a manual page refers to, as `graven\-serve(1)`.
fn commands(page: &str) -> Vec<&str> {
    let names = page.lines().filter_map(|line| line.strip_prefix("graven\\-")?.strip_suffix("(1)"));
    names.filter(|name| *name != "help").collect()
}

/// The Debian package, which says itself what goes where: `package.metadata.deb` of the binary's manifest.
fn package(dist: &Path) -> Outcome<()> {
    let mut deb = cargo();
    deb.args(["deb", "--no-build", "--no-strip", "--locked", "--package", "graven"]);
    deb.args(["--target", static_binary::TARGET, "--output"]).arg(dist);
    run(&mut deb)
}

/// `SHA256SUMS`, as `sha256sum --check` reads it.
fn write_checksums(dist: &Path) -> Outcome<()> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(dist)? {
        let entry = entry?;
        let digest = Sha256::digest(fs::read(entry.path())?);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        lines.push(format!("{digest}  {}\n", entry.file_name().to_string_lossy()));
    }
    lines.sort_by(|a, b| a[64..].cmp(&b[64..]));
    let lines = lines.concat();
    print!("{lines}");
    Ok(fs::write(dist.join("SHA256SUMS"), lines)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_of_a_page_are_those_that_it_refers_to() {
        let page = ".TP\ngraven\\-serve(1)\nAnswer\n.TP\ngraven\\-help(1)\nPrint\n.TP\ngraven\\-get(1)\n";
        assert_eq!(commands(page), ["serve", "get"]);
    }
}

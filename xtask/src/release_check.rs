//! What is checked before a release, beside `.ci/run`, and takes too long for every change.

use std::fs;
use std::process::Command;

use crate::interface;
use crate::process::{Outcome, cargo, root, run};
use crate::static_binary;

/// How often commands that change a root are killed.
const CRASHES: &str = "200";

/// How long each fuzzer runs, in seconds.
const FUZZ_SECONDS: &str = "120";

/// How often publishers to a bucket and the nodes that follow it are killed, and how often several publish at once.
const BUCKET_KILLS: &str = "200";
const BUCKET_RACES: &str = "100";

/// Where the package says who maintains it.
const PACKAGE: &str = "crates/cli/Cargo.toml";

pub(crate) fn run_all() -> Outcome<()> {
    check_maintainer(&fs::read_to_string(root().join(PACKAGE))?)?;
    run(Command::new(root().join(".ci/run"))
        .env("GRAVEN_TEST_BEFORE_RELEASE", "1")
        .env("GRAVEN_TEST_FUZZ_SECONDS", FUZZ_SECONDS)
        .env("GRAVEN_TEST_KILLS", BUCKET_KILLS)
        .env("GRAVEN_TEST_RACES", BUCKET_RACES)
        .current_dir(root()))?;
    run(cargo()
        .args(["test", "--locked", "--package", "graven", "--test", "crashes"])
        .env("GRAVEN_TEST_CRASHES", CRASHES))?;
    run(cargo().args(["publish", "--workspace", "--dry-run", "--locked"]))?;
    interface::compare()?;
    static_binary::build_twice()
}

/// That whoever has the Debian package can write to its maintainer, by the text of [`PACKAGE`].
fn check_maintainer(package: &str) -> Outcome<()> {
    let Some(maintainer) = package.lines().find_map(|line| line.strip_prefix("maintainer = ")) else {
        return Err(format!("{PACKAGE} names no maintainer of the Debian package").into());
    };
    // Names that lead nowhere: RFC 2606 and 6761.
    if [".invalid", "localhost"].iter().any(|nowhere| maintainer.contains(nowhere)) {
        return Err(format!(
            "the maintainer of the Debian package is {maintainer}, to whom nobody can write; set `maintainer` in {PACKAGE} to a \
             name and an address"
        )
        .into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maintainer_to_whom_nobody_can_write_is_refused() {
        for nowhere in ["graven <maintainer@graven.invalid>", "The developers <graven@localhost>"] {
            let failure = check_maintainer(&format!("[package.metadata.deb]\nmaintainer = \"{nowhere}\"\n"));
            let said = failure.expect_err("a placeholder").to_string();
            assert!(
                said.contains(nowhere) && said.contains("set `maintainer` in crates/cli/Cargo.toml"),
                "{said}"
            );
        }
        assert!(check_maintainer("[package.metadata.deb]\n").is_err());
        assert!(check_maintainer("maintainer = \"Ola <ola@example.org>\"\n").is_ok());
    }
}

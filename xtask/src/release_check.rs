//! What is checked before a release, beside `.ci/run`, and takes too long for every change.

use std::process::Command;

use crate::process::{Outcome, cargo, root, run};
use crate::static_binary;

/// How often commands that change a root are killed.
const CRASHES: &str = "200";

/// How long each fuzzer runs, in seconds.
const FUZZ_SECONDS: &str = "120";

/// How often publishers to a bucket and the nodes that follow it are killed, and how often several publish at once.
const BUCKET_KILLS: &str = "200";
const BUCKET_RACES: &str = "100";

pub(crate) fn run_all() -> Outcome<()> {
    run(Command::new(root().join(".ci/run"))
        .env("GRAVEN_FUZZ_SECONDS", FUZZ_SECONDS)
        .env("GRAVEN_TEST_KILLS", BUCKET_KILLS)
        .env("GRAVEN_TEST_RACES", BUCKET_RACES)
        .current_dir(root()))?;
    run(cargo()
        .args(["test", "--locked", "--package", "graven", "--test", "crashes"])
        .env("GRAVEN_TEST_CRASHES", CRASHES))?;
    static_binary::build_twice()
}

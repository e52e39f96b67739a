//! The binary `graven`.

use std::process::ExitCode;

fn main() -> ExitCode {
    graven_cli::run()
}

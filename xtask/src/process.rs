//! Other programs, run in the repository: what they print, or why they failed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// The cargo that runs this.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo tells the programs that it runs is not meant for the next cargo.
    cargo.env_remove("CARGO_MANIFEST_DIR").current_dir(root());
    cargo
}

/// Runs `command`, whose output is seen.
pub(crate) fn run(command: &mut Command) -> Outcome<()> {
    println!("+ {}", shown(command));
    let status = command.status().map_err(|error| format!("{}: {error}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", shown(command)).into()) }
}

/// Runs `command`, and gives what it printed.
pub(crate) fn output_of(command: &mut Command) -> Outcome<Vec<u8>> {
    let output =
        command.stderr(Stdio::inherit()).output().map_err(|error| format!("{}: {error}", shown(command)))?;
    if !output.status.success() {
        return Err(format!("{}: {}", shown(command), output.status).into());
    }
    Ok(output.stdout)
}

/// The first line of what `command` printed.
pub(crate) fn line_of(command: &mut Command) -> Outcome<String> {
    let output = String::from_utf8(output_of(command)?)?;
    Ok(output.lines().next().unwrap_or_default().to_owned())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

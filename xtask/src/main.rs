//! `cargo xtask dist` makes what is shipped, `cargo xtask release-check` runs the checks that take longer than `.ci/run`.

mod artefacts;
mod interface;
mod process;
mod release_check;
mod sbom;
mod static_binary;

use std::env;
use std::process::ExitCode;

use static_binary::Scope;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  dist              everything that is shipped, into dist/
  full              of that, what has all features, into dist/: a binary and the Debian package
  binaries          the static binaries alone, into dist/
  interface         compare the interfaces of the libraries with those of the last release
  reproducible      build the static binaries in two places, and compare
  release-check     .ci/run, and what takes longer: before a release
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["dist"] => artefacts::make_all(&Scope::ALL),
        ["full"] => artefacts::make_all(&[Scope::Full]),
        ["binaries"] => artefacts::make_binaries(&Scope::ALL).map(drop),
        ["interface"] => interface::compare(),
        ["reproducible"] => static_binary::build_twice(),
        ["release-check"] => release_check::run_all(),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

//! Where a run's figures go besides the terminal: looked at before the run, written after it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use graven_bench::{Document, Report};

use super::Arguments;
use crate::console::warn;
use crate::failure::{Failure, Outcome, reason};
use crate::output::{Destination, OutputWriter};

/// The files that are to be written, each with its flag.
fn files(arguments: &Arguments) -> Vec<(&'static str, &PathBuf)> {
    let files = [("--csv", &arguments.csv), ("--hgrm", &arguments.hgrm), ("--html", &arguments.html)];
    files.into_iter().filter_map(|(flag, path)| Some((flag, path.as_ref()?))).collect()
}

/// Whether every file can be written, as far as that can be told before a run. `keys` are none of
/// them.
pub(super) fn check(arguments: &Arguments, keys: &Path) -> Outcome<()> {
    let files = files(arguments);
    for (i, (flag, path)) in files.iter().enumerate() {
        if let Some((other, _)) = files[..i].iter().find(|(_, other)| is_same(other, path)) {
            return Err(Failure::new(format!(
                "{other} and {flag} are both to be written to {}; name two files",
                path.display()
            )));
        }
        if is_same(path, keys) && *path != Path::new("-") {
            return Err(Failure::new(format!(
                "{flag} would replace the keys in {}; name another file",
                path.display()
            )));
        }
        // Devices and pipes are not touched before there is something to write to them.
        if let target @ Destination::File(_) = Destination::find(path, "run.out")? {
            target.into_file()?;
        }
    }
    Ok(())
}

/// Whether both paths lead to one file, there or not.
fn is_same(a: &Path, b: &Path) -> bool {
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// Writes every file; one that cannot be written does not keep the others from it.
pub(super) fn write(arguments: &Arguments, document: &Document) -> Vec<Failure> {
    let mut failures = Vec::new();
    for (flag, path) in files(arguments) {
        let written = match flag {
            "--csv" => write_file(path, |out| graven_bench::write_csv(document, out)),
            "--html" => write_file(path, |out| out.write_all(graven_bench::page(document).as_bytes())),
            // Of a sweep the last run, which is where the load was highest.
            _ => match document.runs.last() {
                Some(run) if Report::answers(run) > 0 => {
                    write_file(path, |out| graven_bench::write_hgrm(run, out))
                }
                _ => {
                    warn(format_args!("{} is not written, for nothing was answered", path.display()));
                    Ok(())
                }
            },
        };
        failures.extend(written.err());
    }
    failures
}

fn write_file(path: &Path, write: impl FnOnce(&mut OutputWriter) -> io::Result<()>) -> Outcome<()> {
    let mut output = OutputWriter::create(path)?;
    write(&mut output)
        .and_then(|()| output.finish().map_err(io::Error::from))
        .map_err(|error| Failure::new(format!("cannot write {}: {}", path.display(), reason(&error))))
}

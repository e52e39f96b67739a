//! `docs/JOBS.md`: the programs of it, run as they stand there, and what graven makes of what they write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::graven;

/// A folder with `python` and `dbt` in it, of an environment that has duckdb, pandas and dbt-duckdb.
fn programs() -> PathBuf {
    let python = std::env::var("GRAVEN_TEST_JOBS").unwrap_or_else(|_| {
        panic!("set GRAVEN_TEST_JOBS to a Python that has duckdb, pandas and dbt-duckdb, as `.ci/run interop` does")
    });
    Path::new(&python).parent().unwrap().to_owned()
}

/// What of the page is done, in its order.
enum Step {
    File(String, String),
    /// A command, and what it prints.
    Run(String, Vec<String>),
}

/// Fenced blocks with the name of a file, and commands of indented blocks.
fn steps(page: &str) -> Vec<Step> {
    let (mut steps, mut fence) = (Vec::new(), None::<Option<(String, String)>>);
    for line in page.lines() {
        if let Some(info) = line.strip_prefix("```") {
            fence = match fence.take() {
                Some(file) => {
                    steps.extend(file.map(|(name, text)| Step::File(name, text)));
                    None
                }
                None => Some(info.split_once(' ').map(|(_, name)| (name.to_owned(), String::new()))),
            };
        } else if let Some(file) = &mut fence {
            if let Some((_, text)) = file {
                text.push_str(line);
                text.push('\n');
            }
        } else if let Some(command) = line.strip_prefix("    $ ") {
            steps.push(Step::Run(command.to_owned(), Vec::new()));
        } else if let (Some(printed), Some(Step::Run(_, lines))) =
            (line.strip_prefix("    "), steps.last_mut())
        {
            lines.push(printed.to_owned());
        }
    }
    steps
}

#[test]
fn what_jobs_write_becomes_the_tables_that_the_page_shows() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/JOBS.md");
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(graven().get_program(), bin.join("graven")).unwrap();
    let path = format!("{}:{}:{}", bin.display(), programs().display(), std::env::var("PATH").unwrap());
    let (mut files, mut runs) = (0, 0);
    for step in steps(&fs::read_to_string(page).unwrap()) {
        match step {
            Step::File(name, text) => {
                let file = folder.path().join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
                files += 1;
            }
            Step::Run(command, expected) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &command]).current_dir(folder.path()).env("PATH", &path);
                let output = shell.env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false").output().unwrap();
                let (out, err) =
                    (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
                assert!(output.status.success(), "{command}: {out}{err}");
                let found: Vec<&str> = out.lines().collect();
                assert_eq!(found.len(), expected.len(), "{command}: {out}{err}");
                for (found, expected) in found.iter().zip(&expected) {
                    match expected.strip_suffix('…') {
                        Some(beginning) => assert!(found.starts_with(beginning), "{command}: {out}"),
                        None => assert_eq!(found, expected, "{command}"),
                    }
                }
                runs += 1;
            }
        }
    }
    assert_eq!((files, runs), (5, 9), "files and commands of the page");
}

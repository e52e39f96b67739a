//! `docs/RECIPES.md`: every command of it does what the page says.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

/// What a block of the page shows: commands and what they print.
fn commands(page: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in page.lines().filter_map(|line| line.strip_prefix("    ")) {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), String::new())),
            (None, Some((_, printed))) => {
                printed.push_str(line);
                printed.push('\n');
            }
            (None, None) => panic!("{line} is printed by nothing"),
        }
    }
    commands
}

/// Asserts that lines are those of the page, where `…` stands for the rest of one.
#[track_caller]
fn assert_printed(command: &str, printed: &str, page: &str) {
    let (found, expected): (Vec<&str>, Vec<&str>) = (printed.lines().collect(), page.lines().collect());
    assert_eq!(found.len(), expected.len(), "{command}: {printed}");
    for (found, expected) in found.iter().zip(expected) {
        match expected.strip_suffix('…') {
            Some(beginning) => assert!(found.starts_with(beginning), "{command}: {printed}"),
            None => assert_eq!(*found, expected, "{command}"),
        }
    }
}

#[test]
fn every_command_of_the_recipes_prints_what_the_page_says() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/RECIPES.md")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let graven = Path::new(env!("CARGO_BIN_EXE_graven"));
    let (mut files, mut runs) = (0, 0);
    for (command, page) in commands(&page) {
        if let Some(file) = command.strip_prefix("cat ") {
            fs::write(directory.path().join(file), page).unwrap();
            files += 1;
            continue;
        }
        assert!(command.starts_with("graven "), "{command}");
        let script = format!("graven() {{ '{}' \"$@\"; }}; {command}", graven.display());
        let run = |redirected: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("{{ {script}; }} {redirected}")]).current_dir(directory.path());
            String::from_utf8(shell.output().unwrap().stdout).unwrap()
        };
        assert_printed(&command, &run("2>&1"), &page);
        runs += 1;
    }
    assert!(files >= 6 && runs >= 12, "{files} files and {runs} commands");
}

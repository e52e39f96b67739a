//! Versions of tables in a root, with few pairs and few switches: that what the measurements check
//! holds.

mod program;

use std::process::Command;

/// What a measurement prints.
fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_compare-serve"))
        .args(arguments)
        .arg("--graven")
        .arg(program::graven())
        .output()
        .unwrap();
    let (said, progress) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{arguments:?}: {said}{progress}");
    said
}

fn switches(count: &str, publishes: &str, options: &[&str]) -> String {
    let few = ["switches", "--pairs", "20000", "--connections", "14", "--pause", "1", "--threads", "2"];
    printed(&[&few[..], &["--switches", count, "--publishes", publishes], options].concat())
}

#[test]
fn no_answer_fails_mixes_versions_or_is_older_than_one_before() {
    for options in [&[][..], &["--storage", "disk", "--cache", "256KiB"]] {
        let said = switches("40", "4", options);
        assert!(said.contains("| failed, mixed or wrong, older | 0, 0, 0 |"), "{said}");
        assert!(said.contains("| switches, those of `graven publish` among them | 40, 4 |"), "{said}");
    }
}

#[test]
fn waits_during_switches_are_told_from_the_others() {
    let said = switches("2", "0", &["--rest", "0.5"]);
    assert!(said.contains("| p99.9 during to besides | "), "{said}");
}

#[test]
fn rollbacks_are_measured_to_what_is_loaded_and_to_what_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (text, file) = (folder.path().join("few.data"), folder.path().join("few.graven"));
    std::fs::write(&text, "first 1\nsecond 22\nthird 333\n").unwrap();
    let built =
        Command::new(program::graven()).arg("build").arg(&text).arg("-o").arg(&file).status().unwrap();
    assert!(built.success());
    let said = printed(&["rollback", file.to_str().unwrap(), "first", "--rollbacks", "2"]);
    assert!(said.contains("| the version before, by a rollback | "), "{said}");
    assert!(said.contains("| an earlier version, which is no longer loaded, by a rollback | "), "{said}");
}

#[test]
fn many_tables_are_measured_beside_few() {
    let options = ["--tables", "1,20", "--switches", "3", "--added", "3", "--seconds", "0.1"];
    let said = printed(&[&["tables"][..], &options].concat());
    assert!(said.contains("\n| 1 | ") && said.contains("\n| 20 | "), "{said}");
}

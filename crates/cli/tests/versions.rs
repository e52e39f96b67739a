//! Roots from the command line: published, listed, switched, rolled back, compared.

mod support;

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use support::graven;
use tempfile::TempDir;

/// A folder with two carved files: `a.graven` has the keys 0 to 99, `b.graven` one more and another value.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..100).map(|i| format!("k{i} v{i}\n")).collect();
    std::fs::write(folder.path().join("a.data"), lines.concat()).unwrap();
    let changed = lines.concat().replace("k7 v7\n", "k7 other\n") + "new key\n";
    std::fs::write(folder.path().join("b.data"), changed).unwrap();
    for name in ["a", "b"] {
        let (from, to) = (format!("{name}.data"), format!("{name}.graven"));
        assert_eq!(run(folder.path(), &["build", &from, "-o", &to]).status.code(), Some(0));
    }
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    graven().current_dir(folder).args(arguments).output().unwrap()
}

/// Runs a command that has to end with `status`, and gives what it said on standard output and error.
fn ends(folder: &Path, status: i32, arguments: &[&str]) -> (String, String) {
    let Output { status: found, stdout, stderr } = run(folder, arguments);
    let (said, warned) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!(found.code(), Some(status), "{arguments:?}: {said}{warned}");
    (said, warned)
}

fn listed(folder: &Path) -> Value {
    let (json, _) = ends(folder, 0, &["versions", "root", "--json"]);
    serde_json::from_str::<Value>(&json).unwrap()[0].take()
}

#[test]
fn a_table_goes_live_comes_back_and_goes_on() {
    let folder = folder();
    let at = folder.path();
    let (said, _) = ends(at, 0, &["publish", "a.graven", "root/ids", "--as", "v1", "--note", "first"]);
    assert_eq!(said, "published a.graven as ids@v1\nids@v1 answers\n");
    ends(at, 0, &["publish", "b.graven", "root/ids", "--as", "v2"]);
    assert_eq!(listed(at)["current"], "v2");

    let (said, _) = ends(at, 0, &["rollback", "root/ids", "--reason", "wrong"]);
    assert_eq!(said, "ids@v1 answers, frozen until `graven resume`\n");
    let (_, warned) = ends(at, 3, &["publish", "b.graven", "root/ids", "--as", "v3"]);
    assert!(
        warned.ends_with("is frozen until it is resumed; `graven resume root/ids` ends that\n"),
        "{warned}"
    );
    ends(at, 3, &["switch", "root/ids", "latest"]);
    ends(at, 0, &["resume", "root/ids"]);
    ends(at, 1, &["switch", "root/ids", "v2"]);
    ends(at, 0, &["switch", "root/ids", "latest", "--note", "mended"]);

    let table = listed(at);
    assert_eq!((&table["current"], &table["frozen"]), (&"v3".into(), &false.into()));
    assert_eq!(table["versions"][1]["bad"], true);
    let verbs: Vec<&str> =
        table["history"].as_array().unwrap().iter().map(|entry| entry["verb"].as_str().unwrap()).collect();
    assert_eq!(verbs, ["switch", "resume", "rollback", "publish", "publish"]);
    let (list, _) = ends(at, 0, &["versions", "root/ids"]);
    assert!(list.starts_with("ids\n* v3 ") && list.contains("last: switch to v3 at "), "{list}");
}

#[test]
fn what_a_gate_keeps_out_ends_with_1_and_its_reason() {
    let folder = folder();
    let at = folder.path();
    ends(at, 0, &["publish", "a.graven", "root/ids", "--as", "v1"]);
    std::fs::write(at.join("root/ids/table.toml"), "min-pairs = 1_000\n").unwrap();
    let (said, warned) = ends(at, 1, &["publish", "b.graven", "root/ids", "--as", "v2"]);
    assert_eq!(said, "published b.graven as ids@v2\n");
    assert_eq!(
        warned,
        "graven: ids@v2 is not switched to: min-pairs: expected at least 1000 pairs, found 101; mend it and publish \
         anew, or `graven switch root/ids v2 --force`\n"
    );
    ends(at, 0, &["switch", "root/ids", "v2", "--force"]);
    assert_eq!(listed(at)["history"][0]["forced"], true);
}

#[test]
fn tables_are_compared_from_files_and_roots() {
    let folder = folder();
    let at = folder.path();
    ends(at, 0, &["publish", "a.graven", "root/ids", "--as", "v1"]);
    let (said, _) = ends(at, 1, &["diff", "root/ids@v1", "b.graven"]);
    assert_eq!(said, "1 added, 0 removed, 1 changed, 99 pairs the same\n");
    let (said, _) = ends(at, 1, &["diff", "b.graven", "root/ids@v1", "--keys"]);
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["- new", "~ k7"]);
    ends(at, 0, &["diff", "a.graven", "root/ids@v1"]);
    let (_, warned) = ends(at, 2, &["diff", "a.graven", "root/ids@v7"]);
    assert!(warned.contains("ids has no version v7; it has v1"), "{warned}");
}

#[test]
fn what_cannot_be_done_is_said_with_what_to_type() {
    let folder = folder();
    let at = folder.path();
    for (status, arguments, said) in [
        (2, &["publish", "none.graven", "root/ids"][..], "none.graven"),
        (1, &["publish", "a.data", "root/ids"], "a.data is not a carved file; make one with `graven build`"),
        (
            2,
            &["publish", "a.graven", "root/ids", "--as", "latest"],
            "what `graven switch` calls the newest version",
        ),
        (2, &["publish", "a.graven", "root/17"], "digits"),
        (2, &["switch", "root/ids", "latest"], "`graven publish FILE root/ids`"),
        (2, &["versions", "nowhere"], "nowhere"),
        (2, &["rollback", "/"], "ROOT/TABLE"),
    ] {
        let (_, warned) = ends(at, status, arguments);
        assert!(warned.contains(said), "{arguments:?}: {warned}");
    }
    ends(at, 0, &["publish", "a.graven", "root/ids", "--as", "v1", "--no-switch"]);
    let (_, warned) = ends(at, 1, &["rollback", "root/ids"]);
    assert!(warned.contains("no version of ids answers yet; `graven switch root/ids latest`"), "{warned}");
    let (_, warned) = ends(at, 2, &["publish", "b.graven", "root/ids", "--as", "v1"]);
    assert!(warned.contains("ids has a version v1 already"), "{warned}");
    assert!(warned.ends_with("; `graven switch root/ids v1` switches to it\n"), "{warned}");
}

#[test]
fn what_is_not_whole_ends_with_1_and_what_is_wrong_with_it() {
    let folder = folder();
    let at = folder.path();
    ends(at, 0, &["publish", "a.graven", "root/ids", "--as", "v1"]);
    let whole = std::fs::read(at.join("b.graven")).unwrap();
    let (mut damaged, mut older) = (whole.clone(), whole.clone());
    damaged[whole.len() / 2] ^= 1;
    older[8] = 1;
    let truncated = whole[..whole.len() - 1].to_vec();
    for (name, bytes, said) in [
        ("damaged", damaged, "expected the checksum"),
        ("truncated", truncated, "bytes"),
        ("older", older, "version 1"),
        ("empty", Vec::new(), "is not a carved file"),
        ("foreign", b"key value\n".to_vec(), "is not a carved file"),
    ] {
        let file = format!("{name}.file");
        std::fs::write(at.join(&file), &bytes).unwrap();
        let (_, warned) = ends(at, 1, &["publish", &file, "root/ids", "--as", name]);
        assert!(warned.contains(&file) && warned.contains(said), "{warned}");
        // Nothing is made for it.
        let other = format!("other-{name}");
        ends(at, 1, &["publish", &file, &format!("{other}/ids")]);
        assert!(name == "damaged" || !at.join(&other).exists(), "{name}");

        std::fs::write(at.join(format!("root/ids/{name}.graven")), &bytes).unwrap();
        for force in [&[][..], &["--force"]] {
            let (_, warned) = ends(at, 1, &[&["switch", "root/ids", name], force].concat());
            assert!(warned.contains(&format!("root/ids/{name}.graven")) && warned.contains(said), "{warned}");
        }
        assert_eq!(listed(at)["current"], "v1");
        assert_eq!(listed(at)["history"].as_array().unwrap().len(), 1);
    }
}

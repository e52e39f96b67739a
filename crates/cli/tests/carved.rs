//! A carved file in the hands of `serve`, `get`, `info`, `verify` and `dump`.

mod support;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use graven_client::{Client, Target, Timeouts};
use support::{Ended, Serving, assert_refused, carved, example_data, example_pairs, file_with, graven, run};
use tempfile::TempDir;

fn carved_from(text: &[u8], arguments: &[&str]) -> (TempDir, PathBuf) {
    let (_directory, path) = file_with(text);
    carved(&path, arguments)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

/// Where a section begins.
fn section(path: &Path, name: &str) -> usize {
    let ended = run(&["info", "--json", path.to_str().unwrap()]);
    let info: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let sections = info["sections"].as_array().unwrap();
    let section = sections.iter().find(|section| section["name"] == name).unwrap();
    usize::try_from(section["offset"].as_u64().unwrap()).unwrap()
}

#[test]
fn a_server_opens_it_and_answers_every_key() {
    let (_directory, path) = carved(&example_data(), &[]);
    let serving = Serving::start(&[&path]);
    let [said, storage] = &serving.said[..] else { panic!("{:?}", serving.said) };
    assert!(
        storage.starts_with("storage ram: ") && storage.ends_with(" of memory are available"),
        "{storage}"
    );
    let start = format!("opened {}: 10000 pairs, 0.4 MB carved, in 0.", path.display());
    assert!(said.starts_with(&start) && said.ends_with(" MB resident"), "{said}");
    let target: Target = serving.address().parse().unwrap();
    let mut client = Client::connect(&target, Timeouts::default()).unwrap();
    for (key, value) in example_pairs() {
        assert_eq!(client.get(key.as_bytes()).unwrap().as_deref(), Some(value.as_bytes()), "{key}");
    }
    assert_eq!(client.get(b"none").unwrap(), None);
}

#[test]
fn a_server_logs_that_it_has_loaded_it() {
    let (_directory, path) = carved(&example_data(), &[]);
    let log = log_of_a_server(&path, |log| log.contains("is in memory"));
    let line = format!("INFO {} is in memory and was checked, in 0.", path.display());
    assert!(log.contains(&line), "{log}");
}

#[test]
fn a_server_warns_of_damage_and_answers_the_rest() {
    let (_directory, path) = carved(&example_data(), &[]);
    let at = section(&path, "records") + 1000;
    flip(&path, at);
    let log = log_of_a_server(&path, |log| log.contains("answers go on coming from the file"));
    assert!(log.contains(&format!("WARN {}: damaged records at byte ", path.display())), "{log}");

    let serving = Serving::start(&[&path]);
    let target: Target = serving.address().parse().unwrap();
    let (mut right, mut refused) = (0, 0);
    for (key, value) in example_pairs() {
        let mut client = Client::connect(&target, Timeouts::default()).unwrap();
        match client.get(key.as_bytes()) {
            Ok(found) => {
                assert_eq!(found.as_deref(), Some(value.as_bytes()), "{key}");
                right += 1;
            }
            Err(error) => {
                assert!(error.to_string().contains("500"), "{error}");
                refused += 1;
            }
        }
    }
    assert!((1..100).contains(&refused), "one bucket is damaged, {refused} keys are refused");
    assert_eq!(right + refused, 10_000);
}

/// What a server of `path` writes on standard error until `enough`.
fn log_of_a_server(path: &Path, enough: impl Fn(&str) -> bool) -> String {
    use std::io::{BufRead, BufReader};
    let mut child = graven()
        .args(["serve", "--listen", "127.0.0.1:0"])
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        log.push_str(&line.unwrap());
        log.push('\n');
        if enough(&log) {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    log
}

#[test]
fn duplicates_are_no_matter_of_a_carved_file() {
    let (_directory, path) = carved_from(b"a 1\n", &[]);
    let path = path.to_str().unwrap();
    assert_refused(
        &["serve", path, "--listen", "127.0.0.1:0", "--duplicates", "last"],
        &format!("{path} is a carved file, which has no duplicates; leave --duplicates to `graven build`"),
    );
}

#[test]
fn a_carved_file_in_a_pipe_is_refused() {
    let (_directory, path) = carved_from(b"a 1\n", &[]);
    for arguments in [&["serve", "-", "--listen", "127.0.0.1:0"][..], &["info", "-"], &["verify", "-"]] {
        let ended: Ended =
            graven().args(arguments).stdin(fs::File::open(&path).unwrap()).output().unwrap().into();
        let sentence =
            "is a stream, and a carved file is not read from its start to its end; name the file's path";
        assert_eq!(ended.err, format!("graven: standard input {sentence}\n"));
        assert_eq!(ended.status, Some(2));
    }
}

#[test]
fn get_answers_from_it() {
    let (_directory, path) = carved(&example_data(), &[]);
    let path = path.to_str().unwrap();
    let pairs = example_pairs();
    let (first, last) = (&pairs[0], &pairs[9999]);
    let ended = run(&["get", path, &first.0, "none", &last.0]);
    let expected = Ended {
        status: Some(1),
        out: format!("{}\n{}\n", first.1, last.1),
        err: "graven: the key none is not there\n".into(),
    };
    assert_eq!(ended, expected);
    let keys: String = pairs.iter().map(|(key, _)| format!("{key}\n")).collect();
    let values: String = pairs.iter().map(|(_, value)| format!("{value}\n")).collect();
    assert!(support::run_with_input(&["get", path, "-"], keys.as_bytes()).out == values);
}

#[test]
fn get_names_the_damage_it_meets() {
    let (_directory, path) = carved_from(b"a 1\n", &[]);
    let start = section(&path, "records");
    flip(&path, start + 6);
    let ended = run(&["get", path.to_str().unwrap(), "a"]);
    assert_eq!((ended.status, ended.out.as_str()), (Some(2), ""));
    let sentence =
        format!("graven: {}: damaged records at byte {start}: expected the checksum ", path.display());
    assert!(ended.err.starts_with(&sentence), "{}", ended.err);
}

#[test]
fn verify_says_that_a_file_is_whole() {
    let (_directory, path) = carved(&example_data(), &[]);
    let ended = run(&["verify", path.to_str().unwrap()]);
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    let start = format!("{} is whole: 10000 pairs, ", path.display());
    assert!(ended.out.starts_with(&start) && ended.out.contains("kB checked in 0."), "{}", ended.out);
}

#[test]
fn verify_names_the_first_damage_and_the_status_is_1() {
    let (_directory, path) = carved(&example_data(), &["--codec", "huffman"]);
    let whole = fs::read(&path).unwrap();
    let bytes = whole.len();
    let verify = |damaged: &[u8]| {
        fs::write(&path, damaged).unwrap();
        let ended = run(&["verify", path.to_str().unwrap()]);
        assert_eq!((ended.status, ended.out.as_str()), (Some(1), ""), "{}", ended.err);
        ended.err.strip_prefix(&format!("graven: {}: ", path.display())).unwrap().to_owned()
    };
    let (code, records) = (section(&path, "valcode"), section(&path, "records"));
    for (at, what) in [
        (100, "damaged header at byte 252: expected the checksum "),
        (code, &format!("damaged valcode at byte {code}: expected the checksum ")),
        (records, &format!("damaged records at byte {records}: expected the checksum ")),
        (bytes - 1, &format!("damaged gap at byte {}: ", bytes - 1)),
    ] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        let said = verify(&damaged);
        assert!(said.starts_with(what) && said.ends_with("; copy or build the file anew\n"), "{at}: {said}");
    }
    let said = verify(&whole[..bytes - 1]);
    assert_eq!(
        said,
        format!("the file has {} bytes where its header says {bytes}; copy or build it anew\n", bytes - 1)
    );
}

#[test]
fn what_is_not_a_carved_file_is_status_2() {
    let (directory, path) = file_with(b"a 1\n");
    let path = path.to_str().unwrap();
    let output = directory.path().join("table.graven");
    let sentence =
        format!("{path} is not a carved file; make one with `graven build {path} -o {}`", output.display());
    let empty = directory.path().join("empty");
    fs::write(&empty, "").unwrap();
    let empty = empty.to_str().unwrap();
    assert_refused(&["info", empty], &format!("{empty} is empty; there is nothing to tell of it"));
    for command in ["verify", "dump"] {
        assert_refused(&[command, path], &sentence);
        let sentence =
            format!("{empty} is empty; a carved file is made with `graven build INPUT -o {empty}`");
        assert_refused(&[command, empty], &sentence);
    }
    let nowhere = directory.path().join("nowhere").to_str().unwrap().to_owned();
    let text = format!("make a sample with `graven gen -n 10000 -o {nowhere}`");
    let carved = format!("make a carved file with `graven build INPUT -o {nowhere}`");
    for (command, advice) in [("info", &text), ("verify", &carved), ("dump", &carved)] {
        let sentence = format!("{nowhere} does not exist; check the path, or {advice}");
        assert_refused(&[command, &nowhere], &sentence);
    }
    let (_directory, newer) = carved_from(b"a 1\n", &[]);
    let mut bytes = fs::read(&newer).unwrap();
    bytes[8] = 9;
    fs::write(&newer, bytes).unwrap();
    let newer = newer.to_str().unwrap();
    for command in ["info", "verify", "dump", "serve"] {
        assert_refused(
            &[command, newer],
            &format!("{newer}: the file has version 9, this program reads version 2; build it anew"),
        );
    }
}

#[test]
fn info_is_the_same_for_people_and_for_programs() {
    let text: String = (0..1000).map(|i| format!("user/{i:x}/ value number {i}\n")).collect();
    let (_directory, path) = carved_from(text.as_bytes(), &["--codec", "symbols"]);
    let path = path.to_str().unwrap();
    let json: serde_json::Value = serde_json::from_str(&run(&["info", "--json", path]).out).unwrap();
    let expected = [
        "version",
        "file_bytes",
        "pairs",
        "bytes_per_pair",
        "key_kind",
        "key_prefix",
        "key_bits",
        "key_codec",
        "key_bytes",
        "key_gain",
        "value_codec",
        "long_codec",
        "shared_values",
        "value_bytes",
        "stored_value_bytes",
        "value_gain",
        "value_type",
        "buckets",
        "records_per_bucket",
        "index_bits_per_key",
        "identity",
        "check_buckets",
        "sections",
    ];
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), expected);
    let bytes = fs::metadata(path).unwrap().len();
    assert_eq!((json["pairs"].as_u64(), json["file_bytes"].as_u64()), (Some(1000), Some(bytes)));
    assert_eq!((json["key_kind"].as_str(), json["key_prefix"].as_str()), (Some("bytes"), Some("user/")));
    let given: usize = text.lines().map(|line| line.split_once(' ').unwrap().1.len()).sum();
    assert_eq!(json["value_bytes"].as_u64(), Some(given as u64));
    let names: Vec<_> =
        json["sections"].as_array().unwrap().iter().map(|part| part["name"].clone()).collect();
    assert_eq!(names, ["prefix", "keycode", "valcode", "index", "records"]);

    let page = run(&["info", path]);
    assert_eq!((page.status, page.err.as_str()), (Some(0), ""));
    assert!(
        page.out.starts_with(&format!("{path}: a carved file, version 2\n\npairs     1000\n")),
        "{}",
        page.out
    );
    let gain = json["value_gain"].as_f64().unwrap() * 100.0;
    assert!(page.out.contains(&format!("values    symbols ({gain:.1}% saved); ")), "{}", page.out);
    assert!(page.out.contains("keys      bytes, all begin with user/; "), "{}", page.out);
    for section in json["sections"].as_array().unwrap() {
        let sum = section["crc32c"].as_str().unwrap();
        assert_eq!(sum.len(), 8);
        assert!(page.out.contains(sum), "{}", page.out);
    }
}

#[test]
fn info_tells_how_long_keys_and_values_are() {
    let text = b"a 1234\nbb 12\nccc\ndddd 123456789\n";
    let (_directory, path) = file_with(text);
    let path = path.to_str().unwrap();
    let ended = run(&["info", path]);
    let page = format!(
        "{path}: pairs in the form data\n\npairs     4\nbytes     {} ({} B)\nkeys      10 B given\nvalues    15 B \
         given\n\n\
         length         least        mean      median       p90       p99     p99.9        most\n\
         keys               1        2.50         2.5         4         4         4           4\n\
         values             0        3.75           3         9         9         9           9\n",
        text.len(),
        text.len()
    );
    assert_eq!(ended, Ended { status: Some(0), out: page, err: String::new() });
    let of_text: serde_json::Value = serde_json::from_str(&run(&["info", "--json", path]).out).unwrap();
    let lengths = serde_json::json!({
        "least": 0, "mean": 3.75, "median": 3.0, "p90": 9, "p99": 9, "p99.9": 9, "most": 9,
    });
    assert_eq!(of_text["value_lengths"], lengths);
    assert_eq!((&of_text["format"], &of_text["pairs"]), (&"data".into(), &4.into()));

    let (_directory, table) = carved_from(text, &[]);
    let table = table.to_str().unwrap();
    let of_table: serde_json::Value =
        serde_json::from_str(&run(&["info", "--json", "--lengths", table]).out).unwrap();
    for field in ["key_lengths", "value_lengths", "pairs", "key_bytes", "value_bytes"] {
        assert_eq!(of_table[field], of_text[field], "{field}");
    }
    let lines = ended_lines(&run(&["info", path]).out);
    assert!(run(&["info", "--lengths", table]).out.contains(&lines), "{lines}");
    assert!(!run(&["info", table]).out.contains("median"));
}

/// The last three lines.
fn ended_lines(page: &str) -> String {
    let lines: Vec<&str> = page.lines().collect();
    lines[lines.len() - 3..].join("\n")
}

#[test]
fn a_table_that_is_dumped_and_built_again_is_the_same_file() {
    let sample = tempfile::tempdir().unwrap();
    let text = sample.path().join("words.data");
    let arguments = ["gen", "-n", "20000", "--values", "words", "-o", text.to_str().unwrap()];
    assert_eq!(run(&arguments).status, Some(0));
    for (text, options) in [(example_data(), &[][..]), (text, &["--for", "disk", "--codec", "symbols"])] {
        let (directory, path) = carved(&text, options);
        let mut lines: Vec<String> = fs::read_to_string(&text).unwrap().lines().map(str::to_owned).collect();
        lines.sort_unstable();
        for name in ["dump.data", "dump.jsonl"] {
            let dump = directory.path().join(name);
            let ended = run(&["dump", path.to_str().unwrap(), "-o", dump.to_str().unwrap()]);
            assert_eq!(ended, Ended { status: Some(0), out: String::new(), err: String::new() });
            let (_again, again) = carved(&dump, options);
            assert!(fs::read(&again).unwrap() == fs::read(&path).unwrap(), "{name}");
        }
        let out = run(&["dump", path.to_str().unwrap()]).out;
        assert!(out.as_bytes() == fs::read(directory.path().join("dump.data")).unwrap());
        let mut dumped: Vec<&str> = out.lines().collect();
        dumped.sort_unstable();
        assert!(dumped == lines, "the dump has the lines of the text");
    }
}

#[test]
fn what_the_text_cannot_hold_is_dumped_as_jsonl_and_comes_back() {
    for (jsonl, objection) in [
        (r#"{"key":"a b","value":""}"#, "the key a b holds a space, a tab or a line end"),
        (r#"{"key":"a\tb","value":""}"#, "the key a\\tb holds a space, a tab or a line end"),
        (r#"{"key":"a\nb","value":""}"#, "the key a\\nb holds a space, a tab or a line end"),
        (r#"{"key":"a","value":"1\n2"}"#, "the value of a holds a line end"),
        (r#"{"key":"a","value":"1\r"}"#, "the value of a ends in a carriage return"),
        (r#"{"key":"","value":"1"}"#, "a key is empty"),
    ] {
        let (_directory, path) = carved_from(jsonl.as_bytes(), &["--format", "jsonl"]);
        let path = path.to_str().unwrap();
        assert_refused(
            &["dump", path],
            &format!("{path}: {objection}, which the .data text cannot hold; use `--format jsonl`"),
        );
        let ended = run(&["dump", path, "--format", "jsonl"]);
        assert_eq!((ended.status, ended.out), (Some(0), format!("{jsonl}\n")));
    }
}

#[test]
fn any_bytes_come_back_through_jsonl() {
    let text: Vec<u8> = (0..=255_u8)
        .filter(|byte| !b" \t\n".contains(byte))
        .flat_map(|byte| [&[b'k', byte, b' ', b'v'][..], &[byte; 3], b".\n"].concat())
        .collect();
    let (directory, path) = carved_from(&text, &[]);
    let dump = directory.path().join("dump.jsonl");
    assert_eq!(run(&["dump", path.to_str().unwrap(), "-o", dump.to_str().unwrap()]).status, Some(0));
    let lines = fs::read_to_string(&dump).unwrap();
    assert!(lines.contains(r#"{"key_base64":"a/8=","value_base64":"dv///y4="}"#), "{lines}");
    let (_again, again) = carved(&dump, &[]);
    assert!(fs::read(again).unwrap() == fs::read(path).unwrap());
}

#[test]
fn a_dump_that_fails_leaves_the_old_file_and_nothing_else() {
    let (directory, path) = carved(&example_data(), &[]);
    let (path, dump) = (path.to_str().unwrap(), directory.path().join("dump.data"));
    fs::write(&dump, "old").unwrap();
    let dump = dump.canonicalize().unwrap();
    let script = r#"ulimit -f 16 && exec "$0" dump "$@""#;
    let ended = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_graven"), path, "-o", dump.to_str().unwrap()])
        .output()
        .unwrap();
    let sentence = format!("graven: cannot write {}: file too large\n", dump.display());
    assert_eq!(String::from_utf8_lossy(&ended.stderr), sentence);
    assert_eq!(ended.status.code(), Some(2));
    flip(Path::new(path), 100_000);
    let ended = run(&["dump", path, "-o", dump.to_str().unwrap()]);
    assert_eq!(ended.status, Some(2));
    assert!(ended.err.starts_with(&format!("graven: {path}: damaged records at byte ")), "{}", ended.err);
    assert_eq!(fs::read(&dump).unwrap(), b"old");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn whoever_has_read_enough_of_a_dump_is_no_error() {
    let (_directory, path) = carved(&example_data(), &[]);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let child = graven().arg("dump").arg(&path).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    reader.read_exact(&mut [0; 100]).unwrap();
    drop(reader);
    let ended: Ended = child.wait_with_output().unwrap().into();
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert_eq!(ended.err, "");
}

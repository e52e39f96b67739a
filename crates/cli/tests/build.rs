//! `graven build` as a process: the same table from every form of input, and what it says when there is none.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs};

use rustix::process::{Pid, Signal, kill_process};
use support::{Ended, assert_refused, example_data, file_with, graven, run, run_with_input};

/// Every name in `directory`, hidden ones too.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Runs `graven build` of `input` with `arguments` and gives the file that it makes.
#[track_caller]
fn built(input: &Path, arguments: &[&str]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("table.graven");
    let status = graven()
        .arg("build")
        .arg(input)
        .arg("-o")
        .arg(&output)
        .args(arguments)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0), "{arguments:?}");
    assert_eq!(names(directory.path()), ["table.graven"]);
    fs::read(output).unwrap()
}

/// The table of `text`, whose form is `format`.
#[track_caller]
fn built_from(text: &[u8], arguments: &[&str]) -> Vec<u8> {
    let (_directory, path) = file_with(text);
    built(&path, arguments)
}

/// Asserts that the input, in the file `table.data`, is refused with `sentence` behind its path, and leaves nothing.
#[track_caller]
fn assert_input_refused(text: &[u8], arguments: &[&str], sentence: &str) {
    let (directory, path) = file_with(text);
    let output = directory.path().join("table.graven");
    fs::write(&output, "old").unwrap();
    let path = path.to_str().unwrap();
    let build = ["build", path, "-o", output.to_str().unwrap()];
    assert_refused(&[&build, arguments].concat(), &format!("{path}{sentence}"));
    assert_eq!(names(directory.path()), ["table.data", "table.graven"]);
    assert_eq!(fs::read(directory.path().join("table.graven")).unwrap(), b"old");
}

#[test]
fn it_says_in_one_line_what_it_made_beside_the_input() {
    let (directory, path) = file_with(b"a 1\nb 2\na 3\n");
    let ended = run(&["build", path.to_str().unwrap()]);
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    let output = directory.path().join("table.graven");
    let start = format!("carved {} into {}: 2 pairs, 12 B in, ", path.display(), output.display());
    let rest = ended.out.strip_prefix(&start).unwrap_or_else(|| panic!("{}", ended.out));
    let bytes = fs::metadata(&output).unwrap().len();
    let middle = format!("{bytes} B out, {:.1} bytes a pair, values raw, in 0.", bytes as f64 / 2.0);
    let rest = rest.strip_prefix(&middle).unwrap_or_else(|| panic!("{}", ended.out));
    assert!(rest.ends_with(" s, 1 duplicate\nthe first pair: \"a\" = \"1\"\n"), "{}", ended.out);
    assert_eq!(run(&["get", output.to_str().unwrap(), "a", "b"]).out, "3\n2\n");
    assert_eq!(names(directory.path()), ["table.data", "table.graven"]);
}

#[test]
fn an_output_keeps_the_name_that_was_typed_and_what_it_replaces_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let inside = |arguments: &[&str]| -> Ended {
        graven().args(arguments).current_dir(directory.path()).output().unwrap().into()
    };
    fs::write(directory.path().join("u.csv"), "a,1\nb,2\n").unwrap();
    fs::write(directory.path().join("u.data"), "c 3\n").unwrap();
    let first = inside(&["build", "u.csv"]);
    assert!(first.out.starts_with("carved u.csv into u.graven: 2 pairs"), "{}", first.out);
    let second = inside(&["build", "u.data"]);
    assert!(second.out.starts_with("carved u.data into u.graven: 1 pair, "), "{}", second.out);
    assert!(second.out.ends_with("\nreplaced u.graven, which had 2 pairs\n"), "{}", second.out);
    let itself = inside(&["dump", "u.graven", "-o", "./u.graven"]);
    assert_eq!(itself.err, "graven: ./u.graven is the table itself; name another file with -o\n");
    // A link is followed, and what it leads to has the name.
    std::os::unix::fs::symlink("u.graven", directory.path().join("link")).unwrap();
    let linked = inside(&["build", "u.csv", "-o", "link"]);
    let real = directory.path().canonicalize().unwrap().join("u.graven");
    assert!(
        linked.out.starts_with(&format!("carved u.csv into {}: 2 pairs", real.display())),
        "{}",
        linked.out
    );
    assert!(directory.path().join("link").is_symlink());
}

#[test]
fn threads_memory_and_a_pipe_do_not_change_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("table.data");
    let gen_arguments = ["gen", "-n", "400000", "--seed", "7", "-o", path.to_str().unwrap()];
    assert_eq!(run(&gen_arguments).status, Some(0));
    let expected = built(&path, &[]);
    for arguments in [
        &["--threads", "1"][..],
        &["--threads", "2"],
        &["--threads", "3", "--memory", "8MiB"],
        &["--memory", "8 MiB"],
    ] {
        assert!(built(&path, arguments) == expected, "{arguments:?} changes the file");
    }
    for memory in ["8MiB", "1GiB"] {
        let output = directory.path().join("from-a-pipe.graven");
        let arguments = ["build", "-", "-o", output.to_str().unwrap(), "--memory", memory];
        let ended = run_with_input(&arguments, &fs::read(&path).unwrap());
        assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
        assert!(ended.out.starts_with("carved standard input into "), "{}", ended.out);
        assert!(fs::read(&output).unwrap() == expected, "a pipe and {memory} change the file");
    }
}

#[test]
fn every_form_of_the_same_pairs_makes_the_same_file() {
    let expected = built_from(b"a one\nb two, \"three\"\nc\td\n\nempty\n", &[]);
    let tsv = b"a\tone\nb\ttwo, \"three\"\r\n\nc\td\nempty\t";
    let csv = b"a,one\n\"b\",\"two, \"\"three\"\"\"\r\nc,d\n\nempty,\n";
    let columns = b"no,word,id\n1,one,a\n2,\"two, \"\"three\"\"\",b\n3,d,c\n4,,empty\n";
    let jsonl = br#"{"key":"a","value":"one"}
{"value":"two, \"three\"", "other": [{"key": 1}, null], "key":"b"}
  
{"key_base64":"Yw==","value_base64":"ZA=="}
{"key":"\u0065mpty","value":""}"#;
    let named = br#"{"id":"a","key":"x","word":"one"}
{"id":"b","word":"two, \"three\""}
{"id_base64":"Yw==","word":"d"}
{"id":"empty","word":""}
"#;
    for (text, arguments) in [
        (&tsv[..], &["--format", "tsv"][..]),
        (csv, &["--format", "csv"]),
        (columns, &["--format", "csv", "--key", "id", "--value", "word"]),
        (columns, &["--format", "csv", "--key", "3", "--value", "2", "--header"]),
        (jsonl, &["--format", "jsonl"]),
        (named, &["--format", "jsonl", "--key", "id", "--value", "word"]),
    ] {
        assert!(built_from(text, arguments) == expected, "{arguments:?}");
    }
}

#[test]
fn the_name_of_the_input_says_what_it_holds() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("t.data", "a b 1"),
        ("t.tsv", "a\tb 1"),
        ("t.csv", "a,b 1"),
        ("t.jsonl", r#"{"key":"a","value":"b 1"}"#),
        ("t.ndjson", r#"{"key":"a","value":"b 1"}"#),
        ("t", "a b 1"),
    ] {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        assert!(built(&path, &[]) == built_from(b"a b 1\n", &[]), "{name}");
    }
}

#[test]
fn the_first_value_counts_or_the_last_or_none_may_come_twice() {
    let text = b"a 1\nb 2\na 3\n";
    assert!(built_from(text, &["--duplicates", "first"]) != built_from(text, &[]));
    assert!(built_from(text, &["--duplicates", "last"]) == built_from(text, &[]));
    let advice = "keep one of its values with `--duplicates last` or `--duplicates first`";
    assert_input_refused(
        text,
        &["--duplicates", "error"],
        &format!(": the key a comes more than once; {advice}"),
    );
}

#[test]
fn codec_purpose_and_bucket_do_what_they_say() {
    let info = |arguments: &[&str]| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("table.graven");
        fs::write(&path, built(&example_data(), arguments)).unwrap();
        let ended = run(&["info", "--json", path.to_str().unwrap()]);
        serde_json::from_str::<serde_json::Value>(&ended.out).unwrap()
    };
    for codec in ["raw", "huffman", "symbols"] {
        let info = info(&["--codec", codec]);
        assert_eq!(info["value_codec"], codec);
        assert_eq!(info["value_gain"].as_f64().unwrap() == 0.0, codec == "raw", "{info}");
    }
    let records = |arguments: &[&str]| info(arguments)["records_per_bucket"].as_f64().unwrap();
    assert!((2.8..5.7).contains(&records(&[])));
    assert!(records(&["--for", "disk"]) > 30.0);
    assert!((70.0..142.0).contains(&records(&["--bucket", "100"])));
    assert!((70.0..142.0).contains(&records(&["--for", "disk", "--bucket", "100"])));
}

#[test]
fn a_bad_line_far_into_the_input_is_named_and_the_old_file_stays() {
    let mut text: Vec<u8> = (0..90_000).flat_map(|i| format!("key{i} value\n").into_bytes()).collect();
    text.extend_from_slice(b" no key\n");
    text.extend((0..10_000).flat_map(|i| format!("more{i} value\n").into_bytes()));
    let refused = ":90001: the line begins with a separator; a key must come first; `--trim` drops spaces and tabs \
                   around keys and values; pass over such lines with `--comment ' '`";
    assert_input_refused(&text, &["--memory", "4MiB"], refused);
}

#[test]
fn what_a_form_does_not_allow_is_named_with_its_line() {
    let long = [b"a\t1\n".as_slice(), &[b'k'; 65_537], b"\t1\n"].concat();
    let latin: &[u8] = b"{\"key\":\"\xff\",\"value\":\"\"}";
    for (format, text, sentence) in [
        (
            "data",
            &b"a 1\n\tb\n"[..],
            ":2: the line begins with a separator; a key must come first; `--trim` drops spaces and tabs around keys and \
             values; pass over such lines with `--comment ' '`",
        ),
        ("tsv", b"a\t1\n\nb 2\n", ":3: expected a tab between a key and a value, found none"),
        ("tsv", b"\t1\n", ":1: the key is empty"),
        ("tsv", &long, ":2: the key is longer than 65536 bytes"),
        (
            "csv",
            b"a,1\nb\n",
            ":2: expected 2 columns as in the first row, found 1; if rows may lack columns at their end, say so with `--short-rows`",
        ),
        (
            "csv",
            b"a\nb\n",
            ":1: the value is column 2, the row has 1 column; if columns are separated by something else, say by \
             what with `--delimiter`",
        ),
        ("csv", b"a,1\n,2\n", ":2: the key is empty"),
        (
            "jsonl",
            b"{\"key\":\"a\",\"value\":\"b\"}\n[1]\n",
            ":2:1: invalid type: sequence, expected an object",
        ),
        (
            "jsonl",
            b"{\"key\":\"a\"}\n",
            ":1: there is no field `value` for the value; the fields are key; name the fields with \
             `--key FIELD --value FIELD`",
        ),
        (
            "jsonl",
            b"{\"key\":\"a\",\"key_base64\":\"\",\"value\":\"\"}",
            ":1: there is more than one field `key`",
        ),
        (
            "jsonl",
            b"{\"key_base64\":\"!\",\"value\":\"\"}",
            ":1:15: expected base64: Invalid symbol 33, offset 0.",
        ),
        ("jsonl", b"{\"key\":\"a\",\"value\":\"", ":1:20: EOF while parsing a string"),
        ("jsonl", latin, ":1:9: invalid unicode code point"),
    ] {
        assert_input_refused(text, &["--format", format], sentence);
    }
    assert_input_refused(
        b"id,name,name\n",
        &["--format", "csv", "--key", "id", "--value", "word"],
        ":1: no column for the value is named word; the columns are id, name, name",
    );
    assert_input_refused(
        b"id,name,name\n",
        &["--format", "csv", "--value", "name"],
        ":1: more than one column is named name; give its number",
    );
}

#[test]
fn an_input_without_a_pair_is_refused() {
    let what = "so there is nothing to carve; write one `key value` pair a line into it";
    assert_input_refused(b"", &[], &format!(" is empty, {what}"));
    assert_input_refused(b"\n\r\n", &[], &format!(" holds only empty lines, {what}"));
    let nothing = " holds no pair, so there is nothing to carve; check `--format` and `--header`";
    assert_input_refused(b"key,value\n", &["--format", "csv", "--header"], nothing);
}

#[test]
fn an_input_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    assert_refused(&["build", path], &format!("{path} is a directory; name one file in it"));
    let nowhere = format!("{path}/nowhere.data");
    let advice = format!("check the path, or make a sample with `graven gen -n 10000 -o {nowhere}`");
    assert_refused(&["build", &nowhere], &format!("{nowhere} does not exist; {advice}"));
    // A file that opens and cannot be read.
    let output = format!("{path}/table.graven");
    assert_refused(
        &["build", "/proc/self/mem", "-o", &output],
        "/proc/self/mem:1: cannot read further: input/output error",
    );
    assert_eq!(names(directory.path()), [""; 0]);
}

#[test]
fn an_output_that_cannot_be_written_is_named_before_anything_is_read() {
    let (directory, path) = file_with(b" not even a pair\n");
    let directory = directory.path().canonicalize().unwrap();
    let (path, there) = (path.to_str().unwrap(), directory.to_str().unwrap());
    let build = |output: &str, sentence: &str| {
        assert_refused(&["build", path, "-o", output], &format!("cannot write {output}: {sentence}"));
    };
    build(there, &format!("it is a directory; name a file in it, such as {there}/table.graven"));
    build(
        &format!("{there}/no/where"),
        &format!("no such file or directory; make the directory {there}/no first"),
    );
    let stream = "it is not a file, and a carved file is not written from its start to its end; name a file";
    build("/dev/null", stream);
    assert_refused(&["build", path, "-o", "-"], &format!("cannot write to standard output: {stream}"));
    build("/proc/table.graven", "no such file or directory; make the directory /proc first");
    assert_refused(&["build", path, "-o", path], &format!("{path} is the input; name another file with -o"));
    assert_refused(&["build", "-"], "standard input has no name to go by; name the output with -o FILE");
    assert_eq!(names(&directory), ["table.data"]);
}

#[test]
fn options_that_mean_nothing_for_the_input_are_refused() {
    let advice = "leave that flag out, or say another form with `--format`";
    for (flags, format, what) in [
        (["--key", "1"], "data", "columns"),
        (["--value", "1"], "data", "columns"),
        (["--header", "--trim"], "data", "header"),
        (["--no-header", "--trim"], "jsonl", "header"),
        (["--delimiter", ";"], "data", "delimiter"),
        (["--delimiter", ";"], "tsv", "delimiter"),
        (["--delimiter", ";"], "jsonl", "delimiter"),
    ] {
        let sentence = format!(": the input is read as {format}, which has no {what}; {advice}");
        assert_input_refused(b"{}\n", &[&flags[..], &["--format", format]].concat(), &sentence);
    }
    for arguments in [
        &["--memory", "little"][..],
        &["--memory", "1MiB"],
        &["--bucket", "0"],
        &["--bucket", "1025"],
        &["--codec", "zip"],
        &["--threads", "0"],
    ] {
        let ended = run(&[&["build", "x.data"], arguments].concat());
        assert_eq!((ended.status, ended.out.as_str()), (Some(2), ""), "{arguments:?}");
    }
}

#[test]
fn a_carved_file_is_not_carved_again() {
    let (_directory, path) = file_with(&built(&example_data(), &[]));
    let path = path.to_str().unwrap();
    let advice = "to build it anew, turn it into text with `graven dump` first";
    assert_refused(&["build", path, "-o", "x"], &format!("{path} is a carved file already; {advice}"));
}

#[test]
fn a_disk_that_is_full_leaves_the_old_file_and_nothing_else() {
    let (directory, _path) = file_with(b"");
    let output = directory.path().canonicalize().unwrap().join("table.graven");
    fs::write(&output, "old").unwrap();
    // A limit on the size of files is refused by the same call as a full disk.
    let script = r#"ulimit -f 256 && exec "$0" build "$@""#;
    let big = directory.path().join("table.data");
    assert_eq!(run(&["gen", "-n", "100000", "-o", big.to_str().unwrap()]).status, Some(0));
    for (memory, doing) in
        [("1GiB", "write the output"), ("4MiB", "keep records in a temporary file beside the output")]
    {
        let ended = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_graven")])
            .args([&big, Path::new("-o"), &output])
            .args(["--memory", memory])
            .output()
            .unwrap();
        let advice = "make room there, or name another place with -o; what was there before is untouched";
        let sentence = format!("graven: {}: cannot {doing}: file too large; {advice}\n", output.display());
        assert_eq!(String::from_utf8_lossy(&ended.stderr), sentence);
        assert_eq!((ended.status.code(), ended.stdout.as_slice()), (Some(2), &b""[..]));
        assert_eq!(names(directory.path()), ["table.data", "table.graven"]);
        assert_eq!(fs::read(&output).unwrap(), b"old");
    }
    let script = r#"cat "$1" | { ulimit -f 256 && exec "$0" build - -o "$2" --memory 4MiB; }"#;
    let arguments = ["-c", script, env!("CARGO_BIN_EXE_graven")];
    let ended = Command::new("sh").args(arguments).args([&big, &output]).output().unwrap();
    let sentence =
        "cannot keep the input in a temporary file beside the output: file too large; make room there";
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.starts_with(&format!("graven: {}: {sentence}", output.display())), "{said}");
    assert_eq!(names(directory.path()), ["table.data", "table.graven"]);
    assert_eq!(fs::read(&output).unwrap(), b"old");
}

#[test]
fn a_table_that_is_built_again_keeps_its_mode() {
    let (directory, path) = file_with(b"a 1\n");
    let output = directory.path().join("table.graven");
    let mode = || fs::metadata(&output).unwrap().permissions().mode() & 0o777;
    for wanted in [0o600, 0o640, 0o444] {
        assert_eq!(run(&["build", path.to_str().unwrap()]).status, Some(0));
        fs::set_permissions(&output, fs::Permissions::from_mode(wanted)).unwrap();
        assert_eq!(run(&["build", path.to_str().unwrap()]).status, Some(0));
        assert_eq!(mode(), wanted);
        let dump = ["dump", output.to_str().unwrap(), "-o", path.to_str().unwrap()];
        fs::set_permissions(&path, fs::Permissions::from_mode(wanted)).unwrap();
        assert_eq!(run(&dump).status, Some(0));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, wanted);
    }
}

#[test]
fn signals_reach_graven_where_the_parent_of_the_tests_ignores_them() {
    let script = "trap '' HUP INT TERM; exec \"$0\" --exact a_signal_while_pairs_are_read_leaves_nothing";
    let ended = Command::new("sh").args(["-c", script]).arg(env::current_exe().unwrap()).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    assert!(String::from_utf8_lossy(&ended.stdout).contains("1 passed"));
}

#[test]
fn a_signal_while_pairs_are_read_leaves_nothing() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::KILL] {
        let directory = tempfile::tempdir().unwrap();
        let output = directory.path().join("table.graven");
        fs::write(&output, "old").unwrap();
        let mut child = graven()
            .args(["build", "-", "--memory", "4MiB", "-o"])
            .arg(&output)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // The pipe holds far less, so that most of this was read when all of it is written.
        let lines = b"key and a value that is as long as it takes\n".repeat(1 << 18);
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), &lines).unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(signal.as_raw()));
        assert_eq!(names(directory.path()), ["table.graven"]);
        assert_eq!(fs::read(&output).unwrap(), b"old");
    }
}

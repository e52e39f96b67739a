//! What `build`, `serve` and `get` make of the files that people have: right, or refused with what
//! to type next.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Ended, Serving, assert_refused, graven, run, run_with_input};
use tempfile::TempDir;

/// A file of that name and content, in a directory of its own.
fn file(name: &str, text: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap().join(name);
    fs::write(&path, text).unwrap();
    (directory, path)
}

/// The pairs that `build` with `arguments` makes of a file, one `key=value` a line, by key; or
/// what it says.
fn built(name: &str, text: &[u8], arguments: &[&str]) -> Result<Vec<String>, String> {
    let (directory, path) = file(name, text);
    let (output, dump) = (directory.path().join("out.graven"), directory.path().join("dump.jsonl"));
    let ended: Ended =
        graven().arg("build").arg(&path).arg("-o").arg(&output).args(arguments).output().unwrap().into();
    if ended.status != Some(0) {
        assert_eq!((ended.status, ended.out.as_str()), (Some(2), ""), "{}", ended.err);
        assert!(!output.exists(), "nothing is left");
        let start = format!("graven: {}", path.display());
        return Err(ended
            .err
            .strip_prefix(&start)
            .unwrap_or_else(|| panic!("{}", ended.err))
            .trim_end()
            .into());
    }
    assert!(graven().arg("dump").arg(&output).arg("-o").arg(&dump).status().unwrap().success());
    let mut pairs: Vec<String> = fs::read_to_string(dump)
        .unwrap()
        .lines()
        .map(|line| {
            let pair: serde_json::Value = serde_json::from_str(line).unwrap();
            format!("{}={}", pair["key"].as_str().unwrap(), pair["value"].as_str().unwrap())
        })
        .collect();
    pairs.sort();
    Ok(pairs)
}

#[track_caller]
fn assert_built(name: &str, text: &[u8], arguments: &[&str], pairs: &[&str]) {
    assert_eq!(built(name, text, arguments).unwrap(), pairs, "{name} {arguments:?}");
}

#[track_caller]
fn assert_build_refused(name: &str, text: &[u8], arguments: &[&str], sentence: &str) {
    assert_eq!(built(name, text, arguments).unwrap_err(), sentence, "{name} {arguments:?}");
}

/// `a 1` and `b 2`, a line each, as gzip packs them.
const GZIPPED: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x4b\x54\x30\xe4\x4a\x52\x30\xe2\x02\x00\x7e\x4e\x8f\x97\x08\x00\x00\x00";

#[test]
fn an_open_quote_is_named_where_it_opens() {
    let advice = "a quote inside of quotes is written twice";
    let open = format!("the quote that opens here is never closed; {advice}");
    assert_build_refused("t.csv", b"a,\"x\nb,2\n", &[], &format!(":1:3: {open}"));
    let mut rows: Vec<String> = (0..1000).map(|i| format!("k{i},v{i}")).collect();
    rows[11] = "k11,\"v11".into();
    assert_build_refused("t.csv", rows.join("\n").as_bytes(), &[], &format!(":12:5: {open}"));
    for (text, found, column) in
        [("a,\"x\"y\n", 'y', 6), ("\"\"a\"\",1\n", 'a', 3), ("a,\"1\"2\"3\"\n", '2', 6)]
    {
        let opens = if text.starts_with('"') { 1 } else { 3 };
        let sentence = format!(
            ":1:{opens}: the quote that opens here closes before line 1, column {column}; expected `,` or the end of \
             the line there, found `{found}`; {advice}"
        );
        assert_build_refused("t.csv", text.as_bytes(), &[], &sentence);
    }
}

#[test]
fn two_stray_quotes_lose_no_rows() {
    let mut rows: Vec<String> = (1..=1000).map(|i| format!("k{i},v{i}")).collect();
    rows[9] = "k10,\"v10".into();
    rows[499] = "k500,\"v500".into();
    let sentence = ":10:5: the quote that opens here closes before line 500, column 7; expected `,` or the end of \
                    the line there, found `v`; a quote inside of quotes is written twice";
    assert_build_refused("t.csv", rows.join("\n").as_bytes(), &[], sentence);
    rows[499] = "k500,v500\"".into();
    let sentence = ":10: a quoted cell holds 489 lines of 2 columns each, as many as a row has: is a quote missing or \
                    too much?; correct the quotes, or, if the cell is to hold these lines, say so with \
                    `--rows-in-quotes`";
    assert_build_refused("t.csv", rows.join("\n").as_bytes(), &[], sentence);
    assert_eq!(built("t.csv", rows.join("\n").as_bytes(), &["--rows-in-quotes"]).unwrap().len(), 510);
}

#[test]
fn what_type_next_works_when_it_is_typed() {
    let unicode = b"0041;LATIN CAPITAL LETTER A\n0042;LATIN CAPITAL LETTER B\n";
    let found = ": expected the pairs of a table, found";
    let sentence =
        format!("{found} columns separated by `;`; read it with, say, `--delimiter ';' --key 1 --value 2`");
    assert_build_refused("u.txt", unicode, &[], &sentence);
    let pairs = ["0041=LATIN CAPITAL LETTER A", "0042=LATIN CAPITAL LETTER B"];
    assert_built("u.txt", unicode, &["--delimiter", ";", "--key", "1", "--value", "2"], &pairs);

    let people = b"id,name,born\n7,Ada,1815\n9,Grace,1906\n";
    let sentence = ":1: expected two columns, a key and a value, found 3: id, name, born; say which they are, as with \
                    `--key id --value name`, or keep all columns with `--columns '*'`";
    assert_build_refused("p.csv", people, &[], sentence);
    assert_built("p.csv", people, &["--key", "id", "--value", "name"], &["7=Ada", "9=Grace"]);

    let header = b"code,amount\nA,1\nB,2\n";
    let sentence = ": the first row looks like the names of the columns: code, amount; say whether it does, with \
                    `--header` or `--no-header`";
    assert_build_refused("h.csv", header, &[], sentence);
    assert_built("h.csv", header, &["--header"], &["A=1", "B=2"]);
    assert_built("h.csv", header, &["--no-header"], &["A=1", "B=2", "code=amount"]);

    let comments = b"# zones\nAD Andorra\n";
    let sentence = format!(
        "{found} lines that begin with `#`; pass over them with `--comment '#'`, or say the form with `--format` if \
         they are pairs"
    );
    assert_build_refused("zone.tab2", comments, &[], &sentence);
    assert_built("zone.tab2", comments, &["--comment", "#"], &["AD=Andorra"]);

    let tabs = b"A WITH ACUTE\t00C1\nAE\t00C6\n";
    let sentence = format!("{found} columns separated by `\\t`; read it with `--format tsv`");
    assert_build_refused("i.txt", tabs, &[], &sentence);
    assert_built("i.txt", tabs, &["--format", "tsv"], &["A WITH ACUTE=00C1", "AE=00C6"]);

    let indented = b"  1 licence\nword meaning\n";
    let sentence = ":1: the line begins with a separator; a key must come first; `--trim` drops spaces and tabs around \
                    keys and values; pass over such lines with `--comment ' '`";
    assert_build_refused("data.noun", indented, &[], sentence);
    assert_built("data.noun", indented, &["--comment", " "], &["word=meaning"]);
    assert_built("data.noun", indented, &["--trim"], &["1=licence", "word=meaning"]);

    let nulls = b"{\"key\":1,\"value\":null}\n{\"key\":2,\"value\":2.50}\n";
    let sentence = ":1: the value is null; `--null empty` or `--null json` says what they become; leave such pairs out \
                    with `--null skip`";
    assert_build_refused("n.jsonl", nulls, &[], sentence);
    assert_built("n.jsonl", nulls, &["--null", "skip"], &["2=2.50"]);
    assert_built("n.jsonl", nulls, &["--null", "empty"], &["1=", "2=2.50"]);
    assert_built("n.jsonl", nulls, &["--null", "json"], &["1=null", "2=2.50"]);

    assert_build_refused(
        "k.csv",
        b"1,a\n2,b\n",
        &["--key", "2"],
        ":1: column 2 is the key, and the value too where no other is named; name the value's with `--value COLUMN`",
    );
    assert_built("k.csv", b"1,a\n2,b\n", &["--key", "2", "--value", "1"], &["a=1", "b=2"]);
}

#[test]
fn a_file_of_another_kind_is_named_by_every_subcommand() {
    for (name, text, what) in [
        ("t.xz", &b"\xFD7zXZ\0\0"[..], "is xz data; unpack it with `unxz -k PATH`"),
        (
            "t.db",
            b"SQLite format 3\0",
            "is an SQLite database; turn a table of it into csv, as with `sqlite3 -csv PATH \
          'SELECT KEY, VALUE FROM TABLE' > table.csv`",
        ),
        (
            "t.parquet",
            b"PAR1\x15\x00",
            // A build with the feature reads it.
            if cfg!(feature = "parquet") {
                "the Parquet data is damaged: expected at least 12 bytes, found 6"
            } else {
                "is a Parquet file; this build does not read those, one with the feature parquet does: `cargo \
                 install --locked --path crates/cli --features full`; or turn it into csv, as with `duckdb -csv \
                 -c \"SELECT KEY, VALUE FROM 'PATH'\" > table.csv`"
            },
        ),
        (
            "t.txt",
            b"\xFF\xFEa\0 \0b\0",
            "is text in UTF-16; turn it into UTF-8 with `iconv -f UTF-16 -t UTF-8 PATH > NEW`",
        ),
        (
            "t.data",
            b"a 1\rb 2\r",
            "has lines that end in a carriage return alone; turn these into line feeds with `tr '\\r' \
          '\\n' < PATH > NEW`",
        ),
    ] {
        let (_directory, path) = file(name, text);
        let path = path.to_str().unwrap();
        let sentence = format!("{path} {}", what.replace("PATH", path));
        let output = format!("{path}.graven");
        assert_refused(&["build", path, "-o", &output], &sentence);
        assert_refused(&["serve", path, "--listen", "127.0.0.1:0"], &sentence);
        assert_refused(&["get", path, "a"], &sentence);
        assert!(!Path::new(&output).exists());
    }
}

/// Runs what a sentence says between its backquotes, in `directory`.
fn type_in(directory: &Path, command: &str) {
    let ended = Command::new("sh").args(["-c", command]).current_dir(directory).output().unwrap();
    assert!(ended.status.success(), "{command}: {}", String::from_utf8_lossy(&ended.stderr));
}

/// What stands between backquotes.
fn advised(sentence: &str) -> Vec<&str> {
    sentence.split('`').skip(1).step_by(2).collect()
}

/// What `graven` says when it is run in `directory`.
fn said_in(directory: &Path, arguments: &[&str]) -> String {
    let ended: Ended = graven().args(arguments).current_dir(directory).output().unwrap().into();
    assert_eq!(ended.status, Some(2), "{arguments:?}: {}", ended.out);
    ended.err
}

#[test]
fn what_type_next_works_whatever_the_file_is_called() {
    for name in ["a b.data", "it's.data", "$HOME;ls.data", "-n.data"] {
        let (directory, _) = file(name, b"a 1\rb 2\r");
        let input = format!("./{name}");
        let said = said_in(directory.path(), &["build", &input, "-o", "out"]);
        // What is tried is how the file is named: `tr` does not come with a Rust toolchain.
        let copy = advised(&said)[0].strip_prefix("tr '\\r' '\\n' ").expect(&said);
        type_in(directory.path(), &format!("cat {copy}"));
        assert_eq!(fs::read(directory.path().join("NEW")).unwrap(), b"a 1\rb 2\r", "{said}");
    }
    let (directory, _) = file("my people.csv", b"id,full name,born\n7,Ada,1815\n");
    for command in
        [&["get", "my people.csv", "7"][..], &["serve", "my people.csv", "--listen", "127.0.0.1:0"]]
    {
        let said = said_in(directory.path(), command);
        let advice = advised(&said)[0].strip_prefix("graven ").unwrap();
        type_in(directory.path(), &format!("'{}' {advice}", env!("CARGO_BIN_EXE_graven")));
        let got: Ended = graven()
            .args(["get", "my people.graven", "7"])
            .current_dir(directory.path())
            .output()
            .unwrap()
            .into();
        assert_eq!(got.out, "Ada\n");
        fs::remove_file(directory.path().join("my people.graven")).unwrap();
    }
}

/// `bytes` as gzip stores what it does not compress.
fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap();
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        (0..8).for_each(|_| crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 });
    }
    [
        &b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\x01"[..],
        &len.to_le_bytes(),
        &(!len).to_le_bytes(),
        bytes,
        &(!crc).to_le_bytes(),
        &u32::from(len).to_le_bytes(),
    ]
    .concat()
}

#[test]
fn what_is_compressed_is_unpacked_before_what_is_advised() {
    let unpack = "unpack it with `gzip -dc < PATH > UNPACKED`, then ";
    for (name, text, what) in [
        (
            "t.data.gz",
            &b"a 1\rb 2\r"[..],
            "has lines that end in a carriage return alone; THEN turn these into line feeds with `tr '\\r' '\\n' < UNPACKED > NEW`",
        ),
        (
            "t",
            b"\xFF\xFEa\0 \0b\0",
            "is text in UTF-16; THEN turn it into UTF-8 with `iconv -f UTF-16 -t UTF-8 UNPACKED > NEW`",
        ),
        (
            "t.graven.gz",
            b"graven\r\n",
            "is a carved file; THEN name UNPACKED: a carved file is used as it is",
        ),
        ("t.xz.gz", b"\xFD7zXZ\0\0", "is xz data; THEN unpack it with `unxz -k UNPACKED`"),
    ] {
        let (directory, path) = file(name, &gzipped(text));
        let path = path.to_str().unwrap();
        let sentence = format!("{path} {}", what.replace("THEN ", unpack).replace("PATH", path));
        assert_refused(&["build", path, "-o", &format!("{path}.out")], &sentence);
        assert_refused(&["serve", path, "--listen", "127.0.0.1:0"], &sentence);
        assert_refused(&["get", path, "a"], &sentence);
        // As above.
        let copy = advised(&sentence)[0].strip_prefix("gzip -dc ").unwrap();
        type_in(directory.path(), &format!("cat {copy}"));
        assert_eq!(fs::read(directory.path().join("UNPACKED")).unwrap(), gzipped(text));
    }
    let (_directory, path) = file("t.gz", &GZIPPED[..GZIPPED.len() - 9]);
    let path = path.to_str().unwrap();
    let ended = run(&["build", path]);
    assert!(
        ended.err.ends_with(&format!("is the file whole? `gzip -t < {path}` says it\n")),
        "{}",
        ended.err
    );
}

#[test]
fn standard_input_is_not_advised_as_a_file_of_that_name() {
    let ended = run_with_input(&["build", "-", "-o", "out"], b"\xFF\xFEa\0 \0b\0");
    assert!(ended.err.contains("`iconv -f UTF-16 -t UTF-8 FILE > NEW`"), "{}", ended.err);
    let ended = run_with_input(&["serve", "-"], b"0041;LATIN\n0042;LATIN\n");
    let advice = "`graven build - --delimiter ';' --key 1 --value 2 -o table.graven`";
    assert!(ended.err.contains(advice), "{}", ended.err);
    let ended = run_with_input(&["serve", "-", "--storage", "disk"], b"a 1\n");
    assert!(ended.err.contains("`graven build - -o FILE --for disk`"), "{}", ended.err);
}

#[test]
fn a_carved_file_that_is_not_there_is_advised_to_be_built() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("no where.graven");
    let path = path.to_str().unwrap();
    let sentence = format!(
        "{path} does not exist; check the path, or make a carved file with `graven build INPUT -o '{path}'`"
    );
    for command in [&["verify", path][..], &["dump", path]] {
        assert_refused(command, &sentence);
    }
}

#[test]
fn what_needs_no_flags_is_served_and_asked_as_it_is() {
    for (name, text) in [
        ("t.csv", &b"a,\"1, 2\"\nb,3\n"[..]),
        ("t.tsv", b"a\t1, 2\nb\t3\n"),
        ("t.jsonl", b"{\"key\":\"a\",\"value\":\"1, 2\"}\n{\"key\":\"b\",\"value\":3}\n"),
        ("t", b"{\"key\":\"a\",\"value\":\"1, 2\"}\n{\"key\":\"b\",\"value\":3}\n"),
        ("t.data", b"\xEF\xBB\xBFa 1, 2\nb 3\n"),
    ] {
        let (_directory, path) = file(name, text);
        let serving = Serving::start(&[&path]);
        for target in [path.to_str().unwrap(), serving.address()] {
            let ended = run(&["get", target, "b", "a"]);
            assert_eq!(
                ended,
                Ended { status: Some(0), out: "3\n1, 2\n".into(), err: String::new() },
                "{name}"
            );
        }
    }
    let (_directory, path) = file("t.gz", GZIPPED);
    let serving = Serving::start(&[&path]);
    for target in [path.to_str().unwrap(), serving.address()] {
        assert_eq!(run(&["get", target, "b", "a"]).out, "2\n1\n");
    }
}

#[test]
fn what_needs_flags_is_for_build_which_is_said() {
    let (_directory, path) = file("p.csv", b"id,name,born\n7,Ada,1815\n");
    let path = path.to_str().unwrap();
    let output = path.replace(".csv", ".graven");
    let sentence = format!(
        "{path}:1: expected two columns, a key and a value, found 3: id, name, born; make a carved file of it with \
         `graven build {path} --key id --value name -o {output}`"
    );
    assert_refused(&["serve", path, "--listen", "127.0.0.1:0"], &sentence);
    assert_refused(&["get", path, "7"], &sentence);
}

#[test]
fn aligned_text_is_trimmed_where_it_is_asked_for() {
    let (_directory, path) = file("t.data", b"a      1\nlonger 2\nb      3\n");
    let path = path.to_str().unwrap();
    for (flags, value) in [(&[][..], "     1\n"), (&["--trim"], "1\n")] {
        let serving = Serving::start(&[&[path][..], flags].concat());
        assert_eq!(run(&["get", serving.address(), "a"]).out, value);
        assert_eq!(run(&[&["get", path, "a"], flags].concat()).out, value);
        let output = format!("{path}.graven");
        let ended = run(&[&["build", path, "-o", &output], flags].concat());
        let note = "\nmost values begin with a space or a tab; --trim drops these\n";
        assert_eq!(ended.out.ends_with(note), flags.is_empty(), "{}", ended.out);
        assert_eq!(run(&["get", &output, "a"]).out, value);
    }
}

#[test]
fn more_than_half_duplicates_have_to_be_meant() {
    let text = b"Package: a\nVersion: 1\nPackage: b\nVersion: 2\nPackage: c\nVersion: 3\n";
    let sentence = |pairs: &str, other: &str| {
        format!(
            ": {pairs} have a key that comes again, more than half of all: is it read as it is meant? {other}, or keep \
             the last value of each key with `--duplicates last`"
        )
    };
    let data = sentence("4 of 6 pairs", "say the form of the input with `--format`");
    assert_build_refused("status.data", text, &[], &data);
    assert_built("status.data", text, &["--duplicates", "last"], &["Package:=c", "Version:=3"]);
    assert_built("status.data", text, &["--duplicates", "first"], &["Package:=a", "Version:=1"]);
    let csv = sentence("2 of 3 pairs", "choose another key with `--key`");
    assert_build_refused("oui.csv", b"MA-L,002272\nMA-L,00D0EF\nMA-L,086195\n", &[], &csv);
    // Half is not more than half.
    assert_built("t.data", b"a 1\na 2\n", &[], &["a=2"]);

    let (_directory, path) = file("status.data", text);
    let path = path.to_str().unwrap();
    assert_refused(&["serve", path, "--listen", "127.0.0.1:0"], &format!("{path}{data}"));
    assert_eq!(Serving::start(&[path, "--duplicates", "last"]).said.len(), 2);
}

/// A header and two rows: `7,"  Ada",1815,x` and `9,Grace,1906,y`.
const GZIPPED_PEOPLE: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x4c\xd1\xc9\x4b\xcc\x4d\xd5\x49\xca\x2f\xca\xd3\xc9\xcb\x2f\x49\xe5\x32\xd7\x51\x52\x50\x70\x4c\x49\x54\xd2\x31\xb4\x30\x34\xd5\xa9\xe0\xb2\xd4\x71\x2f\x4a\x4c\x4e\xd5\x31\xb4\x34\x30\xd3\xa9\xe4\x02\x00\x84\x47\xca\xea\x32\x00\x00\x00";

#[test]
fn a_build_says_what_it_read_and_what_it_left_out() {
    let (directory, path) = file("people.csv.gz", GZIPPED_PEOPLE);
    let build = ["build", path.to_str().unwrap(), "--key", "id", "--value", "name"];
    let ended = run(&build);
    let output = directory.path().canonicalize().unwrap().join("people.graven");
    let lines: Vec<&str> = ended.out.lines().collect();
    assert!(lines[0].starts_with(&format!("carved {} into {}: 2 pairs, ", path.display(), output.display())));
    assert_eq!(lines[1..], ["the first pair: \"7\" = \"  Ada\"", "not in the table: born, note"]);
    let ended = run(&build);
    let said = format!("replaced {}, which had 2 pairs", output.display());
    assert_eq!(ended.out.lines().last(), Some(said.as_str()));
}

#[test]
fn a_default_name_that_leads_to_something_else_is_refused() {
    let (directory, path) = file("u.csv", b"a,1\n");
    let output = directory.path().canonicalize().unwrap().join("u.graven");
    fs::write(&output, "a letter").unwrap();
    let sentence =
        format!("{} is there and is not a carved file; to replace it, name it with -o", output.display());
    assert_refused(&["build", path.to_str().unwrap()], &sentence);
    assert_eq!(fs::read(&output).unwrap(), b"a letter");
    assert_eq!(run(&["build", path.to_str().unwrap(), "-o", output.to_str().unwrap()]).status, Some(0));
    // Two inputs, one default name.
    let data = directory.path().join("u.data");
    fs::write(&data, "b 2\nc 3\n").unwrap();
    let ended = run(&["build", data.to_str().unwrap()]);
    assert_eq!(
        ended.out.lines().last(),
        Some(format!("replaced {}, which had 1 pair", output.display()).as_str())
    );
}

#[test]
fn a_table_is_not_dumped_into_itself() {
    let (directory, path) = file("t.data", b"a 1\n");
    assert_eq!(run(&["build", path.to_str().unwrap()]).status, Some(0));
    let table = directory.path().canonicalize().unwrap().join("t.graven");
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&table, &link).unwrap();
    let before = fs::read(&table).unwrap();
    let table = table.to_str().unwrap();
    for (from, to) in [(table, table), (table, link.to_str().unwrap()), (link.to_str().unwrap(), table)] {
        assert_refused(
            &["dump", from, "-o", to],
            &format!("{table} is the table itself; name another file with -o"),
        );
        assert_eq!(fs::read(table).unwrap(), before);
    }
}

#[test]
fn a_key_that_begins_with_a_byte_order_mark_is_not_lost_by_a_dump() {
    let (directory, path) = file("t.data", b"\xEF\xBB\xBF\xEF\xBB\xBFa 1\n");
    assert_eq!(run(&["build", path.to_str().unwrap()]).status, Some(0));
    let table = directory.path().join("t.graven");
    assert_eq!(run(&["get", table.to_str().unwrap(), "\u{feff}a"]).out, "1\n");
    let ended = run(&["dump", table.to_str().unwrap()]);
    assert_eq!(ended.status, Some(2));
    assert!(
        ended.err.contains("begins with a byte order mark, which the .data text cannot hold"),
        "{}",
        ended.err
    );
}

#[test]
fn standard_input_is_judged_as_a_file_is() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("t.graven");
    let build = ["build", "-", "-o", output.to_str().unwrap()];
    for text in [GZIPPED, b"{\"key\":\"a\",\"value\":1}\n{\"key\":\"b\",\"value\":2}\n", b"a 1\nb 2\n"] {
        let ended = run_with_input(&build, text);
        assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
        assert_eq!(run(&["get", output.to_str().unwrap(), "a", "b"]).out, "1\n2\n");
    }
    let ended = run_with_input(&build, b"a,1\nb,2\n");
    let sentence = "graven: standard input: expected the pairs of a table, found columns separated by `,`; read it with, \
                    say, `--delimiter ',' --key 1 --value 2`\n";
    assert_eq!((ended.status, ended.err.as_str()), (Some(2), sentence));
}

#[test]
fn a_json_object_whose_pairs_may_be_elsewhere_is_refused_with_the_way_to_them() {
    let (_directory, path) = file("t.json", b"{\"rows\":[\n{\"id\":1,\"n\":2}]}");
    let path = path.to_str().unwrap();
    let (output, flags) = (path.replace(".json", ".graven"), "--at rows --key id --value '*'");
    let found = format!("{path}: expected the pairs of a table, found one JSON object");
    let advice =
        format!("go down into a member, as with `{flags}`, or read a pair a member with `--format json`");
    assert_refused(&["build", path, "-o", &output], &format!("{found}; {advice}"));
    let build = format!("{found}; make a carved file of it with `graven build {path} {flags} -o {output}`");
    assert_refused(&["serve", path, "--listen", "127.0.0.1:0"], &build);
    assert_refused(&["get", path, "a"], &build);
    assert!(!Path::new(&output).exists());
}

#[test]
fn all_columns_that_were_said_to_be_the_key_are_in_the_advice() {
    let text = b"day,sku,price\nmonday,A,1\nmonday,B,2\n";
    let said = built("prices.csv", text, &["--header", "--key", "day,sku"]).unwrap_err();
    assert!(said.contains("`--key day,sku --value price`"), "{said}");
    let pairs = ["monday:A=1", "monday:B=2"];
    assert_built("prices.csv", text, &["--header", "--key", "day,sku", "--value", "price"], &pairs);
}

#[test]
fn keys_that_come_again_are_no_harm_to_who_only_counts_them() {
    let (_directory, path) = file("cities.tsv", b"no\tOslo\tA\nno\tBergen\tB\nse\tUmea\tC\n");
    let path = path.to_str().unwrap();
    assert_eq!(run(&["build", path]).status, Some(2));
    let info = run(&["info", path]);
    assert_eq!(info.status, Some(0), "{}", info.err);
}

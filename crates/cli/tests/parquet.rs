//! Parquet as an input of the binary; without the feature, what has it.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::run;

/// A file that DuckDB wrote, of fifteen rows.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../ingest/tests/parquet").join(name)
}

/// A command ends with status 2 and a sentence that holds these.
#[track_caller]
fn assert_refused(arguments: &[&str], sentences: &[&str]) {
    let ended = run(arguments);
    assert_eq!((ended.status, ended.out.as_str()), (Some(2), ""), "{}", ended.err);
    for sentence in sentences {
        assert!(ended.err.contains(sentence), "{}", ended.err);
    }
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_build_without_the_feature_says_which_has_it_and_what_to_type() {
    let path = fixture("duckdb-zstd.parquet");
    let file = path.to_str().unwrap();
    for arguments in
        [&["build", file, "--key", "key"][..], &["build", file], &["get", file, "k"], &["info", file]]
    {
        let advice = "this build does not read those, one with the feature parquet does: `cargo install --locked \
                      --path crates/cli --features full`";
        assert_refused(arguments, &["is a Parquet file", advice]);
    }
    // One that has only the name is none that could be read either.
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("t.parquet");
    fs::write(&named, "id,n\n1,2\n").unwrap();
    assert_refused(&["build", named.to_str().unwrap()], &["--features full"]);
}

#[cfg(feature = "parquet")]
mod with_the_feature {
    use super::*;

    fn build(arguments: &[&str]) -> String {
        let built = run(&[&["build"], arguments].concat());
        assert_eq!(built.status, Some(0), "{}", built.err);
        built.out
    }

    #[test]
    fn a_file_becomes_a_table_with_its_columns() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("t.graven");
        let table = table.to_str().unwrap();
        let said = build(&[fixture("duckdb-zstd.parquet").to_str().unwrap(), "-o", table]);
        assert!(said.contains("15 pairs") && said.contains("amount    decimal"), "{said}");
        let got = run(&["get", table, "key-00002", "--fields", "amount,list,day"]);
        assert_eq!(got.out, "{\"amount\":2.500,\"list\":[\"a\",null,\"b2\"],\"day\":\"2026-11-29\"}\n");
        let dumped = run(&["dump", table]).out;
        let line = dumped.lines().find(|line| line.contains("key-00003")).unwrap();
        assert!(line.starts_with("{\"key\":\"key-00003\",\"flag\":true,\"huge\":3.0,"), "{line}");
    }

    #[test]
    fn some_columns_or_one_are_kept_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("t.graven");
        let (table, path) = (table.to_str().unwrap(), fixture("duckdb-snappy.parquet"));
        let file = path.to_str().unwrap();
        build(&[file, "--key", "id", "--columns", "tiny,key", "-o", table]);
        let got = run(&["get", table, "00000000-0000-4000-8000-000000000007"]);
        assert_eq!(got.out, "{\"tiny\":2,\"key\":\"key-00007\"}\n");
        let said = build(&[file, "--key", "key", "--value", "point", "-o", table]);
        assert!(said.contains("the first pair: \"key-00000\" = \"{\\\"x\\\":0,"), "{said}");
        assert!(said.contains("not in the table: flag, huge"), "{said}");
        assert_eq!(run(&["get", table, "key-00007"]).out, "{\"x\":7,\"y\":[7,8]}\n");
    }

    #[test]
    fn folders_patterns_and_lists_of_files_are_one_table() {
        let folder = tempfile::tempdir().unwrap();
        for (at, codec) in ["snappy", "zstd", "gzip"].iter().enumerate() {
            let part = folder.path().join(format!("out/dt=2026-11-0{at}"));
            fs::create_dir_all(&part).unwrap();
            fs::copy(fixture(&format!("duckdb-{codec}.parquet")), part.join("part-0.parquet")).unwrap();
        }
        let there = folder.path().join("out");
        let (there, table) = (there.to_str().unwrap(), folder.path().join("t.graven"));
        let table = table.to_str().unwrap();
        let build = |inputs: &[&str]| {
            let flags = ["--key", "key", "--columns", "tiny,dt", "--duplicates", "last", "-o", table];
            run(&[&["build"], inputs, &flags].concat())
        };
        let pattern = format!("{there}/*/part-*.parquet");
        let files: Vec<String> =
            (0..3).map(|at| format!("{there}/dt=2026-11-0{at}/part-0.parquet")).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        for inputs in [&[there][..], &[&pattern], &files] {
            let built = build(inputs);
            assert_eq!(built.status, Some(0), "{}", built.err);
            assert!(built.out.contains("15 pairs") && built.out.contains("30 duplicates"), "{}", built.out);
            let got = run(&["get", table, "key-00001"]);
            assert_eq!(got.out, "{\"tiny\":-4,\"dt\":\"2026-11-02\"}\n");
        }
        let refused = build(&[there, "--require-marker", "_SUCCESS"]);
        let sentence =
            format!("graven: {there}: it has no _SUCCESS, so what writes it may not have ended; wait for it");
        assert!(refused.status == Some(2) && refused.err.starts_with(&sentence), "{}", refused.err);
        fs::write(folder.path().join("out/_SUCCESS"), "").unwrap();
        assert_eq!(build(&[there, "--require-marker", "_SUCCESS"]).status, Some(0));
        assert_refused(&["build", &pattern, "--key", "key"], &["name the output with -o FILE"]);
        let nothing = format!("{there}/*/none-*.parquet");
        assert_refused(&["build", &nothing, "-o", table], &["no file has a name such as", "none-*.parquet"]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_flag_to_type() {
        let path = fixture("duckdb-zstd.parquet");
        let file = path.to_str().unwrap();
        assert_refused(
            &["serve", file, "--listen", "127.0.0.1:0"],
            &["expected two columns, a key and a value, found 16", "`graven build", "--key key --value flag"],
        );
        let no_key = fixture("no-key.parquet");
        let no_key = no_key.to_str().unwrap();
        assert_refused(
            &["build", no_key],
            &[
                "which column is the key? The columns are site, depth, tags, sensor id, seen; say which it is, as with \
                 `--key 'sensor id'`",
            ],
        );
        assert_refused(&["serve", no_key, "--listen", "127.0.0.1:0"], &["--key 'sensor id' --value seen"]);
        assert_refused(&["build", file, "--key", "keys"], &["no column for the key is named keys"]);
        assert_refused(
            &["build", file, "--header"],
            &["read as parquet, which has no header; leave that flag out"],
        );
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("t.parquet");
        fs::copy(fixture("int96.parquet"), &other).unwrap();
        let bytes = fs::read(&other).unwrap();
        fs::write(&other, &bytes[..bytes.len() - 20]).unwrap();
        assert_refused(&["build", other.to_str().unwrap()], &["expected PAR1 at its end", "is it whole?"]);
        let piped = support::run_with_input(&["build", "-", "-o", "t.graven"], &bytes);
        assert!(piped.err.contains("read from its end, which a stream does not have"), "{}", piped.err);
    }

    #[test]
    fn a_file_of_two_columns_is_served_and_asked_as_it_is() {
        let path = fixture("int96.parquet");
        let got = run(&["get", path.to_str().unwrap(), "key-00001"]);
        assert_eq!((got.status, got.out.as_str()), (Some(2), ""), "{}", got.err);
        assert!(got.err.contains("the value is null") && got.err.contains("--null skip"), "{}", got.err);
        let info = run(&["info", path.to_str().unwrap(), "--null", "skip"]);
        assert!(info.status == Some(0) && info.out.contains("parquet"), "{} {}", info.out, info.err);
    }
}

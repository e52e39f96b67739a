//! Runs that ask for columns of rows.

use std::fs;
use std::path::PathBuf;

use crate::support::{Serving, assert_refused, file_with, measure, run};

const ROWS: &str = "\
id,name,price,stock
a,Lamp,12.50,3
b,Chair,99.00,
c,\"Say \"\"hi\"\"\",0.10,7
d,,,
";

/// A table with columns, and the directory that holds it.
fn table() -> (tempfile::TempDir, PathBuf) {
    let (directory, csv) = file_with(ROWS.as_bytes());
    let output = directory.path().join("rows.graven");
    let (csv, to) = (csv.to_str().unwrap(), output.to_str().unwrap());
    let built = run(&["build", "--format", "csv", csv, "--columns", "*", "-o", to]);
    assert_eq!(built.status, Some(0), "{}", built.err);
    (directory, output)
}

#[test]
fn columns_are_asked_for_and_every_answer_compared() {
    let (directory, table) = table();
    let keys = table.to_str().unwrap();
    let serving = Serving::start(&[keys]);
    let address = serving.address();
    let url = format!("http://{address}/v1/kv/{{key}}");
    let redis = format!("redis://{address}");
    let run_of = |keys: &str, target: &str, further: &[&str]| {
        let arguments = ["-n", "400", "-c", "2", "--verify", "--dist", "sequential"];
        let (status, run) = measure(&[&[target, "--keys", keys], &arguments[..], further].concat());
        let count = |name: &str| run["outcomes"][name].as_u64().unwrap();
        (status, count("hits"), count("misses"), count("wrong"), run)
    };
    let fields = ["--fields", "stock,name"];
    let all = (Some(0), 400, 0, 0);
    for (target, further, expected) in [
        (address, &fields[..], all),
        (&url, &fields, all),
        (address, &["--fields", "stock,name", "--mget", "3"], all),
        (&redis, &fields, all),
        // The number of a row that has none is no hit for HMGET.
        (&redis, &["--fields", "stock"], (Some(0), 200, 200, 0)),
        // Whole rows.
        (address, &[], all),
        (address, &["--mget", "3"], all),
        (&redis, &[], all),
        (&redis, &["--mget", "3"], all),
        (&format!("memcached://{address}"), &[], all),
    ] {
        let (status, hits, misses, wrong, run) = run_of(keys, target, further);
        assert_eq!((status, hits, misses, wrong), expected, "{target} {further:?}: {run}");
        let asked = &run["parameters"]["fields"];
        let names = further.iter().position(|flag| *flag == "--fields").map(|at| further[at + 1]);
        assert_eq!(asked.as_array().map(Vec::len), names.map(|names| names.split(',').count()), "{target}");
    }
    // Other rows under the same keys are found out.
    let csv = directory.path().join("other.csv");
    fs::write(&csv, ROWS.replace("99.00", "98.00").replace("Chair", "Stool")).unwrap();
    let other = csv.with_extension("graven");
    let other = other.to_str().unwrap();
    let built = run(&["build", csv.to_str().unwrap(), "--columns", "*", "-o", other]);
    assert_eq!(built.status, Some(0), "{}", built.err);
    for (target, further) in [(address, &fields[..]), (&redis, &fields), (&redis, &[])] {
        let (status, hits, _, wrong, run) = run_of(other, target, further);
        assert_eq!((status, hits, wrong), (Some(1), 300, 100), "{target} {further:?}: {run}");
    }
    let (status, ..) = run_of(other, address, &["--fields", "stock"]);
    assert_eq!(status, Some(0));
}

#[test]
fn what_cannot_be_asked_for_is_refused() {
    let (_directory, table) = table();
    let (_other, pairs) = file_with(b"a 1\n");
    let (table, pairs) = (table.to_str().unwrap(), pairs.to_str().unwrap());
    let fields = ["--fields", "name"];
    for (target, keys, further, sentence) in [
        (
            "memcached://h",
            table,
            &fields[..],
            "memcached://h is asked over memcached's protocol, which has no way to say --fields; ask over HTTP or Redis",
        ),
        (
            "redis://h",
            table,
            &["--fields", "name", "--mget", "2"],
            "redis://h is asked for the columns of one key at a time, with HMGET; leave --mget out, or ask over HTTP",
        ),
        ("redis://h", table, &["--fields", "nome"], &format!("{table}: the table has no column `nome`")),
        (
            "redis://h",
            pairs,
            &["--fields", "name", "--verify"],
            &format!(
                "{pairs} has no columns, so --verify has no --fields to compare with; give it a carved file with \
                 these columns, made with `graven build --columns`"
            ),
        ),
    ] {
        assert_refused(&[&["bench", target, "--keys", keys], further].concat(), sentence);
    }
}

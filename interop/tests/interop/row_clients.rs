//! Clients of Redis as people have them, which read rows as the hashes that they know.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::programs::{node_packages, started};
use crate::support::{Serving, carved};

/// A price that is not there is a field that a hash does not have.
const ROWS: &str = "sku,title,price,stock\nlamp,\"a \"\"bright\"\" Lämp\",12.50,7\nchair,Chair,,-3\n";

fn rows() -> (tempfile::TempDir, Serving) {
    let source = tempfile::tempdir().unwrap();
    let path = source.path().join("rows.csv");
    fs::write(&path, ROWS).unwrap();
    let (folder, table) = carved(&path, &["--key", "sku", "--columns", "*"]);
    (folder, Serving::start(&[table]))
}

/// Runs a script, which says `done` at its end.
#[track_caller]
pub(crate) fn assert_done(program: &str, package: &str, arguments: &[&str]) {
    let output = started(program, package, Command::new(program).args(arguments).output());
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.status.code(), &*out), (Some(0), "done\n"), "{err}");
}

/// Runs a script of node's from a folder in which it finds its packages.
#[track_caller]
pub(crate) fn assert_node_done(package: &str, name: &str, script: &str, arguments: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, script).unwrap();
    let packages = node_packages(package).canonicalize().unwrap();
    symlink(packages, directory.path().join("node_modules")).unwrap();
    assert_done("node", "nodejs", &[&[path.to_str().unwrap()], arguments].concat());
}

/// As [`assert_node_done`], with the port of a server that has rows.
#[track_caller]
fn assert_node_reads_rows(package: &str, name: &str, script: &str) {
    let (_folder, serving) = rows();
    let port = serving.address().rsplit(':').next().unwrap();
    assert_node_done(package, name, script, &[port]);
}

#[test]
fn node_redis_reads_rows_as_hashes() {
    assert_node_reads_rows("redis", "node_redis.mjs", include_str!("row_clients/node_redis.mjs"));
}

#[test]
fn ioredis_reads_rows_as_hashes() {
    assert_node_reads_rows("ioredis", "ioredis.cjs", include_str!("row_clients/ioredis.cjs"));
}

#[test]
fn predis_reads_rows_as_hashes() {
    let (_folder, serving) = rows();
    let port = serving.address().rsplit(':').next().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/row_clients/predis.php");
    assert_done("php", "php-cli php-predis", &[script, port]);
}

//! The programs of docs/CLIENTS.md, as they stand there but for the port: each finds one value and two.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::programs::{node_packages, python, started};
use crate::support::{Serving, root};

/// The table of README's session.
const PAIRS: &[u8] = b"A-100 39.90\nA-101 89.00\nB-7 4.50\n";

/// The table, and a folder with the program.
struct Tried {
    _serving: Serving,
    folder: tempfile::TempDir,
    program: PathBuf,
}

/// Writes the program under `heading` to a file `name`, with the port of a server of its own.
#[track_caller]
fn program(heading: &str, name: &str) -> Tried {
    let serving = Serving::start_with_input(&["-"], PAIRS);
    let page = fs::read_to_string(root().join("docs/CLIENTS.md")).unwrap();
    let section = page.split("\n## ").find_map(|section| section.strip_prefix(&format!("{heading}\n")));
    let section = section.unwrap_or_else(|| panic!("docs/CLIENTS.md has no section {heading}"));
    let code = section.split("```").nth(1).and_then(|block| block.split_once('\n')).unwrap().1;
    let (_, port) = serving.address().rsplit_once(':').unwrap();
    assert!(code.contains("8000"), "the program of {heading} names the port");
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join(name);
    fs::write(&program, code.replace("8000", port)).unwrap();
    Tried { _serving: serving, folder, program }
}

/// That what was printed is the one value in a line, and then both.
#[track_caller]
fn assert_found(output: &Output) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let (one, two) = out.split_once('\n').unwrap_or_default();
    assert_eq!(one, "39.90", "{out}{err}");
    assert!(two.contains("39.90") && two.contains("4.50"), "{out}{err}");
}

fn run(command: &str, package: &str, arguments: &[&str], program: &Path) -> Output {
    started(command, package, Command::new(command).args(arguments).arg(program).output())
}

#[test]
fn curl_of_the_page_finds_its_values() {
    let tried = program("curl", "get.sh");
    assert_found(&run("sh", "curl", &[], &tried.program));
}

#[test]
fn python_of_the_page_finds_its_values() {
    for heading in ["Python, redis", "Python, memcached"] {
        let tried = program(heading, "get.py");
        assert_found(&run(&python(), "python3-redis python3-pymemcache", &[], &tried.program));
    }
}

#[test]
fn node_of_the_page_finds_its_values() {
    let tried = program("Node", "get.mjs");
    let packages = node_packages("redis").canonicalize().unwrap();
    std::os::unix::fs::symlink(packages, tried.folder.path().join("node_modules")).unwrap();
    assert_found(&run("node", "nodejs", &[], &tried.program));
}

#[test]
fn go_of_the_page_finds_its_values() {
    let tried = program("Go", "get.go");
    let mut go = Command::new("go");
    // Debian's libraries, which are no modules.
    go.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOFLAGS", "");
    go.env("GOCACHE", tried.folder.path().join("cache")).args(["run"]).arg(&tried.program);
    assert_found(&started("go", "golang-go golang-github-bradfitz-gomemcache-dev", go.output()));
}

#[test]
fn java_of_the_page_finds_its_values() {
    let tried = program("Java", "Get.java");
    let classes = "/usr/share/java/spymemcached.jar";
    assert!(Path::new(classes).exists(), "spymemcached is missing: apt-get install libspymemcached-java");
    assert_found(&run("java", "default-jdk-headless", &["-cp", classes], &tried.program));
}

#[test]
fn ruby_of_the_page_finds_its_values() {
    let tried = program("Ruby", "get.rb");
    assert_found(&run("ruby", "ruby ruby-redis", &[], &tried.program));
}

#[test]
fn php_of_the_page_finds_its_values() {
    for heading in ["PHP, redis", "PHP, memcached"] {
        let tried = program(heading, "get.php");
        assert_found(&run("php", "php-cli php-redis php-memcached", &[], &tried.program));
    }
}

#[test]
fn c_of_the_page_finds_its_values() {
    let tried = program("C", "get.c");
    let binary = tried.folder.path().join("get");
    let mut cc = Command::new("cc");
    cc.args(["-Wall", "-Werror", "-o"]).arg(&binary).arg(&tried.program).arg("-lhiredis");
    let compiled = started("cc", "gcc libhiredis-dev", cc.output());
    let said = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "apt-get install libhiredis-dev: {said}");
    assert_found(&Command::new(binary).output().unwrap());
}

#[test]
fn rust_of_the_page_finds_its_values() {
    let tried = program("Rust", "main.rs");
    let manifest = "[package]\nname = \"get\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[[bin]]\nname = \"get\"\npath = \
                    \"main.rs\"\n[dependencies]\nredis = { version = \"1.8\", default-features = false }\n";
    fs::write(tried.folder.path().join("Cargo.toml"), manifest).unwrap();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["run", "--quiet"]).current_dir(&tried.folder);
    cargo.env("CARGO_TARGET_DIR", root().join("target/client-page"));
    assert_found(&cargo.output().unwrap());
}

//! Rules that no compiler keeps: which crate may name which, the first line of every file, where `unsafe` may
//! stand, and that the documents name what exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

/// Which crates of the workspace a crate may name, its tests included. `docs/ARCHITECTURE.md` says why.
const EDGES: [(&str, &[&str]); 13] = [
    ("graven-access", &[]),
    ("graven-format", &[]),
    ("graven-ingest", &["graven-format"]),
    ("graven-objects", &[]),
    ("graven-process", &[]),
    ("graven-wire", &[]),
    ("graven-bench", &["graven-access", "graven-wire"]),
    ("graven-blocks", &["graven-format"]),
    ("graven-catalog", &["graven-format", "graven-objects"]),
    ("graven-server", &["graven-access", "graven-blocks", "graven-catalog", "graven-format", "graven-wire"]),
    ("graven-client", &["graven-access", "graven-wire"]),
    (
        "graven",
        &[
            "graven-access",
            "graven-bench",
            "graven-catalog",
            "graven-client",
            "graven-format",
            "graven-ingest",
            "graven-objects",
            "graven-process",
            "graven-server",
            "graven-wire",
        ],
    ),
    ("graven-python", &["graven-catalog", "graven-format"]),
];

/// The files in which `unsafe` may stand, each with its reason.
const UNSAFE: [(&str, &str); 15] = [
    ("compare/store/src/engines/lmdb.rs", "opening LMDB, which maps a file that is the comparison's own"),
    ("crates/blocks/src/ring.rs", "handing the kernel the rooms that it reads into"),
    (
        "crates/format/src/codec/append.rs",
        "counting bytes that were just copied: 40 instructions of a lookup's 500",
    ),
    ("crates/format/src/cpu/neon.rs", "the same of 64-bit ARM processors"),
    ("crates/format/src/cpu/x86.rs", "the processor's own instructions: a lookup in half the time"),
    ("crates/format/src/mapping.rs", "mapping a file, and living on when it is cut short"),
    ("crates/format/src/mapping_windows.rs", "mapping a file"),
    ("crates/format/src/region.rs", "prefetching, which makes the waits of a batch overlap"),
    ("crates/format/src/lookup.rs", "calls of the lookups compiled for the processor that was found"),
    ("crates/process/src/allocator.rs", "saying a sentence where the system has no memory to give"),
    ("crates/process/src/startup_pages.rs", "giving back pages of the program that only its start needed"),
    ("crates/server/src/fast_open.rs", "an option of sockets that no crate has a name for"),
    ("python/src/arrow/mod.rs", "taking what Arrow's capsules hold"),
    ("python/src/interpreter.rs", "asking Python which interpreter this is"),
    ("python/src/view.rs", "filling Python's buffers with a table's memory"),
];

/// A file with more lines than this holds more than one purpose.
const LINES_MAX: usize = 900;

/// What must not be left in the code; written in two parts, so that this file does not hold it.
const LEFTOVERS: [&str; 5] = [
    concat!("to", "do!("),
    concat!("un", "implemented!("),
    concat!("db", "g!("),
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
];

/// Bytes that depend on the machine that wrote them.
const HOST_BYTES: [&str; 5] = [
    concat!("to_", "ne_bytes"),
    concat!("from_", "ne_bytes"),
    concat!("usize", "::from_le_bytes"),
    concat!("usize", "::to_le_bytes"),
    concat!("size_of", "::<usize>"),
];

/// Type names that stand for more than one thing, with their places and the reason why readers
/// expect that. A file is listed as often as it defines the name; each file below a folder that is
/// listed may define it once.
const SHARED_NAMES: [(&str, &[&str], &str); 13] = [
    (
        "Arguments",
        &["crates/cli/src/command_line.rs", "crates/cli/src/commands/"],
        "what clap reads for the program and for each subcommand; written with its module, `serve::Arguments`",
    ),
    (
        "Error",
        &[
            "crates/bench/src/run.rs",
            "crates/client/src/error.rs",
            "crates/format/src/error.rs",
            "crates/ingest/src/error.rs",
            "crates/server/src/error.rs",
            "crates/wire/src/http/error.rs",
        ],
        "the one error of a crate, as everywhere in Rust",
    ),
    (
        "Invalid",
        &[
            "crates/wire/src/memcached/mistake.rs",
            "crates/wire/src/resp/invalid.rs",
            "crates/server/src/answer/language.rs",
        ],
        "bytes that are no request, in two protocols; the trait over the protocols has it as an associated type",
    ),
    (
        "InvalidReply",
        &["crates/wire/src/memcached/replies.rs", "crates/wire/src/resp/replies.rs"],
        "bytes that are no reply, in two protocols",
    ),
    (
        "Limits",
        &["crates/wire/src/http/mod.rs", "crates/wire/src/memcached/mod.rs", "crates/wire/src/resp/mod.rs"],
        "what a request may take, in three protocols",
    ),
    (
        "Mapping",
        &["crates/format/src/mapping.rs", "crates/format/src/mapping_windows.rs"],
        "a mapped file, on Unix and on Windows",
    ),
    (
        "Reply",
        &["crates/wire/src/memcached/replies.rs", "crates/wire/src/resp/replies.rs"],
        "what a server sends, in two protocols",
    ),
    (
        "ReplyDecoder",
        &["crates/wire/src/memcached/replies.rs", "crates/wire/src/resp/replies.rs"],
        "what reads it",
    ),
    (
        "ReplyLimits",
        &["crates/wire/src/memcached/replies.rs", "crates/wire/src/resp/replies.rs"],
        "what it may take",
    ),
    (
        "Request",
        &[
            "crates/wire/src/http/request.rs",
            "crates/wire/src/memcached/decode.rs",
            "crates/wire/src/resp/decode.rs",
            "crates/server/src/answer/language.rs",
        ],
        "what a client sends, in three protocols; the trait over them has it as an associated type",
    ),
    (
        "RequestDecoder",
        &[
            "crates/wire/src/http/decoder.rs",
            "crates/wire/src/memcached/decode.rs",
            "crates/wire/src/resp/decode.rs",
        ],
        "what reads it",
    ),
    (
        "Stream",
        &["crates/server/src/system.rs", "crates/server/src/system.rs"],
        "a trait, and the associated type of `System` that has it",
    ),
    (
        "Version",
        &["crates/wire/src/http/mod.rs", "crates/wire/src/resp/mod.rs"],
        "the version of the protocol that a peer speaks, in two protocols",
    ),
];

/// Names that still stand for several things within `crates/format`. The list only gets shorter.
const SHARED_WITHIN_FORMAT: [&str; 2] = ["Block", "Error"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every file below `folder` that ends in `.rs`, with its path from the root and its text.
fn rust_files(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(folder != "crates" || files.len() > 20, "the walk found {} files", files.len());
    files
}

fn all_rust_files() -> Vec<(String, String)> {
    ["crates", "interop", "fuzz", "compare", "python"].into_iter().flat_map(rust_files).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of code: what is not a comment.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn every_file_opens_by_saying_what_it_is_for() {
    for (name, text) in all_rust_files() {
        assert!(text.starts_with("//! "), "{name} does not begin with a `//!` line");
    }
}

#[test]
fn no_file_is_longer_than_a_room_should_be() {
    for (name, text) in all_rust_files() {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{name} has {lines} lines, more than {LINES_MAX}: part it by purpose");
    }
}

#[test]
fn nothing_unfinished_is_left_in_the_code() {
    for (name, text) in all_rust_files() {
        for leftover in LEFTOVERS {
            assert!(!text.contains(leftover), "{name} holds `{leftover}`");
        }
    }
}

#[test]
fn unsafe_stands_only_in_files_that_are_listed_with_their_reason() {
    let holds_unsafe = |text: &str| {
        let forms =
            ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "unsafe trait", "(unsafe_code)"];
        code(text).any(|line| forms.iter().any(|form| line.contains(form)))
    };
    let this_file = "crates/cli/tests/tidy.rs";
    for (name, text) in all_rust_files() {
        let listed = UNSAFE.iter().any(|(listed, _)| *listed == name);
        if name != this_file {
            assert_eq!(holds_unsafe(&text), listed, "{name}: `unsafe` and the list in {this_file} disagree");
        }
    }
    for (name, reason) in UNSAFE {
        assert!(root().join(name).exists(), "{name} is listed for `unsafe` and does not exist");
        assert!(!reason.is_empty(), "{name} is listed for `unsafe` without a reason");
    }
}

/// The types that a file defines, with their lines: those in functions and tests, too, and the
/// associated types of traits. Those in an `impl` have the names that the trait gave them.
fn defined_types(text: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let named = lines.iter().enumerate().filter_map(|(i, line)| {
        let line = line.trim_start();
        let line = match line.strip_prefix("pub(") {
            Some(rest) => rest.split_once(") ")?.1,
            None => line.strip_prefix("pub ").unwrap_or(line),
        };
        let (keyword, rest) = line.strip_prefix("unsafe ").unwrap_or(line).split_once(' ')?;
        let name = rest.split(|byte: char| !byte.is_ascii_alphanumeric()).next()?;
        let is_defined = match keyword {
            "type" => !is_in_impl(&lines, i),
            _ => ["struct", "enum", "trait", "union"].contains(&keyword),
        };
        (is_defined && name.starts_with(|first: char| first.is_ascii_uppercase())).then_some((name, i + 1))
    });
    named.collect()
}

/// Whether the block that holds line `i` belongs to an `impl`, in code as rustfmt indents it.
fn is_in_impl(lines: &[&str], i: usize) -> bool {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let is_head = |line: &&&str| {
        let is_outside = !line.is_empty() && indent(line) < indent(lines[i]);
        let text = line.trim_start();
        is_outside && !["{", "where", ")", "//", "#"].iter().any(|beginning| text.starts_with(beginning))
    };
    let head = lines[..i].iter().rev().find(is_head).map(|line| line.trim_start());
    head.is_some_and(|head| head.starts_with("impl") || head.starts_with("unsafe impl"))
}

#[test]
fn a_type_name_stands_for_one_thing() {
    let files = rust_files("crates");
    let mut places: BTreeMap<&str, Vec<(&str, usize)>> = BTreeMap::new();
    for (path, text) in files.iter().filter(|(path, _)| path.split('/').nth(2) == Some("src")) {
        for (name, line) in defined_types(text) {
            places.entry(name).or_default().push((path, line));
        }
    }
    assert!(places.len() > 300, "only {} names were found", places.len());
    let mut faults = Vec::new();
    for (name, ..) in SHARED_NAMES.iter().filter(|(name, ..)| !places.contains_key(name)) {
        faults.push(format!("`{name}` is listed, and nothing has that name"));
    }
    for (name, mut found) in places {
        found.sort_unstable();
        let all: Vec<String> = found.iter().map(|(path, line)| format!("{path}:{line}")).collect();
        let listed = SHARED_NAMES.iter().find(|(listed, ..)| *listed == name);
        for place in listed.map_or(&[][..], |(_, places, _)| places) {
            let before = found.len();
            if place.ends_with('/') {
                let mut seen = BTreeSet::new();
                found.retain(|(path, _)| !(path.starts_with(place) && seen.insert(*path)));
            } else if let Some(i) = found.iter().position(|(path, _)| path == place) {
                found.remove(i);
            }
            if found.len() == before {
                faults.push(format!("`{name}` is listed for {place}, which does not define it"));
            }
        }
        if SHARED_WITHIN_FORMAT.contains(&name) {
            let mut is_first = true;
            found.retain(|(path, _)| {
                !path.starts_with("crates/format/") || (listed.is_none() && std::mem::take(&mut is_first))
            });
        }
        if found.len() > usize::from(listed.is_none()) {
            faults.push(format!("`{name}` stands for {} things: {}", all.len(), all.join(", ")));
        }
    }
    assert!(
        faults.is_empty(),
        "give each type a name that says what it is, or list it in SHARED_NAMES with the reason:\n{}",
        faults.join("\n")
    );
    for (name, places, reason) in SHARED_NAMES {
        assert!(places.len() > 1 && !reason.is_empty(), "`{name}` is listed without places or a reason");
    }
}

#[test]
fn types_are_found_wherever_they_are_defined() {
    let text = "\
pub struct Whole<T>(T);
pub(crate) enum Choice { One }
// struct Remark;
impl<T> Iterator for Whole<T>
where
    T: Copy,
{
    /// An item.
    type Item = T;

    fn next(&mut self) -> Option<T> {
        struct Local;
        type Alias<'a> = &'a str;
        None
    }
}
pub(in crate::room) unsafe trait Reads: Sized {
    type Source: Copy;
}
mod tests {
    union Bits { a: u8 }
    fn of(kind: u8, type_of: u8) {}
}
";
    let names: Vec<&str> = defined_types(text).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["Whole", "Choice", "Local", "Alias", "Reads", "Source", "Bits"]);
}

#[test]
fn bytes_do_not_depend_on_the_machine() {
    for (name, text) in all_rust_files() {
        for host_bytes in HOST_BYTES {
            assert!(!code(&text).any(|line| line.contains(host_bytes)), "{name} holds `{host_bytes}`");
        }
    }
}

#[test]
fn nothing_is_printed_but_through_the_console() {
    let prints = [concat!("print", "!("), concat!("print", "ln!("), concat!("db", "g!(")];
    let sources = rust_files("crates").into_iter().filter(|(name, _)| name.contains("/src/"));
    for (name, text) in sources.filter(|(name, _)| name != "crates/cli/src/console.rs") {
        for (number, line) in code(&text).enumerate() {
            assert!(
                !prints.iter().any(|print| line.contains(print)),
                "{name}, line of code {number}: {line}"
            );
        }
    }
}

#[test]
fn crates_name_only_the_crates_below_them() {
    let mut seen = 0;
    let crates = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    for path in crates.chain([root().join("python")]).map(|folder| folder.join("Cargo.toml")) {
        let manifest: Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        let name = manifest["package"]["name"].as_str().unwrap();
        let (_, allowed) =
            EDGES.iter().find(|(of, _)| *of == name).unwrap_or_else(|| panic!("{name} is not in EDGES"));
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(kind) else { continue };
            for dependency in
                dependencies.as_table().unwrap().keys().filter(|name| name.starts_with("graven"))
            {
                assert!(allowed.contains(&dependency.as_str()), "{name} must not know {dependency} ({kind})");
            }
        }
        // A workspace of its own has the same lints, written again.
        let lints = &manifest["lints"];
        let denies_unsafe = match manifest.contains_key("workspace") {
            true => lints["rust"]["unsafe_code"].as_str() == Some("deny"),
            false => lints["workspace"].as_bool() == Some(true),
        };
        assert!(denies_unsafe, "{name} does not take the workspace's lints");
        seen += 1;
    }
    assert_eq!(seen, EDGES.len(), "every crate in EDGES exists");
}

/// What crates.io shows of a crate; it takes at most five keywords.
#[test]
fn every_crate_says_what_it_is_and_brings_its_licences() {
    for folder in fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path()) {
        let manifest: Table = fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
        let package = &manifest["package"];
        let name = package["name"].as_str().unwrap();
        assert!(package["description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}");
        for (list, max) in [("keywords", 5), ("categories", 5)] {
            let words = package.get(list).and_then(|words| words.as_array()).map_or(0, Vec::len);
            assert!((1..=max).contains(&words), "{name} has {words} {list}");
        }
        assert_eq!(package.get("readme").and_then(|path| path.as_str()), Some("README.md"), "{name}");
        let page = fs::read_to_string(folder.join("README.md")).unwrap();
        assert!(page.starts_with(&format!("# {name}\n\n")), "{name}");
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            assert_eq!(fs::read_to_string(folder.join(licence)).unwrap(), read(licence), "{name}");
        }
        let is_library = folder.join("src/lib.rs").exists();
        let on_docs_rs = package.get("metadata").and_then(|metadata| metadata.get("docs"));
        let all = on_docs_rs.map(|docs| docs["rs"]["all-features"].as_bool());
        assert_eq!(all, is_library.then_some(Some(true)), "{name}");
    }
}

#[test]
fn the_load_tester_prints_and_reads_nothing_by_itself() {
    let files = rust_files("crates/bench/src");
    assert!(files.len() > 10, "the walk found {} files of the load tester", files.len());
    for (name, text) in files {
        // What processes use of the machine stands in /proc.
        let reads =
            if name == "crates/bench/src/process.rs" { &[][..] } else { &["std::env", "File::", "fs::"] };
        for outside in ["println!", "eprintln!", "process::exit"].iter().chain(reads) {
            assert!(!code(&text).any(|line| line.contains(outside)), "{name} holds {outside}");
        }
    }
}

#[test]
fn what_runs_graven_beside_other_programs_knows_it_as_a_process_only() {
    for (package, kind, known) in
        [("compare/serve", "dependencies", "clap"), ("interop", "dev-dependencies", "tempfile")]
    {
        let manifest: Table = read(&format!("{package}/Cargo.toml")).parse().unwrap();
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(kind) else { continue };
            for dependency in dependencies.as_table().unwrap().keys() {
                // No command prints the rows of a csv: Python's are held against the reader's own.
                let is_held_against_python = package == "interop" && dependency == "graven-ingest";
                let is_known = !dependency.starts_with("graven") || is_held_against_python;
                assert!(is_known, "{package} must not know {dependency}");
            }
        }
        assert!(manifest[kind].as_table().unwrap().contains_key(known), "{package}'s manifest was read");
    }
}

#[test]
fn the_table_its_readers_and_the_languages_know_no_runtime_no_arguments_and_no_log() {
    for name in ["format", "ingest", "wire"] {
        let manifest: Table = read(&format!("crates/{name}/Cargo.toml")).parse().unwrap();
        for dependency in manifest["dependencies"].as_table().unwrap().keys() {
            let banned = ["tokio", "mio", "socket2", "clap", "tracing", "log", "indicatif"];
            assert!(!banned.contains(&dependency.as_str()), "{name} must not know {dependency}");
        }
    }
}

#[test]
fn libraries_say_nothing_of_flags_and_subcommands() {
    let libraries = ["blocks", "catalog", "client", "format", "server", "wire"];
    let mut seen = 0;
    for (name, text) in libraries.iter().flat_map(|library| rust_files(&format!("crates/{library}/src"))) {
        // Tests may say what they like, and stand at the end.
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for line in code(text) {
            for said in line.split('"').skip(1).step_by(2) {
                let is_flag = |word: &str| {
                    let word = word.trim_matches('`');
                    word.strip_prefix("--")
                        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
                };
                assert!(!said.split(' ').any(is_flag) && !said.contains("`graven "), "{name} says: {said}");
            }
        }
        seen += 1;
    }
    assert!(seen > 80, "the walk found {seen} files");
}

#[test]
fn every_page_that_a_page_links_to_exists() {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.chain(["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(|page| root().join(page)));
    let mut links = 0;
    for page in pages.filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(page.parent().unwrap().join(target).exists(), "{} links to {target}", page.display());
            links += 1;
        }
    }
    assert!(links > 3, "the pages link to each other");
}

/// `.ci/run` takes the commands from there.
#[test]
fn the_readme_begins_with_four_commands() {
    let readme = read("README.md");
    let mut fenced = false;
    let commands: Vec<&str> = readme
        .lines()
        .take(24)
        .filter(|line| {
            fenced ^= line.starts_with("```");
            fenced && !line.starts_with("```")
        })
        .collect();
    let programs: Vec<&str> = commands
        .iter()
        .map(|command| command.split(" '").next().unwrap().split(" 1").next().unwrap())
        .collect();
    assert_eq!(
        programs,
        [
            "cargo run --release -- serve examples/example.data",
            "curl",
            "target/release/graven get",
            "cargo test",
        ]
    );
}

#[test]
fn the_readme_names_the_oldest_rust_that_the_checks_try() {
    let manifest: Table = read("Cargo.toml").parse().unwrap();
    let oldest = manifest["workspace"]["package"]["rust-version"].as_str().unwrap();
    assert!(read("README.md").contains(&format!("With a Rust toolchain ({oldest} or newer)")));
}

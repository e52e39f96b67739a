//! What `-h`, `--help` and `--version` show, and what is said of a command line that cannot be
//! read.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Ended, graven, run};

/// Every subcommand, and the most lines that its `-h` may have on a terminal of 100 columns.
const SUBCOMMANDS: [(&str, usize); 17] = [
    ("serve", 24),
    ("get", 24),
    ("build", 30),
    ("info", 24),
    ("verify", 24),
    ("dump", 24),
    ("diff", 24),
    ("publish", 30),
    ("versions", 24),
    ("switch", 24),
    ("token", 14),
    ("rollback", 24),
    ("resume", 24),
    ("status", 24),
    ("ready", 24),
    ("bench", 30),
    ("gen", 24),
];

fn shown(arguments: &[&str], columns: &str) -> String {
    let output = graven().args(arguments).env("COLUMNS", columns).output().unwrap();
    let Ended { status, out, err } = output.into();
    assert_eq!((status, err.as_str()), (Some(0), ""), "{arguments:?}");
    out
}

/// The flags that a help lists.
fn flags(help: &str) -> Vec<&str> {
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let listed = lines.filter_map(|line| line.split([' ', ',', '[']).find(|word| word.starts_with("--")));
    listed.collect()
}

#[test]
fn the_first_help_groups_the_commands_and_fits_a_screen() {
    for help in [shown(&["-h"], "100"), shown(&["--help"], "100")] {
        for heading in ["Start here:", "Tables:", "Versions of tables:", "Servers:", "Tools:"] {
            assert!(help.lines().any(|line| line == heading), "{heading} in {help}");
        }
        for (name, _) in SUBCOMMANDS {
            let of_it = help.lines().filter(|line| line.starts_with(&format!("  {name} ")));
            assert_eq!(of_it.count(), 1, "{name} in {help}");
        }
        assert!(help.lines().count() <= 42, "{help}");
        assert!(help.lines().all(|line| line.len() <= 100), "{help}");
    }
}

#[test]
fn the_short_help_of_every_command_fits_a_screen() {
    for (name, lines_max) in SUBCOMMANDS {
        let help = shown(&[name, "-h"], "100");
        let lines = help.lines().count();
        assert!(lines <= lines_max, "{name} -h has {lines} lines, more than {lines_max}:\n{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
    // On the narrowest terminal that people use, too.
    assert!(shown(&["serve", "-h"], "80").lines().count() <= 30);
}

#[test]
fn the_long_help_has_every_option_of_the_short_one_and_says_something_of_each() {
    for (name, _) in SUBCOMMANDS {
        let (short, long) = (shown(&[name, "-h"], "100"), shown(&[name, "--help"], "100"));
        let listed = flags(&long);
        assert!(flags(&short).iter().all(|flag| listed.contains(flag)), "{name}: {short}");
        let lines: Vec<&str> = long.lines().collect();
        for (i, line) in lines.iter().enumerate().filter(|(_, line)| line.trim_start().starts_with("--")) {
            // The text stands behind the option or in the next line.
            let said = [
                line.trim().split_once("  ").map_or("", |(_, said)| said),
                lines.get(i + 1).map_or("", |next| next.trim()),
            ];
            assert!(said.iter().any(|said| said.len() > 10), "{name} says nothing of {line}");
        }
    }
    assert!(flags(&shown(&["serve", "--help"], "100")).len() > 30);
}

#[test]
fn the_pages_name_no_flag_that_does_not_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages: Vec<PathBuf> = docs
        .chain(["README.md", "CHANGELOG.md"].map(|page| root.join(page)))
        .filter(|page| page.extension().is_some_and(|extension| extension == "md"))
        .collect();
    let helps: Vec<String> = SUBCOMMANDS.iter().map(|(name, _)| shown(&[name, "--help"], "100")).collect();
    let exists = |flag: &str| helps.iter().any(|help| flags(help).contains(&flag));
    // Those of cargo, and those that are answered with what to write instead.
    let others = ["--features", "--release", "--port", "--bind"];
    let mut seen = 0;
    for page in &pages {
        let text = std::fs::read_to_string(page).unwrap();
        for span in text.split('`').skip(1).step_by(2).filter(|span| span.starts_with("--")) {
            let flag = span.split([' ', '=']).next().unwrap();
            assert!(exists(flag) || others.contains(&flag), "{} names {flag}", page.display());
            seen += 1;
        }
    }
    assert!(seen > 80, "{seen} flags were seen");
}

#[test]
fn a_version_is_a_line_or_says_how_it_was_built() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(run(&["-V"]).out, format!("graven {version}\n"));
    let long = run(&["--version"]).out;
    let lines: Vec<&str> = long.lines().collect();
    let [first, commit, target, features] = lines[..] else { panic!("{long}") };
    assert_eq!(first, format!("graven {version}"));
    let commit = commit.strip_prefix("commit   ").unwrap();
    let is_commit = commit.len() == 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_commit || commit == "unknown", "{commit}");
    assert!(target.strip_prefix("target   ").unwrap().contains(std::env::consts::ARCH), "{target}");
    assert!(features.strip_prefix("features ").is_some_and(|features| !features.is_empty()), "{features}");
}

#[test]
fn sources_without_git_are_built_with_the_commit_that_is_given_or_with_none() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/build.rs");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let compiled = Command::new(rustc).args(["--edition", "2024", source, "-o"]).arg(&script).status();
    assert!(compiled.unwrap().success());
    let built = |commit: Option<&str>| {
        let mut command = Command::new(&script);
        command.current_dir(directory.path()).env_clear().env("TARGET", "some-target");
        command.env("PATH", std::env::var("PATH").unwrap()).env("CARGO_FEATURE_FULL_LENGTH", "1");
        if let Some(commit) = commit {
            command.env("GRAVEN_COMMIT", commit);
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    for (given, commit) in [
        (None, "unknown"),
        (Some(""), "unknown"),
        (Some("0123456789abcdef0123456789abcdef01234567\n"), "0123456789ab"),
    ] {
        let said = built(given);
        for line in [
            format!("cargo::rustc-env=GRAVEN_BUILT_COMMIT={commit}"),
            "cargo::rustc-env=GRAVEN_BUILT_TARGET=some-target".into(),
            "cargo::rustc-env=GRAVEN_BUILT_FEATURES=full-length".into(),
        ] {
            assert!(said.lines().any(|said| said == line), "{line} in {said}");
        }
    }
}

#[test]
fn flags_of_other_servers_are_answered_with_what_to_write_here() {
    for (arguments, advice) in [
        (&["--port", "9000"][..], "write `--listen 127.0.0.1:9000`"),
        (&["--port=9000"], "write `--listen 127.0.0.1:9000`"),
        (&["-p", "9000"], "write `--listen 127.0.0.1:9000`"),
        (&["--port"], "write `--listen 127.0.0.1:8000`"),
        (&["--port", "many"], "write `--listen 127.0.0.1:8000`"),
        (&["--host", "0.0.0.0"], "write `--listen 0.0.0.0:8000`"),
        (&["--bind", "0.0.0.0:9000"], "write `--listen 0.0.0.0:9000`"),
        (&["--unixsocket", "/run/a.sock"], "write `--listen unix:/run/a.sock`"),
    ] {
        let line = [&["serve", "table.graven"][..], arguments].concat();
        let Ended { status, out, err } = run(&line);
        assert_eq!((status, out.as_str()), (Some(2), ""), "{line:?}");
        assert!(err.contains(&format!("tip: {advice}\n")), "{line:?}: {err}");
    }
    // What is advised works.
    let refused = run(&["serve", "/no/such/table", "--listen", "127.0.0.1:0"]);
    assert!(refused.err.starts_with("graven: /no/such/table does not exist"), "{}", refused.err);
}

#[cfg(not(feature = "completions"))]
#[test]
fn what_this_build_does_not_have_names_the_feature_that_has_it() {
    for arguments in [&["completions", "bash"][..], &["man"], &["man", "serve"]] {
        let Ended { status, out, err } = run(arguments);
        assert_eq!((status, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(err.contains("`--features full`"), "{err}");
    }
}

#[cfg(feature = "completions")]
#[test]
fn completions_and_pages_of_the_manual_name_every_command_and_option() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]).out;
        for word in ["serve", "http-allow-origin", "verify"] {
            assert!(script.contains(word), "{word} for {shell}");
        }
    }
    let script = run(&["completions", "bash"]).out;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("graven.bash");
    std::fs::write(&path, script).unwrap();
    // What the shell itself makes of a line that was begun.
    let complete = "source \"$0\"; COMP_WORDS=(graven serve --http-al); COMP_CWORD=2; \
        _graven graven --http-al serve; echo \"${COMPREPLY[*]}\"";
    let completed = Command::new("bash").args(["-c", complete]).arg(&path).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&completed.stdout), "--http-allow-origin\n");

    let page = run(&["man"]).out;
    assert!(page.starts_with(".ie") && page.contains(".SH SUBCOMMANDS"), "{page}");
    for (name, _) in SUBCOMMANDS {
        let page = run(&["man", name]).out;
        for flag in flags(&shown(&[name, "--help"], "100")) {
            let in_roff = flag.replace('-', "\\-");
            assert!(page.contains(&in_roff), "{flag} in the page of {name}");
        }
    }
    let refused = run(&["man", "nothing"]);
    assert_eq!(refused.status, Some(2));
    assert!(refused.err.contains("there are serve, get, build"), "{}", refused.err);
}

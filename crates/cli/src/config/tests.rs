//! What is made of flags, variables and files together.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::options::serve::tests::OTHERS;

/// A folder with a configuration file of this text.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("graven.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn written(name: &'static str, text: &str) -> Written {
    Written::from([(name, vec![text.to_owned()])])
}

/// Something to serve, without which nothing is right.
fn given(file: Option<PathBuf>) -> Given {
    Given { tables: vec!["a.graven".into()], file, ..Given::default() }
}

fn shown(config: &Config, name: &str) -> String {
    DECLARED.iter().find(|declared| declared.name == name).unwrap().show(&config.options)
}

/// What is wrong with a file, without its path.
fn refused(text: &str) -> String {
    let (_folder, path) = file(text);
    let refused = given(Some(path.clone())).read().expect_err(text).to_string();
    let place = format!("{}:", path.display());
    refused.strip_prefix(&place).unwrap_or_else(|| panic!("{refused}")).trim_start().to_owned()
}

fn read(text: &str) -> Config {
    let (_folder, path) = file(text);
    given(Some(path)).read().unwrap_or_else(|refused| panic!("{refused}: {text}"))
}

/// Section and name of an option; what is shown of it at each level; what is written in the file, the environment, the flag.
type LevelTexts = (&'static str, &'static str, [&'static str; 4], &'static str, &'static str, &'static str);

/// An option of every kind.
const KINDS: [LevelTexts; 8] = [
    ("limits", "max-connections", ["50000", "7", "8", "9000"], "7", "8", "9k"),
    ("storage", "cache", ["64MiB", "7KiB", "1MiB", "9"], "\"7KiB\"", "1mib", "9"),
    ("all-tables", "poll", ["5s", "7s", "8s", "90s"], "7", "8s", "1m30s"),
    ("timeouts", "idle-timeout", ["none", "7s", "8s", "none"], "7.0", "8", "none"),
    ("all-tables", "watch", ["false", "true", "false", "true"], "true", "false", "true"),
    ("logs", "log", ["info", "warn", "error", "debug"], "\"warn\"", "error", "debug"),
    ("network", "content-type", ["text/plain", "a/b", "c/d", "e/f"], "\"a/b\"", "c/d", "e/f"),
    (
        "network",
        "listen",
        ["127.0.0.1:8000", "unix:/a", "unix:/b", "unix:/c"],
        "[\"unix:/a\"]",
        "unix:/b",
        "unix:/c",
    ),
];

#[test]
fn flags_come_before_the_environment_and_that_before_the_file_and_that_before_defaults() {
    for (section, name, values, in_file, in_environment, as_flag) in KINDS {
        let name = DECLARED.iter().find(|declared| declared.name == name).unwrap().name;
        let (_folder, path) = file(&format!("[{section}]\n# a comment\n{name} = {in_file}\n"));
        let mut given = given(None);
        let origins =
            [ValueOrigin::Default, ValueOrigin::File(3), ValueOrigin::Environment, ValueOrigin::Flag];
        for level in 0..4 {
            match level {
                0 => {}
                1 => given.file = Some(path.clone()),
                2 => given.environment.options = written(name, in_environment),
                _ => given.flags = written(name, as_flag),
            }
            let config = given.read().unwrap();
            assert_eq!((shown(&config, name).as_str(), config.origin(name)), (values[level], origins[level]));
        }
    }
}

#[test]
fn every_option_can_be_set_by_the_file_and_by_its_variable() {
    for declared in DECLARED {
        let (_, text) = OTHERS.iter().find(|(name, _)| *name == declared.name).unwrap();
        // As `NAME=prices`, so that a default is there.
        let tables = "[[tables]]\nname = \"prices\"\nfile = \"p\"\n";
        let bare = text.parse::<i64>().is_ok() || *text == "true";
        let value = if bare { (*text).to_owned() } else { format!("{text:?}") };
        let config = read(&format!("[{}]\n{} = {value}\n{tables}", declared.group.section(), declared.name));
        assert_eq!(
            (shown(&config, declared.name), config.origin(declared.name)),
            ((*text).to_owned(), ValueOrigin::File(2))
        );
        let variable = (declared.variable().into(), (*text).into());
        let environment = environment::read(std::iter::once(variable)).unwrap();
        assert_eq!(environment.options, written(declared.name, text));
    }
}

#[test]
fn what_is_printed_is_a_file_that_says_the_same() {
    let text = "[network]\nlisten = [\"unix:/run/a b\", \"resp://127.0.0.1:1?table=prices\"]\n\
        http-allow-origin = \"*\"\n[limits]\nmax-output = 18446744073709551615\n[logs]\nlog = \"off\"\n\
        [[tables]]\nname = \"prices\"\nfile = \"a \\\"b\\\" \\\\ é.data\"\nredis = 3\ndefault = true\nwatch = false\n\
        [[tables]]\nroot = \"/srv/root\"\nstorage = \"auto\"\n\
        [[tables]]\nroot = \"/srv/other\"\nname = \"users\"\nstorage = \"disk\"\nredis = 4\n";
    let (_folder, path) = file(text);
    let mut first = given(Some(path));
    first.flags = written("hold", "prices@v1");
    first.environment.options = written("poll", "1s");
    for given in [first, given(None)] {
        let config = given.read().unwrap();
        let printed = config.to_toml().unwrap();
        let (_folder, again) = file(&printed);
        let again = Given { file: Some(again), ..Given::default() }.read().unwrap();
        assert_eq!(again.options, config.options, "{printed}");
        let plain = |text: String| {
            let values =
                text.lines().map(|line| line.rsplit_once("  # ").map_or(line, |(value, _)| value).to_owned());
            values.collect::<Vec<_>>()
        };
        assert_eq!(plain(again.to_toml().unwrap()), plain(printed));
    }
}

#[test]
fn an_entry_for_each_table_says_where_it_is_and_how_it_is_asked() {
    let text = "[all-tables]\ndatabase = \"7=users\"\n[[tables]]\nfile = \"sub/prices.graven\"\nredis = 3\ndefault = true\n\
        storage = \"mmap\"\nwatch = true\n[[tables]]\nname = \"users\"\nroot = \"/srv/root\"\n[[tables]]\nroot = \"all\"\n\
        [[tables]]\nname = \"a\"\nfile = \"replaced by the argument\"\n";
    let (folder, path) = file(text);
    let config = given(Some(path)).read().unwrap();
    assert_eq!(shown(&config, "database"), "3=prices 7=users");
    assert_eq!(
        (shown(&config, "default"), config.origin("default")),
        ("prices".into(), ValueOrigin::File(3))
    );
    let Sources { files, roots } = &config.sources;
    let names: Vec<(&str, &Path)> =
        files.iter().map(|file| (file.name.as_str(), file.path.as_path())).collect();
    let prices = folder.path().join("sub/prices.graven");
    assert_eq!(names, [("a", Path::new("a.graven")), ("prices", &prices)]);
    assert_eq!((files[1].storage, files[1].watch), (Some(Some(graven_format::Storage::Mapped)), Some(true)));
    assert_eq!((files[1].origin, files[0].origin), (ValueOrigin::File(3), ValueOrigin::Argument));
    let only = |root: &RootSource| root.only.as_ref().map(TableName::to_string);
    assert_eq!((only(&roots[0]), &*roots[0].path), (Some("users".into()), Path::new("/srv/root")));
    assert_eq!((only(&roots[1]), roots[1].path.clone()), (None, folder.path().join("all")));
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_column_and_the_nearest_word() {
    for (text, says) in [
        ("[limits]\nmax-connections = \n", "2:19: "),
        ("[limits]\nmax-connections = 1\nmax-connections = 2\n", "3:1: duplicate key"),
        (
            "[limits]\nmax-connection = 7\n",
            "2:1: unknown key `max-connection` in [limits]; did you mean `max-connections`?",
        ),
        (
            "[network]\nthread = 1\nlisten = 7\n",
            "2:1: unknown key `thread` in [network]; did you mean `threads`?",
        ),
        ("\n[limit]\n", "2:2: unknown section [limit]; did you mean [limits]?"),
        ("[table]\n", "1:2: unknown section [table]; did you mean [[tables]]?"),
        (
            "[zzzz]\n",
            "1:2: unknown section [zzzz]; there are [all-tables], [network], [tls], [storage], [limits], [timeouts], [logs], \
             [[tables]]",
        ),
        ("[limits]\npoll = 5\n", "2:1: `poll` is no key of [limits]; it belongs to [all-tables]"),
        ("listen = \"a:1\"\n", "1:1: `listen` stands outside of its section; it belongs to [network]"),
        ("[all-tables]\nredis = 5\n", "2:1: `redis` is no key of [all-tables]; it belongs to [[tables]]"),
        (
            "[limits]\nliste = 7\n",
            "2:1: unknown key `liste` in [limits]; did you mean `listen` of [network]?",
        ),
        ("[logs]\nqqq = 7\n", "2:1: unknown key `qqq` in [logs]; there are log, log-format"),
        (
            "[limits]\nmax-output = true\n",
            "2:14: max-output: expected a size such as 65536 or \"64MiB\", found true",
        ),
        ("[limits]\n  max-output = \"7q\"\n", "2:16: max-output: `q` is not a unit of a size"),
        ("[limits]\nmax-connections = -1\n", "2:19: max-connections: this is not a number"),
        ("[limits]\nmax-connections = 0\n", "2:19: max-connections: it must be 1 or more"),
        (
            "[limits]\nmax-connections = 1979-05-27\n",
            "2:19: max-connections: expected a number, found a date",
        ),
        ("[all-tables]\nwatch = \"true\"\n", "2:9: watch: expected true or false, found a text"),
        ("[logs]\nlog = \"loud\"\n", "2:7: log: expected off, error, warn, info or debug, found `loud`"),
        ("[network]\nlisten = [\"unix:/a\",\n  \"b\"]\n", "3:3: listen: the port is missing"),
        (
            "[network]\nlisten = [\"unix:/a\", 7]\n",
            "2:22: listen: expected a text in the list, found a number",
        ),
        ("[network]\nlisten = []\n", "2:10: listen: expected one address at least, found none"),
        ("[network.listen]\n", "1:1: listen: expected a list of texts, found a section"),
        ("limits = 7\n", "1:1: expected the section [limits], found a number"),
        ("[[limits]]\n", "1:3: expected the section [limits], found a list"),
        ("[tables]\nfile = \"a\"\n", "1:2: expected [[tables]], an entry for each table, in two brackets"),
        ("[[tables]]\nname = \"a\"\n", "1:1: expected `file` or `root`, found neither"),
        ("[[tables]]\nfile = \"a\"\nroot = \"b\"\n", "3:8: expected `file` or `root`, found both"),
        ("[[tables]]\nfile = \"\"\n", "2:8: file: expected a text, found none in it"),
        (
            "[[tables]]\nfil = \"a\"\nfile = \"b\"\n",
            "2:1: unknown key `fil` in [[tables]]; did you mean `file`?",
        ),
        (
            "[[tables]]\nfile = \"b\"\npoll = 1\n",
            "3:1: `poll` is no key of [[tables]]; it belongs to [all-tables]",
        ),
        ("[[tables]]\nname = \"17\"\nfile = \"b\"\n", "2:8: name: a table's name has more than digits"),
        (
            "[[tables]]\nfile = \"b\"\nstorage = \"tape\"\n",
            "3:11: storage: expected auto, ram, mmap or disk, found `tape`",
        ),
        (
            "[[tables]]\nfile = \"b\"\nredis = 0\n",
            "3:9: redis: a number is from 1 to 65535; 0 is the default table",
        ),
        (
            "[[tables]]\nroot = \"b\"\nredis = 1\n",
            "3:9: `redis` is for one table, and this root has many; add its `name`",
        ),
        ("[[tables]]\nroot = \"b\"\nwatch = true\n", "3:9: `watch` is for files"),
        ("[[tables]]\nfile = \"x/b\"\n[[tables]]\nfile = \"y/b\"\n", "3:1: the table b is in line 1 already"),
        (
            "[[tables]]\nfile = \"a\"\nredis = 2\n[[tables]]\nfile = \"b\"\nredis = 2\n",
            "6:9: redis: 2 is the table a already, in line 3",
        ),
        (
            "[all-tables]\ndatabase = [\"2=c\"]\n[[tables]]\nfile = \"b\"\nredis = 2\n",
            "5:9: redis: 2 is another table in line 2: 2=c",
        ),
        (
            "[[tables]]\nfile = \"c\"\ndefault = true\n[[tables]]\nfile = \"b\"\ndefault = true\n",
            "6:11: the default is c already, in line 1",
        ),
        ("[all-tables]\ndefault = \"b\"\n", "2: default b: there is no such table; there are a"),
    ] {
        let refused = refused(text);
        assert!(refused.starts_with(says), "{text:?}: {refused}");
    }
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("graven.toml");
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let refused = given(Some(path.clone())).read().unwrap_err().to_string();
        refused.replace(&path.display().to_string(), "FILE")
    };
    assert_eq!(refused(b"# \xc3\xa9 \xff\n"), "FILE:1:5: expected UTF-8, found another byte");
    assert_eq!(refused(&b"#\n".repeat(600_000)), "FILE: a configuration has at most 1 MiB, found more");
    // Deeper than anybody writes, and no reason to run out of stack.
    assert!(refused(format!("a = {}", "[".repeat(100_000)).as_bytes()).starts_with("FILE:1:"));
    fs::remove_file(&path).unwrap();
    let gone = given(Some(path.clone())).read().unwrap_err().to_string();
    assert_eq!(gone, format!("cannot read {}: no such file or directory", path.display()));
}

#[test]
fn without_anything_to_serve_it_says_how_to_name_something() {
    let refused = Given::default().read().unwrap_err().to_string();
    assert!(refused.contains("`graven serve FILE`") && refused.contains("--config"), "{refused}");
    let (_folder, path) = file("[logs]\nlog = \"off\"\n");
    let refused = Given { file: Some(path), ..Given::default() }.read().unwrap_err().to_string();
    assert!(refused.contains("graven.toml: there is nothing to serve; add a [[tables]]"), "{refused}");
}

#[test]
fn an_option_changes_while_a_server_runs_or_is_named_as_one_that_needs_a_restart() {
    let before = given(None).read().unwrap();
    let mut changing = Vec::new();
    for declared in DECLARED {
        let (_, text) = OTHERS.iter().find(|(name, _)| *name == declared.name).unwrap();
        let mut next = before.clone();
        declared.read(&mut next.options, &[text]).unwrap();
        let (config, restart) = before.changed_to(next);
        if restart.is_empty() {
            assert_eq!(declared.show(&config.options), *text);
            changing.push(declared.name);
        } else {
            assert_eq!((restart, config.options), (vec![declared.name], before.options.clone()));
        }
    }
    assert_eq!(
        changing,
        ["default", "watch", "hold", "poll", "load-rate", "data-max", "download-rate", "log"]
    );
}

#[test]
fn a_number_that_becomes_another_tables_stays_as_it_is_and_is_said_to_need_a_restart() {
    let read = |redis: u32| {
        let (_folder, path) = file(&format!("[[tables]]\nfile = \"a.graven\"\nredis = {redis}\n"));
        Given { file: Some(path), ..Given::default() }.read().unwrap()
    };
    let (in_effect, restart) = read(1).changed_to(read(2));
    assert_eq!((shown(&in_effect, "database").as_str(), restart), ("1=a", vec!["database"]));
}

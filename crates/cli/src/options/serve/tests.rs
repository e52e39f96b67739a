//! Every option is read, shown, listed in the documents, and refused outside of its range.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    flags: ServeFlags,
}

fn line(arguments: &[&str]) -> Result<ServeOptions, String> {
    let arguments = std::iter::once("serve").chain(arguments.iter().copied());
    let line = CommandLine::try_parse_from(arguments).map_err(|error| error.to_string())?;
    let mut options = ServeOptions::default();
    for (name, texts) in line.flags.0 {
        let declared = DECLARED.iter().find(|declared| declared.name == name).unwrap();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        declared.read(&mut options, &texts)?;
    }
    Ok(options)
}

/// A value of each option that is not its default.
pub(crate) const OTHERS: [(&str, &str); 67] = [
    ("default", "prices"),
    ("watch", "true"),
    ("no-status", "true"),
    ("hold", "prices@v1"),
    ("database", "3=prices"),
    ("poll", "7s"),
    ("load-rate", "7KiB"),
    ("data-dir", "/data"),
    ("data-max", "7GiB"),
    ("download-rate", "7MiB"),
    ("duplicates", "first"),
    ("trim", "true"),
    ("key", "id,\"a,b\""),
    ("columns", "*"),
    ("types", "price:decimal,zip:text"),
    ("listen", "unix:/a"),
    ("users", "/etc/graven/users.toml"),
    ("open", "true"),
    ("tls-cert", "cert.pem"),
    ("tls-key", "key.pem"),
    ("tls-client-ca", "ca.pem"),
    ("tls-handshake-timeout", "7s"),
    ("tls-max-handshakes", "7"),
    ("tls-handshake-rate", "7"),
    ("threads", "77"),
    ("http-allow-origin", "https://example.org"),
    ("allow-host", "graven.example"),
    ("content-type", "application/json"),
    ("row-get", "error"),
    ("backlog", "7"),
    ("fast-open", "7"),
    ("storage", "mmap"),
    ("cache", "7KiB"),
    ("disk-reads", "threads"),
    ("max-disk-reads", "77"),
    ("disk-queue", "7"),
    ("max-connections", "7"),
    ("max-output", "7KiB"),
    ("max-connection-buffered", "7KiB"),
    ("max-buffered", "7KiB"),
    ("max-pattern", "7KiB"),
    ("http-max-head", "7KiB"),
    ("http-max-headers", "7"),
    ("http-max-body", "7KiB"),
    ("resp-max-args", "7"),
    ("resp-max-arg", "7KiB"),
    ("resp-max-request", "7KiB"),
    ("resp-max-inline", "7KiB"),
    ("memcached-max-line", "7KiB"),
    ("memcached-max-keys-line", "7KiB"),
    ("memcached-max-data", "7KiB"),
    ("http-idle-timeout", "none"),
    ("idle-timeout", "7s"),
    ("tcp-keepalive", "7s"),
    ("request-timeout", "7s"),
    ("stalled-timeout", "7s"),
    ("write-timeout", "7s"),
    ("drain-timeout", "7s"),
    ("log", "warn"),
    ("log-format", "json"),
    ("access-log", "/var/log/graven/access.log"),
    ("access-log-format", "json"),
    ("access-log-sample", "7"),
    ("slow", "7ms"),
    // Two values that are read in another form than they are shown.
    ("max-connections", "10k"),
    ("idle-timeout", "0"),
    ("http-idle-timeout", "1h"),
];

#[test]
fn without_flags_the_options_are_the_defaults() {
    assert_eq!(line(&[]), Ok(ServeOptions::default()));
}

#[test]
fn every_flag_changes_the_options_and_shows_what_it_changed() {
    for declared in DECLARED {
        let (_, text) = OTHERS
            .iter()
            .find(|(name, _)| *name == declared.name)
            .unwrap_or_else(|| panic!("no other value of {} is known", declared.name));
        let options = line(&[&format!("--{}={text}", declared.name)]).unwrap();
        assert_ne!(options, ServeOptions::default(), "{}", declared.name);
        assert_eq!(declared.show(&options), *text);
    }
}

#[test]
fn what_is_shown_of_an_option_is_read_as_the_same() {
    for (name, text) in OTHERS {
        let declared = DECLARED.iter().find(|declared| declared.name == name).unwrap();
        for options in [line(&[&format!("--{name}={text}")]).unwrap(), ServeOptions::default()] {
            let shown = declared.show(&options);
            if !shown.is_empty() {
                let mut again = options.clone();
                declared.read(&mut again, &[&shown]).unwrap();
                assert_eq!(declared.show(&again), shown, "{name}");
            }
        }
    }
}

#[test]
fn an_address_may_be_given_several_times() {
    let options = line(&["--listen", "127.0.0.1:1", "--listen", "unix:/a"]).unwrap();
    let listen: Vec<String> = options.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:1", "unix:/a"]);
}

#[test]
fn a_value_outside_of_what_an_option_takes_is_refused_with_what_it_takes() {
    for (argument, says) in [
        ("--max-disk-reads=15", "it must be from 16 to 16384"),
        ("--threads=0", "it must be from 1 to 4096"),
        ("--threads=5k", "it must be from 1 to 4096"),
        ("--max-output=0", "it must be 1 or more"),
        ("--http-max-headers=129", "it must be from 0 to 128"),
        ("--max-buffered=1.5QiB", "`QiB` is not a unit of a size"),
        ("--drain-timeout=soon", "this is not a time"),
        ("--idle-timeout=never", "or write none"),
        ("--storage=tape", "[possible values: auto, ram, mmap, disk]"),
        ("--log=loud", "[possible values: off, error, warn, info, debug]"),
        ("--http-allow-origin=a.b", "an origin is `*`, or a scheme and a host"),
        ("--listen=nowhere", "the port is missing"),
        ("--allow-host=http://a", "a host is a name without scheme and port"),
        ("--default=17", "a table's name has more than digits"),
        ("--hold=prices", "write NAME@VERSION"),
        ("--database=0=a", "a number is from 1 to 65535; 0 is the default table"),
        ("--database=prices", "write N=NAME"),
        ("--poll=0", "it must be"),
        ("--listen=127.0.0.1:1?table=1", "the parameter table: a table's name has more than digits"),
        ("--listen=127.0.0.1:1?tls=maybe", "the parameter tls: expected on, off, both, found `maybe`"),
        ("--tls-max-handshakes=0", "it must be 1 or more"),
        ("--content-type=json", "a content type is two words with a slash between them"),
    ] {
        let error = line(&[argument]).unwrap_err();
        assert!(error.contains(says), "{argument}: {error}");
    }
}

#[test]
fn every_option_has_a_name_of_its_own_and_a_line_of_help() {
    for (i, declared) in DECLARED.iter().enumerate() {
        assert!(DECLARED[..i].iter().all(|other| other.name != declared.name), "{}", declared.name);
        assert!(declared.help.starts_with(char::is_uppercase), "{}", declared.name);
        assert!(!declared.help.ends_with('.') && !declared.help.contains('\n'), "{}", declared.name);
    }
}

/// The table of docs/OPERATING.md, as it follows from the declarations.
fn page() -> String {
    let mut text = "| option | default | what it says |\n| --- | --- | --- |\n".to_owned();
    for declared in DECLARED {
        text.push_str(&declared.row());
    }
    text
}

#[test]
fn the_page_for_operators_lists_every_option_as_it_is_declared() {
    let document = include_str!("../../../../../docs/OPERATING.md");
    let (_, rest) = document.split_once("<!-- options -->\n").unwrap();
    let (found, _) = rest.split_once("<!-- end -->").unwrap();
    assert!(found == page(), "between the marks of docs/OPERATING.md must stand:\n{}", page());
}

#[test]
fn the_page_of_protocols_says_what_happens_when_each_limit_is_passed() {
    let document = include_str!("../../../../../docs/PROTOCOLS.md");
    let limits = DECLARED.iter().filter(|declared| matches!(declared.group, Limits | Timeouts));
    for declared in limits {
        assert!(document.contains(&format!("`--{}`", declared.name)), "{}", declared.name);
    }
}

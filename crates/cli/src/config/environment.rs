//! Options in environment variables: `GRAVEN_` and the option's name, as in `GRAVEN_MAX_CONNECTIONS=10k`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::nearest::nearest;
use crate::failure::{Failure, Outcome};
use crate::options::serve::DECLARED;
use crate::options::{OptionValue, Written};

/// With what every variable begins.
const PREFIX: &str = "GRAVEN_";

/// The variable that names the configuration file.
pub(crate) const FILE: &str = "GRAVEN_CONFIG";

/// Those of the tests, and those that say what was built.
const NOT_OPTIONS: [&str; 3] = ["GRAVEN_TEST_", "GRAVEN_BUILT_", "GRAVEN_COMMIT"];

/// What the environment says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    pub(crate) options: Written,
    pub(crate) file: Option<PathBuf>,
    /// What is wrong and hinders nothing.
    pub(crate) warnings: Vec<String>,
}

/// Reads `variables`. One that is empty is as good as absent.
pub(crate) fn read(variables: impl Iterator<Item = (OsString, OsString)>) -> Outcome<Environment> {
    let mut environment = Environment::default();
    let known: Vec<(String, _)> = DECLARED.iter().map(|declared| (declared.variable(), declared)).collect();
    // In order, so that it is the same one that is refused each time.
    for (variable, value) in variables.collect::<BTreeMap<_, _>>() {
        let Some(variable) = variable.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        if value.is_empty() {
            continue;
        }
        if variable == FILE {
            environment.file = Some(value.into());
            continue;
        }
        let Some((_, declared)) = known.iter().find(|(name, _)| name == variable) else {
            if !is_of_others(variable) {
                // Without what all begin with, which would make all similar.
                let names = known.iter().map(|(name, _)| name.as_str()).chain([FILE]);
                let meant = nearest(&variable[PREFIX.len()..], names.map(|name| &name[PREFIX.len()..]));
                let meant = meant.map_or_else(String::new, |name| format!("; did you mean {PREFIX}{name}?"));
                environment.warnings.push(format!("{variable} sets no option of graven serve{meant}"));
            }
            continue;
        };
        let Some(value) = value.to_str() else {
            return Err(Failure::new(format!("{variable}: expected UTF-8, found other bytes")));
        };
        let texts: Vec<&str> = match declared.value {
            OptionValue::Texts { .. } => value.split_whitespace().collect(),
            _ => vec![value],
        };
        if texts.is_empty() {
            continue;
        }
        declared.check(&texts).map_err(|says| Failure::new(format!("{variable}: {says}")))?;
        environment.options.insert(declared.name, texts.into_iter().map(str::to_owned).collect());
    }
    Ok(environment)
}

/// Whether a variable is set by others than people: by the tests, by the build, or by container platforms, which tell each
/// container of a service or a linked container called `graven` in variables such as `GRAVEN_SERVICE_HOST`, `GRAVEN_PORT` and
/// `GRAVEN_PORT_8000_TCP_ADDR`.
fn is_of_others(variable: &str) -> bool {
    let Some(rest) = variable.strip_prefix(PREFIX) else { return false };
    let parts: Vec<&str> = rest.split('_').collect();
    let is_service = parts.windows(2).any(|pair| pair[0] == "SERVICE" && matches!(pair[1], "HOST" | "PORT"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = parts.last() == Some(&"PORT")
        || parts
            .windows(3)
            .any(|part| part[0] == "PORT" && is_number(part[1]) && matches!(part[2], "TCP" | "UDP" | "SCTP"));
    let is_link = parts[..] == ["NAME"] || parts.first() == Some(&"ENV");
    is_service || is_port || is_link || NOT_OPTIONS.iter().any(|start| variable.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Result<Environment, String> {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        read(variables).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_variable_sets_the_option_of_its_name() {
        let found = environment(&[
            ("GRAVEN_MAX_CONNECTIONS", "10k"),
            ("GRAVEN_LISTEN", " 127.0.0.1:1  unix:/a "),
            ("GRAVEN_CONFIG", "/etc/graven.toml"),
            ("GRAVEN_POLL", ""),
            ("GRAVEN_HOLD", "  "),
            ("graven_poll", "soon"),
            ("PATH", "/bin"),
        ])
        .unwrap();
        assert_eq!(found.options["max-connections"], ["10k"]);
        assert_eq!(found.options["listen"], ["127.0.0.1:1", "unix:/a"]);
        assert_eq!((found.options.len(), found.file), (2, Some("/etc/graven.toml".into())));
        assert!(found.warnings.is_empty(), "{:?}", found.warnings);
    }

    #[test]
    fn every_option_has_a_variable_that_nobody_else_sets() {
        for declared in DECLARED {
            assert!(!is_of_others(&declared.variable()), "{}", declared.variable());
        }
        assert!(!is_of_others(FILE));
    }

    #[test]
    fn what_container_platforms_set_does_no_harm_and_what_is_mistyped_is_told() {
        let platform = [
            "GRAVEN_SERVICE_HOST",
            "GRAVEN_SERVICE_PORT",
            "GRAVEN_SERVICE_PORT_HTTP",
            "GRAVEN_PORT",
            "GRAVEN_PORT_8000_TCP",
            "GRAVEN_PORT_8000_TCP_PROTO",
            "GRAVEN_PORT_53_UDP_ADDR",
            "GRAVEN_CACHE_SERVICE_HOST",
            "GRAVEN_CACHE_PORT",
            "GRAVEN_CACHE_PORT_8000_TCP",
            "GRAVEN_NAME",
            "GRAVEN_ENV_LOG",
            "GRAVEN_TEST_PYTHON",
            "GRAVEN_BUILT_COMMIT",
        ];
        let found = environment(&platform.map(|name| (name, "tcp://10.0.0.1:8000"))).unwrap();
        assert_eq!(found, Environment::default());
        let found = environment(&[("GRAVEN_MAX_CONNECTION", "7"), ("GRAVEN_QQQ", "7")]).unwrap();
        assert_eq!(
            found.warnings,
            [
                "GRAVEN_MAX_CONNECTION sets no option of graven serve; did you mean GRAVEN_MAX_CONNECTIONS?",
                "GRAVEN_QQQ sets no option of graven serve"
            ]
        );
    }

    #[test]
    fn a_value_that_is_not_understood_is_refused_with_the_variable() {
        for (name, value, says) in [
            ("GRAVEN_THREADS", "0", "GRAVEN_THREADS: it must be from 1 to 4096"),
            ("GRAVEN_STORAGE", "tape", "GRAVEN_STORAGE: expected auto, ram, mmap or disk, found `tape`"),
            ("GRAVEN_WATCH", "yes", "GRAVEN_WATCH: write true or false, or nothing"),
        ] {
            assert_eq!(environment(&[(name, value)]).unwrap_err(), says);
        }
        use std::os::unix::ffi::OsStringExt;
        let bytes = OsString::from_vec(vec![0xff]);
        let refused = read([("GRAVEN_LOG".into(), bytes.clone())].into_iter()).unwrap_err().to_string();
        assert_eq!(refused, "GRAVEN_LOG: expected UTF-8, found other bytes");
        assert!(read([("OTHER".into(), bytes)].into_iter()).is_ok());
    }
}

//! The command line as a whole: its subcommands in groups, what `--version` says, and what is said
//! of a command line that cannot be read.

use std::io::{self, Write};
use std::process;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::commands::{
    bench, build, completions, diff, dump, generate, get, info, man, publish, ready, resume, rollback, serve,
    status, switch, token, verify, versions,
};
use crate::console::{warn, written};

/// Serves tables that are written once and read forever.
#[derive(Parser)]
#[command(name = "graven", version, long_version = LONG_VERSION, max_term_width = 100, after_help = EXIT_STATUS)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) subcommand: Chosen,
}

/// The subcommand that was called.
#[derive(Subcommand)]
pub(crate) enum Chosen {
    Serve(Box<serve::Arguments>),
    Get(get::Arguments),
    Build(build::Arguments),
    Info(info::Arguments),
    Verify(verify::Arguments),
    Dump(dump::Arguments),
    Diff(diff::Arguments),
    Publish(publish::Arguments),
    Versions(versions::Arguments),
    Switch(switch::Arguments),
    Rollback(rollback::Arguments),
    Resume(resume::Arguments),
    Status(status::Arguments),
    Ready(ready::Arguments),
    Token(token::Arguments),
    Bench(Box<bench::Arguments>),
    Gen(generate::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// The subcommands as people look for them.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Start here", &["serve", "get", "build"]),
    ("Tables", &["info", "verify", "dump", "diff"]),
    ("Versions of tables", &["publish", "versions", "switch", "rollback", "resume"]),
    ("Servers", &["status", "ready", "token"]),
    ("Tools", &["bench", "gen", "completions", "man"]),
];

/// The exit statuses, the same for every subcommand; 2 is also what clap gives for a command line
/// it cannot read.
const EXIT_STATUS: &str = "Exit status: 0 when it was done, 1 when the answer is no (a key is missing, a file is \
    damaged, a version is refused), 2 for everything else, 3 when a version is there but not switched to.";

const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit   ",
    env!("GRAVEN_BUILT_COMMIT"),
    "\ntarget   ",
    env!("GRAVEN_BUILT_TARGET"),
    "\nfeatures ",
    env!("GRAVEN_BUILT_FEATURES"),
);

/// The command line with all that is said about it.
pub(crate) fn command() -> Command {
    let command = Arguments::command();
    let column = GROUPS.iter().flat_map(|(_, names)| names.iter()).map(|name| name.len()).max().unwrap_or(0);
    let mut list = String::new();
    for (heading, names) in GROUPS {
        list.push_str(&format!("{heading}:\n"));
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(StyledStr::to_string).unwrap_or_default();
            list.push_str(&format!("  {name:column$}  {about}\n"));
        }
        list.push('\n');
    }
    list.push_str("`graven COMMAND -h` shows the options that most people use, `--help` all of them.");
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{list}\n\nOptions:\n{{options}}{{after-help}}"
    ))
}

/// Reads the command line; what cannot be read ends the process with what to write instead.
pub(crate) fn read() -> Arguments {
    let read = command().try_get_matches_from(std::env::args_os());
    let read = read.and_then(|mut matches| Arguments::from_arg_matches_mut(&mut matches));
    read.unwrap_or_else(|mut error| {
        let line: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        advise(&mut error, &line);
        if error.use_stderr() {
            error.exit()
        }
        // Help and version, which may go to a file that is full.
        let printed = error.print().and_then(|()| io::stdout().flush());
        let Err(failure) = written(printed) else { process::exit(0) };
        warn(failure);
        process::exit(2)
    })
}

/// Adds what to write in place of a flag that other servers have.
fn advise(error: &mut clap::Error, line: &[String]) {
    if error.kind() != ErrorKind::UnknownArgument || !line.iter().any(|word| word == "serve") {
        return;
    }
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return };
    let Some(advice) = advice(flag, line) else { return };
    // What clap finds similar is no better.
    error.remove(ContextKind::SuggestedArg);
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![advice.into()]));
}

/// Flags by which other servers are told where to listen.
fn advice(flag: &str, line: &[String]) -> Option<String> {
    let value = || {
        let joined = format!("{flag}=");
        let at = line.iter().position(|word| word == flag || word.starts_with(&joined))?;
        line[at].strip_prefix(&joined).or_else(|| line.get(at + 1).map(String::as_str)).map(str::to_owned)
    };
    let listen = match flag {
        "--port" | "-p" => {
            let port = value().filter(|port| port.parse::<u16>().is_ok());
            format!("127.0.0.1:{}", port.as_deref().unwrap_or("8000"))
        }
        "--host" | "--bind" | "--address" | "--addr" => {
            let host = value().filter(|host| !host.is_empty() && !host.starts_with('-'));
            let host = host.unwrap_or_else(|| "127.0.0.1".to_owned());
            if host.contains(':') { host } else { format!("{host}:8000") }
        }
        "--unixsocket" | "--socket" => format!("unix:{}", value().unwrap_or_else(|| "PATH".to_owned())),
        _ => return None,
    };
    Some(format!("write `--listen {listen}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subcommand_is_in_one_group_and_says_in_a_line_what_it_does() {
        let command = Arguments::command();
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        for subcommand in command.get_subcommands() {
            let name = subcommand.get_name();
            assert_eq!(grouped.iter().filter(|grouped| **grouped == name).count(), 1, "{name}");
            let about = subcommand.get_about().map(StyledStr::to_string).unwrap_or_default();
            assert!(!about.is_empty() && !about.contains('\n') && about.len() <= 85, "{name}: {about}");
        }
        assert_eq!(grouped.len(), command.get_subcommands().count());
    }

    #[test]
    fn the_command_line_holds_what_clap_asks_of_one() {
        command().debug_assert();
    }
}

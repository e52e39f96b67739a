//! `compare-serve`: graven beside other servers and beside a bare loop, with the same pairs, on one core, in one run; and
//! versions of tables that are switched while they are asked. This file reads the arguments and ends the process.
//!
//! It measures from outside: it starts the `graven` binary like any other server and knows none of graven's crates. Nothing
//! depends on it.

mod alone;
mod answer;
mod ceiling;
mod certificate;
mod compare;
mod handshakes;
mod histogram;
mod idle;
mod load;
mod machine;
mod pairs;
mod pool;
mod protocol;
mod rates;
mod servers;
mod starts;
mod stop;
mod table;
mod transport;
mod versions;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Compare graven with other servers
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    compare: Option<compare::Arguments>,
}

#[derive(Subcommand)]
enum Command {
    Load(alone::Arguments),
    Bare(ceiling::Arguments),
    Switches(versions::switches::Arguments),
    Rollback(versions::rollback::Arguments),
    Tables(versions::many::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse() {
        Arguments { command: Some(Command::Load(arguments)), .. } => alone::run(&arguments),
        Arguments { command: Some(Command::Bare(arguments)), .. } => {
            ceiling::run(&arguments).map(|never| match never {})
        }
        Arguments { command: Some(Command::Switches(arguments)), .. } => versions::switches::run(&arguments),
        Arguments { command: Some(Command::Rollback(arguments)), .. } => versions::rollback::run(&arguments),
        Arguments { command: Some(Command::Tables(arguments)), .. } => versions::many::run(&arguments),
        Arguments { compare: Some(arguments), .. } => compare::run(&arguments),
        Arguments { .. } => {
            let missing = clap::error::ErrorKind::MissingRequiredArgument;
            Arguments::command().error(missing, "the text with the pairs is missing").exit()
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare-serve: {error:#}");
            ExitCode::from(2)
        }
    }
}

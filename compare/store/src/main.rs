//! `compare-store`: graven's tables beside hash maps, tries, a perfect hash and other stores, with the same pairs, in one
//! run. This file reads the arguments and ends the process; each subcommand has its room.
//!
//! Nothing depends on this program. It may use graven's library as anyone may, and nothing of its insides.

mod alone;
mod engine;
mod engines;
mod keys;
mod lookups;
mod memory;
mod pairs;
mod region;
mod sample;
mod sizes;
mod status;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Compare graven's tables with other ways to keep the same pairs
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Lookups(lookups::Arguments),
    Sizes(sizes::Arguments),
    Memory(memory::Arguments),
    #[command(hide = true)]
    Alone(alone::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Lookups(arguments) => lookups::run(&arguments),
        Command::Sizes(arguments) => sizes::run(&arguments),
        Command::Memory(arguments) => memory::run(&arguments),
        Command::Alone(arguments) => alone::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare-store: {error:#}");
            ExitCode::from(2)
        }
    }
}

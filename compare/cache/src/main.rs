//! `compare-cache`: what a cache in front of a table on disk is worth. `policies` asks which blocks two policies would keep,
//! from the sequence of lookups alone; `serve` measures graven with caches of several sizes, and its three storages; `memory`
//! measures the storages with less memory than the table has bytes; `engine` measures graven's reads beside those of fio.
//!
//! Nothing depends on this program.

mod engine;
mod group;
mod load;
mod memory;
mod policies;
mod serve;
mod server;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What a cache in front of a table on disk is worth
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Engine(engine::Arguments),
    Memory(memory::Arguments),
    Policies(policies::Arguments),
    Serve(serve::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Engine(arguments) => engine::run(&arguments),
        Command::Memory(arguments) => memory::run(&arguments),
        Command::Policies(arguments) => policies::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare-cache: {error:#}");
            ExitCode::from(2)
        }
    }
}

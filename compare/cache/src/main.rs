//! `compare-cache`: what a cache in front of a table on disk is worth. `policies` asks which blocks two policies would keep,
//! from the sequence of lookups alone, and `lookups` what both are worth in front of the same table; `serve` measures graven
//! with caches of several sizes, and its three storages; `memory` measures the storages with less memory than the table has
//! bytes; `engine` measures graven's reads beside those of fio; `apart` asks what keys and values in files of
//! their own would be worth.
//!
//! Nothing depends on this program.

mod apart;
mod buckets;
mod caches;
mod closed_loop;
mod draws;
mod engine;
mod group;
mod hear;
mod load;
mod lookups;
mod median;
mod memory;
mod pairs;
mod plots;
mod policies;
mod rounds;
mod serve;
mod server;
mod table;

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
    Apart(apart::Arguments),
    Engine(engine::Arguments),
    Lookups(lookups::Arguments),
    Memory(memory::Arguments),
    Policies(policies::Arguments),
    Serve(serve::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Apart(arguments) => apart::run(&arguments),
        Command::Engine(arguments) => engine::run(&arguments),
        Command::Lookups(arguments) => lookups::run(&arguments),
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

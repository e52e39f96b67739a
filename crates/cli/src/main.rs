//! `graven`: one binary, one file a subcommand. This room reads the command line, hands over to the subcommand, and
//! turns what came of it into an exit status.

mod advice;
mod carve;
mod commands;
mod console;
mod descriptors;
mod duplicates;
mod failure;
mod input;
mod json_bytes;
mod lengths;
mod limits;
mod load;
mod load_progress;
mod memory;
mod output;
mod progress;
mod read_options;
mod resident;
mod sample;
mod signals;
mod storage;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{bench, build, dump, generate, get, info, serve, verify};

/// Serves tables that are written once and read forever.
#[derive(Parser)]
#[command(version, max_term_width = 100, after_help = EXIT_STATUS)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Build(build::Arguments),
    Serve(Box<serve::Arguments>),
    Get(get::Arguments),
    Info(info::Arguments),
    Verify(verify::Arguments),
    Dump(dump::Arguments),
    Bench(Box<bench::Arguments>),
    Gen(generate::Arguments),
}

/// The exit statuses, the same for every subcommand; 2 is also what clap gives for a command line it cannot read.
const EXIT_STATUS: &str = "Exit status: 0 when it was done, 1 when the answer is no (a key is missing, a file is \
    damaged), 2 for everything else.";

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    // A server goes on where it can.
    memory::end_without(!matches!(command, Command::Serve(_)));
    let done = match command {
        Command::Build(arguments) => build::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Get(arguments) => get::run(&arguments),
        Command::Info(arguments) => info::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Dump(arguments) => dump::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Gen(arguments) => generate::run(&arguments),
    };
    done.unwrap_or_else(|failure| {
        console::warn(failure);
        ExitCode::from(2)
    })
}

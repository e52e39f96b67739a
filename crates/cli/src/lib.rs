//! What the binary `graven` does, one file a subcommand: [`run`] reads the command line, hands over to the subcommand,
//! and turns what came of it into an exit status.
//!
//! A library, because the compiler starts on one while what it depends on is still being translated, and on a binary
//! only when all of that is there: the first build has work for every core until it ends.

mod access_log;
mod advice;
mod carve;
mod column_flags;
mod column_list;
mod columns_page;
mod command_line;
mod commands;
mod config;
mod console;
mod duplicates;
mod failure;
mod first_request;
mod followers;
mod input;
mod input_files;
mod lengths;
mod load_progress;
mod loaded;
mod object_store;
mod options;
mod output;
mod progress;
mod quantity;
mod read_options;
mod redis;
mod root;
mod row_members;
mod server_pages;
mod service_manager;
mod shell;
mod signals;
mod storage;
mod table;
mod table_source;
mod target;
mod tls;
mod users;
mod when_held;

use std::process::ExitCode;

use graven_process::{end_without_memory, explain_aborts};

use crate::command_line::Chosen;
use crate::commands::{
    bench, build, completions, diff, dump, generate, get, info, man, publish, ready, resume, rollback, serve,
    status, switch, token, verify, versions,
};
use crate::console::warn;

/// Does what the command line says. The status is 0 when it was done, 2 when it was not; a subcommand's help lists
/// what else it uses.
#[must_use]
pub fn run() -> ExitCode {
    explain_aborts(", or, for a build, use less with `--memory`");
    let chosen = command_line::read().subcommand;
    // A server goes on where it can.
    end_without_memory(!matches!(chosen, Chosen::Serve(_)));
    let done = match chosen {
        Chosen::Serve(arguments) => serve::run(&arguments),
        Chosen::Get(arguments) => get::run(&arguments),
        Chosen::Build(arguments) => build::run(&arguments),
        Chosen::Info(arguments) => info::run(&arguments),
        Chosen::Verify(arguments) => verify::run(&arguments),
        Chosen::Dump(arguments) => dump::run(&arguments),
        Chosen::Diff(arguments) => diff::run(&arguments),
        Chosen::Publish(arguments) => publish::run(&arguments),
        Chosen::Versions(arguments) => versions::run(&arguments),
        Chosen::Switch(arguments) => switch::run(&arguments),
        Chosen::Rollback(arguments) => rollback::run(&arguments),
        Chosen::Resume(arguments) => resume::run(&arguments),
        Chosen::Status(arguments) => status::run(&arguments),
        Chosen::Token(arguments) => token::run(&arguments),
        Chosen::Ready(arguments) => ready::run(&arguments),
        Chosen::Bench(arguments) => bench::run(&arguments),
        Chosen::Gen(arguments) => generate::run(&arguments),
        Chosen::Completions(arguments) => completions::run(&arguments),
        Chosen::Man(arguments) => man::run(&arguments),
    };
    done.unwrap_or_else(|failure| {
        warn(failure);
        signals::status().unwrap_or(ExitCode::from(2))
    })
}

//! `graven man`: the manual, as `man` reads it.

use std::process::ExitCode;

use crate::failure::Outcome;

/// Print the manual page of graven, or of one of its commands
#[derive(clap::Args)]
#[command(
    after_help = "To read one: graven man serve | man -l -. To install them: graven man serve > graven-serve.1"
)]
pub(crate) struct Arguments {
    /// The command
    command: Option<String>,
}

#[cfg(feature = "completions")]
pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    use crate::failure::Failure;

    let mut graven = crate::command_line::command();
    // Only then do the commands know their whole names.
    graven.build();
    let command = match &arguments.command {
        None => graven,
        Some(name) => {
            let names: Vec<&str> = graven.get_subcommands().map(clap::Command::get_name).collect();
            let known = names.join(", ");
            let found = graven.find_subcommand(name).cloned();
            found.ok_or_else(|| Failure::new(format!("there is no command {name}; there are {known}")))?
        }
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| Failure::new(format!("cannot write the manual: {error}")))?;
    crate::console::say(String::from_utf8_lossy(&page).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(not(feature = "completions"))]
pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let of = arguments.command.as_ref().map_or_else(String::new, |name| format!(" of {name}"));
    Err(crate::failure::not_built_in(&format!("the manual page{of}"), "completions"))
}

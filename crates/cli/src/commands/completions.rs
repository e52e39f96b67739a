//! `graven completions`: the script by which a shell completes what is typed.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;

use crate::failure::Outcome;

/// Print a script by which a shell completes commands and options
#[derive(clap::Args)]
#[command(after_help = "For bash: graven completions bash > /usr/share/bash-completion/completions/graven")]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_parser = PossibleValuesParser::new(["bash", "elvish", "fish", "powershell", "zsh"]))]
    shell: String,
}

#[cfg(feature = "completions")]
pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    use clap_complete::Shell;

    use crate::failure::Failure;

    let shell: Shell = arguments.shell.parse().map_err(|error: String| Failure::new(error))?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::command_line::command(), "graven", &mut script);
    crate::console::say(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(not(feature = "completions"))]
pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let what = format!("completions for {}", arguments.shell);
    Err(crate::failure::not_built_in(&what, "completions"))
}

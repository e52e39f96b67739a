//! `graven token`: a new secret for a user of a server.

use std::io::{self, Read};
use std::process::ExitCode;

use graven_access::{TOKEN_BYTES_MIN, Token};

use crate::console::say;
use crate::failure::{Failure, Outcome, reason};

/// Make a token for a user of a server, and the line that has it in the file of users
///
/// The token, on the first line, is 256 random bits. The server's file has its SHA-256 alone, so that who reads that file cannot come as a user.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// `-` reads a token of at least 32 bytes from standard input instead, and prints the line alone
    #[arg(value_name = "-", value_parser = ["-"])]
    given: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    if arguments.given.is_some() {
        // As much as tells that it is too much.
        let mut text = String::new();
        let read = io::stdin().take(1 << 16).read_to_string(&mut text);
        read.map_err(|error| Failure::new(format!("standard input: {}", reason(&error))))?;
        let token = text.strip_suffix('\n').map_or(&text[..], |line| line.strip_suffix('\r').unwrap_or(line));
        if token.contains(char::is_whitespace) {
            return Err(Failure::new("standard input: a token is one line without blanks"));
        }
        let token = Token::chosen(token).map_err(|error| {
            Failure::new(format!(
                "standard input: {error}; `graven token` makes one of {TOKEN_BYTES_MIN} random bytes"
            ))
        })?;
        say(line(&token))?;
        return Ok(ExitCode::SUCCESS);
    }
    let token = Token::generate()
        .map_err(|error| Failure::new(format!("the system gives no random bits: {error}")))?;
    say(token.as_str())?;
    say(line(&token))?;
    Ok(ExitCode::SUCCESS)
}

fn line(token: &Token) -> String {
    format!("token = \"{}\"", token.digest())
}

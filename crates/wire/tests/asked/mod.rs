//! Commands as a client sends them, and how they are understood or refused.

use graven_wire::Decoded;
use graven_wire::resp::{Args, Command, Limits, Refusal, Request, RequestDecoder, request};

pub(crate) fn with_args<T>(args: &[&[u8]], then: impl FnOnce(Args<'_>) -> T) -> T {
    let mut bytes = Vec::new();
    request::encode(&mut bytes, args.iter().copied());
    match RequestDecoder::new(Limits::default()).decode(&bytes) {
        Decoded::Message(Request::Command(args), _) => then(args),
        other => panic!("{other:?} is no command"),
    }
}

/// The command of the words of `line`.
pub(crate) fn with_line<T>(line: &str, then: impl FnOnce(Result<Command<'_>, Refusal<'_>>) -> T) -> T {
    let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    with_args(&args, |args| then(Command::parse(args)))
}

pub(crate) fn refusal(args: &[&[u8]]) -> String {
    with_args(args, |args| match Command::parse(args) {
        Ok(command) => format!("{command:?} was understood"),
        Err(refusal) => {
            let mut out = Vec::new();
            refusal.encode(&mut out);
            String::from_utf8(out).unwrap()
        }
    })
}

pub(crate) fn refusal_of_line(line: &str) -> String {
    refusal(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>())
}

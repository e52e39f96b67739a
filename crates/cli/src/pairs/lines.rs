//! The lines of a stream, each of bounded length.

use std::io::{BufRead, BufReader, Read};

use super::at;
use crate::failure::{Outcome, reason};

/// Bytes that are read from the system at a time.
const READ_BYTES: usize = 256 * 1024;

/// Calls `each` with the number, from 1, and the bytes of every line that is not empty, without its `\n` or `\r\n`. A line of
/// more than `most` bytes is refused as soon as it has so many.
pub(super) fn for_each(
    name: &str,
    source: impl Read,
    most: usize,
    mut each: impl FnMut(u64, &[u8]) -> Outcome<()>,
) -> Outcome<()> {
    let mut source = BufReader::with_capacity(READ_BYTES, source);
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        let read = source.by_ref().take(most as u64 + 3).read_until(b'\n', &mut text);
        let read =
            read.map_err(|error| at(name, number, format_args!("cannot read further: {}", reason(&error))))?;
        if read == 0 {
            break;
        }
        let line = match &text[..] {
            [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] => line,
            line => line,
        };
        if line.len() > most {
            return Err(at(name, number, format_args!("the line is longer than {most} bytes")));
        }
        if !line.is_empty() {
            each(number, line)?;
        }
    }
    Ok(())
}

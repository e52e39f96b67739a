//! One conversation: bytes sent, and all that comes back.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Nothing here takes this long unless a server waits for more, which no conversation leaves it to do.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a conversation ends.
#[derive(Clone, Copy)]
pub(crate) enum Ends<'a> {
    /// Everything before this answer to what is sent last counts.
    With { ask: &'a [u8], answer: &'a [u8] },
    /// The server closes.
    Closed,
}

/// Sends `bytes` and returns the answer.
#[track_caller]
pub(crate) fn talk(address: &str, bytes: &[u8], ends: Ends<'_>) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    if let Ends::With { ask, .. } = ends {
        stream.write_all(ask).unwrap();
    }
    let (mut heard, mut room) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut room) {
            Ok(0) => return heard,
            Ok(read) => heard.extend_from_slice(&room[..read]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return heard,
            Err(error) => {
                panic!("{address} to {}: {error}, after {}", bytes.escape_ascii(), heard.escape_ascii())
            }
        }
        if let Ends::With { answer, .. } = ends
            && heard.ends_with(answer)
        {
            heard.truncate(heard.len() - answer.len());
            return heard;
        }
    }
}

//! The pairs, written into a server through its own protocol.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::pairs::Pairs;
use crate::protocol::Protocol;
use crate::stop::Stop;
use crate::transport::Endpoint;

/// Bytes of commands that are written before their answers are read; far less than a connection holds in both directions.
const BATCH_BYTES: usize = 1 << 16;
/// With TLS all of it is in one record, and fits into memcached's buffer of 16 KB: of more it leaves a part in OpenSSL's, and waits for the
/// socket to say that there is something.
const TLS_BATCH_BYTES: usize = 1 << 13;
/// Room for the reason of a refusal.
const REASON_BYTES: usize = 256;
/// No answer to a write takes as long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sets every pair and checks every answer.
pub(crate) fn fill(endpoint: &Endpoint, protocol: Protocol, pairs: &Pairs, stop: &Stop) -> Result<()> {
    let mut stream = endpoint.connect().context("cannot connect")?;
    stream.socket().set_read_timeout(Some(PATIENCE))?;
    let batch_bytes = if endpoint.tls.is_some() { TLS_BATCH_BYTES } else { BATCH_BYTES };
    let (mut commands, mut count) = (Vec::with_capacity(2 * batch_bytes), 0);
    for (i, (key, value)) in pairs.iter().enumerate() {
        write_set(protocol, key, value, &mut commands)?;
        count += 1;
        if commands.len() >= batch_bytes || i + 1 == pairs.len() {
            stop.check()?;
            stream.write_all(&commands).and_then(|()| stream.flush()).context("cannot write pairs")?;
            read_stored(&mut stream, protocol, count)?;
            commands.clear();
            count = 0;
        }
    }
    Ok(())
}

/// Has Redis write its dump, from which it starts again.
pub(crate) fn save(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(address).context("cannot connect")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"*1\r\n$4\r\nSAVE\r\n").context("cannot ask for a dump")?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).context("cannot read whether the dump was written")?;
    ensure!(answer == *b"+OK\r\n", "the dump was not written: {}", answer.escape_ascii());
    Ok(())
}

fn write_set(protocol: Protocol, key: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<()> {
    match protocol {
        Protocol::Resp => {
            write!(out, "*3\r\n$3\r\nSET\r\n${}\r\n", key.len())?;
            out.extend_from_slice(key);
            write!(out, "\r\n${}\r\n", value.len())?;
        }
        Protocol::Mc | Protocol::Mg => {
            out.extend_from_slice(&[b"set ", key].concat());
            write!(out, " 0 0 {}\r\n", value.len())?;
        }
        Protocol::Http => bail!("nothing is written over HTTP"),
    }
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

fn read_stored(stream: &mut impl Read, protocol: Protocol, count: usize) -> Result<()> {
    let stored: &[u8] = if protocol == Protocol::Resp { b"+OK\r\n" } else { b"STORED\r\n" };
    let expected = stored.repeat(count);
    let mut came = 0;
    let mut answers = vec![0; expected.len() + REASON_BYTES];
    while came < expected.len() {
        let bytes = stream.read(&mut answers[came..]).context("cannot read whether pairs were stored")?;
        ensure!(bytes > 0, "the server closed the connection while pairs were written");
        came += bytes;
        let answers = &answers[..came];
        let right = expected.starts_with(answers);
        ensure!(right, "a pair was not stored: {}", String::from_utf8_lossy(first_other(answers, stored)));
    }
    Ok(())
}

/// The first answer that is not `stored`.
fn first_other<'a>(mut answers: &'a [u8], stored: &[u8]) -> &'a [u8] {
    while let Some(rest) = answers.strip_prefix(stored) {
        answers = rest;
    }
    answers.split(|&byte| byte == b'\r').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::fill;
    use crate::pairs::Pairs;
    use crate::protocol::Protocol;
    use crate::stop::Stop;
    use crate::transport::Endpoint;

    /// Fills a server that expects these bytes and answers those, and returns what filling said.
    fn filled(protocol: Protocol, expected: &'static str, answer: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = vec![0; expected.len()];
            stream.read_exact(&mut asked).unwrap();
            assert_eq!(String::from_utf8(asked).unwrap(), expected);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let filled = fill(&Endpoint::plain(address), protocol, &Pairs::of("a 1\nb 22\n"), &Stop::default());
        server.join().unwrap();
        filled.map_err(|error| error.to_string())
    }

    const RESP: &str = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$2\r\n22\r\n";
    const MC: &str = "set a 0 0 1\r\n1\r\nset b 0 0 2\r\n22\r\n";

    #[test]
    fn every_pair_is_set_in_the_servers_own_protocol() {
        assert_eq!(filled(Protocol::Resp, RESP, "+OK\r\n+OK\r\n"), Ok(()));
        assert_eq!(filled(Protocol::Mc, MC, "STORED\r\nSTORED\r\n"), Ok(()));
    }

    #[test]
    fn a_pair_that_is_not_stored_is_an_error_that_says_why() {
        let error = filled(Protocol::Mc, MC, "STORED\r\nSERVER_ERROR out of memory\r\n").unwrap_err();
        assert_eq!(error, "a pair was not stored: SERVER_ERROR out of memory");
        let error = filled(Protocol::Resp, RESP, "+OK\r\n").unwrap_err();
        assert!(error.contains("closed the connection"), "{error}");
    }
}

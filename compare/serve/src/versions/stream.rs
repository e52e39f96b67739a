//! A connection that is written to and read from in turn.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// No answer takes as long.
const PATIENCE: Duration = Duration::from_secs(30);
/// A line of an answer's head is no longer.
const LINE_MAX: u64 = 4096;
/// What a slow reader takes at once, and how long it rests behind that.
const SLOW_BYTES: usize = 64 << 10;
const SLOW_PAUSE: Duration = Duration::from_millis(4);

pub(crate) struct Stream {
    reader: BufReader<TcpStream>,
    is_slow: bool,
}

impl Stream {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).context("cannot connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { reader: BufReader::with_capacity(SLOW_BYTES, stream), is_slow: false })
    }

    /// As [`Self::connect`], and reads no more than some megabytes a second.
    pub(crate) fn connect_slow(address: SocketAddr) -> Result<Self> {
        Ok(Self { is_slow: true, ..Self::connect(address)? })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.reader.get_mut().write_all(bytes).context("cannot send a request")
    }

    /// The next line, without its end.
    pub(crate) fn line(&mut self) -> Result<Vec<u8>> {
        let mut line = Vec::new();
        self.reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut line).context("no answer")?;
        ensure!(line.ends_with(b"\r\n"), "an answer ends in {:?}", line.escape_ascii().to_string());
        line.truncate(line.len() - 2);
        Ok(line)
    }

    /// So many bytes, and the end of a line behind them.
    pub(crate) fn bytes(&mut self, bytes: usize) -> Result<Vec<u8>> {
        let mut found = self.exactly(bytes + 2)?;
        ensure!(found.ends_with(b"\r\n"), "an answer is longer than it says");
        found.truncate(bytes);
        Ok(found)
    }

    /// A string of Redis' protocol.
    pub(crate) fn bulk(&mut self) -> Result<Vec<u8>> {
        let bytes = self.number(b'$')?;
        self.bytes(bytes)
    }

    /// What stands behind a sign of Redis' protocol.
    pub(crate) fn number(&mut self, sign: u8) -> Result<usize> {
        let line = self.line()?;
        match line.split_first() {
            Some((found, number)) if *found == sign => parse(number),
            _ => bail!("expected a {:?}, found {}", sign as char, line.escape_ascii()),
        }
    }

    pub(crate) fn expect(&mut self, expected: &[u8]) -> Result<()> {
        let line = self.line()?;
        ensure!(line == expected, "expected {}, found {}", expected.escape_ascii(), line.escape_ascii());
        Ok(())
    }

    /// An HTTP answer with status 200: the version that its head names, and its body.
    pub(crate) fn http(&mut self) -> Result<(String, Vec<u8>)> {
        let (version, body) = self.http_answer()?;
        Ok((version.context("an answer names no version")?, body))
    }

    /// The body of an HTTP answer that is of no table.
    pub(crate) fn http_page(&mut self) -> Result<Vec<u8>> {
        Ok(self.http_answer()?.1)
    }

    fn http_answer(&mut self) -> Result<(Option<String>, Vec<u8>)> {
        self.expect(b"HTTP/1.1 200 OK")?;
        let (mut version, mut length) = (None, None);
        loop {
            let line = String::from_utf8(self.line()?)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").context("a header without a colon")?;
            match name.to_ascii_lowercase().as_str() {
                "graven-version" => version = Some(value.to_owned()),
                "content-length" => length = Some(parse(value.as_bytes())?),
                _ => {}
            }
        }
        let body = match length {
            Some(bytes) => self.exactly(bytes)?,
            None => self.chunks()?,
        };
        Ok((version, body))
    }

    fn exactly(&mut self, bytes: usize) -> Result<Vec<u8>> {
        let mut found = vec![0; bytes];
        for part in found.chunks_mut(if self.is_slow { SLOW_BYTES } else { usize::MAX }) {
            self.reader.read_exact(part).context("an answer ends early")?;
            if self.is_slow {
                thread::sleep(SLOW_PAUSE);
            }
        }
        Ok(found)
    }

    fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = String::from_utf8(self.line()?)?;
            let bytes = usize::from_str_radix(&line, 16).with_context(|| format!("a chunk of {line:?}"))?;
            let chunk = self.bytes(bytes)?;
            if bytes == 0 {
                return Ok(body);
            }
            body.extend(chunk);
        }
    }
}

fn parse(number: &[u8]) -> Result<usize> {
    let text = std::str::from_utf8(number)?;
    text.parse().with_context(|| format!("expected a number, found {text:?}"))
}

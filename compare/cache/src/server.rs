//! A graven server that ends with whoever started it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// How long a server may take until it listens.
const START_MAX: Duration = Duration::from_secs(30);

/// What is served, and how.
pub(crate) struct Served<'a> {
    /// The program that serves
    pub(crate) graven: &'a Path,
    pub(crate) table: &'a Path,
    /// As `--storage` spells it
    pub(crate) storage: &'a str,
    pub(crate) cache_bytes: u64,
}

/// A server that ends with it.
pub(crate) struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts a server and waits until it listens; `None` where the system killed it, or where it takes too long. With
    /// `members`, the file that lists the members of a control group, it is in that group from its first byte.
    pub(crate) fn start(served: &Served<'_>, members: Option<&Path>) -> Result<Option<Self>> {
        let mut process = command(served.graven.as_os_str(), members)
            .arg("serve")
            .arg(served.table)
            .args(["--listen", "127.0.0.1:0", "--storage", served.storage, "--log", "error"])
            .args(["--cache", &served.cache_bytes.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| {
                format!("cannot start {}; `cargo build --release` makes it", served.graven.display())
            })?;
        let out = process.stdout.take().context("its output is piped")?;
        let mut server = Self { process, address: String::new() };
        let (sender, receiver) = mpsc::channel();
        // Reads on until the server has ended, so that the pipe never fills up.
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("listening on ") {
                    // Who has lost patience does not listen any more.
                    let _ = sender.send(address.to_owned());
                }
            }
        });
        match receiver.recv_timeout(START_MAX) {
            Ok(address) => server.address = address,
            Err(mpsc::RecvTimeoutError::Timeout) => return Ok(None),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let status = server.process.wait()?;
                if status.signal().is_none() {
                    bail!("{} serve has ended: {status}", served.graven.display());
                }
                return Ok(None);
            }
        }
        Ok(Some(server))
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Whether a signal has ended it.
    pub(crate) fn is_killed(&mut self) -> Result<bool> {
        Ok(self.process.try_wait()?.is_some_and(|status| status.signal().is_some()))
    }

    /// One of the numbers that it tells of itself.
    pub(crate) fn number(&self, name: &str) -> Result<u64> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.write_all(b"GET /stats.json HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let body = text.split_once("\r\n\r\n").context("an answer has a body")?.1;
        let stats: Value = serde_json::from_str(body)?;
        stats[name].as_u64().with_context(|| format!("{name} is not told"))
    }

    /// Its memory that is resident, in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        resident_bytes(&status).with_context(|| format!("{path} has no line of VmRSS in kB"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already where that fails.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `program`, which joins the group of `members` before it begins.
fn command(program: &OsStr, members: Option<&Path>) -> Command {
    let Some(members) = members else { return Command::new(program) };
    let mut command = Command::new("sh");
    command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(members).arg(program);
    command
}

/// The line of VmRSS in the text of `/proc/PID/status`, in bytes.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_from_its_line_alone() {
        let status = "Name:\tgraven\nVmHWM:\t    9999 kB\nVmRSS:\t    1234 kB\nRssAnon:\t      10 kB\n";
        assert_eq!(resident_bytes(status), Some(1234 * 1024));
        assert_eq!(resident_bytes("Name:\tgraven\n"), None);
        assert_eq!(resident_bytes("VmRSS:\tmuch\n"), None);
    }

    #[test]
    fn a_program_joins_its_group_before_it_begins() {
        let folder = tempfile::tempdir().unwrap();
        let members = folder.path().join("cgroup.procs");
        let output =
            command(OsStr::new("cat"), Some(&members)).arg(&members).stdout(Stdio::piped()).spawn().unwrap();
        let id = output.id();
        let output = output.wait_with_output().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), id.to_string());
    }
}

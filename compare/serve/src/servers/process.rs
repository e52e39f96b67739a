//! A server's process: on a free port of the loopback, kept to some cores, standing still when told to, and gone with its
//! temporary folder when it is dropped. Should this program end without that, the system ends the server: `setpriv` asks
//! for it, and `taskset` keeps to the cores, so that neither needs unsafe code between fork and exec.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::machine::{self, Held};
use crate::stop::Stop;

/// Nothing starts as slowly as this.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks whether a server has started.
const PAUSE: Duration = Duration::from_millis(5);
/// A server is at rest when it computes for no more than so many ticks in such a time: memcached looks once a second whether
/// its hash table is to grow.
const QUIET: Duration = Duration::from_secs(2);
const QUIET_TICKS: u64 = 2;
/// One of the system's ticks, of which a second has a hundred.
const TICK: Duration = Duration::from_millis(10);
/// What a server prints, in its folder.
const SAID: &str = "said";
/// Ports that are tried before a server is taken to be unable to start.
const PORTS: usize = 3;

pub(crate) struct Running {
    child: Child,
    address: SocketAddr,
    folder: Option<TempDir>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Starts a program with the arguments for a port, in the folder, and waits until it takes connections.
    pub(crate) fn start(
        program: &Path,
        cores: &str,
        folder: &Path,
        arguments: impl Fn(u16) -> Result<Vec<OsString>>,
        stop: &Stop,
    ) -> Result<Self> {
        for _ in 0..PORTS {
            let mut running = Self::spawn(program, cores, folder, &arguments)?;
            if running.takes_connections(stop)? {
                return Ok(running);
            }
        }
        let said = fs::read_to_string(folder.join(SAID)).unwrap_or_default();
        bail!("{} does not start: {}", program.display(), said.trim());
    }

    /// Starts a program with the arguments for a port, in the folder. It may not take connections yet.
    pub(crate) fn spawn(
        program: &Path,
        cores: &str,
        folder: &Path,
        arguments: impl Fn(u16) -> Result<Vec<OsString>>,
    ) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let said = File::create(folder.join(SAID))?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "taskset", "--cpu-list", cores])
            .arg(program)
            .args(arguments(port)?)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn();
        let child = match child {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("setpriv is missing: apt-get install util-linux")
            }
            child => child.context("cannot start setpriv")?,
        };
        Ok(Self { child, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), folder: None })
    }

    /// Whether the process has not ended by itself.
    pub(crate) fn is_alive(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits; `false` when the process has ended.
    pub(crate) fn takes_connections(&mut self, stop: &Stop) -> Result<bool> {
        let patience = Instant::now() + PATIENCE;
        while self.is_alive()? {
            stop.check()?;
            if TcpStream::connect(self.address).is_ok() {
                return Ok(true);
            }
            if Instant::now() > patience {
                bail!("it takes no connections after {} s", PATIENCE.as_secs());
            }
            thread::sleep(PAUSE);
        }
        Ok(false)
    }

    /// Waits until it has nothing more to do on its own account, such as loading its file or enlarging its hash table.
    pub(crate) fn settle(&self, stop: &Stop) -> Result<()> {
        let patience = Instant::now() + PATIENCE;
        loop {
            let before = machine::processor_ticks(self.child.id())?;
            thread::sleep(QUIET);
            stop.check()?;
            if machine::processor_ticks(self.child.id())? <= before + QUIET_TICKS {
                return Ok(());
            }
            ensure!(Instant::now() < patience, "it is not at rest after {} s", PATIENCE.as_secs());
        }
    }

    /// Has the folder last as long as the process.
    pub(crate) fn keeping(mut self, folder: TempDir) -> Self {
        self.folder = Some(folder);
        self
    }

    /// The folder that lasts as long as the process.
    pub(crate) fn folder(&self) -> Result<&Path> {
        Ok(self.folder.as_ref().context("the server keeps no folder")?.path())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        machine::resident_bytes(self.child.id())
    }

    /// What the process holds now.
    pub(crate) fn held(&self) -> Result<Held> {
        Held::by(self.child.id())
    }

    /// How often its threads were put to rest so far.
    pub(crate) fn context_switches(&self) -> Result<u64> {
        machine::context_switches(self.child.id())
    }

    /// How long it has computed so far.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        Ok(TICK * machine::processor_ticks(self.child.id())? as u32)
    }

    pub(crate) fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    pub(crate) fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal).context("cannot signal a server")
    }
}

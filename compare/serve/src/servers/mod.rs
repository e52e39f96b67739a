//! The servers that are compared: how each is started with one thread, what it speaks, and how it gets the pairs.

mod fill;
pub(crate) mod process;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{self, Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::{Context, Result, bail, ensure};
use rustls::ClientConfig;

use crate::certificate::Certificate;
use crate::load::Answers;
use crate::pairs::Pairs;
use crate::protocol::{FIXED_VALUE, Protocol};
use crate::servers::process::Running;
use crate::stop::Stop;
use crate::transport::Endpoint;

/// Nothing takes so long until its first answer.
const START_PATIENCE: Duration = Duration::from_secs(120);
/// Between two questions to a server that does not answer yet.
const START_PAUSE: Duration = Duration::from_micros(200);

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum System {
    /// The loop that answers a fixed string, to which all ratios are
    Bare,
    Graven,
    Redis,
    Memcached,
    /// nginx with `return 200`: a fixed answer too
    Nginx,
}

impl System {
    pub(crate) const ALL: [Self; 5] = [Self::Bare, Self::Graven, Self::Redis, Self::Memcached, Self::Nginx];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare loop",
            Self::Graven => "graven",
            Self::Redis => "redis-server",
            Self::Memcached => "memcached",
            Self::Nginx => "nginx `return 200`",
        }
    }

    pub(crate) fn speaks(self) -> &'static [Protocol] {
        match self {
            Self::Bare | Self::Graven => &Protocol::ALL,
            Self::Redis => &[Protocol::Resp],
            Self::Memcached => &[Protocol::Mc, Protocol::Mg],
            Self::Nginx => &[Protocol::Http],
        }
    }

    pub(crate) fn has_the_table(self) -> bool {
        !matches!(self, Self::Bare | Self::Nginx)
    }

    /// Where a server that is started again gets the pairs from.
    pub(crate) fn source(self) -> &'static str {
        match self {
            Self::Bare | Self::Nginx => "nowhere",
            Self::Graven => "its carved file",
            Self::Redis => "its dump",
            Self::Memcached => "a client that sets them",
        }
    }
}

/// What the servers are started with.
pub(crate) struct Setup<'a> {
    /// The binary that was named, if one was.
    pub(crate) graven: Option<&'a Path>,
    pub(crate) text: &'a Path,
    pub(crate) pairs: &'a Pairs,
    /// The core that all servers run on.
    pub(crate) core: usize,
    /// Connections that every server must be able to hold.
    pub(crate) connections: usize,
    /// What all but the bare loop speak TLS with, if they do.
    pub(crate) certificate: Option<&'a Certificate>,
}

impl Setup<'_> {
    fn certificate(&self, system: System) -> Option<&Certificate> {
        self.certificate.filter(|_| system != System::Bare)
    }
}

/// A server that has the pairs, where it keeps any.
pub(crate) struct Server {
    pub(crate) system: System,
    pub(crate) protocols: Vec<Protocol>,
    tls: Option<Arc<ClientConfig>>,
    running: Running,
}

impl Server {
    pub(crate) fn address(&self) -> SocketAddr {
        self.running.address()
    }

    /// How it is asked.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint { address: self.address(), tls: self.tls.clone() }
    }

    /// How long it has computed so far.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        self.running.processor_time()
    }

    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        self.running.resident_bytes()
    }

    /// Has it write what a second one starts from, as far as that is not there yet.
    pub(crate) fn save(&self) -> Result<()> {
        if self.system == System::Redis {
            self.awake(|| fill::save(self.address()))?;
        }
        Ok(())
    }

    /// Starts a second one with the same pairs, and returns when that has given one right answer, with how long it took.
    pub(crate) fn start_again(
        &self,
        setup: &Setup<'_>,
        mut answers: impl FnMut(SocketAddr) -> bool,
        stop: &Stop,
    ) -> Result<Duration> {
        let (folder, protocol) = (self.running.folder()?, self.protocols[0]);
        let program = program(self.system, setup.graven)?;
        let arguments = |port| arguments(self.system, protocol, setup, folder, port);
        let began = Instant::now();
        let mut second = Running::spawn(&program, &setup.core.to_string(), folder, arguments)?;
        if self.system == System::Memcached {
            ensure!(second.takes_connections(stop)?, "it does not start");
            fill::fill(
                &Endpoint { address: second.address(), tls: self.tls.clone() },
                protocol,
                setup.pairs,
                stop,
            )?;
        }
        while !answers(second.address()) {
            stop.check()?;
            ensure!(second.is_alive()?, "it has ended");
            ensure!(began.elapsed() < START_PATIENCE, "no answer in {} s", START_PATIENCE.as_secs());
            thread::sleep(START_PAUSE);
        }
        Ok(began.elapsed())
    }

    /// What to expect of it, when a fixed answer has this form.
    pub(crate) fn answers<'a>(&self, fixed: &'a [u8]) -> Answers<'a> {
        if self.system.has_the_table() { Answers::OfTheTable } else { Answers::Fixed(fixed) }
    }

    /// Lets it run while `work` does; at all other times it stands still, so that what it does on its own account costs no
    /// other server time.
    pub(crate) fn awake<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.running.resume()?;
        let done = work();
        self.running.pause()?;
        done.with_context(|| self.system.name())
    }
}

/// Starts the servers of `system`: a bare loop for each of the protocols, one server for all else.
pub(crate) fn start(
    system: System,
    protocols: &[Protocol],
    setup: &Setup<'_>,
    stop: &Stop,
) -> Result<Vec<Server>> {
    let spoken: Vec<Protocol> =
        system.speaks().iter().copied().filter(|spoken| protocols.contains(spoken)).collect();
    let each: Vec<Vec<Protocol>> = match system {
        System::Bare => spoken.into_iter().map(|protocol| vec![protocol]).collect(),
        _ if spoken.is_empty() => vec![],
        _ => vec![spoken],
    };
    each.into_iter().map(|protocols| start_one(system, protocols, setup, stop)).collect()
}

fn start_one(system: System, protocols: Vec<Protocol>, setup: &Setup<'_>, stop: &Stop) -> Result<Server> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let program = program(system, setup.graven)?;
    if system == System::Graven {
        carve(&program, setup.text, &carved(folder.path()))?;
    }
    let arguments = |port| arguments(system, protocols[0], setup, folder.path(), port);
    let running = Running::start(&program, &setup.core.to_string(), folder.path(), arguments, stop)
        .with_context(|| system.name())?;
    let tls = setup.certificate(system).map(|certificate| Arc::clone(certificate.client()));
    let server = Server { system, protocols, tls, running: running.keeping(folder) };
    eprintln!("{} listens on {}", system.name(), server.address());
    server.awake(|| {
        if matches!(system, System::Redis | System::Memcached) {
            fill::fill(&server.endpoint(), server.protocols[0], setup.pairs, stop)?;
        }
        if system.has_the_table() { server.running.settle(stop) } else { Ok(()) }
    })?;
    Ok(server)
}

/// The program of a system, and what to do when there is none.
pub(crate) fn program(system: System, graven: Option<&Path>) -> Result<PathBuf> {
    let (name, advice) = match system {
        System::Bare => return env::current_exe().context("cannot find this program"),
        System::Graven => (
            "graven",
            "`cargo build --release` at the root makes it, with `--package graven --features tls` for --tls; --graven names another",
        ),
        System::Redis => ("redis-server", "apt-get install redis-server"),
        System::Memcached => ("memcached", "apt-get install memcached"),
        System::Nginx => ("nginx", "apt-get install nginx"),
    };
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/graven");
    let found = match (system, graven) {
        (System::Graven, Some(named)) => named.is_file().then(|| named.to_owned()),
        (System::Graven, None) if built.is_file() => Some(built),
        _ => find(name),
    };
    let found = found.with_context(|| format!("{name} is missing: {advice}"))?;
    path::absolute(found).context("cannot tell the current folder")
}

/// A program of the search path, or of where daemons lie, which is not in everyone's.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

fn carved(folder: &Path) -> PathBuf {
    folder.join("table.graven")
}

fn carve(graven: &Path, text: &Path, carved: &Path) -> Result<()> {
    let mut command = Command::new(graven);
    command.arg("build").arg(text).args(["--format", "data"]).arg("-o").arg(carved);
    let output = command.output().with_context(|| format!("cannot run {}", graven.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} build failed: {}", graven.display(), said.trim());
    Ok(())
}

/// The arguments with which a system answers on a port of the loopback from one thread and keeps nothing on disk.
fn arguments(
    system: System,
    protocol: Protocol,
    setup: &Setup<'_>,
    folder: &Path,
    port: u16,
) -> Result<Vec<OsString>> {
    let connections = setup.connections.to_string();
    let number = port.to_string();
    let certificate = setup.certificate(system);
    let files = certificate.map(|certificate| (certificate.chain(), certificate.key()));
    let folder_text = folder.to_str().context("the temporary folder's name is not text")?;
    let words: Vec<&str> = match system {
        System::Bare => vec!["bare", protocol.name(), &number],
        System::Graven => {
            let listen = format!("127.0.0.1:{port}");
            let mut words: Vec<OsString> =
                ["serve", "--threads", "1", "--listen", &listen].map(Into::into).into();
            words.push(carved(folder).into());
            if let Some((chain, key)) = files {
                words.extend(["--tls-cert".into(), chain.into(), "--tls-key".into(), key.into()]);
            }
            return Ok(words);
        }
        System::Redis => vec![
            "--port",
            &number,
            "--bind",
            "127.0.0.1",
            "--dir",
            folder_text,
            "--save",
            "",
            "--appendonly",
            "no",
            "--maxclients",
            &connections,
        ],
        System::Memcached => vec![
            "-p",
            &number,
            "-U",
            "0",
            "-l",
            "127.0.0.1",
            "-t",
            "1",
            "-m",
            "1024",
            "-c",
            &connections,
            "-u",
            "root",
        ],
        System::Nginx => {
            fs::write(folder.join("nginx.conf"), nginx_configuration(&connections, port, files.as_ref()))?;
            vec!["-p", folder_text, "-c", "nginx.conf", "-e", "errors"]
        }
    };
    let mut words: Vec<OsString> = words.into_iter().map(Into::into).collect();
    match (system, files) {
        (System::Redis, Some((chain, key))) => {
            // The port before stands for plain text: the last that is said of it counts.
            words.extend(["--port", "0", "--tls-port", &number, "--tls-auth-clients", "no"].map(Into::into));
            words.extend(["--tls-cert-file".into(), chain.into(), "--tls-key-file".into(), key.into()]);
        }
        (System::Memcached, Some((chain, key))) => {
            let options = format!("ssl_chain_cert={},ssl_key={}", chain.display(), key.display());
            words.extend(["-Z".into(), "-o".into(), options.into()]);
        }
        _ => {}
    }
    Ok(words)
}

/// One process that keeps connections open and writes no log but of failures.
fn nginx_configuration(connections: &str, port: u16, files: Option<&(PathBuf, PathBuf)>) -> String {
    let (ssl, tls) = match files {
        None => ("", String::new()),
        Some((chain, key)) => (
            " ssl",
            format!(
                "ssl_certificate {}; ssl_certificate_key {}; ssl_protocols TLSv1.2 TLSv1.3;",
                chain.display(),
                key.display()
            ),
        ),
    };
    format!(
        "daemon off; master_process off; worker_processes 1; pid pid; error_log errors crit;
events {{ worker_connections {connections}; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; tcp_nodelay on;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi; default_type text/plain;
    server {{ listen 127.0.0.1:{port}{ssl}; {tls} location / {{ return 200 \"{FIXED_VALUE}\"; }} }}
}}
"
    )
}

/// Name and version of each system, as the programs state it.
pub(crate) fn versions(systems: &[System], graven: Option<&Path>) -> Result<String> {
    let mut versions = Vec::new();
    for &system in systems.iter().filter(|&&system| system != System::Bare) {
        let program = program(system, graven)?;
        let flag = if system == System::Nginx { "-v" } else { "--version" };
        let output = Command::new(&program)
            .arg(flag)
            .output()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let said = [output.stdout, output.stderr].concat();
        let Some(version) = version_in(&String::from_utf8_lossy(&said)) else {
            bail!("{} {flag} names no version", program.display())
        };
        versions.push(format!("{} {version}", system.name().split(' ').next().unwrap_or_default()));
    }
    Ok(versions.join(", "))
}

/// The first word of numbers and points.
fn version_in(text: &str) -> Option<String> {
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    words.into_iter().find(|word| word.contains('.') && word.len() > 2).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::version_in;

    #[test]
    fn a_version_is_found_in_what_programs_say_of_themselves() {
        for (said, version) in [
            ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0", "7.0.15"),
            ("memcached 1.6.18\n", "1.6.18"),
            ("nginx version: nginx/1.22.1\n", "1.22.1"),
            ("graven 0.2.0", "0.2.0"),
        ] {
            assert_eq!(version_in(said).as_deref(), Some(version));
        }
        assert_eq!(version_in("no version."), None);
    }
}

//! A server on port 0 or a Unix socket for as long as a test runs, and streams to it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use graven_access::Access;
use graven_catalog::Catalog;
use graven_format::{Builder, Duplicates, Purpose, Storage, Store};
use graven_server::{DiskReads, Endpoint, Listener, Location, ServerOptions, Shutdown, run};

/// Nothing in these tests takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that runs.
pub(crate) struct Server {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) shutdown: Shutdown,
}

struct TriggerOnDrop(Shutdown);

impl Drop for TriggerOnDrop {
    fn drop(&mut self) {
        self.0.trigger();
    }
}

/// Serves `store` on `endpoints` while `work` runs, then shuts down and waits for the end.
pub(crate) fn serve<T>(
    store: &Arc<Store>,
    options: &ServerOptions,
    endpoints: &[&str],
    work: impl FnOnce(&Server) -> T,
) -> T {
    let catalog = Catalog::new("table", "only", Arc::clone(store));
    serve_catalog(&catalog, options, endpoints, work)
}

/// As [`serve`], the table of `catalog`.
pub(crate) fn serve_catalog<T>(
    catalog: &Arc<Catalog>,
    options: &ServerOptions,
    endpoints: &[&str],
    work: impl FnOnce(&Server) -> T,
) -> T {
    serve_users(catalog, &Access::open(), options, endpoints, work)
}

/// As [`serve_catalog`], to those whom `access` knows.
pub(crate) fn serve_users<T>(
    catalog: &Arc<Catalog>,
    access: &Arc<Access>,
    options: &ServerOptions,
    endpoints: &[&str],
    work: impl FnOnce(&Server) -> T,
) -> T {
    let bind = |text: &&str| Listener::bind(&text.parse().expect("an endpoint"), options).expect("bound");
    let listeners: Vec<Listener> = endpoints.iter().map(bind).collect();
    let endpoints = listeners.iter().map(|listener| listener.endpoint().clone()).collect();
    let server = Server { endpoints, shutdown: Shutdown::new() };
    std::thread::scope(|scope| {
        let shutdown = server.shutdown.clone();
        let running = scope.spawn(move || run(listeners, catalog, access, options, &shutdown));
        let trigger = TriggerOnDrop(server.shutdown.clone());
        let result = work(&server);
        drop(trigger);
        running.join().expect("the server did not panic").expect("the server ran");
        result
    })
}

/// As [`serve`], once for every way in which the pairs of `store` can be kept: as they are, in a carved file that is read or
/// mapped, and on disk, with a cache and without, read by io_uring where there is one and by threads.
pub(crate) fn serve_from_everywhere(
    store: &Arc<Store>,
    options: &ServerOptions,
    endpoints: &[&str],
    work: impl Fn(&Server),
) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("table");
    let build = graven_format::Options { purpose: Purpose::Disk, ..Default::default() };
    let mut builder = Builder::new(build);
    for pair in store.iter() {
        let (key, value) = pair.expect("the table is whole");
        builder.add(&key, &value).expect("pairs are within the limits");
    }
    builder.write(&path).expect("written");
    serve(store, options, endpoints, &work);
    for storage in [Storage::Memory, Storage::Mapped] {
        serve(&open(&path, storage), options, endpoints, &work);
    }
    let on_disk = open(&path, Storage::Disk);
    for (disk_reads, cache_bytes) in
        [(DiskReads::Auto, 0), (DiskReads::Auto, 1 << 20), (DiskReads::Threads, 0)]
    {
        // Far fewer reads at once than there are keys, so that connections are turned away and come again.
        let mut options = options.clone();
        options.storage.disk_reads = disk_reads;
        options.storage.cache_bytes = cache_bytes;
        options.storage.disk_reads_max = 16;
        serve(&on_disk, &options, endpoints, &work);
    }
}

/// The carved file at `path`, opened.
pub(crate) fn open(path: &Path, storage: Storage) -> Arc<Store> {
    Arc::new(Store::open_as(path, storage).expect("opened"))
}

impl Server {
    pub(crate) fn connect(&self) -> Stream {
        Stream::connect(&self.endpoints[0])
    }
}

/// A blocking stream to a server that gives up when nothing happens for long.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(crate) fn connect(endpoint: &Endpoint) -> Self {
        match &endpoint.location {
            Location::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).expect("connected");
                stream.set_nodelay(true).expect("an option");
                stream.set_read_timeout(Some(PATIENCE)).expect("an option");
                stream.set_write_timeout(Some(PATIENCE)).expect("an option");
                Self::Tcp(stream)
            }
            Location::Unix(path) => {
                let stream = UnixStream::connect(path).expect("connected");
                stream.set_read_timeout(Some(PATIENCE)).expect("an option");
                stream.set_write_timeout(Some(PATIENCE)).expect("an option");
                Self::Unix(stream)
            }
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.write_all(bytes).expect("the server reads");
    }

    pub(crate) fn end_output(&self) {
        let ended = match self {
            Self::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(std::net::Shutdown::Write),
        };
        // A server that refused the request may have closed already.
        if let Err(error) = ended {
            assert_eq!(error.kind(), std::io::ErrorKind::NotConnected);
        }
    }

    /// Everything until the server closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).expect("the server closes");
        bytes
    }

    pub(crate) fn exactly(&mut self, bytes: usize) -> Vec<u8> {
        let mut room = vec![0; bytes];
        self.read_exact(&mut room).expect("the server answers");
        room
    }

    /// Everything up to and including `end`.
    pub(crate) fn until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end) {
            bytes.extend(self.exactly(1));
        }
        bytes
    }
}

impl Read for Stream {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(room),
            Self::Unix(stream) => stream.read(room),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A table of `pairs`.
pub(crate) fn table<'a>(pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Arc<Store> {
    let build = graven_format::Options { duplicates: Duplicates::Error, ..Default::default() };
    let mut builder = Builder::new(build);
    for (key, value) in pairs {
        builder.add(key, value).expect("pairs are within the limits");
    }
    Arc::new(builder.finish().expect("keys are distinct").0)
}

pub(crate) fn threads(threads: usize) -> ServerOptions {
    ServerOptions { threads: NonZeroUsize::new(threads).expect("at least one"), ..ServerOptions::default() }
}

/// A path for a Unix socket that no other test uses.
pub(crate) fn socket_path() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("graven-{}-{}.sock", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    std::env::temp_dir().join(name)
}

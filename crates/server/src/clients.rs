//! Who is connected: a record of each connection, for `CLIENT LIST` and `CLIENT KILL`, which ask
//! about connections of every loop.
//!
//! A record is made when a connection is admitted and dropped when it is closed. Between these, its
//! loop writes to it when it looks for timeouts, once a second, and when it becomes known what the
//! client speaks, who it is or what it says of itself. Lookups do not, so what is told of another
//! connection's requests may be a second old.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use crate::system::Wake;

/// The connections of all loops.
#[derive(Debug)]
pub(crate) struct Clients {
    loops: Vec<LoopClients>,
    next_id: AtomicU64,
}

/// The connections of one loop. Its alignment keeps two loops from sharing a line of the cache.
#[derive(Debug)]
#[repr(align(128))]
struct LoopClients {
    open: Mutex<BTreeMap<u64, Arc<ClientEntry>>>,
    /// Some of them are to be closed.
    has_killed: AtomicBool,
    waker: Arc<dyn Wake>,
}

/// What both ends of a connection are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// The peer's address and the server's.
    Tcp { peer: SocketAddr, local: SocketAddr },
    /// A Unix socket.
    Unix,
    /// The peer has left, or there is no socket.
    Unknown,
}

impl Ends {
    /// The peer's address as Redis writes it.
    pub(crate) fn peer(self) -> String {
        match self {
            Self::Tcp { peer, .. } => peer.to_string(),
            Self::Unix => "unix:0".to_owned(),
            Self::Unknown => "?:0".to_owned(),
        }
    }

    /// The same of the server's end.
    pub(crate) fn local(self) -> String {
        match self {
            Self::Tcp { local, .. } => local.to_string(),
            Self::Unix => "unix:0".to_owned(),
            Self::Unknown => "?:0".to_owned(),
        }
    }
}

/// A connection as others may know it.
#[derive(Debug)]
pub(crate) struct ClientEntry {
    pub(crate) id: u64,
    ends: Ends,
    /// Those that a load balancer has announced. Few connections have such.
    announced: OnceLock<Box<Ends>>,
    pub(crate) descriptor: i32,
    pub(crate) connected: Instant,
    state: Mutex<ClientState>,
    is_killed: AtomicBool,
    certificate_name: OnceLock<Arc<str>>,
}

/// What changes about a connection.
#[derive(Clone, Debug)]
pub(crate) struct ClientState {
    /// What it speaks; `?` before that is known.
    pub(crate) protocol: &'static str,
    /// The user that has logged in; over HTTP, that of the last request that was from another than the one before.
    pub(crate) user: Option<Arc<str>>,
    /// When it was last heard of.
    pub(crate) active: Instant,
    /// Bytes that wait to be answered, and to be read by the peer.
    pub(crate) input_bytes: usize,
    pub(crate) output_bytes: usize,
    /// What a Redis client has made of its connection.
    pub(crate) resp: RespState,
}

/// What a Redis client has made of its connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct RespState {
    pub(crate) name: Box<[u8]>,
    pub(crate) library: Box<[u8]>,
    pub(crate) library_version: Box<[u8]>,
    /// The version of RESP; 0 where something else is spoken.
    pub(crate) version: u8,
    /// The last command, `NULL` before the first.
    pub(crate) command: &'static str,
    /// Commands that wait for `EXEC`; `None` without a `MULTI`.
    pub(crate) queued: Option<usize>,
    pub(crate) queued_bytes: usize,
    pub(crate) tracking: bool,
    pub(crate) broadcast: bool,
}

impl ClientEntry {
    pub(crate) fn state(&self) -> MutexGuard<'_, ClientState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What both ends are called: as a load balancer has announced them, if one has.
    pub(crate) fn ends(&self) -> Ends {
        self.announced.get().map_or(self.ends, |announced| **announced)
    }

    /// Notes what a load balancer has announced, before the first request.
    pub(crate) fn set_announced(&self, ends: Ends) {
        // A connection is announced once.
        self.announced.get_or_init(|| Box::new(ends));
    }

    /// The name in the certificate that the peer has shown in the TLS handshake, which was checked; `None` without one.
    pub(crate) fn certificate_name(&self) -> Option<&Arc<str>> {
        self.certificate_name.get()
    }

    /// Notes it before the first request.
    pub(crate) fn set_certificate_name(&self, name: Option<Arc<str>>) {
        if let Some(name) = name {
            // A connection has one handshake.
            let _ = self.certificate_name.set(name);
        }
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.is_killed.load(Ordering::Relaxed)
    }
}

impl Clients {
    /// Of one loop for each of `wakers`, by which it is woken.
    pub(crate) fn new(wakers: impl IntoIterator<Item = Arc<dyn Wake>>) -> Self {
        let of = |waker| LoopClients { open: Mutex::default(), has_killed: AtomicBool::new(false), waker };
        Self { loops: wakers.into_iter().map(of).collect(), next_id: AtomicU64::new(1) }
    }

    /// Takes in a connection of loop `i`.
    pub(crate) fn admit(&self, i: usize, ends: Ends, descriptor: i32, now: Instant) -> Arc<ClientEntry> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let state = ClientState {
            protocol: "?",
            user: None,
            active: now,
            input_bytes: 0,
            output_bytes: 0,
            resp: RespState::default(),
        };
        let is_killed = AtomicBool::new(false);
        let client = Arc::new(ClientEntry {
            id,
            ends,
            announced: OnceLock::new(),
            descriptor,
            connected: now,
            state: Mutex::new(state),
            is_killed,
            certificate_name: OnceLock::new(),
        });
        self.loops[i].lock().insert(id, Arc::clone(&client));
        client
    }

    /// A connection of loop `i` is closed.
    pub(crate) fn remove(&self, i: usize, client: &ClientEntry) {
        self.loops[i].lock().remove(&client.id);
    }

    /// All connections, in the order in which they came.
    pub(crate) fn all(&self) -> Vec<Arc<ClientEntry>> {
        let of = |of: &LoopClients| of.lock().values().cloned().collect::<Vec<_>>();
        let mut all: Vec<_> = self.loops.iter().flat_map(of).collect();
        all.sort_unstable_by_key(|client| client.id);
        all
    }

    /// Has the connections closed for which `is_meant`, and says how many they are.
    pub(crate) fn kill(&self, mut is_meant: impl FnMut(&ClientEntry) -> bool) -> usize {
        let mut killed = 0;
        for of in &self.loops {
            let before = killed;
            for client in of.lock().values() {
                if !client.is_killed() && is_meant(client) {
                    client.is_killed.store(true, Ordering::Relaxed);
                    killed += 1;
                }
            }
            if killed > before {
                // The loop's swap sees what was marked before this.
                of.has_killed.store(true, Ordering::Release);
                of.waker.wake();
            }
        }
        killed
    }

    /// Whether connections of loop `i` were marked to be closed since the last call.
    pub(crate) fn take_killed(&self, i: usize) -> bool {
        self.loops[i].has_killed.swap(false, Ordering::Acquire)
    }
}

impl LoopClients {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<ClientEntry>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Debug, Default)]
    struct CountedWakes(AtomicUsize);

    impl Wake for CountedWakes {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn connections_are_listed_in_the_order_in_which_they_came_whatever_loop_has_them() {
        let clients = Clients::new((0..2).map(|_| Arc::new(CountedWakes::default()) as Arc<dyn Wake>));
        let now = Instant::now();
        let admitted: Vec<_> = (0..5).map(|i| clients.admit(i % 2, Ends::Unix, -1, now)).collect();
        let ids = || clients.all().iter().map(|client| client.id).collect::<Vec<_>>();
        assert_eq!(ids(), [1, 2, 3, 4, 5]);
        clients.remove(0, &admitted[2]);
        assert_eq!(ids(), [1, 2, 4, 5]);
    }

    #[test]
    fn only_the_loops_of_those_that_are_killed_are_woken_and_each_is_killed_once() {
        let wakers = [Arc::new(CountedWakes::default()), Arc::new(CountedWakes::default())];
        let clients = Clients::new(wakers.iter().map(|waker| Arc::clone(waker) as Arc<dyn Wake>));
        let now = Instant::now();
        let admitted: Vec<_> = (0..4).map(|i| clients.admit(i % 2, Ends::Unknown, -1, now)).collect();
        assert_eq!(clients.kill(|client| client.id == admitted[1].id), 1);
        assert_eq!(clients.kill(|client| client.id == admitted[1].id), 0);
        assert!(admitted[1].is_killed() && !admitted[3].is_killed());
        assert_eq!(wakers.each_ref().map(|waker| waker.0.load(Ordering::Relaxed)), [0, 1]);
        assert_eq!([0, 1].map(|i| clients.take_killed(i)), [false, true]);
        assert!(!clients.take_killed(1));
    }
}

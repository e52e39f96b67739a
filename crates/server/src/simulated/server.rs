//! A server of one loop in a simulated world.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use graven_access::Access;
use graven_catalog::Catalog;
use graven_wire::http::Hosts;

use super::{Handle, NobodyWakes, Simulated, SimulatedStream, World};
use crate::accept::Inbox;
use crate::answer::Databases;
use crate::buffered::Buffered;
use crate::clients::Clients;
use crate::counters::Counters;
use crate::endpoint::Speaks;
use crate::event_loop::{Common, EventLoop};
use crate::listener::ListenerRules;
use crate::options::ServerOptions;
use crate::shutdown::Shutdown;
use crate::system::Wake;

/// More rounds than any run needs that comes to its end.
const ROUNDS_MAX: usize = 400_000;

/// All that one loop needs and what it leaves behind.
pub(super) struct SimulatedServer {
    pub(super) handle: Handle,
    pub(super) options: ServerOptions,
    pub(super) counters: Counters,
    pub(super) clients: Arc<Clients>,
    pub(super) buffered: Buffered,
    pub(super) shutdown: Shutdown,
    inboxes: [Inbox<SimulatedStream>; 1],
}

impl SimulatedServer {
    pub(super) fn new(seed: u64, options: ServerOptions) -> Self {
        let options = ServerOptions { threads: NonZeroUsize::MIN, ..options };
        Self {
            handle: Handle::new(seed),
            counters: Counters::new(1),
            clients: Arc::new(Clients::new([Arc::new(NobodyWakes) as Arc<dyn Wake>])),
            buffered: Buffered::new(&options),
            shutdown: Shutdown::new(),
            inboxes: [Inbox::new(Arc::new(NobodyWakes))],
            options,
        }
    }

    /// A new connection, on which so many bytes may be on their way to the peer, and its number.
    pub(super) fn connect(&self, room: usize) -> usize {
        let stream = self.handle.connect(room);
        let wire = stream.wire;
        let rules = ListenerRules { speaks: Speaks::Any, checks_host: false, table: None };
        self.counters.connections[0].fetch_add(1, Ordering::Relaxed);
        self.inboxes[0].put(stream, rules);
        wire
    }

    /// Serves `catalog` until the loop has come to its end; `happen` is what the rest of the world does whenever the loop
    /// waits. Returns how many rounds the loop took.
    pub(super) fn run(&self, catalog: &Catalog, access: &Access, happen: impl FnMut(&mut World)) -> usize {
        let common = Common {
            databases: &Databases::default(),
            inboxes: &self.inboxes,
            counters: &self.counters,
            clients: &self.clients,
            buffered: &self.buffered,
            catalog,
            access,
            options: &self.options,
            hosts: &Hosts::any(),
            shutdown: &self.shutdown,
        };
        let system = Simulated::new(self.handle.clone(), happen);
        let mut event_loop = EventLoop::new(system, 0, common, None).unwrap();
        let mut rounds = 0;
        while event_loop.round().unwrap() {
            rounds += 1;
            assert!(
                rounds < ROUNDS_MAX,
                "the run does not come to its end: {:?}",
                self.handle.world().states()
            );
        }
        rounds
    }
}

//! The event loops of a server: started together, ended together.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use graven_access::Access;
use graven_catalog::{Catalog, Subscription, TableState};
use graven_wire::http::Hosts;

use crate::accept::{Acceptor, Inbox};
use crate::answer::Databases;
use crate::buffered::Buffered;
use crate::clients::Clients;
use crate::counters::Counters;
use crate::error::Error;
use crate::event_loop::{Common, EventLoop};
use crate::handshakes::Handshakes;
use crate::listener::Listener;
use crate::options::{HostName, ServerOptions};
use crate::os::{Os, Socket};
use crate::shutdown::Shutdown;
use crate::system::{System, Wake};

/// How long the end of a server waits for lines of the access log to be written.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

pub(crate) fn run(
    mut listeners: Vec<Listener>,
    catalog: &Catalog,
    access: &Access,
    options: &ServerOptions,
    shutdown: &Shutdown,
) -> Result<(), Error> {
    let listening: Vec<String> = listeners.iter().map(|listener| listener.endpoint().to_string()).collect();
    listeners.iter_mut().for_each(|listener| listener.find_table(catalog));
    let handshakes = Arc::new(Handshakes::new(&options.tls));
    listeners.iter_mut().try_for_each(|listener| listener.begin_handshakes(&handshakes))?;
    let databases = Databases::new(options, catalog);
    let reads_under_way_max = options.storage.disk_queue.div_ceil(options.threads.get());
    let mut systems = Vec::new();
    let mut inboxes = Vec::new();
    for _ in 0..options.threads.get() {
        let made = Os::new(options.storage.disk_reads, reads_under_way_max);
        let (system, waker) = made.map_err(Error::doing("make an epoll instance"))?;
        systems.push(system);
        inboxes.push(Inbox::<Socket>::new(waker));
    }
    let names = listeners.iter().filter_map(Listener::name);
    let allowed = options.network.allow_hosts.iter().map(HostName::as_str);
    let hosts = match listeners.iter().any(|listener| listener.rules().checks_host) {
        true => Hosts::only(names.chain(allowed)),
        false => Hosts::any(),
    };
    systems[0].listen(listeners).map_err(Error::doing("watch a listener"))?;
    let mut acceptor = Some(Acceptor::new(systems[0].listeners(), options.limits.connections_max));
    let mut counters = Counters::new(options.threads.get());
    counters.handshakes = handshakes;
    counters.access_log = options.requests.access_log.clone();
    let buffered = Buffered::new(options);
    let clients = Clients::new(inboxes.iter().map(|inbox| Arc::clone(inbox.waker())));
    let woken = WakerSubscriptions::by(catalog, shutdown, &inboxes);
    let (threads, listening) = (options.threads, listening.join(" "));
    match pairs(catalog) {
        Some(pairs) => tracing::info!(event = "serving", threads, listening, pairs, "serving"),
        None => tracing::debug!(threads, listening, "serving, and no table has a version yet"),
    }

    let common = Common {
        inboxes: &inboxes,
        counters: &counters,
        clients: &clients,
        buffered: &buffered,
        catalog,
        access,
        options,
        hosts: &hosts,
        databases: &databases,
        shutdown,
    };
    let result = thread::scope(|scope| {
        let mut others = Vec::new();
        let mut first = None;
        for (i, system) in systems.into_iter().enumerate() {
            let event_loop = match EventLoop::new(system, i, common, acceptor.take()) {
                Ok(event_loop) => event_loop,
                Err(error) => {
                    shutdown.trigger();
                    return Err(error);
                }
            };
            if i == 0 {
                first = Some(event_loop);
                continue;
            }
            let builder = thread::Builder::new().name(format!("loop-{i}"));
            let spawned = builder.spawn_scoped(scope, move || event_loop.run());
            match spawned {
                Ok(thread) => others.push(thread),
                Err(error) => {
                    shutdown.trigger();
                    return Err(Error::Thread { source: error });
                }
            }
        }
        let mut result = first.map_or(Ok(()), EventLoop::run);
        for other in others {
            let ended = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            result = result.and(ended);
        }
        result
    });
    drop(woken);
    if let Some(access_log) = &options.requests.access_log {
        access_log.flush(FLUSH_PATIENCE);
    }
    if pairs(catalog).is_some() {
        tracing::info!(event = "stopped", "stopped");
    }
    result
}

/// Pairs in all tables; `None` while none has a version.
fn pairs(catalog: &Catalog) -> Option<u64> {
    let snapshot = catalog.snapshot();
    let versions = snapshot.tables().filter_map(TableState::current);
    versions.map(|version| version.store().len()).reduce(|all, more| all + more)
}

/// The loops are woken by the shutdown handle and by the catalog's switches, for as long as they run.
struct WakerSubscriptions<'a> {
    shutdown: &'a Shutdown,
    wakers: Vec<Arc<dyn Wake>>,
    _switches: Subscription,
}

impl<'a> WakerSubscriptions<'a> {
    fn by<S>(catalog: &Catalog, shutdown: &'a Shutdown, inboxes: &[Inbox<S>]) -> Self {
        let wakers: Vec<_> = inboxes.iter().map(|inbox| Arc::clone(inbox.waker())).collect();
        wakers.iter().for_each(|waker| shutdown.subscribe(Arc::clone(waker)));
        let woken = wakers.clone();
        let switches = catalog.subscribe(move || woken.iter().for_each(|waker| waker.wake()));
        Self { shutdown, wakers, _switches: switches }
    }
}

impl Drop for WakerSubscriptions<'_> {
    fn drop(&mut self) {
        self.wakers.iter().for_each(|waker| self.shutdown.unsubscribe(waker));
    }
}

#[cfg(test)]
mod tests {
    use graven_format::{Builder, Options};

    use super::*;

    #[test]
    fn the_pairs_of_all_tables_are_counted_that_have_a_version() {
        let catalog = Catalog::empty();
        assert_eq!(pairs(&catalog), None);
        for (name, count) in [("first", 3), ("second", 0), ("third", 5)] {
            let id = catalog.add(name.parse().unwrap());
            let mut builder = Builder::new(Options::default());
            (0..count).for_each(|i: u8| builder.add(&[i], b"").unwrap());
            catalog.switch_to(id, "v1".parse().unwrap(), Arc::new(builder.finish().unwrap().0));
        }
        catalog.add("empty".parse().unwrap());
        assert_eq!(pairs(&catalog), Some(8));
    }
}

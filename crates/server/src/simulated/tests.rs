//! Runs of the event loop over a simulated network and disk, each from a seed.

use std::sync::Arc;

use graven_access::Access;
use graven_catalog::{Catalog, Snapshot};
use graven_format::{Builder, Codec, CodecChoice, Purpose, Storage, Store};

use super::Random;
use super::peer::{Model, Peer};
use super::server::SimulatedServer;
use crate::counters::{Counters, PROTOCOLS, Readings, metrics};
use crate::options::ServerOptions;

fn model(random: &mut Random) -> Model {
    let mut model = Model::new();
    for i in 0..500_u16 {
        let len = match random.below(200) {
            0 => 20_000 + random.below(30_000),
            1..10 => random.below(2_000),
            _ => random.below(40),
        };
        model.insert(format!("key-{i}").into_bytes(), vec![b'a' + (i % 26) as u8; len]);
    }
    model
}

fn store(model: &Model, storage: Storage, codec: Codec, dir: &tempfile::TempDir) -> Arc<Store> {
    let purpose = if storage == Storage::Disk { Purpose::Disk } else { Purpose::Ram };
    let options = graven_format::Options { purpose, codec: CodecChoice::Fixed(codec), ..Default::default() };
    let mut builder = Builder::new(options);
    model.iter().for_each(|(key, value)| builder.add(key, value).unwrap());
    let path = dir.path().join(format!("{storage:?}-{codec:?}"));
    builder.write(&path).unwrap();
    let store = Store::open_as(&path, storage).unwrap();
    store.load().unwrap();
    Arc::new(store)
}

/// One run: peers come, ask, read, break off and leave; then the server stops. Returns how many rounds the loop took, and
/// what it has counted.
fn run(seed: u64, store: &Arc<Store>, model: &Model, failing_reads: usize) -> (usize, Vec<(String, u64)>) {
    let mut random = Random::new(seed);
    let mut options = ServerOptions::default();
    options.limits.output_bytes_max = [200, 4_096, 256 << 10][random.below(3)];
    options.storage.cache_bytes = [0, 1 << 20][random.below(2)];
    options.storage.disk_reads_max = 16;
    let server = SimulatedServer::new(seed, options);
    server.handle.world().failing_reads = failing_reads;
    let peers: Vec<Peer> = (0..1 + random.below(12))
        .map(|_| {
            let room = [200, 3_000, 60_000][random.below(3)];
            Peer::new(server.connect(room), model, &mut random)
        })
        .collect();
    let peers = std::rc::Rc::new(std::cell::RefCell::new(peers));
    let happen = {
        let (peers, shutdown) = (std::rc::Rc::clone(&peers), server.shutdown.clone());
        move |world: &mut super::World| {
            let mut peers = peers.borrow_mut();
            for _ in 0..1 + world.random.below(8) {
                let any = world.random.below(peers.len());
                peers[any].act(world);
            }
            if world.random.once_in(3) {
                world.end_a_read();
            }
            if peers.iter().all(|peer| peer.is_done(world)) {
                shutdown.trigger();
            }
        }
    };
    let catalog = Catalog::new("table", "only", Arc::clone(store));
    let rounds = server.run(&catalog, &Access::open(), happen);
    let SimulatedServer { counters, clients, buffered, options, .. } = &server;
    let world = server.handle.world();
    for peer in peers.borrow().iter() {
        peer.check(failing_reads > 0);
        assert!(world.is_closed(peer.wire), "seed {seed}: connection {} is open", peer.wire);
        assert!(peer.broken || world.unread(peer.wire) == 0, "seed {seed}: something was not read");
    }
    let connections = counters.connections[0].load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(connections, 0, "seed {seed}");
    assert!(clients.all().is_empty(), "seed {seed}: a connection is listed that is closed");
    let allowance_max = options.limits.connection_buffered_bytes_max;
    assert_eq!(buffered.allowance(), allowance_max, "seed {seed}: bytes are held");
    (rounds, counted(counters))
}

/// Every number that the server tells but the time, which is not simulated for it.
fn counted(counters: &Counters) -> Vec<(String, u64)> {
    let readings = Readings { counters, pairs: 0, snapshot: &Snapshot::default() };
    let totals = metrics().filter_map(|metric| Some((metric.name(), readings.total(metric)?)));
    let waits = PROTOCOLS.into_iter().flat_map(|protocol| {
        let (buckets, sum_us) = counters.waits(protocol);
        buckets.into_iter().chain([sum_us]).map(move |number| (protocol.0.to_owned(), number))
    });
    totals.chain(waits).filter(|(name, _)| name != "uptime_seconds").collect()
}

fn runs(storage: Storage, codec: Codec, failing_reads: usize, seeds: std::ops::Range<u64>) {
    let dir = tempfile::tempdir().unwrap();
    let model = model(&mut Random::new(seeds.start));
    let store = store(&model, storage, codec, &dir);
    for seed in seeds {
        run(seed, &store, &model, failing_reads);
    }
}

#[test]
fn every_answer_comes_whole_and_in_order_whatever_the_network_does() {
    runs(Storage::Memory, Codec::Raw, 0, 0..50);
    runs(Storage::Memory, Codec::Huffman, 0, 150..200);
}

#[test]
fn every_answer_comes_whole_and_in_order_whatever_order_reads_of_the_disk_end_in() {
    runs(Storage::Disk, Codec::Raw, 0, 250..300);
}

#[test]
fn reads_that_fail_cost_an_error_for_their_keys_and_nothing_else() {
    runs(Storage::Disk, Codec::Raw, 20, 350..400);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let dir = tempfile::tempdir().unwrap();
    let model = model(&mut Random::new(7));
    let store = store(&model, Storage::Disk, Codec::Raw, &dir);
    let run = |seed| run(seed, &store, &model, 20);
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

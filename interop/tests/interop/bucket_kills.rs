//! A root in a bucket of a real S3 server while publishers and nodes are killed, and while several publish at once: no
//! answer is wrong, and `CURRENT` names a version that is there.
//!
//! `GRAVEN_TEST_KILLS` and `GRAVEN_TEST_RACES` say how often; `cargo xtask release-check` asks for more.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::object_store::{Node, PATIENCE, Shop, TABLE};
use crate::programs::started_or;
use crate::support::Ended;

/// How often, where nobody says it.
const KILLS: u64 = 16;
const RACES: u64 = 5;

fn how_often(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")),
        Err(_) => default,
    }
}

/// Numbers that look like chance, the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u128) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u64::try_from(u128::from(self.0 >> 33) % bound.max(1)).unwrap()
    }
}

/// What nodes answered while it went on.
#[derive(Default)]
struct Asked {
    right: AtomicU64,
    unanswered: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

impl Asked {
    /// Asks a node for a key; `v12` has the value `12`.
    fn ask(&self, address: &str) {
        let asked = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(b"GET /v1/kv/k7 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        // A node that is killed answers nothing, and one that has no version yet 503.
        let Ok(answer) = asked() else { return self.count(&self.unanswered) };
        if !answer.contains("\r\n\r\n") || answer.starts_with("HTTP/1.1 503 ") {
            return self.count(&self.unanswered);
        }
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let version = head.lines().find_map(|line| line.split_once("prices@v"));
        if head.starts_with("HTTP/1.1 200 ") && version.is_some_and(|(_, version)| version.trim() == body) {
            return self.count(&self.right);
        }
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
    }

    fn count(&self, counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    #[track_caller]
    fn assert_none_is_wrong(&self) {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(wrong.is_empty(), "{} are wrong, such as {:?}", wrong.len(), wrong.first());
    }
}

/// The version that answers as the bucket has it, and that every key of it is of that version.
#[track_caller]
fn current(shop: &Shop) -> String {
    let listed = shop.done(&["versions", TABLE]);
    let current = listed.lines().find_map(|line| line.strip_prefix("* ")).expect("a version answers");
    let current = current.split_whitespace().next().unwrap().to_owned();
    let value = shop.done(&["get", TABLE, "k7"]);
    assert_eq!(format!("v{}", value.trim()), current, "{listed}");
    current
}

fn publisher(shop: &Shop, file: &str, version: &str) -> Child {
    let mut command = shop.command(&["publish", file, TABLE, "--as", version]);
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    started_or("graven", "cargo build", spawned)
}

#[test]
fn publishers_and_nodes_that_are_killed_at_any_time_leave_no_wrong_answer() {
    let kills = how_often("GRAVEN_TEST_KILLS", KILLS);
    let shop = Shop::start();
    let began = Instant::now();
    shop.done(&["publish", &shop.file("0001"), TABLE, "--as", "v0001"]);
    let publish_takes = began.elapsed();
    let began = Instant::now();
    let mut nodes = ["one", "two"].map(|data| Some(Node::start(&shop, data)));
    let node_takes = began.elapsed();
    let addresses = Mutex::new(nodes.each_ref().map(|node| node.as_ref().unwrap().address.clone()));
    let (asked, is_over) = (Asked::default(), AtomicBool::new(false));
    let mut chance = Chance(7);
    let mut answers = "v0001".to_owned();
    // What a killed publisher has sent may still come through.
    let mut may_come = String::new();
    /// Ends the clients, however the test ends.
    struct AtTheEnd<'a>(&'a AtomicBool);
    impl Drop for AtTheEnd<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    thread::scope(|scope| {
        for i in 0..2 {
            let (asked, is_over, addresses) = (&asked, &is_over, &addresses);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let address = addresses.lock().unwrap_or_else(PoisonError::into_inner)[i].clone();
                    asked.ask(&address);
                }
            });
        }
        let _end = AtTheEnd(&is_over);
        for kill in 0..kills {
            let version = format!("{:04}", kill + 2);
            let file = shop.file(&version);
            let version = format!("v{version}");
            let mut publishing = publisher(&shop, &file, &version);
            let until = |takes: Duration, chance: &mut Chance| {
                Instant::now() + Duration::from_millis(chance.below(takes.as_millis()))
            };
            if kill % 2 == 0 {
                let at = until(publish_takes, &mut chance);
                while Instant::now() < at {
                    thread::yield_now();
                }
                let _ = publishing.kill();
                publishing.wait().unwrap();
                may_come.clone_from(&version);
            } else {
                // A node is killed while it fetches, or while it starts, with its disk or without.
                let i = usize::try_from(kill / 2 % 2).unwrap();
                let at = until(publish_takes + node_takes, &mut chance);
                while Instant::now() < at {
                    thread::yield_now();
                }
                let data = ["one", "two"][i];
                drop(nodes[i].take());
                if chance.below(2) == 0 {
                    std::fs::remove_dir_all(shop.folder.path().join(data)).unwrap();
                }
                let node = Node::start(&shop, data);
                addresses.lock().unwrap_or_else(PoisonError::into_inner)[i].clone_from(&node.address);
                nodes[i] = Some(node);
                assert!(publishing.wait().unwrap().success(), "{version}");
            }
            // What was, or what was to be.
            let now = current(&shop);
            let may_be = [&answers, &version, &may_come];
            assert!(may_be.contains(&&now), "{now}, expected one of {may_be:?}");
            assert!(kill % 2 == 0 || now == version, "{now} after {version}");
            answers = now;
            asked.assert_none_is_wrong();
        }
        let last = format!("{:04}", kills + 2);
        shop.done(&["publish", &shop.file(&last), TABLE, "--as", &format!("v{last}")]);
        nodes.iter().flatten().for_each(|node| node.until_value(&shop, &last));
    });
    asked.assert_none_is_wrong();
    let (right, unanswered) = (asked.right.into_inner(), asked.unanswered.into_inner());
    println!(
        "{kills} kills, {right} answers, none of them wrong; {unanswered} requests to a node that was killed"
    );
    assert!(right > kills, "{right}");
}

#[test]
fn publishers_at_once_have_names_of_their_own_and_one_of_them_answers() {
    let shop = Shop::start();
    let files: Vec<String> = (1..=2).map(|i| shop.file(&i.to_string())).collect();
    for race in 0..how_often("GRAVEN_TEST_RACES", RACES) {
        let ended: Vec<Ended> = thread::scope(|scope| {
            let shop = &shop;
            let publishers =
                files.iter().map(|file| scope.spawn(move || shop.run(&["publish", file, TABLE])));
            let publishers: Vec<_> = publishers.collect();
            publishers.into_iter().map(|publisher| publisher.join().unwrap()).collect()
        });
        let mut names = BTreeSet::new();
        let mut answering = Vec::new();
        for (ended, value) in ended.iter().zip(["1", "2"]) {
            assert!(matches!(ended.status, Some(0 | 3)), "{race}: {ended:?}");
            let name = ended.out.lines().next().unwrap().rsplit_once('@').unwrap().1.to_owned();
            if ended.status == Some(0) {
                answering.push((name.clone(), value));
            }
            names.insert(name);
        }
        assert!(names.len() == files.len() && !answering.is_empty(), "{race}: {ended:?}");
        let listed = shop.done(&["versions", TABLE]);
        let current: Vec<&str> = listed.lines().filter_map(|line| line.strip_prefix("* ")).collect();
        let [current] = current[..] else { panic!("{race}: {listed}") };
        let current = current.split_whitespace().next().unwrap();
        let value = shop.done(&["get", TABLE, "k7"]);
        assert!(
            answering.iter().any(|(name, of)| name == current && *of == value.trim()),
            "{race}: {current} has {value} after {answering:?}"
        );
    }
}

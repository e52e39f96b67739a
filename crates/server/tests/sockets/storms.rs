//! Many who come at once: clients that all connect and log in again, as after a restart of what is between.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use graven_access::{Access, Token, Users};
use graven_catalog::Catalog;

use crate::harness::{serve_users, table, threads};

/// Connections that are open at once; each has a descriptor at either end.
const AT_ONCE: usize = 300;

/// Ten thousand connections in all.
const ROUNDS: usize = 34;

#[test]
fn a_storm_of_reconnects_with_tokens_drops_nobody() {
    let token = "t".repeat(40);
    let digest = Token::chosen(&token).unwrap().digest();
    let users = format!("[[users]]\nname = \"shop\"\ntoken = \"{digest}\"\n");
    let access = Access::new(Users::from_toml(&users).unwrap());
    let catalog = Catalog::new("table", "only", table([(&b"k"[..], &b"value"[..])]));
    let login = format!("*2\r\n$4\r\nAUTH\r\n$40\r\n{token}\r\n");
    let (get, value) = (b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", b"$5\r\nvalue\r\n");
    serve_users(&catalog, &access, &threads(2), &["127.0.0.1:0"], |server| {
        let (is_over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut known = server.connect();
                known.send(login.as_bytes());
                assert_eq!(known.exactly(5), b"+OK\r\n");
                while !is_over.load(Ordering::Relaxed) {
                    known.send(get);
                    assert_eq!(known.exactly(value.len()), value);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
            for _ in 0..ROUNDS {
                let mut storm: Vec<_> = (0..AT_ONCE).map(|_| server.connect()).collect();
                storm.iter_mut().for_each(|stream| stream.send(&[login.as_bytes(), get].concat()));
                let expected = [&b"+OK\r\n"[..], value].concat();
                let let_in = storm
                    .iter_mut()
                    .filter_map(|stream| (stream.exactly(expected.len()) == expected).then_some(()));
                assert_eq!(let_in.count(), AT_ONCE);
                // Others are answered meanwhile.
                let before = answered.load(Ordering::Relaxed);
                while answered.load(Ordering::Relaxed) == before {
                    std::thread::yield_now();
                }
            }
            is_over.store(true, Ordering::Relaxed);
        });
    });
}

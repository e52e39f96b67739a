//! graven beside memcached.

use super::PAIRS;
use super::page::deviations;
use crate::other_servers;
use crate::talk::{Ends, talk};

/// Lines, a conversation each. memcached and graven answer them with the same bytes.
const SAME: &[&str] = &[
    "get key",
    "get none",
    "get key none number key",
    "get",
    "get  key ",
    "get schlüssel",
    "gets none",
    "gat 0 key",
    "gat 0 none",
    "gat x key",
    "gat 0",
    "gats 0 none",
    "mg key",
    "mg key v",
    "mg none v",
    "mg key s v",
    "mg key k v",
    "mg none k O1",
    "mg key k O12 f v",
    "mg key q",
    "mg none q",
    "mg key v q",
    "mg none v k q",
    "mg key t",
    "mg key v v",
    "mg key !",
    "mg",
    "mg key O0123456789012345678901234567890",
    "mg key O01234567890123456789012345678901",
    "mn",
    "mn x",
    "verbosity 1",
    "verbosity",
    "none",
    "GET key",
    "get\tkey",
    "stats reset",
    "get key\nget number",
    "get key\r\nget none\r\nmg key v",
];

const DONE: Ends<'_> =
    Ends::With { ask: b"mg ==done== k q\r\nmg ==done== k\r\n", answer: b"EN k==done==\r\n" };

#[test]
fn memcached_and_graven_answer_the_same() {
    let (theirs, ours) = (other_servers::memcached(&PAIRS), super::graven("memcached"));
    let long_key = |len| format!("get {}", "k".repeat(len));
    let many: String = (0..1000).map(|i| format!("get key{}\r\n", i % 2)).collect();
    let further = [
        long_key(250),
        long_key(251),
        format!("mg {}", "k".repeat(250)),
        format!("mg {} v", "k".repeat(251)),
        many,
    ];
    let mut different = Vec::new();
    for sent in SAME.iter().copied().chain(further.iter().map(String::as_str)) {
        let line = format!("{sent}\r\n");
        let memcached = talk(&theirs.address, line.as_bytes(), DONE);
        let graven = talk(&ours.address, line.as_bytes(), DONE);
        if memcached != graven {
            let (memcached, graven) = (memcached.escape_ascii(), graven.escape_ascii());
            different.push(format!("{sent}: memcached {memcached}, graven {graven}"));
        }
    }
    assert!(different.is_empty(), "{different:#?}");
}

#[test]
fn the_deviations_from_memcached_are_those_on_the_page() {
    let (theirs, ours) = (other_servers::memcached(&PAIRS), super::graven("memcached"));
    for deviation in deviations("memcached 1.6.18") {
        let memcached = talk(&theirs.address, &deviation.sent, DONE);
        let graven = talk(&ours.address, &deviation.sent, DONE);
        let sent = deviation.sent.escape_ascii().to_string();
        assert_eq!(
            memcached.escape_ascii().to_string(),
            deviation.theirs.escape_ascii().to_string(),
            "memcached to {sent}"
        );
        assert_eq!(
            graven.escape_ascii().to_string(),
            deviation.ours.escape_ascii().to_string(),
            "graven to {sent}"
        );
    }
}

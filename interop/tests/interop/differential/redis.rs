//! graven beside redis-server.

use super::PAIRS;
use super::page::deviations;
use super::redis_further::SAME as SAME_FURTHER;
use crate::other_servers;
use crate::talk::{Ends, talk};

/// Inline commands, a conversation each. Redis and graven answer them with the same bytes.
const SAME: &[&str] = &[
    "GET key",
    "GET none",
    "GET",
    "GET a b",
    "get KEY",
    "GET schlüssel",
    "MGET key none number",
    "MGET",
    "EXISTS key key none",
    "EXISTS",
    "TOUCH key none",
    "STRLEN key",
    "STRLEN none",
    "STRLEN long",
    "GETRANGE key 0 2",
    "GETRANGE key -3 -1",
    "GETRANGE key 3 1",
    "GETRANGE key -1 -3",
    "GETRANGE none 0 1",
    "GETRANGE key 0 99999999999999999999",
    "GETRANGE key a b",
    "GETRANGE key 9223372036854775807 -9223372036854775808",
    "SUBSTR key 1 1",
    "TYPE key",
    "TYPE none",
    "TTL key",
    "TTL none",
    "PTTL key",
    "PTTL none",
    "OBJECT ENCODING key",
    "OBJECT ENCODING long",
    "OBJECT ENCODING none",
    "OBJECT",
    "PING",
    "PING hello",
    "PING a b",
    "ECHO hello",
    "ECHO",
    "ECHO \"a\\x41\\n\"",
    "ECHO 'it\\'s'",
    "SELECT 0",
    "SELECT x",
    "SELECT",
    "DBSIZE",
    "DBSIZE x",
    "KEYS numb*",
    "KEYS [m-o]?mbe[^x]",
    "KEYS none",
    "SCAN x",
    "SCAN",
    "SCAN 0 COUNT 0",
    "SCAN 0 COUNT x",
    "SCAN 0 MATCH",
    "SCAN 0 NONE 1",
    "SET key x",
    "SET key",
    "DEL key",
    "INCR number",
    "EXPIRE key 1",
    "FLUSHALL",
    "LPUSH l 1",
    "MSET a 1 b",
    "none",
    "none a b c",
    "NONE 'a b' \"c\"",
    "CONFIG GET save",
    "CONFIG GET appendonly",
    "CONFIG GET none",
    "CONFIG GET",
    "CLIENT GETNAME",
    "CLIENT SETNAME \"a b\"",
    "CLIENT SETNAME",
    "CLIENT NONE",
    "CLIENT",
    "COMMAND INFO none",
    "COMMAND NONE",
    "AUTH a",
    "AUTH default a",
    "AUTH other a",
    "AUTH",
    "HELLO 4",
    "HELLO x",
    "HELLO 3 NONE",
    "RESET",
    "TIME x",
    "WATCH key",
    "WATCH",
    "UNWATCH",
    "EXEC",
    "DISCARD",
    "MULTI\r\nEXEC",
    "MULTI\r\nGET key\r\nGET none\r\nEXEC",
    "MULTI\r\nGET key\r\nDISCARD\r\nEXEC",
    "MULTI\r\nMGET key number\r\nPING\r\nECHO x\r\nEXEC\r\nGET key",
    "MULTI\r\nMULTI\r\nEXEC",
    "MULTI\r\nWATCH key\r\nEXEC",
    "MULTI\r\nnone\r\nGET key\r\nEXEC",
    "MULTI\r\nGET\r\nEXEC",
    "MULTI\r\nRESET\r\nEXEC",
    "MULTI\r\nSELECT 0\r\nEXEC",
    "MULTI\r\nSTRLEN key\r\nEXISTS key\r\nTYPE key\r\nTTL key\r\nEXEC",
    "MULTI a",
    "DISCARD a",
    "*0\r\nGET key",
    "*-1\r\nGET key",
    "\r\n\r\nGET key",
    "*1\r\n$4\r\nPING",
    "*2\r\n$3\r\nGET\r\n$3\r\nkey",
    "*2\r\n$3\r\nGET\r\n$0\r\n",
    "*3\r\n$3\r\nGET\r\n$1\r\na\r\n$1\r\nb",
    "*1\r\n$0\r\n",
];

/// Bytes that are no request: Redis and graven say the same and close.
const HOSTILE: &[&str] = &[
    "*x\r\n",
    "*2147483648\r\n",
    "*99999999999\r\n",
    "*1\r\n$-5\r\n",
    "*1\r\n$x\r\n",
    "*1\r\n$9223372036854775808\r\n",
    "*1\r\n$99999999999\r\n",
    "*1\r\nGET\r\n",
    "*1\r\n:1\r\n",
    "GET \"key\r\n",
    "GET 'key\r\n",
    "GET \"key\"x\r\n",
    "*+5\r\n",
];

pub(super) const DONE: Ends<'_> =
    Ends::With { ask: b"*2\r\n$4\r\nECHO\r\n$9\r\n==done==.\r\n", answer: b"$9\r\n==done==.\r\n" };

#[test]
fn redis_and_graven_answer_the_same() {
    let (theirs, ours) = (other_servers::redis(&PAIRS), super::graven("resp"));
    let mut different = Vec::new();
    for sent in SAME.iter().chain(SAME_FURTHER) {
        for greeting in ["", "HELLO 3\r\n"] {
            let line = format!("{sent}\r\n");
            let without_greeting = |address: &str| {
                let said = talk(address, format!("{greeting}{line}").as_bytes(), DONE);
                said[if greeting.is_empty() { 0 } else { after_greeting(&said) }..].to_vec()
            };
            let (redis, graven) = (without_greeting(&theirs.address), without_greeting(&ours.address));
            if redis != graven {
                different.push(format!(
                    "{greeting}{sent}: redis {}, graven {}",
                    redis.escape_ascii(),
                    graven.escape_ascii()
                ));
            }
        }
    }
    assert!(different.is_empty(), "{different:#?}");
}

/// Where the map of `HELLO 3` ends: with its empty list of modules.
pub(super) fn after_greeting(said: &[u8]) -> usize {
    const END: &[u8] = b"$7\r\nmodules\r\n*0\r\n";
    said.windows(END.len()).position(|part| part == END).expect("a greeting") + END.len()
}

#[test]
fn redis_and_graven_refuse_the_same_hostile_bytes() {
    let (theirs, ours) = (other_servers::redis(&PAIRS), super::graven("resp"));
    for sent in HOSTILE {
        let redis = talk(&theirs.address, sent.as_bytes(), Ends::Closed);
        let graven = talk(&ours.address, sent.as_bytes(), Ends::Closed);
        assert_eq!(
            redis.escape_ascii().to_string(),
            graven.escape_ascii().to_string(),
            "{}",
            sent.escape_debug()
        );
    }
}

#[test]
fn the_deviations_from_redis_are_those_on_the_page() {
    let (theirs, ours) = (other_servers::redis(&PAIRS), super::graven("resp"));
    for deviation in deviations("Redis 7.0.15") {
        let redis = talk(&theirs.address, &deviation.sent, DONE);
        let graven = talk(&ours.address, &deviation.sent, DONE);
        let sent = deviation.sent.escape_ascii().to_string();
        assert_eq!(
            redis.escape_ascii().to_string(),
            deviation.theirs.escape_ascii().to_string(),
            "Redis to {sent}"
        );
        assert_eq!(
            graven.escape_ascii().to_string(),
            deviation.ours.escape_ascii().to_string(),
            "graven to {sent}"
        );
    }
}

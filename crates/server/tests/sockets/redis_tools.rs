//! What Redis clients and tools ask beside values: each answer is that of Redis 7.0 which has the same keys, but where
//! docs/PROTOCOLS.md has another.

use std::sync::Arc;

use graven_format::Store;

use crate::harness::{Stream, serve, table, threads};

fn store() -> Arc<Store> {
    table([(&b"k1"[..], &b"value 1"[..]), (b"k2", b"two")])
}

/// What comes back for one inline command.
fn answer(stream: &mut Stream, line: &str) -> String {
    const END: &[u8] = b"$5\r\n<end>\r\n";
    stream.send(format!("{line}\r\nECHO <end>\r\n").as_bytes());
    let mut found = stream.until(END);
    found.truncate(found.len() - END.len());
    String::from_utf8(found).unwrap()
}

#[test]
fn what_one_connection_asks_about_clients_has_its_answer() {
    let conversation = [
        ("CLIENT UNBLOCK 5", ":0\r\n"),
        ("CLIENT UNBLOCK 5 ERROR", ":0\r\n"),
        ("CLIENT PAUSE 10 WRITE", "+OK\r\n"),
        (
            "CLIENT PAUSE 10 ALL",
            "-ERR no client may stop the answers to all others, CLIENT PAUSE WRITE is taken\r\n",
        ),
        ("CLIENT PAUSE 0", "+OK\r\n"),
        (
            "CLIENT PAUSE 10",
            "-ERR no client may stop the answers to all others, CLIENT PAUSE WRITE is taken\r\n",
        ),
        ("CLIENT GETREDIR", ":-1\r\n"),
        (
            "CLIENT TRACKINGINFO",
            "*6\r\n$5\r\nflags\r\n*1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n",
        ),
        ("CLIENT TRACKING ON OPTIN", "+OK\r\n"),
        (
            "CLIENT TRACKING ON OPTOUT",
            "-ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.\r\n",
        ),
        (
            "CLIENT TRACKINGINFO",
            "*6\r\n$5\r\nflags\r\n*2\r\n$2\r\non\r\n$5\r\noptin\r\n$8\r\nredirect\r\n:0\r\n$8\r\nprefixes\r\n*0\r\n",
        ),
        ("CLIENT CACHING YES", "+OK\r\n"),
        (
            "CLIENT TRACKINGINFO",
            "*6\r\n$5\r\nflags\r\n*2\r\n$2\r\non\r\n$5\r\noptin\r\n$8\r\nredirect\r\n:0\r\n$8\r\nprefixes\r\n*0\r\n",
        ),
        ("CLIENT TRACKING OFF", "+OK\r\n"),
        ("CLIENT GETREDIR", ":-1\r\n"),
        (
            "CLIENT TRACKING ON BCAST PREFIX a PREFIX ab",
            "-ERR Prefix 'a' overlaps with another provided prefix 'ab'. Prefixes for a single client must not overlap.\r\n",
        ),
        ("CLIENT TRACKING ON BCAST PREFIX a PREFIX b NOLOOP", "+OK\r\n"),
        (
            "CLIENT TRACKINGINFO",
            "*6\r\n$5\r\nflags\r\n*3\r\n$2\r\non\r\n$5\r\nbcast\r\n$6\r\nnoloop\r\n$8\r\nredirect\r\n:0\r\n$8\r\nprefixes\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n",
        ),
        (
            "CLIENT TRACKING ON BCAST PREFIX bc",
            "-ERR Prefix 'bc' overlaps with an existing prefix 'b'. Prefixes for a single client must not overlap.\r\n",
        ),
        ("CLIENT TRACKING ON PREFIX a", "-ERR PREFIX option requires BCAST mode to be enabled\r\n"),
        ("CLIENT TRACKING OFF", "+OK\r\n"),
        ("CLIENT KILL USER nobody", "-ERR No such user 'nobody'\r\n"),
        ("CLIENT KILL TYPE normal USER nobody", "-ERR No such user 'nobody'\r\n"),
        ("CLIENT KILL ID 0", "-ERR client-id should be greater than 0\r\n"),
    ];
    serve(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        for (line, expected) in conversation {
            assert_eq!(answer(&mut stream, line), expected, "{line}");
        }
    });
}

#[test]
fn what_tools_ask_has_its_answer() {
    let answers = [
        (
            "OBJECT FREQ k1",
            "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.\r\n",
        ),
        ("OBJECT REFCOUNT k1", ":1\r\n"),
        ("OBJECT ENCODING k1", "$6\r\nembstr\r\n"),
        ("OBJECT ENCODING none", "$-1\r\n"),
        ("MEMORY USAGE k1", ":9\r\n"),
        ("MEMORY USAGE none", "$-1\r\n"),
        ("MEMORY USAGE k1 SAMPLES 5", ":9\r\n"),
        ("MEMORY USAGE k1 SAMPLES -1", "-ERR syntax error\r\n"),
        ("PUBSUB CHANNELS", "*0\r\n"),
        ("PUBSUB CHANNELS a*", "*0\r\n"),
        (
            "PUBSUB CHANNELS a b",
            "-ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.\r\n",
        ),
        ("PUBSUB SHARDCHANNELS", "*0\r\n"),
        (
            "PUBSUB SHARDCHANNELS a b",
            "-ERR unknown subcommand or wrong number of arguments for 'SHARDCHANNELS'. Try PUBSUB HELP.\r\n",
        ),
        ("PUBSUB NUMSUB a b", "*4\r\n$1\r\na\r\n:0\r\n$1\r\nb\r\n:0\r\n"),
        ("PUBSUB SHARDNUMSUB", "*0\r\n"),
        ("PUBSUB NUMPAT", ":0\r\n"),
        ("LATENCY LATEST", "*0\r\n"),
        ("LATENCY HISTORY command", "*0\r\n"),
        ("LATENCY RESET", ":0\r\n"),
        (
            "LATENCY DOCTOR",
            "$79\r\nNo latency events are recorded. How long requests wait is counted in /metrics.\n\r\n",
        ),
        ("LATENCY GRAPH command", "-ERR No samples available for event 'command'\r\n"),
        ("LATENCY HISTOGRAM get", "*0\r\n"),
        ("SLOWLOG LEN", ":0\r\n"),
        ("SLOWLOG GET", "*0\r\n"),
        ("SLOWLOG GET 5", "*0\r\n"),
        ("SLOWLOG GET -1", "*0\r\n"),
        ("SLOWLOG GET -2", "-ERR count should be greater than or equal to -1\r\n"),
        ("SLOWLOG RESET", "+OK\r\n"),
        ("COMMAND LIST FILTERBY MODULE none", "*0\r\n"),
        ("COMMAND LIST FILTERBY PATTERN hg?t", "*1\r\n$4\r\nhget\r\n"),
        ("COMMAND GETKEYS MGET a b", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
        ("COMMAND GETKEYS PING", "-ERR wrong number of arguments for 'command|getkeys' command\r\n"),
        ("COMMAND GETKEYS", "-ERR wrong number of arguments for 'command|getkeys' command\r\n"),
        ("COMMAND GETKEYS XREAD COUNT 1 STREAMS a b 0 0", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
        ("MODULE LIST", "*0\r\n"),
        ("ACL WHOAMI", "$7\r\ndefault\r\n"),
        ("WAIT 0 0", ":0\r\n"),
        ("WAIT 1 0", ":0\r\n"),
        ("CONFIG GET maxmemory none", "*2\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n"),
        ("HSTRLEN k1 f", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("PFCOUNT k1", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
        ("PFCOUNT none", ":0\r\n"),
        ("GETEX k1", "$7\r\nvalue 1\r\n"),
        ("XINFO STREAM none", "-ERR no such key\r\n"),
        ("SINTERCARD 1 none LIMIT 1", ":0\r\n"),
        ("ZUNION 1 none WEIGHTS 1", "*0\r\n"),
        ("ZUNION 1 none WEIGHTS a", "-ERR weight value is not a float\r\n"),
        ("ZUNION 1 none AGGREGATE MIN", "*0\r\n"),
        ("ZUNION 1 none WITHSCORES", "*0\r\n"),
        ("ZUNION 1 none NONE", "-ERR syntax error\r\n"),
        (
            "LPOS none a RANK 0",
            "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list\r\n",
        ),
        ("LPOS none a COUNT -1", "-ERR COUNT can't be negative\r\n"),
        ("LPOS none a RANK -1 COUNT 0 MAXLEN 5", "*0\r\n"),
        ("SORT_RO none LIMIT 0 1 ASC ALPHA", "*0\r\n"),
        ("SORT_RO none BY a* GET b", "*0\r\n"),
        ("SORT_RO none LIMIT 0", "-ERR syntax error\r\n"),
        (
            "ZRANGE none 0 -1 REV LIMIT 0 1",
            "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX\r\n",
        ),
        ("ZRANGE none 0 -1 BYSCORE REV LIMIT 0 1 WITHSCORES", "*0\r\n"),
        ("ZRANGE none a b", "-ERR value is not an integer or out of range\r\n"),
        ("ZRANGEBYLEX none a b", "-ERR min or max not valid string range item\r\n"),
        ("ZRANGEBYLEX none [a (b", "*0\r\n"),
        ("ZSCORE none a", "$-1\r\n"),
        ("XREAD STREAMS none", "-ERR wrong number of arguments for 'xread' command\r\n"),
        ("XREAD COUNT 1 STREAMS none 0", "*-1\r\n"),
        ("XREAD BLOCK 5 STREAMS none $", "*-1\r\n"),
        ("XPENDING none g", "-NOGROUP No such key 'none' or consumer group 'g'\r\n"),
        ("XINFO GROUPS none", "-ERR no such key\r\n"),
        ("GEOPOS none a", "*1\r\n*-1\r\n"),
        ("ZMSCORE none a b", "*2\r\n$-1\r\n$-1\r\n"),
        ("LRANGE none 0 a", "-ERR value is not an integer or out of range\r\n"),
        ("HRANDFIELD none 1 WITHVALUES", "*0\r\n"),
        ("SRANDMEMBER none 1", "*0\r\n"),
        ("ZRANDMEMBER none 1 WITHSCORES", "*0\r\n"),
        ("BITCOUNT k1 0 -1", ":25\r\n"),
        ("BITCOUNT k1 0 -1 BIT", ":25\r\n"),
        ("BITCOUNT k1 0", "-ERR syntax error\r\n"),
        ("BITCOUNT k1 5 1", ":0\r\n"),
        ("BITPOS k1 1 2", ":17\r\n"),
        ("BITPOS k1 1 -50 -100", ":1\r\n"),
        ("BITPOS k1 0 -50 -100", ":0\r\n"),
        ("BITPOS k1 1 -2 -5", ":-1\r\n"),
        ("BITCOUNT k1 -50 -100", ":0\r\n"),
        ("CLIENT LIST ID 0", "$0\r\n\r\n"),
        ("CLIENT LIST ID -1", "$0\r\n\r\n"),
        ("CLIENT LIST ID x", "-ERR Invalid client ID\r\n"),
        ("ZINTERCARD 1 none LIMIT", "-ERR syntax error\r\n"),
        ("ZINTERCARD 1 none LIMIT -1", "-ERR LIMIT can't be negative\r\n"),
        ("XREAD BLOCK x STREAMS none 0", "-ERR timeout is not an integer or out of range\r\n"),
        ("XREAD BLOCK -5 STREAMS none 0", "-ERR timeout is negative\r\n"),
        ("XREAD COUNT x STREAMS none 0", "-ERR value is not an integer or out of range\r\n"),
        ("XREAD COUNT -1 STREAMS none 0", "*-1\r\n"),
        ("BITPOS k1 0", ":0\r\n"),
        ("BITPOS k1 1 8 -1 BIT", ":9\r\n"),
        ("BITPOS k1 2", "-ERR The bit argument must be 1 or 0.\r\n"),
        ("BITFIELD_RO k1 GET u8 0 GET u4 #1", "*2\r\n:118\r\n:6\r\n"),
        ("LCS k1 k2", "$0\r\n\r\n"),
        ("LCS k1 k2 LEN", ":0\r\n"),
        ("LCS k1 k2 IDX MINMATCHLEN 1 WITHMATCHLEN", "*4\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0\r\n"),
    ];
    serve(&store(), &threads(1), &["127.0.0.1:0"], |server| {
        for (line, expected) in answers {
            assert_eq!(answer(&mut server.connect(), line), expected, "{line}");
        }
    });
}

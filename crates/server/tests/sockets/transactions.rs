//! `MULTI` and `EXEC` over sockets: long answers, limits, pieces.

use crate::harness::{serve, serve_from_everywhere, table, threads};

fn get(key: &str) -> String {
    format!("*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len())
}

#[test]
fn an_exec_longer_than_the_output_may_be_is_answered_as_it_is_read() {
    let value = vec![b'x'; 1_000_000];
    let store = table([(&b"big"[..], &value[..]), (b"small", b"s")]);
    let mut options = threads(1);
    options.limits.output_bytes_max = 4096;
    options.limits.buffered_bytes_max = 64 << 20;
    serve_from_everywhere(&store, &options, &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        stream.send(b"MULTI\r\n");
        assert_eq!(stream.until(b"\r\n"), b"+OK\r\n");
        for _ in 0..50 {
            stream.send(get("big").as_bytes());
            stream.send(b"MGET small none small\r\n");
        }
        stream.send(b"EXEC\r\nPING\r\n");
        assert_eq!(stream.exactly(100 * 9), b"+QUEUED\r\n".repeat(100));
        assert_eq!(stream.until(b"\r\n"), b"*100\r\n");
        for _ in 0..50 {
            assert_eq!(stream.until(b"\r\n"), b"$1000000\r\n");
            assert!(stream.exactly(value.len()) == value);
            let rest = b"\r\n*3\r\n$1\r\ns\r\n$-1\r\n$1\r\ns\r\n";
            assert_eq!(stream.exactly(rest.len()), rest);
        }
        assert_eq!(stream.until(b"\r\n"), b"+PONG\r\n");
    });
}

#[test]
fn a_transaction_larger_than_a_request_may_be_is_refused_and_forgotten() {
    let store = table([(&b"key"[..], &b"value"[..])]);
    let mut options = threads(1);
    options.limits.resp.request_bytes_max = 200;
    serve(&store, &options, &["127.0.0.1:0"], |server| {
        let mut stream = server.connect();
        stream.send(b"MULTI\r\n");
        let kept = 200 / get("key").len();
        (0..=kept).for_each(|_| stream.send(get("key").as_bytes()));
        stream.send(b"EXEC\r\n");
        stream.send(get("key").as_bytes());
        let mut want = b"+OK\r\n".to_vec();
        want.extend(b"+QUEUED\r\n".repeat(kept));
        want.extend(b"-ERR the transaction is larger than a request may be\r\n");
        want.extend(b"-EXECABORT Transaction discarded because of previous errors.\r\n$5\r\nvalue\r\n");
        assert_eq!(stream.exactly(want.len()), want);
    });
}

#[test]
fn a_transaction_cut_anywhere_gets_the_same_answer() {
    let store = table([(&b"key"[..], &b"value"[..])]);
    let bytes = format!("MULTI\r\n{}{}EXEC\r\n{}", get("key"), get("none"), get("key"));
    let want = b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$5\r\nvalue\r\n$-1\r\n$5\r\nvalue\r\n";
    serve_from_everywhere(&store, &threads(1), &["127.0.0.1:0"], |server| {
        for cut in 1..bytes.len() {
            let mut stream = server.connect();
            stream.send(&bytes.as_bytes()[..cut]);
            stream.send(&bytes.as_bytes()[cut..]);
            assert_eq!(stream.exactly(want.len()), want, "cut at {cut}");
        }
    });
}

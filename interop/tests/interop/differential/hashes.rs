//! Rows of graven beside hashes of redis-server that were filled with the same fields.

use std::fs;

use super::redis::{DONE, after_greeting};
use crate::clients::client;
use crate::other_servers::{self, OtherServer};
use crate::support::{Serving, carved};
use crate::talk::talk;

/// A price that is not there is a field that a hash does not have.
const ROWS: &str = "sku,title,price,stock,note\n\
                    lamp,Lamp,12.50,7,\"a \"\"bright\"\" one, and heavy\"\n\
                    chair,Chair,,-3,plain\n\
                    desk,Desk,99.00,0,0123456789012345678901234567890123456789012345678901234567890123456789\n";

const COMMANDS: &[&str] = &[
    "HGET lamp title",
    "HGET lamp price",
    "HGET lamp stock",
    "HGET lamp note",
    "HGET lamp none",
    "HGET chair price",
    "HGET none title",
    "HGET lamp",
    "HGET lamp a b",
    "HGET none",
    "HMGET lamp title none price title",
    "HMGET none a b",
    "HMGET lamp",
    "HMGET",
    "HGETALL lamp",
    "HGETALL chair",
    "HGETALL none",
    "HGETALL",
    "HGETALL lamp a",
    "HKEYS lamp",
    "HKEYS chair",
    "HKEYS none",
    "HVALS lamp",
    "HVALS chair",
    "HVALS none",
    "HLEN lamp",
    "HLEN chair",
    "HLEN none",
    "HEXISTS lamp title",
    "HEXISTS lamp none",
    "HEXISTS chair price",
    "HEXISTS none title",
    "HSTRLEN lamp note",
    "HSTRLEN chair price",
    "HSTRLEN none title",
    "HSCAN lamp 0",
    "HSCAN lamp 7",
    "HSCAN chair 0 COUNT 1",
    "HSCAN lamp 0 MATCH *t*",
    "HSCAN lamp 0 MATCH [pn]*",
    "HSCAN lamp 0 MATCH none",
    "HSCAN lamp 0 MATCH",
    "HSCAN lamp 0 COUNT 0",
    "HSCAN lamp 0 COUNT x",
    "HSCAN lamp 0 TYPE x",
    "HSCAN lamp x",
    "HSCAN none 0 MATCH",
    "HSCAN none x",
    "HSCAN lamp",
    "HRANDFIELD none",
    "HRANDFIELD none 3",
    "HRANDFIELD lamp 0",
    "HRANDFIELD lamp 0 WITHVALUES",
    "HRANDFIELD lamp x",
    "HRANDFIELD lamp 1 VALUES",
    "HRANDFIELD lamp -9223372036854775808",
    "HRANDFIELD lamp 9223372036854775807 WITHVALUES",
    "HSET lamp a 1",
    "HSET lamp a",
    "HDEL lamp title",
    "HINCRBY lamp stock 1",
    "TYPE lamp",
    "TYPE none",
    "OBJECT ENCODING lamp",
    "OBJECT ENCODING desk",
    "OBJECT ENCODING none",
    "OBJECT REFCOUNT lamp",
    "EXISTS lamp chair none",
    "TTL lamp",
    "LRANGE lamp 0 1",
    "LLEN lamp",
    "SMEMBERS lamp",
    "ZRANGE lamp 0 1",
    "XLEN lamp",
    "PFCOUNT lamp",
    "MULTI\r\nHGET lamp title\r\nHMGET chair title price\r\nHLEN lamp\r\nHGETALL none\r\nEXEC",
    "MULTI\r\nHGET lamp\r\nEXEC",
    "HGET lamp title\r\nHGET chair title\r\nHLEN lamp\r\nHGET lamp none\r\nPING",
];

/// What a Redis says where rows are no strings.
const STRINGS: &[&str] = &[
    "GET lamp",
    "GET none",
    "MGET lamp none",
    "STRLEN lamp",
    "GETRANGE lamp 0 1",
    "GETBIT lamp 1",
    "BITCOUNT lamp",
    "LCS lamp chair",
];

fn rows() -> (tempfile::TempDir, Serving) {
    let source = tempfile::tempdir().unwrap();
    let path = source.path().join("rows.csv");
    fs::write(&path, ROWS).unwrap();
    let (folder, table) = carved(&path, &["--key", "sku", "--columns", "*"]);
    let listen = ["--listen", "resp://127.0.0.1:0"];
    let serving =
        Serving::start(&[&[table.to_str().unwrap()], &listen[..], &["--row-get", "error"]].concat());
    (folder, serving)
}

/// A Redis that was given the same rows, and takes no writes any more.
fn redis() -> OtherServer {
    let server = other_servers::redis(&[] as &[(&str, &str)]);
    let fields = [
        (
            "lamp",
            vec![
                ("title", "Lamp"),
                ("price", "12.50"),
                ("stock", "7"),
                ("note", "a \"bright\" one, and heavy"),
            ],
        ),
        ("chair", vec![("title", "Chair"), ("stock", "-3"), ("note", "plain")]),
        (
            "desk",
            vec![
                ("title", "Desk"),
                ("price", "99.00"),
                ("stock", "0"),
                ("note", &ROWS[ROWS.len() - 71..ROWS.len() - 1]),
            ],
        ),
    ];
    let mut commands = b"REPLICAOF NO ONE\r\n".to_vec();
    for (key, fields) in &fields {
        let mut words = vec!["HSET", key];
        words.extend(fields.iter().flat_map(|&(name, value)| [name, value]));
        commands.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            commands.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
    }
    commands.extend_from_slice(b"REPLICAOF 127.0.0.1 1\r\n");
    assert_eq!(talk(&server.address, &commands, DONE), b"+OK\r\n:4\r\n:3\r\n:4\r\n+OK\r\n");
    server
}

#[test]
fn hashes_of_redis_and_rows_answer_the_same() {
    let (theirs, (_folder, serving)) = (redis(), rows());
    let ours = serving.address().trim_start_matches("resp://").to_owned();
    let mut different = Vec::new();
    for sent in COMMANDS.iter().chain(STRINGS) {
        for greeting in ["", "HELLO 3\r\n"] {
            let said = |address: &str| {
                let said = talk(address, format!("{greeting}{sent}\r\n").as_bytes(), DONE);
                said[if greeting.is_empty() { 0 } else { after_greeting(&said) }..].escape_ascii().to_string()
            };
            let (redis, graven) = (said(&theirs.address), said(&ours));
            if redis != graven {
                different.push(format!("{greeting}{sent}: redis {redis}, graven {graven}"));
            }
        }
    }
    assert!(different.is_empty(), "{different:#?}");
}

/// redis-py as people use it with hashes.
const PYTHON: &str = "
import sys, redis
client = redis.Redis(host='127.0.0.1', port=int(sys.argv[1]), decode_responses=True)
lamp = {'title': 'Lamp', 'price': '12.50', 'stock': '7', 'note': 'a \"bright\" one, and heavy'}
assert client.hgetall('lamp') == lamp and client.hgetall('none') == {}
assert client.hmget('lamp', ['stock', 'none', 'price']) == ['7', None, '12.50']
assert client.hget('chair', 'price') is None and client.hexists('chair', 'title')
assert dict(client.hscan_iter('lamp', match='[tp]*')) == {'title': 'Lamp', 'price': '12.50'}
assert client.hkeys('chair') == ['title', 'stock', 'note'] and client.hlen('lamp') == 4 and client.hstrlen('lamp', 'title') == 4
assert set(client.hrandfield('lamp', 9)) == set(lamp) and len(client.hrandfield('lamp', -9)) == 9
pipeline = client.pipeline()
for _ in range(500):
    pipeline.hgetall('lamp').hmget('chair', 'title', 'stock')
assert pipeline.execute() == [lamp, ['Chair', '-3']] * 500
assert client.type('lamp') == 'hash' and sorted(client.scan_iter(_type='hash', count=100)) == ['chair', 'desk', 'lamp']
";

#[test]
fn redis_py_reads_rows_as_hashes() {
    let (_folder, serving) = rows();
    let port = serving.address().rsplit(':').next().unwrap();
    let python = crate::programs::python();
    let output = client(&python, "python3", &["-c", PYTHON, port]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

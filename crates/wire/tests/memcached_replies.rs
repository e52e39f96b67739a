//! memcached replies, written by the encoders and by hand, and read again: whole, cut anywhere, byte by byte.

mod pieces;

use graven_wire::memcached::{InvalidReply, Reply, ReplyDecoder, ReplyLimits, reply};
use pieces::{Outcome, check_every_cut, outcome};
use proptest::prelude::*;

fn describe(reply: Reply<'_>) -> String {
    match reply {
        Reply::Value { key, flags, cas, value } => {
            format!("{} {flags} {cas:?} <{}>", key.escape_ascii(), value.escape_ascii())
        }
        Reply::MetaValue { flags, value } => {
            format!("VA k={:?} O={:?} <{}>", flags.token(b'k'), flags.token(b'O'), value.escape_ascii())
        }
        Reply::MetaHit { flags } => format!("HD c={:?}", flags.token(b'c')),
        Reply::MetaMiss { flags } => format!("EN k={:?}", flags.token(b'k')),
        Reply::Stat { name, value } => format!("{}={}", name.escape_ascii(), value.escape_ascii()),
        Reply::Version(text) => format!("version {}", text.escape_ascii()),
        Reply::Error(line) => line.escape_ascii().to_string(),
        other => format!("{other:?}"),
    }
}

fn run(limits: ReplyLimits, bytes: &[u8], cuts: impl IntoIterator<Item = usize>) -> Outcome {
    let mut decoder = ReplyDecoder::new(limits);
    outcome(bytes, cuts, |input| decoder.decode(input).map(describe))
}

#[test]
fn replies_mean_the_same_however_they_are_cut() {
    let table: &[(&[u8], &[&str], usize)] = &[
        (b"END\r\nMN\r\nOK\r\nRESET\r\n", &["End", "MetaNoop", "Done", "Done"], 0),
        (b"VALUE a 5 4\r\n\r\n\r\n\r\nEND\r\n", &["a 5 None <\\r\\n\\r\\n>", "End"], 0),
        (b"VALUE a 0 0 12\r\n\r\n", &["a 0 Some(12) <>"], 0),
        (
            b"VA 2 ka O1\r\nhi\r\nHD c12\r\nHD\r\nEN ka\r\n",
            &["VA k=Some([97]) O=Some([49]) <hi>", "HD c=Some([49, 50])", "HD c=None", "EN k=Some([97])"],
            0,
        ),
        (b"VERSION 1.6.18\r\nSTAT a b c\r\nSTAT a \r\n", &["version 1.6.18", "a=b c", "a="], 0),
        (
            b"ERROR\r\nCLIENT_ERROR bad thing\r\nSERVER_ERROR read-only\r\n",
            &["ERROR", "CLIENT_ERROR bad thing", "SERVER_ERROR read-only"],
            0,
        ),
        (b"END\r\nVALUE a 0 5\r\nabc", &["End"], 16),
    ];
    for &(bytes, messages, waiting) in table {
        let expected = Outcome::new::<InvalidReply>(messages, Ok(waiting));
        check_every_cut(bytes, &expected, |cuts| run(ReplyLimits::default(), bytes, cuts));
    }
}

#[test]
fn what_is_no_reply_is_named() {
    let limits = ReplyLimits { line_bytes_max: 20, value_bytes_max: 5 };
    let long_key = format!("VALUE {} 0 1\r\n", "k".repeat(251));
    let table: &[(&[u8], InvalidReply)] = &[
        (b"HTTP/1.1 200 OK\r\n", InvalidReply::Unknown),
        (b"\r\n", InvalidReply::Unknown),
        (b"end\r\n", InvalidReply::Unknown),
        (b"VALUE a 0\r\n", InvalidReply::Malformed),
        (b"VALUE a x 1\r\n", InvalidReply::Malformed),
        (b"VALUE a 0 -1\r\n", InvalidReply::Malformed),
        (b"VALUE a 0 1 x\r\n", InvalidReply::Malformed),
        (b"VALUE a 0 1 2 3\r\n", InvalidReply::Malformed),
        (b"VALUE a 4294967296 1\r\n", InvalidReply::Malformed),
        (b"VA\r\n", InvalidReply::Malformed),
        (b"VA x\r\n", InvalidReply::Malformed),
        (b"VA 6\r\n", InvalidReply::ValueTooLarge),
        (b"VA 2\r\nabc\r\n", InvalidReply::ValueEnd),
        (b"xxxxxxxxxxxxxxxxxxxxx", InvalidReply::LineTooLong),
    ];
    for &(bytes, invalid) in table {
        let bytes = &[b"END\r\n", bytes].concat()[..];
        check_every_cut(bytes, &Outcome::new(&["End"], Err(invalid)), |cuts| run(limits, bytes, cuts));
    }
    let wide = Outcome::new(&[], Err(InvalidReply::Malformed));
    assert_eq!(run(ReplyLimits::default(), b"VALUE a 4294967296 1\r\n", []), wide);
    assert_eq!(run(ReplyLimits::default(), long_key.as_bytes(), []), wide);
}

proptest! {
    #[test]
    fn values_that_are_encoded_decode_to_themselves(
        key in prop::collection::vec(b'!'..=b'~', 1..251),
        flags in any::<u32>(),
        cas in any::<Option<u64>>(),
        value in prop::collection::vec(any::<u8>(), 0..100),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = Vec::new();
        reply::value(&mut bytes, &key, flags, cas, &value);
        let text = describe(Reply::Value { key: &key, flags, cas, value: &value });
        let expected = Outcome { messages: vec![text], end: Ok(0) };
        prop_assert_eq!(&run(ReplyLimits::default(), &bytes, [cut.index(bytes.len())]), &expected);
    }
}

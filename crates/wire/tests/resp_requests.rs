//! RESP requests as clients send them and as they should not: every conversation whole, cut anywhere, byte by byte.

mod pieces;

use graven_wire::Decoded;
use graven_wire::resp::{Args, Command, Invalid, Limits, Request, RequestDecoder, request};
use pieces::{Outcome, check_every_cut, outcome};
use proptest::prelude::*;

fn words(args: Args<'_>) -> String {
    args.map(|arg| format!("<{}>", arg.escape_ascii())).collect::<Vec<_>>().join(" ")
}

fn describe(request: Request<'_>) -> String {
    match request {
        Request::Command(args) => words(args),
        Request::Inline(inline) => words(inline.to_args(&mut Vec::new())),
        Request::Empty => "nothing".to_owned(),
    }
}

fn run(limits: Limits, bytes: &[u8], cuts: impl IntoIterator<Item = usize>) -> Outcome {
    let mut decoder = RequestDecoder::new(limits);
    outcome(bytes, cuts, |input| decoder.decode(input).map(describe))
}

fn check(limits: Limits, bytes: &[u8], expected: &Outcome) {
    check_every_cut(bytes, expected, |cuts| run(limits, bytes, cuts));
}

const TABLE: &[(&[u8], &[&str], usize)] = &[
    (b"", &[], 0),
    (b"*1\r\n$4\r\nPING\r\n", &["<PING>"], 0),
    (b"*2\r\n$3\r\nGET\r\n$3\r\na\r\n\r\n*1\r\n$4\r\nPI", &["<GET> <a\\r\\n>"], 10),
    (b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n", &["<GET> <>", "<PING>"], 0),
    (b"*0\r\n*-1\r\n*-7\r\n*1\r\n$4\r\nPING\r\n", &["nothing", "nothing", "nothing", "<PING>"], 0),
    (b"PING\r\nPING\n\r\n\n   \r\n", &["<PING>", "<PING>", "nothing", "nothing", "nothing"], 0),
    (b"  PING   hi  \r\n", &["<PING> <hi>"], 0),
    (b"PING \"a b\\x41\\n\\q\\\\\"\r\n", &["<PING> <a bA\\nq\\\\>"], 0),
    (b"PING \"\\r\\t\\b\\a\\xzz\"\r\n", &["<PING> <\\r\\t\\x08\\x07xzz>"], 0),
    (b"PING \"\\xaf\\xAF\\x0d\\x4g\\xg4\"\r\n", &["<PING> <\\xaf\\xaf\\rx4gxg4>"], 0),
    (b"PING 'a\\'b\\n'\r\n", &["<PING> <a\\'b\\\\n>"], 0),
    (b"PING a\"b c\"\r\n", &["<PING> <ab c>"], 0),
    (b"PING \"\" ''\r\n", &["<PING> <> <>"], 0),
    (b"PING \\x41\r\n", &["<PING> <\\\\x41>"], 0),
    (b"PING\ta\x0bb\r\n", &["<PING> <a> <b>"], 0),
    (b"*2147483647\r", &[], 12),
];

#[test]
fn conversations_mean_the_same_however_they_are_cut() {
    for &(bytes, messages, waiting) in TABLE {
        check(Limits::default(), bytes, &Outcome::new::<Invalid>(messages, Ok(waiting)));
    }
}

#[test]
fn what_is_no_request_is_named_as_redis_names_it() {
    let table: &[(&[u8], Invalid, &str)] = &[
        (b"*2147483648\r\n", Invalid::ArgumentCount, "invalid multibulk length"),
        (b"*+1\r\n", Invalid::ArgumentCount, "invalid multibulk length"),
        (b"*01\r\n", Invalid::ArgumentCount, "invalid multibulk length"),
        (b"*\r\n", Invalid::ArgumentCount, "invalid multibulk length"),
        (b"* 1\r\n", Invalid::ArgumentCount, "invalid multibulk length"),
        (b"*-0\r\n", Invalid::ArgumentCount, "invalid multibulk length"),
        (b"*-\r\n", Invalid::ArgumentCount, "invalid multibulk length"),
        (b"*1\n$4\nPING\n", Invalid::ArgumentCount, "invalid multibulk length"),
        (b"*1\rX", Invalid::ArgumentCount, "invalid multibulk length"),
        (b"*99999999999\r\n", Invalid::ArgumentCount, "invalid multibulk length"),
        (b"*1\r\n$-5\r\n", Invalid::ArgumentLength, "invalid bulk length"),
        (b"*1\r\n$-1\r\n", Invalid::ArgumentLength, "invalid bulk length"),
        (b"*1\r\n$9223372036854775808\r\n", Invalid::ArgumentLength, "invalid bulk length"),
        (b"*1\r\n$18446744073709551615\r\n", Invalid::ArgumentLength, "invalid bulk length"),
        (b"*1\r\n$1048577\r\n", Invalid::ArgumentLength, "invalid bulk length"),
        (b"*1\r\n$$\r\n", Invalid::ArgumentLength, "invalid bulk length"),
        (b"*1\r\n$+4\r\nPING\r\n", Invalid::ArgumentLength, "invalid bulk length"),
        (b"*1\r\n$4\nPING\r\n", Invalid::ArgumentLength, "invalid bulk length"),
        (b"*1\r\n:4\r\n", Invalid::ExpectedDollar(b':'), "expected '$', got ':'"),
        (b"*1\r\n\r\n", Invalid::ExpectedDollar(b'\r'), "expected '$', got ' '"),
        (b"*1\r\n$4\r\nPINGxx", Invalid::ArgumentEnd, "expected CR LF after the bulk string"),
        (b"*1\r\n$4\r\nPING\n\n", Invalid::ArgumentEnd, "expected CR LF after the bulk string"),
        (b"PING \"a\"b\r\n", Invalid::UnbalancedQuotes, "unbalanced quotes in request"),
        (b"PING \"abc\r\n", Invalid::UnbalancedQuotes, "unbalanced quotes in request"),
        (b"PING 'abc\r\n", Invalid::UnbalancedQuotes, "unbalanced quotes in request"),
        (b"PING \"abc\\\"\r\n", Invalid::UnbalancedQuotes, "unbalanced quotes in request"),
    ];
    for &(bytes, invalid, text) in table {
        // A request before it is still heard.
        let bytes = [b"*1\r\n$4\r\nPING\r\n", bytes].concat();
        check(Limits::default(), &bytes, &Outcome::new(&["<PING>"], Err(invalid)));
        let mut out = Vec::new();
        invalid.encode(&mut out);
        assert_eq!(out, format!("-ERR Protocol error: {text}\r\n").into_bytes());
    }
}

#[test]
fn every_limit_holds_to_the_byte() {
    let limits = Limits { args_max: 2, arg_bytes_max: 5, request_bytes_max: 24, inline_bytes_max: 5 };
    let is = |bytes: &[u8], messages: &[&str], end: Result<usize, Invalid>| {
        check(limits, bytes, &Outcome::new(messages, end));
    };
    is(b"*2\r\n$3\r\nGET\r\n$5\r\nabcde\r\n", &["<GET> <abcde>"], Ok(0));
    is(b"*2\r\n$5\r\nabcde\r\n$4\r\nabcd\r\n", &[], Err(Invalid::RequestTooBig));
    is(b"*3\r\n", &[], Err(Invalid::ArgumentCount));
    is(b"*1\r\n$6\r\n", &[], Err(Invalid::ArgumentLength));
    is(b"abcde\r\n", &["<abcde>"], Ok(0));
    is(b"abcde\n", &["<abcde>"], Ok(0));
    is(b"abcde\r", &[], Ok(6));
    is(b"abcdef", &[], Err(Invalid::InlineTooBig));
    is(b"abcdef\r\n", &[], Err(Invalid::InlineTooBig));
}

#[test]
fn several_requests_can_be_held_at_a_time() {
    let bytes = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n";
    let mut decoder = RequestDecoder::new(Limits::default());
    let Decoded::Message(Request::Command(first), consumed) = decoder.decode(bytes) else { panic!("first") };
    let Decoded::Message(Request::Command(second), _) = decoder.decode(&bytes[consumed..]) else {
        panic!("second");
    };
    assert_eq!(Command::parse(first), Ok(Command::Get { key: b"a" }));
    assert_eq!(Command::parse(second), Ok(Command::Get { key: b"b" }));
}

#[test]
fn a_large_mget_that_arrives_byte_by_byte_is_read_once() {
    // Reading it again from the start for every byte would be 10^10 steps, not 10^6.
    let keys: Vec<String> = (0..20_000).map(|n| format!("key-of-the-batch-{n:019}")).collect();
    let mut bytes = Vec::new();
    request::head(&mut bytes, keys.len() + 1);
    request::arg(&mut bytes, b"MGET");
    keys.iter().for_each(|key| request::arg(&mut bytes, key.as_bytes()));
    let mut decoder = RequestDecoder::new(Limits::default());
    for arrived in 0..bytes.len() {
        assert_eq!(decoder.decode(&bytes[..arrived]), Decoded::NeedMore);
    }
    let Decoded::Message(Request::Command(args), consumed) = decoder.decode(&bytes) else {
        panic!("no command")
    };
    assert_eq!(consumed, bytes.len());
    let Ok(Command::MGet { keys: found }) = Command::parse(args) else { panic!("no MGET") };
    assert_eq!(found.len(), keys.len());
    assert!(found.eq(keys.iter().map(String::as_bytes)));
}

#[test]
fn an_iterator_of_arguments_knows_how_many_are_left() {
    let Decoded::Message(Request::Command(mut args), _) =
        RequestDecoder::new(Limits::default()).decode(b"*3\r\n$1\r\na\r\n$0\r\n\r\n$2\r\nbc\r\n")
    else {
        panic!("no command");
    };
    assert_eq!(args.len(), 3);
    assert_eq!(args.next(), Some(&b"a"[..]));
    assert_eq!(args.len(), 2);
    assert_eq!(args.by_ref().collect::<Vec<_>>(), [&b""[..], b"bc"]);
    assert_eq!((args.len(), args.next()), (0, None));
}

#[test]
fn arguments_are_shown_one_by_one_and_on_one_line() {
    let mut decoder = RequestDecoder::new(Limits::default());
    let Decoded::Message(request, _) = decoder.decode(b"*2\r\n$3\r\nGET\r\n$4\r\na\r\n\xFF\r\n") else {
        panic!("no command");
    };
    assert_eq!(format!("{request:?}"), r#"Command(["GET", "a\\r\\n\\xff"])"#);
    let Decoded::Message(request, _) = decoder.decode(b"GET a\xFF\r\n") else { panic!("no command") };
    assert_eq!(format!("{request:?}"), r"Inline(Inline(GET a\xff))");
}

#[test]
fn a_decoder_that_is_rewound_forgets_what_it_has_seen_and_keeps_its_limits() {
    let limits = Limits { args_max: 2, ..Limits::default() };
    let mut decoder = RequestDecoder::new(limits);
    assert_eq!(decoder.decode(b"*2\r\n$3\r\nGET\r\n$1\r\n"), Decoded::NeedMore);
    decoder.rewind();
    assert_eq!(decoder.limits(), &limits);
    let Decoded::Message(Request::Command(args), 14) = decoder.decode(b"*1\r\n$4\r\nPING\r\n") else {
        panic!("no command");
    };
    assert_eq!(words(args), "<PING>");
    assert_eq!(decoder.decode(b"*3\r\n"), Decoded::Invalid(Invalid::ArgumentCount));
}

proptest! {
    #[test]
    fn a_command_that_is_encoded_decodes_to_itself(
        args in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..12),
    ) {
        let mut bytes = Vec::new();
        request::encode(&mut bytes, args.iter().map(Vec::as_slice));
        let mut decoder = RequestDecoder::new(Limits::default());
        let Decoded::Message(Request::Command(found), consumed) = decoder.decode(&bytes) else {
            panic!("not a command");
        };
        prop_assert_eq!(consumed, bytes.len());
        prop_assert!(found.eq(args.iter().map(Vec::as_slice)));
    }

    #[test]
    fn bytes_that_look_like_requests_mean_the_same_in_any_pieces(
        parts in prop::collection::vec(prop::sample::select(vec![
            &b"*"[..], b"$", b"\r\n", b"\r", b"\n", b"0", b"1", b"2", b"3", b"-", b"GET", b"a", b" ", b"\"", b"'", b"\\x41",
            b"*1\r\n", b"$1\r\n", b"$3\r\nGET\r\n", b"*2\r\n$3\r\nGET\r\n",
        ]), 0..30),
        mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let bytes = parts.concat();
        let limits = Limits { args_max: 3, arg_bytes_max: 4, request_bytes_max: 30, inline_bytes_max: 12 };
        let mut ends: Vec<usize> = cuts.drain(..).map(|cut| cut.index(bytes.len() + 1)).collect();
        ends.sort_unstable();
        prop_assert_eq!(run(limits, &bytes, ends), run(limits, &bytes, []));
    }
}

#[test]
fn an_http_request_ends_the_connection_without_an_answer_before_its_body_is_read() {
    for line in ["POST / HTTP/1.1", "post", " Host: a", "hOST:", "host:\ta"] {
        let bytes = format!("PING\r\n{line}\r\nPING\r\n");
        let mut decoder = RequestDecoder::new(Limits::default());
        assert!(matches!(decoder.decode(bytes.as_bytes()), Decoded::Message(Request::Inline(_), 6)));
        assert_eq!(decoder.decode(&bytes.as_bytes()[6..]), Decoded::Invalid(Invalid::HttpRequest), "{line}");
    }
    let mut out = Vec::new();
    Invalid::HttpRequest.encode(&mut out);
    assert!(out.is_empty());
    for line in ["POSTS\r\n", "Host :\r\n", "Hosts:\r\n", "GET / HTTP/1.1\r\n"] {
        let decoded = RequestDecoder::new(Limits::default()).decode(line.as_bytes());
        assert!(matches!(decoded, Decoded::Message(Request::Inline(_), _)), "{line}");
    }
}

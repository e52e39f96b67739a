//! memcached requests as clients send them and as they should not: every conversation whole, cut anywhere, byte by byte.

mod pieces;

use graven_wire::Decoded;
use graven_wire::memcached::{
    Invalid, Item, KEY_BYTES_MAX, LOGIN_BYTES_MAX, Limits, LoginSets, MetaGet, Request, RequestDecoder,
    reply, request,
};
use pieces::{Outcome, check_every_cut, outcome};
use proptest::prelude::*;

fn describe(request: Request<'_>) -> String {
    match request {
        Request::Get { with_cas, keys } => {
            let keys: Vec<String> = keys.map(|key| format!(" <{}>", key.escape_ascii())).collect();
            format!("{}{}", if with_cas { "gets" } else { "get" }, keys.concat())
        }
        Request::MetaGet(get) => {
            let mut room = [0; KEY_BYTES_MAX];
            let value = if get.wants_value() { " v" } else { "" };
            let cas = if get.wants_cas() { " c" } else { "" };
            format!("mg <{}>{value}{cas}", get.key(&mut room).escape_ascii())
        }
        Request::MetaNoop => "mn".to_owned(),
        Request::Version => "version".to_owned(),
        Request::Verbosity { noreply } => format!("verbosity{}", if noreply { " noreply" } else { "" }),
        Request::Stats { topic } => format!("stats <{}>", topic.escape_ascii()),
        Request::ListKeys(listing) => format!("{:?} {}", listing.form, listing.keys_max),
        Request::Quit => "quit".to_owned(),
        Request::Write { noreply } => format!("write{}", if noreply { " noreply" } else { "" }),
        // In how many pieces a data block is thrown away depends on how it arrives.
        Request::Discarded => String::new(),
        Request::Login { data } => format!("login <{}>", data.escape_ascii()),
        Request::Mistake(mistake) => String::from_utf8_lossy(mistake.answer()).trim_end().to_owned(),
        other => panic!("{other:?} is new"),
    }
}

fn run(limits: Limits, bytes: &[u8], cuts: impl IntoIterator<Item = usize>) -> Outcome {
    let mut decoder = RequestDecoder::new(limits);
    outcome(bytes, cuts, |input| decoder.decode(input).map(describe))
}

fn check(bytes: &[u8], messages: &[&str], waiting: usize) {
    let expected = Outcome::new::<Invalid>(messages, Ok(waiting));
    check_every_cut(bytes, &expected, |cuts| run(Limits::default(), bytes, cuts));
}

#[test]
fn reads_mean_the_same_however_they_are_cut() {
    for (bytes, messages) in [
        (&b""[..], &[][..]),
        (b"get foo\r\n", &["get <foo>"]),
        (b"get foo\nget foo\r\n", &["get <foo>", "get <foo>"]),
        (b"  get foo\r\n", &["get <foo>"]),
        (b"get  foo  foo \r\n", &["get <foo> <foo>"]),
        (b"gets foo bar\r\n", &["gets <foo> <bar>"]),
        (b"gat 0 foo\r\ngats -1 foo bar\r\n", &["get <foo>", "gets <foo> <bar>"]),
        (b"gat 0\r\n", &["get"]),
        (b"get fo\x01o\xff\r\n", &["get <fo\\x01o\\xff>"]),
        (b"mg foo\r\nmg foo v\r\nmg  foo  v  k\r\n", &["mg <foo>", "mg <foo> v", "mg <foo> v"]),
        (b"  mg foo v\r\n", &["mg <foo> v"]),
        (b"mg foo c\r\nmg foo v c\r\nmg foo v k\r\n", &["mg <foo> c", "mg <foo> v c", "mg <foo> v"]),
        (b"mg Zm9v b v\r\n", &["mg <foo> v"]),
        (b"mg foo T30 R-1 v\r\n", &["mg <foo> v"]),
        (b"mg foo v k f c s t h l u O q b\r\n", &["CLIENT_ERROR error decoding key"]),
        (b"mn\r\nmn x\r\n", &["mn", "mn"]),
        (b"version\r\nversion x\r\n", &["version", "version"]),
        (
            b"verbosity 1\r\nverbosity 1 noreply\r\nverbosity noreply\r\n",
            &["verbosity", "verbosity noreply", "verbosity noreply"],
        ),
        (
            b"stats\r\nstats settings\r\nstats detail on\r\n",
            &["stats <>", "stats <settings>", "stats <detail on>"],
        ),
        (b"quit\r\nquit x\r\n", &["quit", "quit"]),
        (
            b"lru_crawler metadump all\r\nlru_crawler  metadump hash x\r\nlru_crawler metadump 3,1\r\n",
            &[
                "Metadump 18446744073709551615",
                "Metadump 18446744073709551615",
                "Metadump 18446744073709551615",
            ],
        ),
        (b"lru_crawler metadump 2\r\nstats cachedump 0 0\r\n", &["Metadump 0", "Cachedump 0"]),
        (
            b"stats cachedump 1 0\r\nstats cachedump 1 7 x\r\nstats cachedump 63 7\r\n",
            &["Cachedump 18446744073709551615", "Cachedump 7", "Cachedump 0"],
        ),
    ] {
        check(bytes, messages, 0);
    }
    check(b"get foo\r\nget ba", &["get <foo>"], 6);
}

#[test]
fn mistakes_have_the_words_of_memcached_and_end_with_their_line() {
    let opaque = format!("mg foo O{}", "x".repeat(32));
    for (line, answer) in [
        ("", "ERROR"),
        ("get", "ERROR"),
        ("get ", "ERROR"),
        ("gets", "ERROR"),
        ("GET foo", "ERROR"),
        ("get\tfoo", "ERROR"),
        ("foo", "ERROR"),
        ("gat", "ERROR"),
        ("gat foo", "CLIENT_ERROR invalid exptime argument"),
        ("gat x foo", "CLIENT_ERROR invalid exptime argument"),
        ("verbosity", "ERROR"),
        ("verbosity x", "CLIENT_ERROR bad command line format"),
        ("mg", "ERROR"),
        ("mg ", "ERROR"),
        ("mgx", "ERROR"),
        ("mnx", "ERROR"),
        ("MG foo", "ERROR"),
        ("mg foo V", "CLIENT_ERROR invalid flag"),
        ("mg foo z", "CLIENT_ERROR invalid flag"),
        ("mg foo 1", "CLIENT_ERROR invalid flag"),
        ("mg foo {", "CLIENT_ERROR invalid flag"),
        ("mg foo \u{1}", "CLIENT_ERROR invalid flag"),
        ("mg foo S3 v", "CLIENT_ERROR invalid flag"),
        ("mg foo v v", "CLIENT_ERROR duplicate flag"),
        ("mg foo Tx v", "CLIENT_ERROR bad token in command line format"),
        ("mg foo Nx v", "CLIENT_ERROR bad token in command line format"),
        (&opaque, "CLIENT_ERROR opaque token too long"),
        ("mg Zm9 b v", "CLIENT_ERROR error decoding key"),
        ("mg !!! b v", "CLIENT_ERROR error decoding key"),
        ("mg = b", "CLIENT_ERROR error decoding key"),
        ("ms", "ERROR"),
        ("ms foo", "CLIENT_ERROR bad command line format"),
        ("ms foo x", "CLIENT_ERROR bad command line format"),
        ("ms foo -1", "CLIENT_ERROR bad command line format"),
        ("ms foo S3", "CLIENT_ERROR bad command line format"),
        ("md", "ERROR"),
        ("ma", "ERROR"),
        ("me foo", "ERROR"),
        ("set", "ERROR"),
        ("set foo 0 0", "ERROR"),
        ("set foo 5 0 3 noreply x", "ERROR"),
        ("set foo x 0 3", "CLIENT_ERROR bad command line format"),
        ("set foo 5 0 -1", "CLIENT_ERROR bad command line format"),
        ("cas foo 5 0 3", "ERROR"),
        ("cas foo 5 0 3 x", "CLIENT_ERROR bad command line format"),
        ("delete", "ERROR"),
        ("incr foo", "ERROR"),
        ("touch foo", "ERROR"),
        ("lru_crawler", "ERROR"),
        ("lru_crawler x", "ERROR"),
        ("lru_crawler metadump", "ERROR"),
        ("lru_crawler metadump x", "BADCLASS invalid class id"),
        ("lru_crawler metadump 1,64", "BADCLASS invalid class id"),
        ("lru_crawler metadump 0", "BADCLASS invalid class id"),
        ("lru_crawler mgdump all", "ERROR"),
        ("lru_crawler crawl", "ERROR"),
        ("lru_crawler crawl all", "CLIENT_ERROR lru crawler disabled"),
        ("lru_crawler enable", "CLIENT_ERROR lru crawler disabled"),
        ("lru", "ERROR"),
        ("lru mode flat", "ERROR"),
        ("slabs", "ERROR"),
        ("slabs x", "ERROR"),
        ("slabs automove", "ERROR"),
        ("slabs automove 1", "CLIENT_ERROR slab reassignment disabled"),
        ("slabs reassign 1 2", "CLIENT_ERROR slab reassignment disabled"),
        ("watch", "CLIENT_ERROR watch commands not allowed"),
        ("watch fetchers", "CLIENT_ERROR watch commands not allowed"),
        ("shutdown", "ERROR: shutdown not enabled"),
        ("stats cachedump", "CLIENT_ERROR bad command line"),
        ("stats cachedump 1", "CLIENT_ERROR bad command line"),
        ("stats cachedump x y", "CLIENT_ERROR bad command line format"),
        ("stats cachedump 64 0", "CLIENT_ERROR Illegal slab id"),
        ("stats detail", "CLIENT_ERROR usage: stats detail on|off|dump"),
        ("stats detail x", "CLIENT_ERROR usage: stats detail on|off|dump"),
        ("posts", "ERROR"),
        ("hosts: a", "ERROR"),
    ] {
        check(format!("{line}\r\nmn\r\n").as_bytes(), &[answer, "mn"], 0);
    }
}

#[test]
fn a_key_of_250_bytes_is_taken_and_one_of_251_is_not() {
    let (longest, longer) = ("k".repeat(250), "k".repeat(251));
    let format = "CLIENT_ERROR bad command line format";
    for (before, after) in [("get ", ""), ("gets a ", " b"), ("gat 0 ", ""), ("mg ", " v"), ("mg ", "")] {
        let messages =
            run(Limits::default(), format!("{before}{longest}{after}\r\n").as_bytes(), []).messages;
        assert!(messages[0].contains(&longest), "{messages:?}");
        let messages =
            run(Limits::default(), format!("{before}{longer}{after}\r\nmn\r\n").as_bytes(), []).messages;
        assert_eq!(messages, [format, "mn"]);
    }
    for line in ["set {} 0 0 0", "ms {} 0", "delete {}", "touch {} 0", "md {}"] {
        let taken = run(Limits::default(), line.replace("{}", &longest).as_bytes(), []).messages;
        assert!(taken.is_empty(), "a line without its end says nothing yet");
        let refused =
            run(Limits::default(), format!("{}\r\n", line.replace("{}", &longer)).as_bytes(), []).messages;
        assert_eq!(refused, [format], "{line}");
    }
}

#[test]
fn writes_are_known_by_name_and_their_data_is_thrown_away() {
    for (bytes, messages) in [
        (&b"set foo 5 0 3\r\nbar\r\nmn\r\n"[..], &["write", "mn"][..]),
        (b"add foo 5 0 3\r\nget\r\nmn\r\n", &["write", "mn"]),
        (b"replace foo 5 -1 0\r\n\r\nmn\r\n", &["write", "mn"]),
        (b"append foo 5 0 3 noreply\r\nbar\r\nmn\r\n", &["write noreply", "mn"]),
        (b"prepend foo 5 0 3 other\r\nbar\r\nmn\r\n", &["write", "mn"]),
        (b"cas foo 5 0 3 1\r\nbar\r\nmn\r\n", &["write", "mn"]),
        (b"cas foo 5 0 3 1 noreply\r\nbar\r\nmn\r\n", &["write noreply", "mn"]),
        (b"ms foo 3\r\nbar\r\nmn\r\n", &["write", "mn"]),
        (b"ms foo 3 q\r\nbar\r\nmn\r\n", &["write", "mn"]),
        (b"mg foo N30 v\r\nmn\r\n", &["write", "mn"]),
        (b"md foo q\r\nma foo\r\n", &["write", "write"]),
        (b"delete foo\r\ndelete foo noreply\r\n", &["write", "write noreply"]),
        (b"incr foo 1\r\ndecr foo 1 noreply\r\n", &["write", "write noreply"]),
        (b"touch foo 0\r\ntouch foo 0 noreply\r\n", &["write", "write noreply"]),
        (
            b"flush_all\r\nflush_all 0 noreply\r\nflush_all noreply\r\n",
            &["write", "write noreply", "write noreply"],
        ),
    ] {
        check(bytes, messages, 0);
    }
}

#[test]
fn a_set_is_a_login_only_where_logins_are_read_and_only_in_their_form() {
    const KEY: LoginSets = LoginSets::Key(b"auth");
    let format = "CLIENT_ERROR bad command line format";
    let long_key = |bytes: usize| format!("set {} 0 0 5\r\nus pw\r\nmn\r\n", "k".repeat(bytes));
    let long_data = |bytes: usize| format!("set auth 0 0 {bytes}\r\n{}\r\nmn\r\n", "d".repeat(bytes));
    let longest = format!("login <{}>", "d".repeat(LOGIN_BYTES_MAX));
    for (logins, text, messages) in [
        (LoginSets::None, "set auth 0 0 5\r\nus pw\r\nmn\r\n", &["write", "mn"][..]),
        (KEY, "set auth 0 0 5\r\nus pw\r\nmn\r\n", &["login <us pw>", "mn"]),
        (KEY, "set auth 0 0 5\nus\npw\r\nmn\r\n", &["login <us\\npw>", "mn"]),
        (KEY, "set auth 0 0 0\r\n\r\nmn\r\n", &["login <>", "mn"]),
        (KEY, "set auth 0 0 5 noreply\r\nus pw\r\nmn\r\n", &["login <us pw>", "mn"]),
        (KEY, "set auth 0 0 5\r\nus pw\r\nset auth 0 0 3\r\na b\r\n", &["login <us pw>", "login <a b>"]),
        (KEY, "set other 0 0 5\r\nus pw\r\nmn\r\n", &["write", "mn"]),
        (KEY, "set AUTH 0 0 5\r\nus pw\r\nmn\r\n", &["write", "mn"]),
        (KEY, "add auth 0 0 5\r\nus pw\r\nmn\r\n", &["write", "mn"]),
        (KEY, "set auth 0 0 5\r\nus pwxxmn\r\n", &["CLIENT_ERROR bad data chunk", "mn"]),
        (KEY, "set auth 0 0 5 a b\r\nmn\r\n", &["ERROR", "mn"]),
        (KEY, "set auth 0 0\r\nmn\r\n", &["ERROR", "mn"]),
        (KEY, "set auth 0 0 x\r\nmn\r\n", &[format, "mn"]),
        (KEY, &long_data(LOGIN_BYTES_MAX), &[&longest, "mn"]),
        (KEY, &long_data(LOGIN_BYTES_MAX + 1), &["write", "mn"]),
        (LoginSets::Any, "set other 0 0 5\r\nus pw\r\nmn\r\n", &["login <us pw>", "mn"]),
        (LoginSets::Any, &long_key(KEY_BYTES_MAX), &["login <us pw>", "mn"]),
        (LoginSets::Any, &long_key(KEY_BYTES_MAX + 1), &[format, "ERROR", "mn"]),
    ] {
        let bytes = text.as_bytes();
        check_every_cut(bytes, &Outcome::new::<Invalid>(messages, Ok(0)), |cuts| {
            let mut decoder = RequestDecoder::new(Limits::default());
            decoder.read_logins(logins);
            outcome(bytes, cuts, |input| decoder.decode(input).map(describe))
        });
    }
}

#[test]
fn a_decoder_that_was_rewound_begins_with_a_request() {
    for before in [&b"set foo 0 0 3\r\n"[..], b"mg a_key_without_the_end_of_its_line"] {
        let mut decoder = RequestDecoder::new(Limits::default());
        let _ = decoder.decode(before);
        decoder.rewind();
        assert_eq!(decoder.decode(b"mn\r\n"), Decoded::Message(Request::MetaNoop, 4), "{before:?}");
    }
}

#[test]
fn a_request_shows_its_keys_and_flags() {
    for (line, shown) in [
        (&b"gets a \xff\r\n"[..], r#"Get { with_cas: true, keys: ["a", "\\xff"] }"#),
        (b"mg a\x01 v O1\r\n", r#"MetaGet(MetaGet(a\x01 ["v", "O1"]))"#),
    ] {
        let decoded = RequestDecoder::new(Limits::default()).decode(line);
        let Decoded::Message(request, _) = decoded else { panic!("{line:?}") };
        assert_eq!(format!("{request:?}"), shown);
    }
}

#[test]
fn what_ends_the_connection_is_named() {
    let limits = Limits { line_bytes_max: 10, keys_line_bytes_max: 20, data_bytes_max: 5 };
    let is = |bytes: &[u8], messages: &[&str], end: Result<usize, Invalid>| {
        check_every_cut(bytes, &Outcome::new(messages, end), |cuts| run(limits, bytes, cuts));
    };
    is(b"mn\r\n\x80\x00", &["mn"], Err(Invalid::BinaryProtocol));
    is(b"mn      x\r\n", &["mn"], Ok(0));
    is(b"mn      xx\r\n", &[], Err(Invalid::LineTooLong));
    is(b"mn      xxx", &[], Err(Invalid::LineTooLong));
    is(b"get a b c d e f g h\r\n", &["get <a> <b> <c> <d> <e> <f> <g> <h>"], Ok(0));
    is(b"get a b c d e f g hi\r\n", &[], Err(Invalid::LineTooLong));
    is(b"  gets a b c d e f\r\n", &["gets <a> <b> <c> <d> <e> <f>"], Ok(0));
    is(b"           get a\r\n", &[], Err(Invalid::LineTooLong));
    is(b"ms a 5\r\n12345\r\nmn\r\n", &["write", "mn"], Ok(0));
    is(b"ms a 6\r\n", &[], Err(Invalid::DataTooLarge));
    is(b"ms a 9999\r\n", &[], Err(Invalid::DataTooLarge));
    let browser = Limits { line_bytes_max: 40, ..limits };
    for line in ["POST / HTTP/1.1", "post", "  Host: x", "HOST:", "host:\tx"] {
        let bytes = format!("mn\r\n{line}\r\nmn\r\n");
        let expected = Outcome::new(&["mn"], Err(Invalid::HttpRequest));
        check_every_cut(bytes.as_bytes(), &expected, |cuts| run(browser, bytes.as_bytes(), cuts));
    }
    assert_eq!(Invalid::HttpRequest.answer(), b"");
    assert_eq!(Invalid::BinaryProtocol.answer(), b"");
    assert_eq!(Invalid::LineTooLong.answer(), b"CLIENT_ERROR line too long\r\n");
    assert_eq!(Invalid::DataTooLarge.answer(), b"SERVER_ERROR object too large for cache\r\n");
}

#[test]
fn keys_are_told_in_the_two_forms_of_memcached() {
    let long = [b'k'; 251];
    let keys: [&[u8]; 7] =
        [b"a%20b", "schl\u{fc}ssel".as_bytes(), b"a b", b"a\nb", b"\x7f", &long[..250], &long];
    let told = |line: &[u8]| {
        let Decoded::Message(Request::ListKeys(listing), _) =
            RequestDecoder::new(Limits::default()).decode(line)
        else {
            panic!()
        };
        let mut out = Vec::new();
        for key in keys {
            let before = out.len();
            assert_eq!(listing.tell(key, 4, 9, &mut out), out.len() > before);
        }
        String::from_utf8(out).unwrap()
    };
    let k = "k".repeat(250);
    assert_eq!(
        told(b"lru_crawler metadump all\r\n"),
        [("a%2520b", 9), ("schl%C3%BCssel", 14), ("a%20b", 7), ("a%0Ab", 7), ("%7F", 5), (&k, 254)]
            .map(|(key, size)| format!("key={key} exp=-1 la=0 cas=9 fetch=no cls=1 size={size}\n"))
            .concat()
    );
    assert_eq!(
        told(b"stats cachedump 1 0\r\n"),
        ["a%20b", "schl\u{fc}ssel", &k].map(|key| format!("ITEM {key} [4 b; 0 s]\r\n")).concat()
    );
}

#[test]
fn a_length_beyond_64_bits_is_no_length() {
    check(b"set foo 0 0 18446744073709551616\r\nmn\r\n", &["CLIENT_ERROR bad command line format", "mn"], 0);
    let end = run(Limits::default(), b"set foo 0 0 18446744073709551615\r\n", []).end;
    assert_eq!(end, Err("DataTooLarge".to_owned()));
}

fn meta(line: &[u8], then: impl FnOnce(MetaGet<'_>, &mut Vec<u8>)) -> String {
    let Decoded::Message(Request::MetaGet(get), _) = RequestDecoder::new(Limits::default()).decode(line)
    else {
        panic!("{} is no mg", line.escape_ascii());
    };
    let mut out = Vec::new();
    then(get, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn answers_to_mg_carry_what_was_asked_in_the_order_it_was_asked() {
    let item = Item { len: 3, flags: 5, cas: 77 };
    let opaque = format!("O{}", "x".repeat(31));
    let (with_opaque, hit, miss) =
        (format!("mg foo {opaque}\r\n"), format!("HD {opaque}\r\n"), format!("EN {opaque}\r\n"));
    for (line, hit, miss) in [
        (&b"mg foo\r\n"[..], "HD\r\n", "EN\r\n"),
        (b"mg foo v\r\n", "VA 3\r\nbar\r\n", "EN\r\n"),
        (b"mg foo v k f c s t O123 q\r\n", "VA 3 kfoo f5 c77 s3 t-1 O123\r\nbar\r\n", ""),
        (b"mg foo O123 k v\r\n", "VA 3 O123 kfoo\r\nbar\r\n", "EN O123 kfoo\r\n"),
        (b"mg foo O\r\n", "HD O\r\n", "EN O\r\n"),
        (with_opaque.as_bytes(), &hit, &miss),
        (b"mg foo kx\r\n", "HD kfoo\r\n", "EN kfoo\r\n"),
        (b"mg foo q\r\n", "HD\r\n", ""),
        (b"mg foo h l u t\r\n", "HD h0 l0 t-1\r\n", "EN\r\n"),
        (b"mg foo T30 v\r\n", "VA 3\r\nbar\r\n", "EN\r\n"),
        (b"mg Zm9v b k v\r\n", "VA 3 b kZm9v\r\nbar\r\n", "EN b kZm9v\r\n"),
    ] {
        let text = line.escape_ascii();
        assert_eq!(meta(line, |get, out| get.hit(out, item, b"bar")), hit, "{text}");
        assert_eq!(meta(line, |get, out| get.miss(out)), miss, "{text}");
        assert_eq!(meta(line, |get, out| get.hit_head(out, item)), hit.trim_end_matches("bar\r\n"), "{text}");
    }
}

#[test]
fn a_key_in_base64_may_hold_any_bytes() {
    let line = b"mg AAECIAr/ b\r\n";
    meta(line, |get, _| {
        assert_eq!(get.plain_key(), None);
        assert_eq!(get.key(&mut [0; KEY_BYTES_MAX]), b"\x00\x01\x02\x20\x0a\xff");
    });
    meta(b"mg foo v\r\n", |get, _| assert_eq!(get.plain_key(), Some(&b"foo"[..])));
}

#[test]
fn the_encoders_write_what_memcached_writes() {
    let mut out = Vec::new();
    reply::value(&mut out, b"foo", 5, None, b"bar");
    reply::value(&mut out, b"foo", u32::MAX, Some(u64::MAX), b"");
    reply::version(&mut out, "1.6.18");
    reply::stat(&mut out, "curr_items", 7);
    reply::server_error(&mut out, "out\r\nof luck");
    reply::client_error(&mut out, "no");
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "VALUE foo 5 3\r\nbar\r\nVALUE foo 4294967295 0 18446744073709551615\r\n\r\nVERSION 1.6.18\r\n\
         STAT curr_items 7\r\nSERVER_ERROR out  of luck\r\nCLIENT_ERROR no\r\n"
    );
}

#[test]
fn a_value_takes_little_more_room_than_it_has_bytes() {
    let mut out = Vec::new();
    reply::value(&mut out, &[b'k'; KEY_BYTES_MAX], 0, None, &[b'v'; 100_000]);
    assert!(out.capacity() < 2 * out.len(), "{} for {}", out.capacity(), out.len());
}

fn any_key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(b'!'..=b'~', 1..KEY_BYTES_MAX + 1)
}

proptest! {
    #[test]
    fn requests_that_are_encoded_decode_to_themselves(keys in prop::collection::vec(any_key(), 1..20)) {
        let mut bytes = Vec::new();
        request::get(&mut bytes, keys.iter().map(Vec::as_slice));
        request::gets(&mut bytes, keys.iter().map(Vec::as_slice));
        request::meta_get(&mut bytes, &keys[0], b"v q");
        request::stats(&mut bytes, Some("items"));
        let shown: String = keys.iter().map(|key| format!(" <{}>", key.escape_ascii())).collect();
        let expected = [
            format!("get{shown}"),
            format!("gets{shown}"),
            format!("mg <{}> v", keys[0].escape_ascii()),
            "stats <items>".to_owned(),
        ];
        let found = run(Limits::default(), &bytes, []);
        prop_assert_eq!(found.end, Ok(0));
        prop_assert_eq!(found.messages, expected);
    }

    #[test]
    fn bytes_that_look_like_requests_mean_the_same_in_any_pieces(
        parts in prop::collection::vec(prop::sample::select(vec![
            &b"get "[..], b"gets ", b"mg ", b"ms ", b"set ", b"a", b" ", b"0 ", b"3", b"-1", b"v ", b"q", b"b", b"\r\n", b"\n", b"\r",
            b"noreply", b"mn\r\n", b"set a 0 0 3\r\n", b"\x80", b"bar", b"delete a\r\n",
        ]), 0..30),
        mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let bytes = parts.concat();
        let limits = Limits { line_bytes_max: 16, keys_line_bytes_max: 24, data_bytes_max: 20 };
        let mut ends: Vec<usize> = cuts.drain(..).map(|cut| cut.index(bytes.len() + 1)).collect();
        ends.sort_unstable();
        prop_assert_eq!(run(limits, &bytes, ends), run(limits, &bytes, []));
    }
}

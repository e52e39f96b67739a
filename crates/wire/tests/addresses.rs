//! Addresses and targets: every form that is read, what each is refused for, and what is sent.

use graven_wire::Decoded;
use graven_wire::address::{Address, AddressProblem, Credentials, Location, Protocol};
use graven_wire::target::{HttpOptions, Target};
use proptest::prelude::*;

fn tcp(host: &str, port: u16) -> Location {
    Location::Tcp { host: host.into(), port }
}

#[test]
fn every_form_of_an_address_is_read_and_written_back() {
    use Protocol::{Http, Memcached, Redis};
    for (text, protocol, location, written) in [
        ("127.0.0.1:8000", None, tcp("127.0.0.1", 8000), "127.0.0.1:8000"),
        ("[::1]:8000", None, tcp("::1", 8000), "[::1]:8000"),
        ("[fe80::1%eth0]:1", None, tcp("fe80::1%eth0", 1), "[fe80::1%eth0]:1"),
        ("http://localhost", Some(Http), tcp("localhost", 80), "http://localhost:80"),
        ("HTTP://localhost", Some(Http), tcp("localhost", 80), "http://localhost:80"),
        ("https://h", Some(Http), tcp("h", 443), "https://h:443"),
        ("redis://h", Some(Redis), tcp("h", 6379), "resp://h:6379"),
        ("rediss://h", Some(Redis), tcp("h", 6379), "rediss://h:6379"),
        ("rediss+unix:a", Some(Redis), Location::Unix("a".into()), "rediss+unix:a"),
        ("memcacheds://h", Some(Memcached), tcp("h", 11211), "memcacheds://h:11211"),
        ("h:1/a://b", None, tcp("h", 1), "h:1/a://b"),
        ("h:1?a=b://c", None, tcp("h", 1), "h:1?a=b://c"),
        ("resp://[::]:1", Some(Redis), tcp("::", 1), "resp://[::]:1"),
        ("Memcached://h", Some(Memcached), tcp("h", 11211), "memcached://h:11211"),
        ("unix:/run/a.sock", None, Location::Unix("/run/a.sock".into()), "unix:/run/a.sock"),
        ("UNIX:a.sock", None, Location::Unix("a.sock".into()), "unix:a.sock"),
        ("unix:///run/a.sock", None, Location::Unix("/run/a.sock".into()), "unix:/run/a.sock"),
        ("unix:////run/a.sock", None, Location::Unix("/run/a.sock".into()), "unix:/run/a.sock"),
        ("redis+unix:a", Some(Redis), Location::Unix("a".into()), "resp+unix:a"),
        ("Memcached+Unix:a", Some(Memcached), Location::Unix("a".into()), "memcached+unix:a"),
        ("http://unix:a", Some(Http), Location::Unix("a".into()), "http+unix:a"),
        ("resp://unix:a?table=b", Some(Redis), Location::Unix("a".into()), "resp+unix:a?table=b"),
        ("a_b-c.d:1", None, tcp("a_b-c.d", 1), "a_b-c.d:1"),
    ] {
        let address = Address::to_connect(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((address.protocol, &address.location), (protocol, &location), "{text}");
        assert_eq!(address.to_string(), written, "{text}");
        assert_eq!(Address::to_connect(written).as_ref(), Ok(&address), "{text}");
    }
}

#[test]
fn tls_credentials_path_and_query_are_read_and_not_decided_upon() {
    let address = Address::to_connect("rediss://us%40er:p%3Ass@h/1?table=a&b").unwrap();
    assert!(address.is_tls);
    assert_eq!(address.location, tcp("h", 6379));
    assert_eq!(
        address.credentials,
        Some(Credentials { user: b"us@er".into(), password: Some(b"p:ss".into()) })
    );
    assert_eq!((address.path.as_str(), address.query.as_deref()), ("/1", Some("table=a&b")));
    assert_eq!(Address::to_connect("https://h").unwrap().location, tcp("h", 443));
    let alone = Address::to_connect("redis://user@h").unwrap().credentials;
    assert_eq!(alone, Some(Credentials { user: b"user".into(), password: None }));
}

#[test]
fn port_0_is_for_listeners() {
    assert_eq!(Address::to_listen("h:0").unwrap().location, tcp("h", 0));
    let error = Address::to_connect("h:0").unwrap_err();
    assert_eq!(error.problem, AddressProblem::BadPort { found: "0".into(), least: 1 });
}

#[test]
fn a_text_that_is_no_address_is_refused_with_what_was_found() {
    use AddressProblem as P;
    let bad_port = |found: &str| P::BadPort { found: found.into(), least: 1 };
    for (text, problem) in [
        ("", P::MissingHost),
        ("redis://", P::MissingHost),
        ("http:///x", P::MissingHost),
        (":80", P::MissingHost),
        ("redis://:pw@", P::MissingHost),
        ("localhost", P::MissingPort { host: "localhost".into() }),
        ("[::1]", P::MissingPort { host: "::1".into() }),
        ("localhost:", bad_port("")),
        ("localhost:65536", bad_port("65536")),
        ("localhost:+80", bad_port("+80")),
        ("localhost:8o", bad_port("8o")),
        ("http://localhost:x/", bad_port("x")),
        ("::1:80", P::BareIpv6("::1:80".into())),
        ("http://::1", P::BareIpv6("::1".into())),
        ("[::1:80", P::UnclosedBracket),
        ("[%]:80", P::BadHost { host: "[%]".into(), found: '[' }),
        ("[localhost]:80", P::BadHost { host: "[localhost]".into(), found: '[' }),
        ("http://unix/a", P::HostNamedUnix),
        ("redis://a@UNIX:80", P::HostNamedUnix),
        ("[::1]x:80", P::AfterBracket("x:80".into())),
        ("a b:80", P::BadHost { host: "a b".into(), found: ' ' }),
        ("a%b:80", P::BadHost { host: "a%b".into(), found: '%' }),
        ("münchen.example:80", P::BadHost { host: "münchen.example".into(), found: 'ü' }),
        ("unix:", P::MissingSocketPath),
        ("redis+unix:", P::MissingSocketPath),
        ("http://unix:", P::MissingSocketPath),
        ("unix:?table=a", P::MissingSocketPath),
        ("ftp://h", P::UnknownScheme("ftp".into())),
        ("ftp+unix:a", P::UnknownScheme("ftp".into())),
        ("http://a%2:b@h", P::BadEscape),
        ("http://h/a b", P::Unescaped(' ')),
        ("http://h/ü", P::Unescaped('ü')),
        ("http://h/?a=\u{7f}", P::Unescaped('\u{7f}')),
        ("http://h/#a", P::Fragment),
        ("http://h/?a#b", P::Fragment),
    ] {
        assert_eq!(Address::to_connect(text).map_err(|error| error.problem), Err(problem), "{text}");
    }
}

#[test]
fn no_error_and_no_debug_output_shows_a_password() {
    for text in ["redis://u:secret@", "http://:secret@h h", "memcached://u:secret@h:0", "u:secret@h:x/y@z"] {
        let error = Address::to_connect(text).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("secret") && shown.contains("***"), "{shown}");
    }
    let target: Target = "redis://u:secret@h/1".parse().unwrap();
    let shown = format!("{target} {target:?} {:?} {}", target.handshake(), target.address());
    assert!(!shown.contains("secret"), "{shown}");
    assert_eq!(target.to_string(), "redis://u:***@h/1");
    assert_eq!(format!("{:?}", target.handshake().unwrap()), "Handshake { replies: 2, .. }");
    let credentials = target.address().credentials.as_ref().unwrap();
    assert_eq!(format!("{credentials:?}"), r#"Credentials { user: "u", password: Some("***") }"#);
    let error = "memcached://u:secret@h:0".parse::<Target>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "`memcached://u:***@h:0` is no address that can be used: the port is \"0\", not a number from 1 to 65535"
    );
}

fn lookup(target: &str, key: &[u8]) -> String {
    let mut out = Vec::new();
    let headers = [("X-One".to_owned(), "1".to_owned())];
    let options = HttpOptions { headers: &headers, close: false };
    target.parse::<Target>().unwrap().encode_lookup(key, options, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn every_form_of_a_target_is_asked_in_its_own_protocol() {
    for (target, expected) in [
        ("h:1", "GET /?key=a%20b HTTP/1.1\r\nHost: h:1\r\nX-One: 1\r\n\r\n"),
        ("http://h/", "GET /?key=a%20b HTTP/1.1\r\nHost: h:80\r\nX-One: 1\r\n\r\n"),
        ("http://[::1]:2/v/{key}.json", "GET /v/a%20b.json HTTP/1.1\r\nHost: [::1]:2\r\nX-One: 1\r\n\r\n"),
        ("http://h?k={key}&x=1", "GET /?k=a%20b&x=1 HTTP/1.1\r\nHost: h:80\r\nX-One: 1\r\n\r\n"),
        ("http://h/{key}/{key}", "GET /a%20b/a%20b HTTP/1.1\r\nHost: h:80\r\nX-One: 1\r\n\r\n"),
        (
            "http://u:p@h",
            "GET /?key=a%20b HTTP/1.1\r\nHost: h:80\r\nX-One: 1\r\nAuthorization: Basic dTpw\r\n\r\n",
        ),
        ("unix:/s", "GET /?key=a%20b HTTP/1.1\r\nHost: localhost\r\nX-One: 1\r\n\r\n"),
        ("http+unix:/s", "GET /?key=a%20b HTTP/1.1\r\nHost: localhost\r\nX-One: 1\r\n\r\n"),
        ("redis://h", "*2\r\n$3\r\nGET\r\n$3\r\na b\r\n"),
        ("resp://h:1", "*2\r\n$3\r\nGET\r\n$3\r\na b\r\n"),
        ("redis+unix:/s", "*2\r\n$3\r\nGET\r\n$3\r\na b\r\n"),
    ] {
        assert_eq!(lookup(target, b"a b"), expected, "{target}");
    }
    assert_eq!(lookup("memcached://h", b"ab"), "get ab\r\n");
}

#[test]
fn columns_are_asked_for_where_the_protocol_has_a_way_to_say_them() {
    for (target, fields, expected) in [
        ("redis://h", &["a", "b c"][..], "*4\r\n$5\r\nHMGET\r\n$1\r\nk\r\n$1\r\na\r\n$3\r\nb c\r\n"),
        ("redis://h", &["a"], "*3\r\n$5\r\nHMGET\r\n$1\r\nk\r\n$1\r\na\r\n"),
        ("redis://h", &[], "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"),
        ("h:1", &["a", "b c", "d"], "GET /?key=k&fields=a,b%20c,d HTTP/1.1\r\nHost: h:1\r\n\r\n"),
        ("http://h/{key}", &["a", "b"], "GET /k?fields=a,b HTTP/1.1\r\nHost: h:80\r\n\r\n"),
        ("http://h/?k={key}", &["a"], "GET /?k=k&fields=a HTTP/1.1\r\nHost: h:80\r\n\r\n"),
        ("http://h/?k={key}", &[], "GET /?k=k HTTP/1.1\r\nHost: h:80\r\n\r\n"),
    ] {
        let target = target.parse::<Target>().unwrap().with_fields(fields).unwrap();
        assert_eq!(target.fields(), fields);
        let mut out = Vec::new();
        target.encode_lookup(b"k", HttpOptions::default(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{target} {fields:?}");
    }
    assert_eq!("memcached://h".parse::<Target>().unwrap().with_fields(&["a"]), None);
}

#[test]
fn the_database_is_the_one_of_the_address_or_the_first() {
    for (target, database) in [
        ("redis://h", 0),
        ("redis://h/", 0),
        ("redis://h/7", 7),
        ("redis://h/4294967295", u32::MAX),
        ("h:1", 0),
    ] {
        assert_eq!(target.parse::<Target>().unwrap().database(), database, "{target}");
    }
}

#[test]
fn headers_that_are_given_take_the_place_of_the_own_ones() {
    let mut out = Vec::new();
    let headers =
        [("hOST".to_owned(), "other".to_owned()), ("authorization".to_owned(), "Bearer x".to_owned())];
    let options = HttpOptions { headers: &headers, close: true };
    "http://u:p@h:1".parse::<Target>().unwrap().encode_lookup(b"a", options, &mut out);
    let expected =
        "GET /?key=a HTTP/1.1\r\nHost: other\r\nConnection: close\r\nauthorization: Bearer x\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn memcached_takes_no_key_with_blanks_and_none_that_is_too_long() {
    let target: Target = "memcached://h".parse().unwrap();
    for (key, takes) in [
        (b"ab".to_vec(), true),
        (vec![b'a'; 250], true),
        (vec![b'a'; 251], false),
        (b"a b".to_vec(), false),
        (b"a\x7f".to_vec(), false),
        (b"a\n".to_vec(), false),
        (b"".to_vec(), false),
    ] {
        assert_eq!(target.takes(&key), takes, "{key:?}");
    }
    assert!("redis://h".parse::<Target>().unwrap().takes(b"a b\r\n"));
}

#[test]
fn a_handshake_logs_in_and_chooses_the_database() {
    for (target, request) in [
        ("redis://:pw@h", "*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n"),
        (
            "redis://us:p%20w@h/7",
            "*3\r\n$4\r\nAUTH\r\n$2\r\nus\r\n$3\r\np w\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n",
        ),
        ("redis://h/0", "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"),
        ("memcached://us:pw@h", "set graven_auth 0 0 5\r\nus pw\r\n"),
    ] {
        let handshake = target.parse::<Target>().unwrap().handshake().unwrap();
        assert_eq!(handshake.request(), request.as_bytes(), "{target}");
    }
    for target in ["redis://h", "redis://h/", "memcached://h/", "http://u:p@h", "h:1"] {
        assert_eq!(target.parse::<Target>().unwrap().handshake(), None, "{target}");
    }
}

#[test]
fn a_handshake_is_done_when_the_server_has_agreed_to_all_of_it() {
    let redis = "redis://:pw@h/7".parse::<Target>().unwrap().handshake().unwrap();
    let answer = b"+OK\r\n+OK\r\n$1";
    for end in 0..10 {
        assert_eq!(redis.read(&answer[..end]), Decoded::NeedMore, "{end}");
    }
    assert_eq!(redis.read(answer), Decoded::Message((), 10));
    for (answer, said) in [
        (&b"-WRONGPASS invalid\r\n"[..], "-WRONGPASS invalid"),
        (b"+OK\r\n-ERR DB index is out of range\r\n", "-ERR DB index is out of range"),
        (b"+OKAY\r\n", "+OKAY"),
        (b"HTTP/1.1 400 Bad\xff\r\n", "HTTP/1.1 400 Bad\\xff"),
    ] {
        let Decoded::Invalid(refused) = redis.read(answer) else { panic!("{answer:?} was taken") };
        assert_eq!(refused.to_string(), format!("the server refused the login: {said}"));
    }
    let memcached = "memcached://u:p@h".parse::<Target>().unwrap().handshake().unwrap();
    assert_eq!(memcached.read(b"STORED\r\n"), Decoded::Message((), 8));
    assert!(matches!(memcached.read(b"CLIENT_ERROR authentication failure\r\n"), Decoded::Invalid(_)));
    assert_eq!(memcached.read(&[b'x'; 4096]), Decoded::NeedMore);
    assert!(
        matches!(memcached.read(&[b'x'; 4097]), Decoded::Invalid(_)),
        "no line is waited for without end"
    );
}

/// What is advised for `text`, which must be refused.
fn advice(text: &str) -> String {
    let Err(error) = text.parse::<Target>() else { panic!("{text} was taken") };
    error.problem.to_string()
}

#[test]
fn an_address_that_is_no_target_is_refused_with_what_to_write() {
    for (text, expected) in [
        ("redis://h/x", "/x is not the number of a database; write it as in redis://HOST/0, or leave it out"),
        (
            "redis://h/-1",
            "/-1 is not the number of a database; write it as in redis://HOST/0, or leave it out",
        ),
        (
            "redis://h/4294967296",
            "/4294967296 is not the number of a database; write it as in redis://HOST/0, or leave it out",
        ),
        ("redis://h?db=1", "the parameter db is not known here; leave it out"),
        ("unix:/a?table=b", "the parameter table is not known here; leave it out"),
        ("redis://user@h", "the password is missing; write it as in USER:PASSWORD@HOST, or :PASSWORD@HOST"),
        ("memcached://h/x", "/x is not used here; leave it out"),
        ("redis://", "the host is missing; write it as in 127.0.0.1:8000"),
        ("unix:", "the path of the Unix socket is missing; write it as in unix:/run/graven.sock"),
        ("::1:80", "an IPv6 address needs brackets, as in [::1]:8000"),
        ("ftp://h", "the scheme ftp is not known; write http, redis, memcached or unix"),
        ("localhost", "the port is missing; write it as in localhost:8000"),
        ("[::1]", "the port is missing; write it as in [::1]:8000"),
    ] {
        assert_eq!(advice(text), expected, "{text}");
    }
}

#[test]
fn the_url_that_is_advised_is_one_that_works() {
    for (text, instead, lookup_of_a) in [
        ("http://h/foo", "http://h/foo?key={key}", "/foo?key=a"),
        ("http://h/foo/", "http://h/foo/{key}", "/foo/a"),
        ("http://h/v1/kv/", "http://h/v1/kv/{key}", "/v1/kv/a"),
        ("http://h/v1/kv", "http://h/v1/kv/{key}", "/v1/kv/a"),
        ("HTTP://h:1/?key=x", "http://h:1/?key={key}", "/?key=a"),
        ("http://h?id=x&y=z", "http://h/?id={key}", "/?id=a"),
        ("http://h/?", "http://h/?key={key}", "/?key=a"),
        ("h:1/x", "http://h:1/x?key={key}", "/x?key=a"),
        ("h:1/x/{key}", "http://h:1/x/{key}", "/x/a"),
        ("h:1/{key}/?x=1", "http://h:1/{key}/?x=1", "/a/?x=1"),
        ("h:1/x?k=1{key}", "http://h:1/x?k=1{key}", "/x?k=1a"),
    ] {
        let advice = advice(text);
        assert!(
            advice.ends_with(&format!("write {instead}"))
                || advice.ends_with(&format!("as in {instead}, or leave the path out")),
            "{text}: {advice}"
        );
        let request = lookup(instead, b"a");
        assert!(request.starts_with(&format!("GET {lookup_of_a} HTTP/1.1\r\n")), "{text}: {request}");
    }
    let error = "http://u:secret@h/x".parse::<Target>().unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}

proptest! {
    #[test]
    fn whatever_is_read_reads_the_same_when_it_is_written(text in "[a-zA-Z0-9:/@?#%+._\\[\\] {}=&ü-]{0,40}") {
        if let Ok(address) = Address::to_listen(&text)
            && address.credentials.is_none()
        {
            prop_assert_eq!(Address::to_listen(&address.to_string()), Ok(address));
        }
        if let Ok(target) = text.parse::<Target>() {
            let mut out = Vec::new();
            target.encode_lookup(b"k", HttpOptions::default(), &mut out);
            prop_assert!(!out.is_empty());
        }
    }

    #[test]
    fn schemes_and_hosts_in_any_order_never_panic(
        scheme in "(http|redis|resp|memcached|unix|x)(\\+unix)?:?(//)?",
        rest in "[a-z0-9:/@?%\\[\\]]{0,20}",
    ) {
        let text = format!("{scheme}{rest}");
        if let Ok(address) = Address::to_connect(&text)
            && address.credentials.is_none()
        {
            prop_assert_eq!(Address::to_connect(&address.to_string()), Ok(address));
        }
    }
}

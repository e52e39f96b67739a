//! RESP replies, written by the encoders and by hand, and read again: whole, cut anywhere, byte by byte.

mod pieces;

use graven_wire::Decoded;
use graven_wire::resp::{InvalidReply, Reply, ReplyDecoder, ReplyLimits, Version, reply};
use pieces::{Outcome, check_every_cut, outcome};
use proptest::prelude::*;

fn run(limits: ReplyLimits, bytes: &[u8], cuts: impl IntoIterator<Item = usize>) -> Outcome {
    let mut decoder = ReplyDecoder::new(limits);
    outcome(bytes, cuts, |input| decoder.decode(input).map(|reply| Tree::of(reply).to_string()))
}

/// A reply of one's own, to write and to compare.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Integer(i64),
    Bulk(Vec<u8>),
    Null,
    Boolean(bool),
    Double(f64),
    BigNumber(Vec<u8>),
    Verbatim([u8; 3], Vec<u8>),
    /// The type byte, and what is inside.
    Group(u8, Vec<Tree>),
}

impl Tree {
    fn of(reply: Reply<'_>) -> Self {
        let group =
            |kind, items: graven_wire::resp::Items<'_>| Self::Group(kind, items.map(Self::of).collect());
        match reply {
            Reply::Simple(text) => Self::Simple(text.to_vec()),
            Reply::Error(text) => Self::Error(text.to_vec()),
            Reply::Integer(number) => Self::Integer(number),
            Reply::Bulk(bytes) => Self::Bulk(bytes.to_vec()),
            Reply::Null => Self::Null,
            Reply::Boolean(value) => Self::Boolean(value),
            Reply::Double(value) => Self::Double(value),
            Reply::BigNumber(digits) => Self::BigNumber(digits.to_vec()),
            Reply::Verbatim { format, text } => Self::Verbatim(format, text.to_vec()),
            Reply::Array(items) => group(b'*', items),
            Reply::Map(items) => group(b'%', items),
            Reply::Set(items) => group(b'~', items),
            Reply::Push(items) => group(b'>', items),
        }
    }

    fn encode(&self, out: &mut Vec<u8>, version: Version) {
        match self {
            Self::Simple(text) => reply::simple(out, text),
            Self::Error(text) => reply::error(out, text),
            Self::Integer(number) => reply::integer(out, *number),
            Self::Bulk(bytes) => reply::bulk(out, bytes),
            Self::Null => reply::null(out, version),
            Self::Boolean(value) => out.extend_from_slice(if *value { b"#t\r\n" } else { b"#f\r\n" }),
            Self::Double(value) => out.extend_from_slice(format!(",{value}\r\n").as_bytes()),
            Self::BigNumber(digits) => out.extend_from_slice(&[b"(", &digits[..], b"\r\n"].concat()),
            Self::Verbatim(format, text) => {
                out.extend_from_slice(format!("={}\r\n", text.len() + 4).as_bytes());
                out.extend_from_slice(&[&format[..], b":", text, b"\r\n"].concat());
            }
            Self::Group(kind, items) => {
                match kind {
                    b'*' => reply::array_head(out, items.len()),
                    b'%' => reply::map_head(out, version, items.len() / 2),
                    kind => out.extend_from_slice(format!("{}{}\r\n", *kind as char, items.len()).as_bytes()),
                }
                items.iter().for_each(|item| item.encode(out, version));
            }
        }
    }
}

impl std::fmt::Display for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Group(kind, items) => {
                write!(f, "{}[", *kind as char)?;
                items.iter().try_for_each(|item| write!(f, "{item} "))?;
                f.write_str("]")
            }
            Self::Bulk(bytes) => write!(f, "<{}>", bytes.escape_ascii()),
            Self::Simple(bytes) => write!(f, "+{}", bytes.escape_ascii()),
            Self::Error(bytes) => write!(f, "-{}", bytes.escape_ascii()),
            Self::Integer(number) => write!(f, "{number}"),
            other => write!(f, "{other:?}"),
        }
    }
}

#[test]
fn replies_of_both_versions_mean_the_same_however_they_are_cut() {
    let table: &[(&[u8], &[&str], usize)] = &[
        (b"+OK\r\n-ERR no\r\n:-5\r\n$3\r\na\r\n\r\n", &["+OK", "-ERR no", "-5", "<a\\r\\n>"], 0),
        (b"$-1\r\n*-1\r\n_\r\n", &["Null", "Null", "Null"], 0),
        (b"*0\r\n*2\r\n$1\r\na\r\n*1\r\n:1\r\n$0\r\n\r\n", &["*[]", "*[<a> *[1 ] ]", "<>"], 0),
        (b"%2\r\n+a\r\n:1\r\n+b\r\n*0\r\n", &["%[+a 1 +b *[] ]"], 0),
        (b"%3\r\n+a\r\n:1\r\n+b\r\n:2\r\n+c\r\n:3\r\n", &["%[+a 1 +b 2 +c 3 ]"], 0),
        (b"~1\r\n#t\r\n>1\r\n#f\r\n", &["~[Boolean(true) ]", ">[Boolean(false) ]"], 0),
        (b",1.5\r\n,inf\r\n", &["Double(1.5)", "Double(inf)"], 0),
        (
            b"(-123456789012345678901\r\n!5\r\nERR x\r\n",
            &[
                "BigNumber([45, 49, 50, 51, 52, 53, 54, 55, 56, 57, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 48, 49])",
                "-ERR x",
            ],
            0,
        ),
        (b"=5\r\ntxt:a\r\n", &["Verbatim([116, 120, 116], [97])"], 0),
        (b"|1\r\n+ttl\r\n:3\r\n*1\r\n|1\r\n+x\r\n*1\r\n:1\r\n:7\r\n", &["*[7 ]"], 0),
        (b"*3\r\n:1\r\n$5\r\nab", &[], 14),
    ];
    for &(bytes, messages, waiting) in table {
        let expected = Outcome::new::<InvalidReply>(messages, Ok(waiting));
        check_every_cut(bytes, &expected, |cuts| run(ReplyLimits::default(), bytes, cuts));
    }
}

#[test]
fn what_is_no_reply_is_named() {
    let table: &[(&[u8], InvalidReply)] = &[
        (b"HTTP/1.1 200 OK\r\n", InvalidReply::UnknownType(b'H')),
        (b"\x80", InvalidReply::UnknownType(0x80)),
        (b"$-2\r\n", InvalidReply::Length),
        (b"$-11\r\n", InvalidReply::Length),
        (b"%-1\r\n", InvalidReply::Length),
        (b"$?\r\n", InvalidReply::Length),
        (b"*99999999999\r\n", InvalidReply::Length),
        (b"$3\r\nabcd\r\n", InvalidReply::BulkEnd),
        (b"+OK\n", InvalidReply::LineEnd),
        (b"+O\rK\r\n", InvalidReply::LineEnd),
        (b":1.5\r\n", InvalidReply::Value),
        (b":\r\n", InvalidReply::Value),
        (b"_x\r\n", InvalidReply::Value),
        (b"#x\r\n", InvalidReply::Value),
        (b",one\r\n", InvalidReply::Value),
        (b"(12a\r\n", InvalidReply::Value),
        (b"=3\r\ntxt\r\n", InvalidReply::Value),
    ];
    for &(bytes, invalid) in table {
        let bytes = &[b"+OK\r\n", bytes].concat()[..];
        let expected = Outcome::new(&["+OK"], Err(invalid));
        check_every_cut(bytes, &expected, |cuts| run(ReplyLimits::default(), bytes, cuts));
    }
    let text = InvalidReply::UnknownType(b'\n').to_string();
    assert_eq!(text, "the reply begins with '\\n', which is no RESP type");
    assert_eq!(InvalidReply::TooBig.to_string(), "the reply is larger than the limit");
}

#[test]
fn the_items_of_a_reply_are_shown_one_by_one() {
    let mut decoder = ReplyDecoder::new(ReplyLimits::default());
    let Decoded::Message(reply, _) = decoder.decode(b"*2\r\n:1\r\n*1\r\n#t\r\n") else { panic!("no array") };
    assert_eq!(format!("{reply:?}"), "Array([Integer(1), Array([Boolean(true)])])");
}

#[test]
fn depth_size_and_line_length_are_limited() {
    let deep = |levels: usize| [&b"*1\r\n".repeat(levels)[..], b":1\r\n"].concat();
    let limits = ReplyLimits { depth_max: 3, reply_bytes_max: 16 };
    assert_eq!(run(limits, &deep(3), []).end, Ok(0));
    let roomy = ReplyLimits { depth_max: 3, ..ReplyLimits::default() };
    assert_eq!(run(roomy, &deep(4), []), Outcome::new(&[], Err(InvalidReply::TooDeep)));
    // However deep a caller allows, there is an end.
    let deepest = ReplyLimits { depth_max: usize::MAX, ..ReplyLimits::default() };
    assert_eq!(run(deepest, &deep(16), []).end, Ok(0));
    assert_eq!(run(deepest, &deep(1_000_000), []), Outcome::new(&[], Err(InvalidReply::TooDeep)));

    let exact = b"$10\r\n0123456789\r\n";
    let limits = |reply_bytes_max| ReplyLimits { reply_bytes_max, ..ReplyLimits::default() };
    assert_eq!(run(limits(exact.len()), exact, []).end, Ok(0));
    let expected = Outcome::new(&[], Err(InvalidReply::TooBig));
    check_every_cut(exact, &expected, |cuts| run(limits(exact.len() - 1), exact, cuts));
    // It is refused for a byte beyond the limit, not for bytes that have not arrived.
    let held = &exact[..exact.len() - 1];
    assert_eq!(run(limits(held.len()), held, []).end, Ok(held.len()));

    let mut line = vec![b'+'];
    line.resize(65_537, b'x');
    line.extend_from_slice(b"\r\n");
    assert_eq!(run(ReplyLimits::default(), &line, []).end, Ok(0));
    assert_eq!(run(ReplyLimits::default(), &line, [65_537]).end, Ok(0));
    line.insert(1, b'x');
    assert_eq!(run(ReplyLimits::default(), &line, []), Outcome::new(&[], Err(InvalidReply::LineTooLong)));
    assert_eq!(run(ReplyLimits::default(), &line[..65_540], []).end, Err("LineTooLong".to_owned()));
}

#[test]
fn the_encoders_write_what_redis_writes() {
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(written(&|out| reply::ok(out)), "+OK\r\n");
    assert_eq!(written(&|out| reply::error(out, b"ERR a\r\nb")), "-ERR a  b\r\n");
    assert_eq!(written(&|out| reply::integer(out, i64::MIN)), ":-9223372036854775808\r\n");
    assert_eq!(written(&|out| reply::null(out, Version::Resp2)), "$-1\r\n");
    assert_eq!(written(&|out| reply::null(out, Version::Resp3)), "_\r\n");
    assert_eq!(written(&|out| reply::null_array(out, Version::Resp2)), "*-1\r\n");
    assert_eq!(written(&|out| reply::null_array(out, Version::Resp3)), "_\r\n");
    assert_eq!(written(&|out| reply::map_head(out, Version::Resp2, 7)), "*14\r\n");
    assert_eq!(written(&|out| reply::map_head(out, Version::Resp3, 7)), "%7\r\n");
    assert_eq!(written(&|out| reply::set_head(out, Version::Resp2, 7)), "*7\r\n");
    assert_eq!(written(&|out| reply::set_head(out, Version::Resp3, 7)), "~7\r\n");
    assert_eq!(written(&|out| reply::push_head(out, Version::Resp2, 7)), "*7\r\n");
    assert_eq!(written(&|out| reply::push_head(out, Version::Resp3, 7)), ">7\r\n");
    assert_eq!(written(&|out| reply::double(out, Version::Resp2, -1.25)), "$5\r\n-1.25\r\n");
    assert_eq!(written(&|out| reply::double(out, Version::Resp3, -1.25)), ",-1.25\r\n");
    assert_eq!(written(&|out| reply::verbatim(out, Version::Resp2, b"a\nb")), "$3\r\na\nb\r\n");
    assert_eq!(written(&|out| reply::verbatim(out, Version::Resp3, b"a\nb")), "=7\r\ntxt:a\nb\r\n");
}

#[test]
fn a_large_array_that_arrives_byte_by_byte_is_read_once() {
    let mut bytes = Vec::new();
    reply::array_head(&mut bytes, 20_000);
    (0..20_000).for_each(|n| reply::bulk(&mut bytes, format!("value-{n:030}").as_bytes()));
    let mut decoder = ReplyDecoder::new(ReplyLimits::default());
    for arrived in 0..bytes.len() {
        assert_eq!(decoder.decode(&bytes[..arrived]), Decoded::NeedMore);
    }
    let Decoded::Message(Reply::Array(items), consumed) = decoder.decode(&bytes) else { panic!("no array") };
    assert_eq!((items.len(), consumed), (20_000, bytes.len()));
    assert_eq!(items.last(), Some(Reply::Bulk(format!("value-{:030}", 19_999).as_bytes())));
}

fn any_tree() -> impl Strategy<Value = Tree> {
    let text = || prop::collection::vec(prop::sample::select(b"abc XYZ:$*-".to_vec()), 0..12);
    let bytes = || prop::collection::vec(any::<u8>(), 0..30);
    let leaf = prop_oneof![
        text().prop_map(Tree::Simple),
        text().prop_map(Tree::Error),
        any::<i64>().prop_map(Tree::Integer),
        bytes().prop_map(Tree::Bulk),
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::Boolean),
        any::<i32>().prop_map(|number| Tree::Double(f64::from(number) / 8.0)),
        any::<i128>().prop_map(|number| Tree::BigNumber(number.to_string().into_bytes())),
        bytes().prop_map(|text| Tree::Verbatim(*b"txt", text)),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        (prop::sample::select(b"*~>%".to_vec()), prop::collection::vec(inner, 0..6)).prop_map(
            |(kind, mut items)| {
                if kind == b'%' && items.len() % 2 == 1 {
                    items.pop();
                }
                Tree::Group(kind, items)
            },
        )
    })
}

proptest! {
    #[test]
    fn a_reply_that_is_encoded_decodes_to_itself(tree in any_tree(), cut in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        tree.encode(&mut bytes, Version::Resp3);
        let expected = Outcome { messages: vec![tree.to_string()], end: Ok(0) };
        prop_assert_eq!(&run(ReplyLimits::default(), &bytes, []), &expected);
        prop_assert_eq!(&run(ReplyLimits::default(), &bytes, [cut.index(bytes.len())]), &expected);
    }

    #[test]
    fn bytes_that_look_like_replies_mean_the_same_in_any_pieces(
        parts in prop::collection::vec(prop::sample::select(vec![
            &b"*"[..], b"$", b"\r\n", b"\r", b"\n", b"0", b"1", b"-1", b"+a\r\n", b":1\r\n", b"|1\r\n", b"%1\r\n", b"$1\r\na\r\n",
            b"*2\r\n", b"_\r\n", b"#t\r\n", b",1\r\n", b"=4\r\ntxt:\r\n", b"!1\r\n",
        ]), 0..30),
        mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let bytes = parts.concat();
        let limits = ReplyLimits { depth_max: 2, reply_bytes_max: 40 };
        let mut ends: Vec<usize> = cuts.drain(..).map(|cut| cut.index(bytes.len() + 1)).collect();
        ends.sort_unstable();
        prop_assert_eq!(run(limits, &bytes, ends), run(limits, &bytes, []));
    }
}

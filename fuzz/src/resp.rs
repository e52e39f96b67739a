//! RESP: what is decoded is what was written, every refusal is one line, no argument is lost.

use graven_wire::Decoded;
use graven_wire::resp::{
    Args, ClientTopic, Command, Items, Known, Limits, Reply, ReplyDecoder, ReplyLimits, Request,
    RequestDecoder, Version, count_bits, find_bit, reply, request as command,
};

use crate::pieces::same_in_pieces;

/// The request decoder, the command layer and inline commands.
pub fn request(input: &[u8]) {
    let limits = Limits { args_max: 64, arg_bytes_max: 300, request_bytes_max: 1_000, inline_bytes_max: 200 };
    same_in_pieces(input, || {
        let mut decoder = RequestDecoder::new(limits);
        move |bytes: &[u8]| {
            let read = decoder.key_read(bytes);
            let decoded = decoder.decode(bytes);
            if let Some((read, consumed)) = read {
                let Decoded::Message(Request::Command(args), found) = decoded else { panic!("{read:?}") };
                assert_eq!((Ok(read.into()), consumed), (Command::parse(args), found));
            }
            match decoded {
                Decoded::Message(Request::Command(args), consumed) => {
                    let mut again = Vec::new();
                    command::encode(&mut again, args.collect::<Vec<_>>());
                    assert_eq!(again, bytes[..consumed], "a command has one spelling");
                    Decoded::Message(Some(understood(args)), consumed)
                }
                Decoded::Message(Request::Inline(inline), consumed) => {
                    Decoded::Message(Some(understood(inline.to_args(&mut Vec::new()))), consumed)
                }
                other => other.map(|_| None),
            }
        }
    });
}

fn understood(args: Args<'_>) -> String {
    assert!(args.len() > 0, "a command has a name");
    assert_eq!(args.len(), args.count(), "as many arguments as announced");
    if let Ok(keys) = Known::keys_of(args) {
        assert!(!keys.is_empty() && keys.iter().all(|key| { args }.any(|arg| arg == *key)));
    }
    match Command::parse(args) {
        Ok(command) => {
            check_parts(command);
            format!("{command:?}")
        }
        Err(refusal) => {
            let mut out = Vec::new();
            refusal.encode(&mut out);
            let line = out.strip_suffix(b"\r\n").expect("a refusal ends its line");
            assert!(line.starts_with(b"-") && !line.contains(&b'\r') && !line.contains(&b'\n'));
            String::from_utf8_lossy(&out).into_owned()
        }
    }
}

/// What is read from a command later is there as it was when it was understood.
fn check_parts(command: Command<'_>) {
    let value = b"\x00\xff some value of a few bytes\x80";
    assert!(!command.name().is_empty());
    match command {
        Command::BitCount { part: Ok(part), .. } | Command::BitPos { part: Ok(part), .. } => {
            let bits = part.bits(value.len());
            assert!(bits.start <= bits.end && bits.end <= value.len() as u64 * 8, "{bits:?}");
            assert!(count_bits(value, bits.clone()) <= bits.end - bits.start);
            for bit in [true, false] {
                assert!(find_bit(value, bits.clone(), bit).is_none_or(|found| bits.contains(&found)));
            }
        }
        Command::BitFieldRo { fields, .. } => fields.for_each(|field| _ = field.read(value)),
        Command::Client(ClientTopic::Kill(filter)) => {
            assert!(filter.conditions().count() > 0, "a condition that was understood is not there");
        }
        Command::Client(ClientTopic::Tracking(tracking)) => {
            assert!(!tracking.on || tracking.broadcast || tracking.prefixes().count() == 0);
        }
        _ => {}
    }
}

/// The reply decoder: a reply that is written again means the same.
pub fn reply(input: &[u8]) {
    let limits = ReplyLimits { reply_bytes_max: 1_000, depth_max: 4 };
    same_in_pieces(input, || {
        let mut decoder = ReplyDecoder::new(limits);
        move |bytes: &[u8]| {
            decoder.decode(bytes).map(|found| {
                let mut again = Vec::new();
                write(&mut again, found);
                let roomy = ReplyLimits { reply_bytes_max: usize::MAX, depth_max: usize::MAX };
                match ReplyDecoder::new(roomy).decode(&again) {
                    // By their words, because one floating point number is not equal to itself.
                    Decoded::Message(same, length) => {
                        assert_eq!((format!("{same:?}"), length), (format!("{found:?}"), again.len()));
                    }
                    other => panic!("{other:?} is not {found:?}"),
                }
                Some(format!("{found:?}"))
            })
        }
    });
}

fn write(out: &mut Vec<u8>, found: Reply<'_>) {
    match found {
        Reply::Simple(text) => reply::simple(out, text),
        // An error may have come as a blob with line ends in it.
        Reply::Error(text) => {
            out.extend_from_slice(format!("!{}\r\n", text.len()).as_bytes());
            out.extend_from_slice(&[text, b"\r\n"].concat());
        }
        Reply::Integer(number) => reply::integer(out, number),
        Reply::Bulk(bytes) => reply::bulk(out, bytes),
        Reply::Null => reply::null(out, Version::Resp3),
        Reply::Array(items) => {
            reply::array_head(out, items.len());
            items.for_each(|item| write(out, item));
        }
        Reply::Map(items) => {
            reply::map_head(out, Version::Resp3, items.len() / 2);
            items.for_each(|item| write(out, item));
        }
        Reply::Set(items) => group(out, '~', items),
        Reply::Push(items) => group(out, '>', items),
        Reply::Boolean(value) => out.extend_from_slice(if value { b"#t\r\n" } else { b"#f\r\n" }),
        Reply::Double(value) => out.extend_from_slice(format!(",{value}\r\n").as_bytes()),
        Reply::BigNumber(digits) => out.extend_from_slice(&[b"(", digits, b"\r\n"].concat()),
        Reply::Verbatim { format, text } => {
            out.extend_from_slice(format!("={}\r\n", text.len() + 4).as_bytes());
            out.extend_from_slice(&[&format[..], b":", text, b"\r\n"].concat());
        }
    }
}

fn group(out: &mut Vec<u8>, kind: char, items: Items<'_>) {
    out.extend_from_slice(format!("{kind}{}\r\n", items.len()).as_bytes());
    items.for_each(|item| write(out, item));
}

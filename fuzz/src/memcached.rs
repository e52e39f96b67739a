//! memcached: what is decoded is what was written, keys are whole and short enough, answers are
//! whole lines.

use graven_wire::Decoded;
use graven_wire::memcached::{
    Item, KEY_BYTES_MAX, Keys, Limits, Reply, ReplyDecoder, ReplyLimits, Request, RequestDecoder,
    reply as answer, request as ask,
};

use crate::pieces::same_in_pieces;

/// The request decoder and the answers that are shaped by `mg`.
pub fn request(input: &[u8]) {
    let limits = Limits { line_bytes_max: 300, keys_line_bytes_max: 1_000, data_bytes_max: 100 };
    same_in_pieces(input, || {
        let mut decoder = RequestDecoder::new(limits);
        move |bytes: &[u8]| {
            decoder.decode(bytes).map(|request| {
                match request {
                    Request::Get { with_cas, keys } => read_again(with_cas, keys),
                    Request::MetaGet(get) => {
                        let mut room = [0; KEY_BYTES_MAX];
                        assert!(!get.key(&mut room).is_empty(), "a key has a byte");
                        let mut out = Vec::new();
                        get.miss(&mut out);
                        assert!(out.is_empty() || is_reply(&out), "a miss is one reply or none");
                        out.clear();
                        get.hit(&mut out, Item { len: 3, flags: u32::MAX, cas: u64::MAX }, b"\r\n\r");
                        assert!(is_reply(&out), "a hit is one reply");
                    }
                    Request::Mistake(mistake) => {
                        assert!(is_reply(mistake.answer()), "a refusal is one reply")
                    }
                    Request::Discarded => return None,
                    _ => {}
                }
                Some(format!("{request:?}"))
            })
        }
    });
}

fn read_again(with_cas: bool, keys: Keys<'_>) {
    for key in keys {
        assert!(
            !key.is_empty() && key.len() <= KEY_BYTES_MAX && !key.contains(&b' ') && !key.contains(&b'\n')
        );
    }
    // A last key that ends with CR is a CR of the line end when it is written without a blank
    // behind it.
    if keys.count() == 0 || { keys }.any(|key| key.ends_with(b"\r")) {
        return;
    }
    let mut again = Vec::new();
    if with_cas {
        ask::gets(&mut again, keys)
    } else {
        ask::get(&mut again, keys)
    }
    match RequestDecoder::new(Limits::default()).decode(&again) {
        Decoded::Message(Request::Get { with_cas: same, keys: found }, length) => {
            assert!(same == with_cas && length == again.len() && found.eq(keys));
        }
        other => panic!("{other:?} is no get"),
    }
}

fn is_reply(bytes: &[u8]) -> bool {
    let mut decoder = ReplyDecoder::new(ReplyLimits::default());
    matches!(decoder.decode(bytes), Decoded::Message(_, consumed) if consumed == bytes.len())
}

/// The reply decoder: a value that is written again means the same.
pub fn reply(input: &[u8]) {
    let limits = ReplyLimits { line_bytes_max: 300, value_bytes_max: 200 };
    same_in_pieces(input, || {
        let mut decoder = ReplyDecoder::new(limits);
        move |bytes: &[u8]| {
            decoder.decode(bytes).map(|found| {
                if let Reply::Value { key, flags, cas, value } = found {
                    let mut again = Vec::new();
                    answer::value(&mut again, key, flags, cas, value);
                    let same = ReplyDecoder::new(ReplyLimits::default()).decode(&again);
                    assert_eq!(same, Decoded::Message(found, again.len()));
                }
                Some(format!("{found:?}"))
            })
        }
    });
}

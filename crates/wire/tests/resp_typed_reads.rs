//! Reads of lists, sets, sorted sets and streams, which no value here is: what a missing key is, and which options are refused.
//!
//! What is refused was compared with a running Redis 7.0.

mod asked;

use asked::{refusal_of_line, with_line};
use graven_wire::resp::{Command, Missing, TypedRead};

/// The keys that are asked for, and what is said where they are missing.
fn keys_and_missing(line: &str) -> (Vec<String>, String) {
    let text = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
    with_line(line, |command| match command {
        Ok(Command::Typed { read: TypedRead::Key { key, missing }, .. }) => {
            (vec![text(key)], format!("{missing:?}"))
        }
        Ok(Command::Typed { read: TypedRead::Keys { keys, missing }, .. }) => {
            (keys.map(text).collect(), format!("{missing:?}"))
        }
        other => panic!("{line}: {other:?}"),
    })
}

#[test]
fn a_read_whose_options_are_right_is_answered_as_one_of_a_missing_key() {
    const SYNTAX: Missing<'_> = Missing::Refused("ERR syntax error");
    for (line, keys, missing) in [
        ("lpos k a", "k", Missing::Null),
        ("lpos k a RANK -1 maxlen 0", "k", Missing::Null),
        ("lpos k a COUNT 0", "k", Missing::EmptyArray),
        ("sort_ro k", "k", Missing::EmptyArray),
        ("sort_ro k ASC", "k", Missing::EmptyArray),
        ("sort_ro k DESC", "k", Missing::EmptyArray),
        ("sort_ro k ALPHA", "k", Missing::EmptyArray),
        ("sort_ro k limit 0 5 by w* get g* alpha", "k", Missing::EmptyArray),
        ("sort_ro k by w*", "k", Missing::EmptyArray),
        ("sort_ro k get g*", "k", Missing::EmptyArray),
        ("zcount k 1 (2.5", "k", Missing::Zero),
        ("zcount k -inf +inf", "k", Missing::Zero),
        ("zlexcount k [a (b", "k", Missing::Zero),
        ("zlexcount k - +", "k", Missing::Zero),
        ("zrange k 0 -1", "k", Missing::EmptyArray),
        ("zrange k 0 -1 REV withscores", "k", Missing::EmptyArray),
        ("zrange k (1 2 BYSCORE limit 0 5 withscores", "k", Missing::EmptyArray),
        ("zrange k [a + BYLEX limit 0 5", "k", Missing::EmptyArray),
        ("zrevrange k 0 -1 withscores", "k", Missing::EmptyArray),
        ("zrangebyscore k 1 2 withscores limit 0 5", "k", Missing::EmptyArray),
        ("zrangebylex k - + limit 0 5", "k", Missing::EmptyArray),
        ("srandmember k", "k", Missing::Null),
        ("srandmember k 2", "k", Missing::EmptyArray),
        ("zrandmember k 4611686018427387903 WITHSCORES", "k", Missing::EmptyArray),
        ("sintercard 1 a", "a", Missing::Zero),
        ("sintercard 2 a b LIMIT 0", "a b", Missing::Zero),
        ("zunion 2 a b", "a b", Missing::EmptyArray),
        ("zunion 2 a b WEIGHTS 1 -2.5 AGGREGATE max withscores", "a b", Missing::EmptyArray),
        ("zinter 1 a aggregate SUM", "a", Missing::EmptyArray),
        ("zinter 1 a aggregate min", "a", Missing::EmptyArray),
        ("zdiff 1 a withscores", "a", Missing::EmptyArray),
        ("zintercard 2 a b", "a b", Missing::Zero),
        ("zintercard 1 a limit 0", "a", Missing::Zero),
        // These options are looked at once it is known that the keys are missing.
        ("zunion 2 a b weights 1", "a b", SYNTAX),
        ("zunion 2 a b weights 1 x", "a b", Missing::Refused("ERR weight value is not a float")),
        ("zunion 1 a aggregate", "a", SYNTAX),
        ("zunion 1 a aggregate avg", "a", SYNTAX),
        ("zunion 1 a foo", "a", SYNTAX),
        ("zunion 1 a limit 1", "a", SYNTAX),
        ("zdiff 1 a weights 1", "a", SYNTAX),
        ("zdiff 1 a aggregate sum", "a", SYNTAX),
        ("zintercard 1 a withscores", "a", SYNTAX),
        ("zintercard 1 a weights 1", "a", SYNTAX),
        ("zintercard 1 a aggregate sum", "a", SYNTAX),
        ("zintercard 1 a foo 1", "a", SYNTAX),
        ("zintercard 1 a limit -1", "a", Missing::Refused("ERR LIMIT can't be negative")),
        ("xinfo stream k", "k", Missing::Refused("ERR no such key")),
        ("xinfo stream k full count 1", "k", Missing::Refused("ERR no such key")),
        ("xinfo groups k", "k", Missing::Refused("ERR no such key")),
        ("xinfo consumers k g", "k", Missing::Refused("ERR no such key")),
        ("xpending k g", "k", Missing::NoGroup(b"g")),
        ("xpending k g - + 10", "k", Missing::NoGroup(b"g")),
        ("xread streams a 0", "a", Missing::NullArray),
        ("xread count 1 block 1 streams a b 0 0", "a b", Missing::NullArray),
    ] {
        let keys = keys.split(' ').map(str::to_owned).collect();
        assert_eq!(keys_and_missing(line), (keys, format!("{missing:?}")), "{line}");
    }
}

#[test]
fn options_that_are_checked_before_the_lookup_are_refused_in_the_words_of_redis() {
    for (line, said) in [
        (
            "lpos k a rank 0",
            "RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to \
             start from the end of the list",
        ),
        ("lpos k a rank x", "value is not an integer or out of range"),
        ("lpos k a count -1", "COUNT can't be negative"),
        ("lpos k a count x", "COUNT can't be negative"),
        ("lpos k a maxlen -1", "MAXLEN can't be negative"),
        ("lpos k a foo 1", "syntax error"),
        ("lpos k a rank", "syntax error"),
        ("sort_ro k limit 0", "syntax error"),
        ("sort_ro k limit 0 x", "value is not an integer or out of range"),
        ("sort_ro k limit x 0", "value is not an integer or out of range"),
        ("sort_ro k foo x", "syntax error"),
        ("sort_ro k store d", "syntax error"),
        ("sort_ro k by", "syntax error"),
        ("lrange k a 1", "value is not an integer or out of range"),
        ("lrange k 1 a", "value is not an integer or out of range"),
        ("zcount k x 1", "min or max is not a float"),
        ("zcount k 1 (x", "min or max is not a float"),
        ("zcount k 1 nan", "min or max is not a float"),
        ("zlexcount k a [b", "min or max not valid string range item"),
        ("zlexcount k [a b", "min or max not valid string range item"),
        ("zrangebyscore k x 1", "min or max is not a float"),
        ("zrangebylex k a [b", "min or max not valid string range item"),
        ("zrange k a 1", "value is not an integer or out of range"),
        ("zrange k 0 (1", "value is not an integer or out of range"),
        (
            "zrange k 0 1 limit 0 1 rev",
            "syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ),
        ("zrange k 0 1 byscore limit 0", "syntax error"),
        ("zrange k 0 1 byscore limit 0 x", "value is not an integer or out of range"),
        ("zrange k - + bylex withscores", "syntax error, WITHSCORES not supported in combination with BYLEX"),
        ("zrange k 0 1 foo", "syntax error"),
        ("zrevrange k 0 1 rev", "syntax error"),
        ("zrevrange k 0 1 byscore", "syntax error"),
        ("zrangebyscore k 0 1 bylex", "syntax error"),
        ("zrangebylex k - + byscore", "syntax error"),
        ("srandmember k 1 2", "syntax error"),
        ("srandmember k x", "value is not an integer or out of range"),
        ("zrandmember k 1 foo", "syntax error"),
        ("zrandmember k 4611686018427387904 withscores", "value is out of range"),
        ("sscan k x", "invalid cursor"),
        ("sintercard 0 a", "numkeys should be greater than 0"),
        ("sintercard x a", "numkeys should be greater than 0"),
        ("sintercard 3 a b", "Number of keys can't be greater than number of args"),
        ("sintercard 1 a foo 3", "syntax error"),
        ("sintercard 1 a limit", "syntax error"),
        ("sintercard 1 a limit -1", "LIMIT can't be negative"),
        ("zunion 0 a", "at least 1 input key is needed for 'zunion' command"),
        ("zunion x a", "value is not an integer or out of range"),
        ("zunion 3 a b", "syntax error"),
        ("xinfo foo", "unknown subcommand 'foo'. Try XINFO HELP."),
        ("xinfo stream", "wrong number of arguments for 'xinfo|stream' command"),
        ("xinfo groups", "wrong number of arguments for 'xinfo|groups' command"),
        ("xinfo groups k x", "wrong number of arguments for 'xinfo|groups' command"),
        ("xinfo consumers k", "wrong number of arguments for 'xinfo|consumers' command"),
        ("xpending k g -", "syntax error"),
        ("xpending k g - +", "syntax error"),
        ("xread count 1 streams", "syntax error"),
        ("xread count x streams a 0", "value is not an integer or out of range"),
        ("xread foo streams a 0", "syntax error"),
        (
            "xread streams a b 0",
            "Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
        ),
    ] {
        assert_eq!(refusal_of_line(line), format!("-ERR {said}\r\n"), "{line}");
    }
}

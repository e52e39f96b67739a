//! The commands that would change data, by name, so that they are refused as a read-only replica refuses them.

use super::table::KeyPositions::{
    self, All, AllButLast, Counted, CountedAt, First, FirstAndCounted, None as Nothing, Pairs, Places,
    Second, Streams, Subcommand, Two,
};

/// Every command of Redis 7.0 that its own table marks as a write, in order, with its arity: the number of arguments,
/// name counted, or when negative the least number; and its keys.
#[rustfmt::skip]
const WRITES: &[(&str, i64, KeyPositions)] = &[
    ("append", 3, First), ("bitfield", -2, First), ("bitop", -4, Places(2, -1, 1)),
    ("blmove", 6, Two), ("blmpop", -5, CountedAt(2)), ("blpop", -3, AllButLast),
    ("brpop", -3, AllButLast), ("brpoplpush", 4, Two), ("bzmpop", -5, CountedAt(2)),
    ("bzpopmax", -3, AllButLast), ("bzpopmin", -3, AllButLast), ("copy", -3, Two),
    ("decr", 2, First), ("decrby", 3, First), ("del", -2, All), ("expire", -3, First),
    ("expireat", -3, First), ("flushall", -1, Nothing), ("flushdb", -1, Nothing), ("geoadd", -5, First),
    ("georadius", -6, First), ("georadiusbymember", -5, First), ("geosearchstore", -8, Two),
    ("getdel", 2, First), ("getex", -2, First), ("getset", 3, First), ("hdel", -3, First),
    ("hincrby", 4, First), ("hincrbyfloat", 4, First), ("hmset", -4, First), ("hset", -4, First),
    ("hsetnx", 4, First), ("incr", 2, First), ("incrby", 3, First), ("incrbyfloat", 3, First),
    ("linsert", 5, First), ("lmove", 5, Two), ("lmpop", -4, Counted), ("lpop", -2, First),
    ("lpush", -3, First), ("lpushx", -3, First), ("lrem", 4, First), ("lset", 4, First),
    ("ltrim", 4, First), ("migrate", -6, Places(3, 3, 1)), ("move", 3, First),
    ("mset", -3, Pairs), ("msetnx", -3, Pairs), ("persist", 2, First), ("pexpire", -3, First),
    ("pexpireat", -3, First), ("pfadd", -2, First), ("pfdebug", 3, Second), ("pfmerge", -2, All),
    ("psetex", 4, First), ("rename", 3, Two), ("renamenx", 3, Two), ("restore", -4, First),
    ("restore-asking", -4, First), ("rpop", -2, First), ("rpoplpush", 3, Two),
    ("rpush", -3, First), ("rpushx", -3, First), ("sadd", -3, First), ("sdiffstore", -3, All),
    ("set", -3, First), ("setbit", 4, First), ("setex", 4, First), ("setnx", 3, First),
    ("setrange", 4, First), ("sinterstore", -3, All), ("smove", 4, Two), ("sort", -2, First),
    ("spop", -2, First), ("srem", -3, First), ("sunionstore", -3, All), ("swapdb", 3, Nothing),
    ("unlink", -2, All), ("xack", -4, First), ("xadd", -5, First), ("xautoclaim", -6, First),
    ("xclaim", -6, First), ("xdel", -3, First), ("xgroup", -2, Subcommand),
    ("xreadgroup", -7, Streams), ("xsetid", -3, First), ("xtrim", -4, First), ("zadd", -4, First),
    ("zdiffstore", -4, FirstAndCounted), ("zincrby", 4, First),
    ("zinterstore", -4, FirstAndCounted), ("zmpop", -4, Counted), ("zpopmax", -2, First),
    ("zpopmin", -2, First), ("zrangestore", -5, Two), ("zrem", -3, First),
    ("zremrangebylex", 4, First), ("zremrangebyrank", 4, First), ("zremrangebyscore", 4, First),
    ("zunionstore", -4, FirstAndCounted),
];

/// The canonical name, the arity and the keys of the write called `name`, which is in lower case.
pub(super) fn find(name: &[u8]) -> Option<(&'static str, i64, KeyPositions)> {
    WRITES.binary_search_by(|(write, ..)| write.as_bytes().cmp(name)).ok().map(|at| WRITES[at])
}

/// Whether a command of `count` arguments, its name counted, is complete by `arity`.
pub(super) fn arity_fits(arity: i64, count: usize) -> bool {
    let wanted = usize::try_from(arity.unsigned_abs()).unwrap_or(usize::MAX);
    if arity < 0 { count >= wanted } else { count == wanted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_every_row_is_found() {
        assert!(WRITES.is_sorted_by(|a, b| a.0 < b.0));
        for (name, arity, keys) in WRITES {
            assert_eq!(find(name.as_bytes()), Some((*name, *arity, *keys)));
            assert!(name.len() <= super::super::command::NAME_BYTES_MAX, "{name} is too long to be folded");
        }
        assert_eq!(find(b"get"), None);
        assert_eq!(find(b""), None);
    }

    #[test]
    fn a_negative_arity_is_a_lower_bound() {
        assert!(arity_fits(2, 2) && !arity_fits(2, 3) && !arity_fits(2, 1));
        assert!(arity_fits(-2, 2) && arity_fits(-2, 9) && !arity_fits(-2, 1));
    }
}

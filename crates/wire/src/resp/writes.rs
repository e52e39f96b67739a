//! The commands that would change data, by name, so that they are refused as a read-only replica refuses them.

/// Every command of Redis 7.0 that its own table marks as a write, in order, with its arity: the number of arguments,
/// name counted, or when negative the least number.
#[rustfmt::skip]
const WRITES: &[(&str, i64)] = &[
    ("append", 3), ("bitfield", -2), ("bitop", -4), ("blmove", 6), ("blmpop", -5), ("blpop", -3),
    ("brpop", -3), ("brpoplpush", 4), ("bzmpop", -5), ("bzpopmax", -3), ("bzpopmin", -3), ("copy", -3),
    ("decr", 2), ("decrby", 3), ("del", -2), ("expire", -3), ("expireat", -3), ("flushall", -1),
    ("flushdb", -1), ("geoadd", -5), ("georadius", -6), ("georadiusbymember", -5), ("geosearchstore", -8),
    ("getdel", 2), ("getex", -2), ("getset", 3), ("hdel", -3), ("hincrby", 4), ("hincrbyfloat", 4),
    ("hmset", -4), ("hset", -4), ("hsetnx", 4), ("incr", 2), ("incrby", 3), ("incrbyfloat", 3),
    ("linsert", 5), ("lmove", 5), ("lmpop", -4), ("lpop", -2), ("lpush", -3), ("lpushx", -3), ("lrem", 4),
    ("lset", 4), ("ltrim", 4), ("migrate", -6), ("move", 3), ("mset", -3), ("msetnx", -3), ("persist", 2),
    ("pexpire", -3), ("pexpireat", -3), ("pfadd", -2), ("pfdebug", 3), ("pfmerge", -2), ("psetex", 4),
    ("rename", 3), ("renamenx", 3), ("restore", -4), ("restore-asking", -4), ("rpop", -2), ("rpoplpush", 3),
    ("rpush", -3), ("rpushx", -3), ("sadd", -3), ("sdiffstore", -3), ("set", -3), ("setbit", 4), ("setex", 4),
    ("setnx", 3), ("setrange", 4), ("sinterstore", -3), ("smove", 4), ("sort", -2), ("spop", -2),
    ("srem", -3), ("sunionstore", -3), ("swapdb", 3), ("unlink", -2), ("xack", -4), ("xadd", -5),
    ("xautoclaim", -6), ("xclaim", -6), ("xdel", -3), ("xgroup", -2), ("xreadgroup", -7), ("xsetid", -3),
    ("xtrim", -4), ("zadd", -4), ("zdiffstore", -4), ("zincrby", 4), ("zinterstore", -4), ("zmpop", -4),
    ("zpopmax", -2), ("zpopmin", -2), ("zrangestore", -5), ("zrem", -3), ("zremrangebylex", 4),
    ("zremrangebyrank", 4), ("zremrangebyscore", 4), ("zunionstore", -4),
];

/// The canonical name and the arity of the write called `name`, which is in lower case.
pub(super) fn find(name: &[u8]) -> Option<(&'static str, i64)> {
    WRITES.binary_search_by(|(write, _)| write.as_bytes().cmp(name)).ok().map(|at| WRITES[at])
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
        for (name, arity) in WRITES {
            assert_eq!(find(name.as_bytes()), Some((*name, *arity)));
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

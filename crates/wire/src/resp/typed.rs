//! Reads of types that no value here has: lists, sets, sorted sets, streams, places,
//! HyperLogLogs. A present key is of another type, and a missing one is an empty list or set.
//!
//! Options are checked where Redis checks them, before or behind the lookup; those of streams and
//! places are not.

use super::command::Command;
use super::hash::random_count;
use super::writes::arity_fits;
use super::{Args, Refusal};
use crate::decimal;

/// A read of a type that no value has. A key that is there is [`Refusal::WrongType`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypedRead<'b> {
    /// Of one key.
    Key {
        /// The key asked for.
        key: &'b [u8],
        /// The answer when it is not there.
        missing: Missing<'b>,
    },
    /// Of one key or several.
    Keys {
        /// At least one key.
        keys: Args<'b>,
        /// The answer when none of them is there.
        missing: Missing<'static>,
    },
}

/// What is said of keys that are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing<'b> {
    /// Null.
    Null,
    /// The null of an array.
    NullArray,
    /// 0.
    Zero,
    /// An array of no elements.
    EmptyArray,
    /// A set of no elements.
    EmptySet,
    /// A map of no pairs.
    EmptyMap,
    /// An array of so many nulls.
    Nulls(usize),
    /// An array of so many nulls of arrays.
    NullArrays(usize),
    /// An array of so many zeros.
    Zeros(usize),
    /// The cursor 0 and an array of no elements.
    EmptyScan,
    /// An error of these words: an option that is looked at once the key is not there.
    Refused(&'static str),
    /// There is no such group of a stream, whose key is the only one.
    NoGroup(&'b [u8]),
    /// 0, as `PFCOUNT` says it, whose error for a present key is its own.
    NoHyperLogLog,
}

type Parsed<'b> = Result<TypedRead<'b>, Refusal<'b>>;

/// Reads the arguments of the read called `name`, in lower case; `None` where it is no such read.
pub(super) fn parse<'b>(name: &[u8], args: Args<'b>) -> Option<Result<Command<'b>, Refusal<'b>>> {
    let at = READS.binary_search_by(|(read, ..)| read.as_bytes().cmp(name)).ok()?;
    let (command, arity, read) = READS[at];
    Some(if arity_fits(arity, args.len() + 1) {
        read(args).map(|read| Command::Typed { command, read })
    } else {
        Err(Refusal::WrongArity { command })
    })
}

type ArgsParser = for<'b> fn(Args<'b>) -> Parsed<'b>;

/// Name, arity and arguments of each, by name.
#[rustfmt::skip]
const READS: &[(&str, i64, ArgsParser)] = &[
    ("geodist", -4, |args| first(args, Missing::Null)),
    ("geohash", -2, |args| first(args, Missing::Nulls(args.len() - 1))),
    ("geopos", -2, |args| first(args, Missing::NullArrays(args.len() - 1))),
    ("georadius_ro", -6, |args| first(args, Missing::EmptyArray)),
    ("georadiusbymember_ro", -5, |args| first(args, Missing::EmptyArray)),
    ("geosearch", -7, |args| first(args, Missing::EmptyArray)),
    ("lindex", 3, |args| first(args, Missing::Null)),
    ("llen", 2, |args| first(args, Missing::Zero)),
    ("lpos", -3, lpos),
    ("lrange", 4, |args| integers(args).and_then(|()| first(args, Missing::EmptyArray))),
    ("pfcount", -2, |keys| Ok(TypedRead::Keys { keys, missing: Missing::NoHyperLogLog })),
    ("scard", 2, |args| first(args, Missing::Zero)),
    ("sdiff", -2, |keys| Ok(TypedRead::Keys { keys, missing: Missing::EmptySet })),
    ("sinter", -2, |keys| Ok(TypedRead::Keys { keys, missing: Missing::EmptySet })),
    ("sintercard", -3, sintercard),
    ("sismember", 3, |args| first(args, Missing::Zero)),
    ("smembers", 2, |args| first(args, Missing::EmptySet)),
    ("smismember", -3, |args| first(args, Missing::Zeros(args.len() - 1))),
    ("sort_ro", -2, sort),
    ("srandmember", -2, srandmember),
    ("sscan", -3, scan),
    ("sunion", -2, |keys| Ok(TypedRead::Keys { keys, missing: Missing::EmptySet })),
    ("xinfo", -2, xinfo),
    ("xlen", 2, |args| first(args, Missing::Zero)),
    ("xpending", -3, xpending),
    ("xrange", -4, |args| first(args, Missing::EmptyArray)),
    ("xread", -4, xread),
    ("xrevrange", -4, |args| first(args, Missing::EmptyArray)),
    ("zcard", 2, |args| first(args, Missing::Zero)),
    ("zcount", 4, |args| scores(args).and_then(|()| first(args, Missing::Zero))),
    ("zdiff", -3, |args| combined(args, "zdiff", Combine::Keys)),
    ("zinter", -3, |args| combined(args, "zinter", Combine::Weights)),
    ("zintercard", -3, |args| combined(args, "zintercard", Combine::Limit)),
    ("zlexcount", 4, |args| names(args).and_then(|()| first(args, Missing::Zero))),
    ("zmscore", -3, |args| first(args, Missing::Nulls(args.len() - 1))),
    ("zrandmember", -2, zrandmember),
    ("zrange", -4, |args| range(args, None)),
    ("zrangebylex", -4, |args| range(args, Some(By::Name))),
    ("zrangebyscore", -4, |args| range(args, Some(By::Score))),
    ("zrank", 3, |args| first(args, Missing::Null)),
    ("zrevrange", -4, |args| range(args, Some(By::Rank))),
    ("zrevrangebylex", -4, |args| range(args, Some(By::Name))),
    ("zrevrangebyscore", -4, |args| range(args, Some(By::Score))),
    ("zrevrank", 3, |args| first(args, Missing::Null)),
    ("zscan", -3, scan),
    ("zscore", 3, |args| first(args, Missing::Null)),
    ("zunion", -3, |args| combined(args, "zunion", Combine::Weights)),
];

/// A read of the key that comes first.
fn first<'b>(args: Args<'b>, missing: Missing<'b>) -> Parsed<'b> {
    Ok(TypedRead::Key { key: args.at(0).unwrap_or_default(), missing })
}

fn integer(arg: &[u8]) -> Result<i64, Refusal<'static>> {
    decimal::canonical(arg).ok_or(Refusal::NotAnInteger)
}

/// The second and the third are integers.
fn integers(args: Args<'_>) -> Result<(), Refusal<'_>> {
    args.skip(1).take(2).try_for_each(|arg| integer(arg).map(drop))
}

/// The second and the third are scores, each of which may be left out itself.
fn scores(args: Args<'_>) -> Result<(), Refusal<'_>> {
    let is_score = |arg: &[u8]| is_float(arg.strip_prefix(b"(").unwrap_or(arg));
    let all = args.skip(1).take(2).all(is_score);
    all.then_some(()).ok_or(Refusal::Fixed("ERR min or max is not a float"))
}

/// The second and the third are ends of a range of names.
fn names(args: Args<'_>) -> Result<(), Refusal<'_>> {
    let is_end = |arg: &[u8]| matches!(arg, b"-" | b"+" | [b'(' | b'[', ..]);
    let all = args.skip(1).take(2).all(is_end);
    all.then_some(()).ok_or(Refusal::Fixed("ERR min or max not valid string range item"))
}

/// As C reads them: nothing is 0.
fn is_float(text: &[u8]) -> bool {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    text.is_empty() || number.is_some_and(|number| !number.is_nan())
}

fn scan(args: Args<'_>) -> Parsed<'_> {
    let cursor = args.at(1).unwrap_or_default();
    decimal::unsigned(cursor).ok_or(Refusal::InvalidCursor)?;
    first(args, Missing::EmptyScan)
}

fn zrandmember(args: Args<'_>) -> Parsed<'_> {
    let Some(count) = args.at(1) else { return first(args, Missing::Null) };
    random_count(count, args.skip(2), b"withscores")?;
    first(args, Missing::EmptyArray)
}

fn srandmember(args: Args<'_>) -> Parsed<'_> {
    match args.at(1) {
        None => first(args, Missing::Null),
        Some(_) if args.len() > 2 => Err(Refusal::Syntax),
        Some(count) => integer(count).and_then(|_| first(args, Missing::EmptyArray)),
    }
}

fn lpos(args: Args<'_>) -> Parsed<'_> {
    let mut missing = Missing::Null;
    let mut options = args.skip(2);
    while let Some(option) = options.next() {
        let value = options.next().ok_or(Refusal::Syntax)?;
        if option.eq_ignore_ascii_case(b"rank") {
            if integer(value)? == 0 {
                return Err(Refusal::Fixed(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second \
                     ... or use negative to start from the end of the list",
                ));
            }
        } else if option.eq_ignore_ascii_case(b"count") {
            natural(value, "ERR COUNT can't be negative")?;
            missing = Missing::EmptyArray;
        } else if option.eq_ignore_ascii_case(b"maxlen") {
            natural(value, "ERR MAXLEN can't be negative")?;
        } else {
            return Err(Refusal::Syntax);
        }
    }
    first(args, missing)
}

fn natural(value: &[u8], otherwise: &'static str) -> Result<i64, Refusal<'static>> {
    decimal::canonical(value).filter(|&number| number >= 0).ok_or(Refusal::Fixed(otherwise))
}

fn sort(args: Args<'_>) -> Parsed<'_> {
    let mut options = args.skip(1);
    while let Some(option) = options.next() {
        let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
        if is(b"asc") || is(b"desc") || is(b"alpha") {
            continue;
        }
        let value = options.next().ok_or(Refusal::Syntax)?;
        if is(b"limit") {
            let count = options.next().ok_or(Refusal::Syntax)?;
            integer(value).and_then(|_| integer(count))?;
        } else if !is(b"by") && !is(b"get") {
            return Err(Refusal::Syntax);
        }
    }
    first(args, Missing::EmptyArray)
}

/// The keys that the first argument counts, and what stands behind them; `None` where they are
/// fewer.
fn counted(mut args: Args<'_>, count: i64) -> Option<(Args<'_>, Args<'_>)> {
    args.next();
    let count = usize::try_from(count).ok().filter(|&count| count <= args.len())?;
    let mut options = args;
    options.by_ref().take(count).for_each(drop);
    Some((args.first(count), options))
}

fn sintercard(args: Args<'_>) -> Parsed<'_> {
    let count = args.at(0).and_then(decimal::canonical).filter(|&count| count > 0);
    let count = count.ok_or(Refusal::Fixed("ERR numkeys should be greater than 0"))?;
    let (keys, mut options) = counted(args, count)
        .ok_or(Refusal::Fixed("ERR Number of keys can't be greater than number of args"))?;
    while let Some(option) = options.next() {
        match options.next() {
            Some(limit) if option.eq_ignore_ascii_case(b"limit") => {
                natural(limit, "ERR LIMIT can't be negative")?;
            }
            _ => return Err(Refusal::Syntax),
        }
    }
    Ok(TypedRead::Keys { keys, missing: Missing::Zero })
}

/// What may stand behind the keys of `ZDIFF` and its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Combine {
    /// `WITHSCORES`.
    Keys,
    /// That, `WEIGHTS` and `AGGREGATE`.
    Weights,
    /// `LIMIT` alone.
    Limit,
}

fn combined<'b>(args: Args<'b>, command: &'static str, combine: Combine) -> Parsed<'b> {
    let count = integer(args.at(0).unwrap_or_default())?;
    if count < 1 {
        return Err(Refusal::NoKeys { command });
    }
    let (keys, options) = counted(args, count).ok_or(Refusal::Syntax)?;
    // These are looked at when the keys were looked up.
    let missing = match combined_options(options, count, combine) {
        Ok(()) if combine == Combine::Limit => Missing::Zero,
        Ok(()) => Missing::EmptyArray,
        Err(words) => Missing::Refused(words),
    };
    Ok(TypedRead::Keys { keys, missing })
}

fn combined_options(mut options: Args<'_>, keys: i64, combine: Combine) -> Result<(), &'static str> {
    const SYNTAX: &str = "ERR syntax error";
    while let Some(option) = options.next() {
        let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
        if combine == Combine::Weights && is(b"weights") {
            for _ in 0..keys {
                let weight = options.next().ok_or(SYNTAX)?;
                is_float(weight).then_some(()).ok_or("ERR weight value is not a float")?;
            }
        } else if combine == Combine::Weights && is(b"aggregate") {
            let how = options.next().ok_or(SYNTAX)?;
            let known = ["sum", "min", "max"];
            known.iter().any(|name| how.eq_ignore_ascii_case(name.as_bytes())).then_some(()).ok_or(SYNTAX)?;
        } else if combine == Combine::Limit && is(b"limit") {
            let limit = decimal::canonical(options.next().ok_or(SYNTAX)?).filter(|&limit| limit >= 0);
            limit.ok_or("ERR LIMIT can't be negative")?;
        } else if combine == Combine::Limit || !is(b"withscores") {
            return Err(SYNTAX);
        }
    }
    Ok(())
}

/// By what a range of a sorted set is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Name,
}

/// `ZRANGE`, where options say by what, and its older forms.
fn range(args: Args<'_>, fixed: Option<By>) -> Parsed<'_> {
    let mut by = fixed.unwrap_or(By::Rank);
    let (mut has_scores, mut has_limit) = (false, false);
    let mut options = args.skip(3);
    while let Some(option) = options.next() {
        let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
        if is(b"withscores") {
            has_scores = true;
        } else if is(b"limit") {
            let (Some(offset), Some(count)) = (options.next(), options.next()) else {
                return Err(Refusal::Syntax);
            };
            integer(offset).and_then(|_| integer(count))?;
            has_limit = true;
        } else if fixed.is_none() && is(b"byscore") {
            by = By::Score;
        } else if fixed.is_none() && is(b"bylex") {
            by = By::Name;
        } else if fixed.is_some() || !is(b"rev") {
            return Err(Refusal::Syntax);
        }
    }
    if has_limit && by == By::Rank {
        return Err(Refusal::Fixed(
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ));
    }
    if has_scores && by == By::Name {
        return Err(Refusal::Fixed("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
    }
    match by {
        By::Rank => integers(args)?,
        By::Score => scores(args)?,
        By::Name => names(args)?,
    }
    first(args, Missing::EmptyArray)
}

fn xinfo(mut args: Args<'_>) -> Parsed<'_> {
    let name = args.next().unwrap_or_default();
    let (subcommand, arity) = if name.eq_ignore_ascii_case(b"stream") {
        ("xinfo|stream", -1)
    } else if name.eq_ignore_ascii_case(b"groups") {
        ("xinfo|groups", 1)
    } else if name.eq_ignore_ascii_case(b"consumers") {
        ("xinfo|consumers", 2)
    } else {
        return Err(Refusal::UnknownSubcommand { container: "XINFO", name });
    };
    if !arity_fits(arity, args.len()) {
        return Err(Refusal::WrongArity { command: subcommand });
    }
    first(args, Missing::Refused("ERR no such key"))
}

fn xpending(args: Args<'_>) -> Parsed<'_> {
    if !matches!(args.len(), 2 | 5..) {
        return Err(Refusal::Syntax);
    }
    first(args, Missing::NoGroup(args.at(1).unwrap_or_default()))
}

fn xread(mut args: Args<'_>) -> Parsed<'_> {
    loop {
        let Some(option) = args.next() else { return Err(Refusal::Syntax) };
        if option.eq_ignore_ascii_case(b"streams") && args.len() > 0 {
            break;
        } else if option.eq_ignore_ascii_case(b"count") {
            integer(args.next().ok_or(Refusal::Syntax)?)?;
        } else if option.eq_ignore_ascii_case(b"block") {
            let timeout = decimal::canonical(args.next().ok_or(Refusal::Syntax)?);
            match timeout.ok_or(Refusal::Fixed("ERR timeout is not an integer or out of range"))? {
                0.. => {}
                _ => return Err(Refusal::Fixed("ERR timeout is negative")),
            }
        } else {
            return Err(Refusal::Syntax);
        }
    }
    if args.len() % 2 == 1 {
        return Err(Refusal::Fixed(
            "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
        ));
    }
    Ok(TypedRead::Keys { keys: args.first(args.len() / 2), missing: Missing::NullArray })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reads_are_in_order_and_each_is_told_of_with_the_same_arity() {
        assert!(READS.is_sorted_by(|a, b| a.0 < b.0));
        for (name, arity, _) in READS {
            let known = super::super::Known::find(name.as_bytes()).unwrap();
            assert_eq!(known.arity, *arity, "{name}");
        }
    }
}

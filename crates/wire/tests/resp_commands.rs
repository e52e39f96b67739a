//! Every command that a read-only Redis server knows: how it is understood, and the words in which it is refused.
//!
//! The refusals were compared with a running Redis 7.0; docs/PROTOCOLS.md lists where they differ, and why.

mod asked;

use asked::{refusal, refusal_of_line, with_args, with_line};
use graven_wire::resp::{
    BadBitRange, BitRange, ClientFilter, ClientTopic, Command, CommandTopic, Database, HASH_FIELDS_MAX,
    HashPart, HashScan, Hello, Known, Lcs, LcsWanted, Missing, ObjectTopic, Refusal, Scan, ScanOptionError,
    TypedRead, Version, count_bits, find_bit,
};

#[test]
fn every_command_of_the_list_is_understood_in_any_case() {
    let table: &[(&str, Command<'_>)] = &[
        ("GET a", Command::Get { key: b"a" }),
        ("gEt a", Command::Get { key: b"a" }),
        ("STRLEN a", Command::StrLen { key: b"a" }),
        ("GETRANGE a 0 -1", Command::GetRange { key: b"a", start: 0, end: -1 }),
        ("substr a 1 2", Command::GetRange { key: b"a", start: 1, end: 2 }),
        ("TYPE a", Command::Type { key: b"a" }),
        ("TTL a", Command::Ttl { key: b"a" }),
        ("PTTL a", Command::PTtl { key: b"a" }),
        ("OBJECT encoding a", Command::Object { topic: ObjectTopic::Encoding, key: b"a" }),
        ("SCAN 0", Command::Scan(Scan { cursor: 0, pattern: None, count: 10, kind: None })),
        (
            "scan 18446744073709551615 match a* COUNT 100 Type string",
            Command::Scan(Scan { cursor: u64::MAX, pattern: Some(b"a*"), count: 100, kind: Some(b"string") }),
        ),
        ("KEYS *", Command::Keys { pattern: b"*" }),
        ("RANDOMKEY", Command::RandomKey),
        ("DBSIZE", Command::DbSize),
        ("PING", Command::Ping { message: None }),
        ("ping hi", Command::Ping { message: Some(b"hi") }),
        ("ECHO hi", Command::Echo { message: b"hi" }),
        ("TIME", Command::Time),
        ("COMMAND", Command::Command(CommandTopic::All)),
        ("COMMAND COUNT", Command::Command(CommandTopic::Count)),
        ("CLIENT ID", Command::Client(ClientTopic::Id)),
        ("client info", Command::Client(ClientTopic::Info)),
        ("CLIENT LIST", Command::Client(ClientTopic::List(ClientFilter::All))),
        ("CLIENT LIST TYPE NORMAL", Command::Client(ClientTopic::List(ClientFilter::All))),
        ("CLIENT LIST TYPE pubsub", Command::Client(ClientTopic::List(ClientFilter::Nobody))),
        ("CLIENT GETNAME", Command::Client(ClientTopic::GetName)),
        ("CLIENT SETNAME me", Command::Client(ClientTopic::SetName { name: b"me" })),
        ("CLIENT SETINFO LIB-NAME py", Command::Client(ClientTopic::LibraryName { name: b"py" })),
        ("CLIENT SETINFO lib-ver 8.0", Command::Client(ClientTopic::LibraryVersion { version: b"8.0" })),
        ("HELLO", Command::Hello(Hello { version: None, auth: None, name: None })),
        ("HELLO 2", Command::Hello(Hello { version: Some(Version::Resp2), auth: None, name: None })),
        (
            "hello 3 setname me auth default secret",
            Command::Hello(Hello {
                version: Some(Version::Resp3),
                auth: Some((b"default", b"secret")),
                name: Some(b"me"),
            }),
        ),
        ("AUTH secret", Command::Auth { user: None, password: b"secret" }),
        ("AUTH me secret", Command::Auth { user: Some(b"me"), password: b"secret" }),
        ("SELECT 0", Command::Select(Database::Number(0))),
        ("SELECT prices", Command::Select(Database::Name(b"prices"))),
        ("READONLY", Command::ReadOnly),
        ("READWRITE", Command::ReadWrite),
        ("RESET", Command::Reset),
        ("QUIT", Command::Quit),
        ("QUIT now", Command::Quit),
        ("GETEX a", Command::Get { key: b"a" }),
        ("WAIT 0 0", Command::Wait),
        ("WAIT 1 5", Command::Wait),
        ("BITCOUNT a", Command::BitCount { key: b"a", part: Ok(BitRange::ALL) }),
        ("BITCOUNT a 0", Command::BitCount { key: b"a", part: Err(BadBitRange::Syntax) }),
        ("BITCOUNT a 0 x", Command::BitCount { key: b"a", part: Err(BadBitRange::NotAnInteger) }),
        ("BITCOUNT a 0 1 BIT x", Command::BitCount { key: b"a", part: Err(BadBitRange::Syntax) }),
        ("BITPOS a 0", Command::BitPos { key: b"a", bit: false, part: Ok(BitRange::ALL) }),
        ("BITPOS a 1", Command::BitPos { key: b"a", bit: true, part: Ok(BitRange::ALL) }),
        ("BITPOS a 1 0 1 BITS", Command::BitPos { key: b"a", bit: true, part: Err(BadBitRange::Syntax) }),
        ("LCS a b", Command::Lcs(Lcs { keys: [b"a", b"b"], wanted: LcsWanted::Bytes })),
        ("LCS a b LEN", Command::Lcs(Lcs { keys: [b"a", b"b"], wanted: LcsWanted::Length })),
        (
            "lcs a b IDX MINMATCHLEN 4 WITHMATCHLEN",
            Command::Lcs(Lcs {
                keys: [b"a", b"b"],
                wanted: LcsWanted::Matches { len_min: 4, with_lens: true },
            }),
        ),
        (
            "lcs a b minmatchlen -1 idx",
            Command::Lcs(Lcs {
                keys: [b"a", b"b"],
                wanted: LcsWanted::Matches { len_min: 0, with_lens: false },
            }),
        ),
    ];
    for (line, expected) in table {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        with_args(&args, |args| assert_eq!(Command::parse(args).as_ref(), Ok(expected), "{line}"));
    }
}

#[test]
fn a_command_is_named_with_the_subcommand_that_users_are_permitted_apart() {
    for (line, name) in [
        ("GET a", "get"),
        ("substr a 0 1", "getrange"),
        ("HGET a f", "hget"),
        ("SMEMBERS a", "smembers"),
        ("PUNSUBSCRIBE", "punsubscribe"),
        ("CONFIG GET *", "config|get"),
        ("COMMAND COUNT", "command"),
        ("CLIENT LIST", "client|list"),
        ("CLIENT KILL ID 1", "client|kill"),
        ("CLIENT INFO", "client|info"),
        ("CLIENT SETNAME me", "client|setname"),
        ("CLIENT SETINFO LIB-NAME py", "client|setinfo"),
        ("CLIENT SETINFO LIB-VER 8", "client|setinfo"),
        ("CLIENT ID", "client"),
        ("MEMORY USAGE a", "memory|usage"),
        ("MEMORY STATS", "memory"),
        ("MODULE LIST", "module|list"),
        ("ACL WHOAMI", "acl|whoami"),
        ("ACL HELP", "help"),
    ] {
        with_line(line, |command| assert_eq!(command.unwrap().name(), name, "{line}"));
    }
}

#[test]
fn reads_of_hashes_say_what_they_read_and_what_a_missing_key_is() {
    use HashPart::{All, Count, Exists, Field, Length, Names, Random, RandomMany, Scan, Values};
    let scan = |pattern, without_values| Scan(Ok(HashScan { pattern, without_values }));
    let table = [
        ("HGET k f", Field(b"f"), Missing::Null),
        ("hgetall k", All, Missing::EmptyMap),
        ("HKEYS k", Names, Missing::EmptyArray),
        ("HVALS k", Values, Missing::EmptyArray),
        ("HLEN k", Count, Missing::Zero),
        ("HEXISTS k f", Exists(b"f"), Missing::Zero),
        ("HSTRLEN k f", Length(b"f"), Missing::Zero),
        ("HSCAN k 7", scan(None, false), Missing::EmptyScan),
        ("HSCAN k 0 count 5 match a* novalues", scan(Some(b"a*"), true), Missing::EmptyScan),
        ("HSCAN k 0 COUNT 1", scan(None, false), Missing::EmptyScan),
        ("HSCAN k 0 COUNT 0", Scan(Err(ScanOptionError::Syntax)), Missing::EmptyScan),
        ("HSCAN k 0 COUNT x", Scan(Err(ScanOptionError::NotAnInteger)), Missing::EmptyScan),
        ("HSCAN k 0 MATCH", Scan(Err(ScanOptionError::Syntax)), Missing::EmptyScan),
        ("HSCAN k 0 TYPE x", Scan(Err(ScanOptionError::Syntax)), Missing::EmptyScan),
        ("HRANDFIELD k", Random, Missing::Null),
        ("HRANDFIELD k -3", RandomMany { count: -3, with_values: false }, Missing::EmptyArray),
        ("HRANDFIELD k 3 withvalues", RandomMany { count: 3, with_values: true }, Missing::EmptyArray),
        (
            "HRANDFIELD k 4611686018427387903 withvalues",
            RandomMany { count: i64::MAX / 2, with_values: true },
            Missing::EmptyArray,
        ),
    ];
    for (line, part, missing) in table {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        with_args(&args, |args| {
            let Ok(Command::Hash(read)) = Command::parse(args) else { panic!("{line}") };
            assert_eq!((read.key, read.part, read.missing()), (&b"k"[..], part, missing), "{line}");
            assert!(line.to_lowercase().starts_with(read.command), "{line}");
        });
    }
    let args: Vec<&[u8]> = vec![b"hMget", b"k", b"a", b"b"];
    with_args(&args, |args| {
        let Ok(Command::Hash(read)) = Command::parse(args) else { panic!("HMGET") };
        assert_eq!((read.command, read.key, read.missing()), ("hmget", &b"k"[..], Missing::Nulls(2)));
        let HashPart::Fields(fields) = read.part else { panic!("{read:?}") };
        assert_eq!(fields.collect::<Vec<_>>(), [b"a", b"b"]);
    });
    for (line, refusal) in [
        ("HGET k", Refusal::WrongArity { command: "hget" }),
        ("HGET k a b", Refusal::WrongArity { command: "hget" }),
        ("HMGET k", Refusal::WrongArity { command: "hmget" }),
        ("HLEN k a", Refusal::WrongArity { command: "hlen" }),
        ("HSCAN k", Refusal::WrongArity { command: "hscan" }),
        ("HSCAN k x", Refusal::InvalidCursor),
        ("HRANDFIELD k x", Refusal::NotAnInteger),
        ("HRANDFIELD k 1 VALUES", Refusal::Syntax),
        ("HRANDFIELD k 1 WITHVALUES x", Refusal::Syntax),
        ("HRANDFIELD k 4611686018427387904 WITHVALUES", Refusal::Fixed("ERR value is out of range")),
    ] {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        with_args(&args, |args| assert_eq!(Command::parse(args), Err(refusal), "{line}"));
    }
    let fields = |count: usize| [&[&b"hmget"[..], b"k"], &vec![&b"f"[..]; count][..]].concat();
    with_args(&fields(HASH_FIELDS_MAX), |args| {
        let Ok(Command::Hash(read)) = Command::parse(args) else { panic!("HMGET") };
        assert_eq!(read.missing(), Missing::Nulls(HASH_FIELDS_MAX));
    });
    for count in [HASH_FIELDS_MAX + 1, HASH_FIELDS_MAX + 2] {
        let expected = Refusal::TooManyArguments { most: HASH_FIELDS_MAX + 1, found: count + 1 };
        with_args(&fields(count), |args| assert_eq!(Command::parse(args), Err(expected)));
    }
}

#[test]
fn commands_of_many_arguments_hand_them_on_in_order() {
    let listed = |command: &Command<'_>| {
        match command {
            Command::MGet { keys } | Command::Exists { keys } | Command::Touch { keys } => Some(*keys),
            Command::Info { sections } => Some(*sections),
            Command::ConfigGet { patterns } => Some(*patterns),
            Command::Command(CommandTopic::Info { names } | CommandTopic::Docs { names }) => Some(*names),
            Command::Client(ClientTopic::List(ClientFilter::Ids(ids))) => Some(*ids),
            Command::Typed { read: TypedRead::Keys { keys, .. }, .. } => Some(*keys),
            _ => None,
        }
        .map(|args| args.map(|arg| String::from_utf8_lossy(arg).into_owned()).collect::<Vec<_>>())
    };
    for (line, expected) in [
        ("MGET a b a", vec!["a", "b", "a"]),
        ("exists a b", vec!["a", "b"]),
        ("TOUCH a", vec!["a"]),
        ("INFO", vec![]),
        ("INFO server keyspace", vec!["server", "keyspace"]),
        ("CONFIG GET save appendonly", vec!["save", "appendonly"]),
        ("COMMAND INFO", vec![]),
        ("COMMAND DOCS get", vec!["get"]),
        ("CLIENT LIST ID 1 2", vec!["1", "2"]),
        // What stands behind the keys is none.
        ("ZUNION 2 a b WITHSCORES", vec!["a", "b"]),
        ("ZINTERCARD 1 a LIMIT 3", vec!["a"]),
        ("SINTERCARD 2 a b LIMIT 1", vec!["a", "b"]),
        ("XREAD COUNT 1 STREAMS a b 0 0", vec!["a", "b"]),
    ] {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        with_args(&args, |args| {
            let command = Command::parse(args).unwrap();
            assert_eq!(listed(&command).unwrap(), expected, "{line}");
        });
    }
}

#[test]
fn refusals_have_the_words_of_redis() {
    for (line, expected) in [
        ("foo", "-ERR unknown command 'foo', with args beginning with: \r\n"),
        ("hgot a b", "-ERR unknown command 'hgot', with args beginning with: 'a' 'b' \r\n"),
        ("get", "-ERR wrong number of arguments for 'get' command\r\n"),
        ("GET a b", "-ERR wrong number of arguments for 'get' command\r\n"),
        ("MGET", "-ERR wrong number of arguments for 'mget' command\r\n"),
        ("client", "-ERR wrong number of arguments for 'client' command\r\n"),
        ("client foo", "-ERR unknown subcommand 'foo'. Try CLIENT HELP.\r\n"),
        ("CLIENT SETNAME", "-ERR wrong number of arguments for 'client|setname' command\r\n"),
        ("client id x", "-ERR wrong number of arguments for 'client|id' command\r\n"),
        ("client list type x", "-ERR Unknown client type 'x'\r\n"),
        ("client list id x", "-ERR Invalid client ID\r\n"),
        ("client list foo", "-ERR syntax error\r\n"),
        ("client setinfo foo x", "-ERR Unrecognized option 'foo'\r\n"),
        (
            "CLIENT MAINT_NOTIFICATIONS ON",
            "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n",
        ),
        ("config", "-ERR wrong number of arguments for 'config' command\r\n"),
        ("config get", "-ERR wrong number of arguments for 'config|get' command\r\n"),
        ("config foo", "-ERR unknown subcommand 'foo'. Try CONFIG HELP.\r\n"),
        ("hello 4", "-NOPROTO unsupported protocol version\r\n"),
        ("hello 1", "-NOPROTO unsupported protocol version\r\n"),
        ("hello x", "-ERR Protocol version is not an integer or out of range\r\n"),
        ("hello 3 auth a", "-ERR Syntax error in HELLO option 'auth'\r\n"),
        ("hello 3 foo", "-ERR Syntax error in HELLO option 'foo'\r\n"),
        ("auth", "-ERR wrong number of arguments for 'auth' command\r\n"),
        ("auth a b c", "-ERR syntax error\r\n"),
        ("select", "-ERR wrong number of arguments for 'select' command\r\n"),
        ("ping a b", "-ERR wrong number of arguments for 'ping' command\r\n"),
        ("reset x", "-ERR wrong number of arguments for 'reset' command\r\n"),
        ("object", "-ERR wrong number of arguments for 'object' command\r\n"),
        ("object encoding", "-ERR wrong number of arguments for 'object|encoding' command\r\n"),
        ("object foo k", "-ERR unknown subcommand 'foo'. Try OBJECT HELP.\r\n"),
        ("getrange k a b", "-ERR value is not an integer or out of range\r\n"),
        ("getrange k 0", "-ERR wrong number of arguments for 'getrange' command\r\n"),
        ("getrange k 0 9223372036854775808", "-ERR value is not an integer or out of range\r\n"),
        ("scan", "-ERR wrong number of arguments for 'scan' command\r\n"),
        ("scan x", "-ERR invalid cursor\r\n"),
        ("scan 18446744073709551616", "-ERR invalid cursor\r\n"),
        ("scan 0 count 0", "-ERR syntax error\r\n"),
        ("scan 0 count -1", "-ERR syntax error\r\n"),
        ("scan 0 count x", "-ERR value is not an integer or out of range\r\n"),
        ("scan 0 foo", "-ERR syntax error\r\n"),
        ("scan 0 match", "-ERR syntax error\r\n"),
        ("keys", "-ERR wrong number of arguments for 'keys' command\r\n"),
        ("randomkey a", "-ERR wrong number of arguments for 'randomkey' command\r\n"),
        ("command count x", "-ERR wrong number of arguments for 'command|count' command\r\n"),
        ("command foo", "-ERR unknown subcommand 'foo'. Try COMMAND HELP.\r\n"),
        ("SET a b", "-READONLY You can't write against a read only replica.\r\n"),
        ("set a", "-ERR wrong number of arguments for 'set' command\r\n"),
        ("DEL a b c", "-READONLY You can't write against a read only replica.\r\n"),
        ("FLUSHALL", "-READONLY You can't write against a read only replica.\r\n"),
        ("GETEX a PERSIST", "-READONLY You can't write against a read only replica.\r\n"),
        ("client list id 1 x", "-ERR Invalid client ID\r\n"),
        ("wait x 1", "-ERR value is not an integer or out of range\r\n"),
        ("wait 1 x", "-ERR timeout is not an integer or out of range\r\n"),
        ("wait 1 -1", "-ERR timeout is negative\r\n"),
        ("wait 1", "-ERR wrong number of arguments for 'wait' command\r\n"),
        ("subscribe", "-ERR wrong number of arguments for 'subscribe' command\r\n"),
        ("subscribe a", "-ERR subscribe is refused: nothing is ever published here\r\n"),
        ("psubscribe a b", "-ERR psubscribe is refused: nothing is ever published here\r\n"),
        ("publish a", "-ERR wrong number of arguments for 'publish' command\r\n"),
        ("bitpos k 2", "-ERR The bit argument must be 1 or 0.\r\n"),
        ("bitpos k x", "-ERR value is not an integer or out of range\r\n"),
        ("getbit k 4294967296", "-ERR bit offset is not an integer or out of range\r\n"),
        ("bitfield_ro k overflow foo", "-ERR Invalid OVERFLOW type specified\r\n"),
        ("bitfield_ro k set u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand\r\n"),
        ("bitfield_ro k incrby i8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand\r\n"),
        ("bitfield_ro k set u8 0 x", "-ERR value is not an integer or out of range\r\n"),
        ("bitfield_ro k foo u8 0", "-ERR syntax error\r\n"),
        ("bitfield_ro k get u8 #536870912", "-ERR bit offset is not an integer or out of range\r\n"),
        ("lcs a b foo", "-ERR syntax error\r\n"),
        ("lcs a b foo 1", "-ERR syntax error\r\n"),
        ("lcs a b minmatchlen", "-ERR syntax error\r\n"),
        ("lcs a b minmatchlen x", "-ERR value is not an integer or out of range\r\n"),
        ("lcs a b idx len", "-ERR If you want both the length and indexes, please just use IDX.\r\n"),
        ("incr a b", "-ERR wrong number of arguments for 'incr' command\r\n"),
    ] {
        assert_eq!(refusal_of_line(line), expected, "{line}");
    }
    let special = "-ERR Client names cannot contain spaces, newlines or special characters.\r\n";
    assert_eq!(refusal(&[b"client", b"setname", b"a b"]), special);
    assert_eq!(refusal(&[b"hello", b"3", b"setname", b"a\n"]), special);
    let info = "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n";
    assert_eq!(refusal(&[b"client", b"setinfo", b"LIB-NAME", b"a b"]), info);
    // As long as it may be, with a character that it may not have; and a byte longer.
    let (most, long) = ([b' '; 1024], [b'n'; 1025]);
    let too_long = "-ERR what a client says of itself may have 1024 bytes, this has 1025\r\n";
    assert_eq!(refusal(&[b"client", b"setname", &most]), special);
    assert_eq!(refusal(&[b"client", b"setname", &long]), too_long);
    assert_eq!(refusal(&[b"hello", b"3", b"setname", &long]), too_long);
    assert_eq!(refusal(&[b"client", b"setinfo", b"lib-name", &long]), too_long);
    assert_eq!(refusal(&[b"client", b"setinfo", b"LIB-VER", &long]), too_long);
}

#[test]
fn an_unknown_command_is_shown_cut_short_and_on_one_line() {
    let long = [b'x'; 200];
    assert_eq!(
        refusal(&[b"f\r\n'o", b"a", b"b\r\nc"]),
        "-ERR unknown command 'f  'o', with args beginning with: 'a' 'b  c' \r\n"
    );
    assert_eq!(
        refusal(&[b"foo", b"a", &long, b"d"]),
        format!("-ERR unknown command 'foo', with args beginning with: 'a' '{}' \r\n", "x".repeat(124))
    );
    assert_eq!(
        refusal(&[&long, b"a"]),
        format!("-ERR unknown command '{}', with args beginning with: 'a' \r\n", "x".repeat(128))
    );
    assert_eq!(refusal(&[b""]), "-ERR unknown command '', with args beginning with: \r\n");
}

#[test]
fn passwords_are_refused_as_where_none_is_set() {
    let text = |refusal: Refusal<'_>| {
        let mut out = Vec::new();
        refusal.encode(&mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        text(Refusal::NoPasswordIsSet),
        "-ERR AUTH <password> called without any password configured for the default user. Are you sure your \
         configuration is correct?\r\n"
    );
    assert_eq!(
        text(Refusal::WrongPassword),
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    );
}

#[test]
fn a_part_of_a_value_is_cut_as_redis_cuts_it() {
    // Every row was asked of Redis 7.0 with GETRANGE on the value 0123456789.
    for (start, end, expected) in [
        (0, -1, 0..10),
        (0, 0, 0..1),
        (3, 5, 3..6),
        (-3, -1, 7..10),
        (-100, 2, 0..3),
        (-3, -3, 7..8),
        (5, 100, 5..10),
        (9, 9, 9..10),
        (10, 10, 0..0),
        (5, 2, 0..0),
        (-1, -5, 0..0),
        (-100, -50, 0..1),
        (-50, -100, 0..0),
        (0, -100, 0..1),
        (i64::MIN, i64::MAX, 0..10),
        (i64::MAX, i64::MIN, 0..0),
    ] {
        assert_eq!(Command::part(start, end, 10), expected, "{start} {end}");
    }
    assert_eq!(Command::part(0, -1, 0), 0..0);
}

#[test]
fn every_command_that_is_told_of_is_understood_or_refused_for_its_arguments() {
    for known in Known::all() {
        let least = usize::try_from(known.arity.unsigned_abs()).unwrap();
        for count in [least, least + 1, least + 5] {
            let mut args = vec![known.name.as_bytes()];
            args.resize(count, b"1");
            let said = refusal(&args);
            assert!(!said.contains("unknown command"), "{}: {said}", known.name);
        }
        if least > 1 {
            let said = refusal(&[known.name.as_bytes()]);
            let expected = format!("-ERR wrong number of arguments for '{}' command\r\n", known.name);
            assert_eq!(said, expected);
        }
        assert!(known.flags().count() < 10 && known.categories().count() > 0, "{}", known.name);
    }
    assert!(Known::all().is_sorted_by(|a, b| a.name < b.name));
    assert!(Known::all().contains(Known::find(b"GET").unwrap()));
}

#[test]
fn permissions_can_name_commands_that_are_answered_and_writes_and_ask_which_read_keys() {
    for (name, knows) in [("get", true), ("set", true), ("client", true), ("foo", false), ("", false)] {
        assert_eq!(Known::knows(name.as_bytes()), knows, "{name}");
    }
    for (name, reads_keys) in [
        ("get", true),
        ("ttl", true),
        ("keys", true),
        ("dbsize", true),
        ("memory", true),
        ("object", true),
        ("xinfo", true),
        ("ping", false),
        ("client", false),
        ("auth", false),
    ] {
        assert_eq!(Known::find(name.as_bytes()).unwrap().reads_keys(), reads_keys, "{name}");
    }
}

#[test]
fn the_keys_of_a_command_are_found_where_redis_finds_them() {
    // Every row was asked of Redis 7.0 with COMMAND GETKEYS.
    for (line, expected) in [
        ("get a", Ok(vec!["a"])),
        ("MGET a b a", Ok(vec!["a", "b", "a"])),
        ("mset a 1 b 2", Ok(vec!["a", "b"])),
        ("blpop a b 0", Ok(vec!["a", "b"])),
        ("blpop a b c 0", Ok(vec!["a", "b", "c"])),
        ("bitop and d a b", Ok(vec!["d", "a", "b"])),
        ("zunionstore d 2 a b", Ok(vec!["d", "a", "b"])),
        ("blmpop 0 2 a b left", Ok(vec!["a", "b"])),
        ("xread count 1 streams a b 0 0", Ok(vec!["a", "b"])),
        ("object encoding a", Ok(vec!["a"])),
        ("xgroup create a g $", Ok(vec!["a"])),
        ("sintercard 3 a b", Err("-ERR Invalid arguments specified for command\r\n")),
        ("sintercard 0 a b", Err("-ERR Invalid arguments specified for command\r\n")),
        ("xread count 1 streams", Err("-ERR Invalid arguments specified for command\r\n")),
        ("sintercard -1 a b", Err("-ERR Invalid arguments specified for command\r\n")),
        ("zunion 99999999999999999999 a b", Err("-ERR Invalid arguments specified for command\r\n")),
        ("get a b", Err("-ERR Invalid number of arguments specified for command\r\n")),
        ("scan 0", Err("-ERR The command has no key arguments\r\n")),
        ("object help", Err("-ERR The command has no key arguments\r\n")),
        ("none a", Err("-ERR Invalid command specified\r\n")),
    ] {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        with_args(&args, |args| match (Known::keys_of(args), expected) {
            (Ok(keys), Ok(expected)) => {
                assert_eq!(keys, expected.iter().map(|key| key.as_bytes()).collect::<Vec<_>>(), "{line}");
            }
            (Err(refusal), Err(expected)) => {
                let mut out = Vec::new();
                refusal.encode(&mut out);
                assert_eq!(String::from_utf8(out).unwrap(), expected, "{line}");
            }
            (found, expected) => panic!("{line}: expected {expected:?}, found {found:?}"),
        });
    }
}

#[test]
fn a_part_of_the_bits_of_a_value_is_cut_as_redis_cuts_it() {
    let part = |line: &str| {
        with_line(line, |command| match command {
            Ok(Command::BitCount { part: Ok(part), .. } | Command::BitPos { part: Ok(part), .. }) => part,
            other => panic!("{line}: {other:?}"),
        })
    };
    // Every row was asked of Redis 7.0 with BITCOUNT on a value of so many bytes.
    for (range, len, expected) in [
        ("0 -1", 10, 0..80),
        ("-2 -1", 10, 64..80),
        ("3 5", 10, 24..48),
        ("3 5 BYTE", 10, 24..48),
        ("3 5 BIT", 10, 3..6),
        ("-3 -1 bit", 10, 77..80),
        ("-2 -2", 10, 64..72),
        ("5 100", 10, 40..80),
        ("10 10", 10, 0..0),
        ("5 2", 10, 0..0),
        ("-1 -5", 10, 0..0),
        ("-100 -50", 10, 0..8),
        ("-50 -100", 10, 0..0),
        ("0 -1", 0, 0..0),
    ] {
        assert_eq!(part(&format!("bitcount k {range}")).counted_bits(len), expected, "{range} of {len}");
    }
    assert_eq!(part("bitpos k 1 -2").bits(10), 64..80);
    assert_eq!(part("bitpos k 1 -50 -100").bits(10), 0..8);
    assert_eq!(part("bitpos k 1 -1 -5").bits(10), 0..0);
    assert!(!part("bitpos k 1").has_end() && !part("bitpos k 1 -2").has_end());
    assert!(part("bitpos k 1 -2 -1").has_end() && part("bitpos k 1 0 2 bit").has_end());
}

#[test]
fn bits_are_counted_and_found_as_one_by_one() {
    let value: Vec<u8> = (0..41_u32).map(|i| (i * i * 37 % 251) as u8 & (i * 29) as u8).collect();
    let total = value.len() as u64 * 8;
    let bit = |at: u64| value[(at / 8) as usize] >> (7 - at % 8) & 1 == 1;
    for start in (0..total).step_by(3) {
        for end in (start..=total).step_by(5) {
            let set = (start..end).filter(|&at| bit(at)).count() as u64;
            assert_eq!(count_bits(&value, start..end), set, "{start}..{end}");
            for wanted in [true, false] {
                let first = (start..end).find(|&at| bit(at) == wanted);
                assert_eq!(find_bit(&value, start..end, wanted), first, "{start}..{end}");
            }
        }
    }
    for outside in [0..u64::MAX, u64::MAX - 3..u64::MAX, 9..9] {
        count_bits(&value, outside.clone());
        find_bit(&value, outside, true);
    }
}

#[test]
fn a_bit_field_reads_behind_the_end_as_zeros() {
    let read = |line: &str, value: &[u8]| {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        with_args(&args, |args| match Command::parse(args) {
            Ok(Command::BitFieldRo { fields, .. }) => {
                fields.map(|field| field.read(value)).collect::<Vec<_>>()
            }
            other => panic!("{line}: {other:?}"),
        })
    };
    let value = b"\xff\x7f\x00\x80";
    assert_eq!(read("bitfield_ro k get i8 0 get u8 0 get i8 8 get u4 #2", value), [-1, 255, 127, 7]);
    assert_eq!(
        read("bitfield_ro k get i64 0 get u63 1", value),
        [-36_309_722_239_860_736, 9_187_062_314_614_915_072]
    );
    assert_eq!(read("bitfield_ro k overflow SAT get u8 0 get u8 #536870911", value), [255, 0]);
    assert_eq!(read("bitfield_ro k get i1 24 get u2 31 get i64 4294967295", value), [-1, 0, 0]);
}

//! Dumps of a Redis: every version and encoding, what is left out, what is refused, and what is
//! damaged. What a real server writes is for the tests beside real servers.

#[path = "support/rdb_writer.rs"]
mod rdb_writer;

use std::collections::BTreeMap;

use graven_format::{Options, Store};
use graven_ingest::{
    Cause, ColumnOptions, Error, HashForm, Input, KeyFilter, OtherPolicy, RdbDamage, RdbFault, RedisBuilder,
    RedisCounts, RedisDump, RedisKind, RedisOptions, RedisProblem, RedisTable, TakenKind, TtlPolicy,
};
use rdb_writer::{Packed, RdbWriter, checksum, length, listpack, raw, strings, ziplist, zipmap};

/// What a dump became: each key with its value, rows as JSON, and what was counted.
type Read = (BTreeMap<String, String>, RedisCounts);

fn read(dump: &[u8], options: &RedisOptions) -> Result<Read, Error> {
    read_columns(dump, options, None)
}

fn read_columns(dump: &[u8], options: &RedisOptions, columns: Option<ColumnOptions>) -> Result<Read, Error> {
    let input = Input::from_reader("dump.rdb", std::io::Cursor::new(dump.to_vec()))?;
    let mut table = RedisTable::new(options.clone(), columns, Options::default());
    RedisDump::new(input)?.add_to(&mut table)?;
    let counts = table.counts().clone();
    let store = match table.finish().map_err(|cause| Error::of_whole("dump.rdb", cause))? {
        None => return Ok((BTreeMap::new(), counts)),
        Some(RedisBuilder::Pairs(builder)) => builder.finish().unwrap().0,
        Some(RedisBuilder::Rows(builder)) => builder.finish().unwrap().0,
    };
    Ok((contents(&store), counts))
}

fn contents(store: &Store) -> BTreeMap<String, String> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let pairs = store.iter().map(|pair| {
        let (key, value) = pair.unwrap();
        if store.schema().is_none() {
            return (text(key), text(value));
        }
        let mut json = Vec::new();
        store.row(&value).unwrap().write_json(&mut json).unwrap();
        (text(key), text(json))
    });
    pairs.collect()
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[track_caller]
fn assert_read(dump: &[u8], options: &RedisOptions, expected: &[(&str, &str)]) -> RedisCounts {
    let (found, counts) = read(dump, options).unwrap();
    assert_eq!(found, pairs(expected));
    counts
}

#[track_caller]
fn damage(dump: &[u8]) -> RdbDamage {
    match read(dump, &all()) {
        Err(Error { cause: Cause::Rdb(damage), .. }) => *damage,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn problems(dump: &[u8], options: &RedisOptions) -> Vec<RedisProblem> {
    match read(dump, options) {
        Err(Error { cause: Cause::Redis(problems), .. }) => problems,
        other => panic!("{other:?}"),
    }
}

/// Everything is taken that can be.
fn all() -> RedisOptions {
    RedisOptions {
        hashes: HashForm::Json,
        ttl: TtlPolicy::KeepValue,
        others: OtherPolicy::Skip,
        ..RedisOptions::default()
    }
}

fn json(hashes: HashForm) -> RedisOptions {
    RedisOptions { hashes, ..RedisOptions::default() }
}

#[test]
fn strings_are_read_in_every_encoding() {
    let long = "long ".repeat(5000);
    let mut dump = RdbWriter::new(11);
    dump.database(0)
        .string("raw", "value")
        .string("", "of the empty key")
        .string("empty", "")
        .string("long", &long)
        .value(0, "int8", b"\xC0\x85")
        .value(0, "int16", b"\xC1\x2E\xFB")
        .value(0, "int32", b"\xC2\xFF\xFF\xFF\x7F")
        // Nine bytes for eleven: "abc", then eight from three back.
        .value(0, "lzf", b"\xC3\x06\x0B\x02abc\xC0\x02")
        .bytes(b"\x00\xC0\x07\x05seven");
    let expected = [
        ("raw", "value"),
        ("", "of the empty key"),
        ("empty", ""),
        ("long", &long),
        ("int8", "-123"),
        ("int16", "-1234"),
        ("int32", "2147483647"),
        ("lzf", "abcabcabcab"),
        ("7", "seven"),
    ];
    let counts = assert_read(&dump.end(), &RedisOptions::default(), &expected);
    assert_eq!((counts.strings, counts.hashes, counts.others.all()), (9, 0, 0));
}

#[test]
fn every_version_is_read_and_those_before_5_have_no_checksum() {
    for version in 5..=12 {
        let dump = RdbWriter::new(version).database(0).string("key", "value").clone();
        assert_read(&dump.end(), &RedisOptions::default(), &[("key", "value")]);
        assert_read(&dump.end_without_checksum(), &RedisOptions::default(), &[("key", "value")]);
    }
    for version in 1..=4 {
        let mut dump = RdbWriter::new(version).database(0).string("key", "value").clone();
        dump.bytes(&[255]);
        assert_read(&dump.0, &RedisOptions::default(), &[("key", "value")]);
    }
}

#[test]
fn parts_about_the_dump_and_its_keys_are_passed_over() {
    let mut dump = RdbWriter::new(12);
    dump.about("redis-ver", "7.4.0")
        .about("ctime", "1700000000")
        // A function; what a module has to say: an id, "before the keys", then a part of each kind.
        .bytes(&[245])
        .bytes(&raw(b"#!lua name=mylib\n"))
        .bytes(&[247, 0x81, 1, 2, 3, 4, 5, 6, 7, 8, 2, 1])
        .bytes(&[1, 7, 2, 8, 3, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 5, 2, b'h', b'i', 0])
        .database(0)
        .bytes(&[251, 3, 1])
        .bytes(&[244, 0x40, 0x80, 2, 1])
        .bytes(&[248, 0x40, 200])
        .string("idle", "a")
        .bytes(&[249, 255])
        .string("often", "b");
    assert_read(&dump.end(), &RedisOptions::default(), &[("idle", "a"), ("often", "b")]);
}

/// The same hash in every encoding that a dump can have it in, each under the name of its encoding.
fn hashes() -> RdbWriter {
    let elements = [
        Packed::Text(b"name"),
        Packed::Text(b"Ada"),
        Packed::Text(b"born"),
        Packed::Number(1815),
        Packed::Text(b"note"),
        Packed::Text(b""),
    ];
    let mut dump = RdbWriter::new(12);
    dump.database(0)
        .value(4, "plain", &strings(3, &["name", "Ada", "born", "1815", "note", ""]))
        .value(9, "zipmap", &raw(&zipmap(&[("name", "Ada"), ("born", "1815"), ("note", "")], 2)))
        .value(13, "ziplist", &raw(&ziplist(&elements)))
        .value(16, "listpack", &raw(&listpack(&elements)));
    dump
}

#[test]
fn a_hash_is_the_same_row_from_every_encoding() {
    let row = r#"{"name":"Ada","born":1815,"note":""}"#;
    let names = ["plain", "zipmap", "ziplist", "listpack"];
    let counts = assert_read(&hashes().end(), &RedisOptions::default(), &names.map(|name| (name, row)));
    assert_eq!((counts.strings, counts.hashes), (0, 4));
    let object = r#"{"name":"Ada","born":"1815","note":""}"#;
    assert_read(&hashes().end(), &json(HashForm::Json), &names.map(|name| (name, object)));
}

#[test]
fn elements_of_every_width_are_read() {
    let numbers: Vec<i64> = [0, 12, 13, 127, 128, 4095, 4096, 32767, 32768, 8_388_607, 8_388_608]
        .into_iter()
        .chain([2_147_483_647, 2_147_483_648, i64::MAX])
        .flat_map(|number| [number, -number - 1])
        .collect();
    let texts: Vec<String> =
        [0, 1, 63, 64, 253, 254, 4095, 4096, 16383, 16384, 70_000].map(|len| "x".repeat(len)).into();
    let names: Vec<String> = (0..numbers.len() + texts.len()).map(|i| format!("f{i}")).collect();
    let values = numbers.iter().map(|&number| Packed::Number(number));
    let values = values.chain(texts.iter().map(|text| Packed::Text(text.as_bytes())));
    let elements: Vec<Packed<'_>> =
        names.iter().zip(values).flat_map(|(name, value)| [Packed::Text(name.as_bytes()), value]).collect();
    let members = numbers.iter().map(i64::to_string).chain(texts.iter().cloned());
    let members: Vec<String> =
        names.iter().zip(members).map(|(name, value)| format!("{name:?}:{value:?}")).collect();
    let object = format!("{{{}}}", members.join(","));
    let mut dump = RdbWriter::new(10);
    dump.value(16, "listpack", &raw(&listpack(&elements)));
    dump.value(13, "ziplist", &raw(&ziplist(&elements)));
    assert_read(&dump.end(), &json(HashForm::Json), &[("listpack", &object), ("ziplist", &object)]);
}

#[test]
fn hashes_need_not_have_the_same_fields_and_no_value_changes() {
    let mut dump = RdbWriter::new(9);
    dump.value(4, "a", &strings(2, &["n", "1", "code", "007"]))
        .value(4, "b", &strings(2, &["code", "8", "more", "true"]))
        .value(4, "c", &strings(1, &["n", ""]));
    let expected =
        [("a", r#"{"n":"1","code":"007"}"#), ("b", r#"{"code":"8","more":true}"#), ("c", r#"{"n":""}"#)];
    assert_read(&dump.end(), &RedisOptions::default(), &expected);

    let columns = ColumnOptions { columns: Some(vec!["code".into()]), types: Vec::new() };
    let (found, _) = read_columns(&dump.end(), &RedisOptions::default(), Some(columns)).unwrap();
    assert_eq!(found, pairs(&[("a", r#"{"code":"007"}"#), ("b", r#"{"code":"8"}"#), ("c", "{}")]));
}

/// A value of every type that is neither string nor hash, each between two strings.
fn others() -> (RdbWriter, Vec<(u8, RedisKind)>) {
    let stream = |version: u8| {
        let mut bytes = length(1);
        bytes.extend(raw(&[7; 16]));
        bytes.extend(raw(b"a listpack, which nobody looks into"));
        // Entries; the last one's number; then the first's, the greatest that is gone, all.
        bytes.extend([2, 5, 0]);
        if version >= 2 {
            bytes.extend([1, 0, 0, 0, 2]);
        }
        bytes.extend(length(1));
        bytes.extend(raw(b"group"));
        bytes.extend([5, 0]);
        if version >= 2 {
            bytes.push(2);
        }
        bytes.push(1);
        bytes.extend([1; 24]);
        bytes.push(3);
        bytes.push(1);
        bytes.extend(raw(b"consumer"));
        bytes.extend([2; 8]);
        if version >= 3 {
            bytes.extend([2; 8]);
        }
        bytes.push(1);
        bytes.extend([1; 16]);
        bytes
    };
    let scores = [&strings(3, &["a"])[..], b"\x01\x31", &raw(b"b"), b"\xFE", &raw(b"c"), b"\x032.5"].concat();
    let doubles = [&strings(1, &["a"])[..], &1.5_f64.to_le_bytes()].concat();
    let nodes = [&[2, 1][..], &raw(b"one large element"), &[2], &raw(b"a listpack")].concat();
    let module = [0x81, 1, 2, 3, 4, 5, 6, 7, 8, 1, 7, 3, 0, 0, 0, 0, 5, 2, b'h', b'i', 0];
    let packed = raw(b"\xC0 packed");
    let values: Vec<(u8, RedisKind, Vec<u8>)> = vec![
        (1, RedisKind::List, strings(2, &["a", "b"])),
        (2, RedisKind::Set, strings(2, &["a", "b"])),
        (3, RedisKind::SortedSet, scores),
        (5, RedisKind::SortedSet, doubles),
        (7, RedisKind::Module, module.to_vec()),
        (10, RedisKind::List, packed.clone()),
        (11, RedisKind::Set, packed.clone()),
        (12, RedisKind::SortedSet, packed.clone()),
        (14, RedisKind::List, strings(2, &["a ziplist", "another"])),
        (15, RedisKind::Stream, stream(1)),
        (17, RedisKind::SortedSet, packed.clone()),
        (18, RedisKind::List, nodes),
        (19, RedisKind::Stream, stream(2)),
        (20, RedisKind::Set, packed),
        (21, RedisKind::Stream, stream(3)),
    ];
    let mut dump = RdbWriter::new(12);
    dump.database(0).string("before", "all");
    for (value_type, _, value) in &values {
        let key = format!("other {value_type}");
        dump.value(*value_type, &key, value).string(&format!("after {value_type}"), "still right");
    }
    (dump, values.into_iter().map(|(value_type, kind, _)| (value_type, kind)).collect())
}

#[test]
fn values_of_every_other_type_are_passed_over_to_their_last_byte() {
    let (dump, types) = others();
    let options = RedisOptions { others: OtherPolicy::Skip, ..RedisOptions::default() };
    let (found, counts) = read(&dump.end(), &options).unwrap();
    let mut expected = pairs(&[("before", "all")]);
    expected.extend(types.iter().map(|(number, _)| (format!("after {number}"), "still right".to_owned())));
    assert_eq!(found, expected);
    for kind in [RedisKind::List, RedisKind::Set, RedisKind::SortedSet, RedisKind::Stream, RedisKind::Module]
    {
        let of_kind = types.iter().filter(|(_, other)| *other == kind).count() as u64;
        assert_eq!(counts.others.of(kind), of_kind, "{kind:?}");
    }
    let found = problems(&dump.end(), &RedisOptions::default());
    assert_eq!(
        found.iter().map(RedisProblem::to_string).collect::<Vec<_>>(),
        [
            "expected strings or hashes, found 4 lists, 3 sets, 4 sorted sets, 3 streams, 1 value of a module, such as \
          \"other 1\""
        ]
    );
}

#[test]
fn keys_that_expire_are_refused_left_out_or_taken() {
    let mut dump = RdbWriter::new(11);
    dump.about("ctime", "1700000000").database(0);
    dump.expires_ms(1_700_000_000_001).string("soon", "a");
    dump.expires_s(1_700_000_001).string("later", "b");
    dump.string("never", "c");
    // This one was gone when the dump was made, whatever is wanted.
    dump.expires_ms(1_700_000_000_000).string("gone", "d");
    dump.expires_ms(1).value(4, "a hash that is gone", &strings(1, &["a", "b"]));
    let dump = dump.end();
    let found = problems(&dump, &RedisOptions::default());
    assert_eq!(
        found.iter().map(RedisProblem::to_string).collect::<Vec<_>>(),
        ["expected keys that stay, found 2 keys with a time to live, such as \"soon\""]
    );
    let ttl = |ttl| RedisOptions { ttl, ..RedisOptions::default() };
    let counts = assert_read(&dump, &ttl(TtlPolicy::Skip), &[("never", "c")]);
    assert_eq!((counts.expiring.count, counts.expired), (2, 2));
    let kept = [("soon", "a"), ("later", "b"), ("never", "c")];
    let counts = assert_read(&dump, &ttl(TtlPolicy::KeepValue), &kept);
    assert_eq!((counts.expiring.count, counts.expired), (2, 2));
}

#[test]
fn fields_that_expire_count_as_their_key_does() {
    let made_at = 1_700_000_000_000_i64;
    let least = made_at - 5;
    let text = Packed::Text;
    let packed = [
        [text(b"a"), text(b"1"), Packed::Number(0)],
        [text(b"b"), text(b"2"), Packed::Number(made_at + 1)],
        // Had expired.
        [text(b"c"), text(b"3"), Packed::Number(made_at)],
    ]
    .concat();
    let plain = |times: [u64; 3]| {
        let fields = [("a", "1"), ("b", "2"), ("c", "3")].into_iter().zip(times);
        let fields = fields.flat_map(|((name, value), time)| {
            [length(time), raw(name.as_bytes()), raw(value.as_bytes())].concat()
        });
        [length(3), fields.collect()].concat()
    };
    let absolute = plain([0, made_at.cast_unsigned() + 1, made_at.cast_unsigned()]);
    // The time less the least one, and one more.
    let relative = [&least.to_le_bytes()[..], &plain([0, 7, 6])].concat();
    let values = [
        (22, absolute),
        (23, raw(&listpack(&packed))),
        (24, relative),
        (25, [&least.to_le_bytes()[..], &raw(&listpack(&packed))].concat()),
    ];
    for (value_type, value) in values {
        let mut dump = RdbWriter::new(12);
        dump.about("ctime", "1700000000").value(value_type, "hash", &value);
        dump.value(4, "other", &strings(1, &["a", "0"]));
        let dump = dump.end();
        let found = problems(&dump, &RedisOptions::default());
        assert!(
            matches!(&found[..], [RedisProblem::Expiring(keys)] if keys.count == 1 && keys.example == b"hash")
        );
        let ttl = |ttl| RedisOptions { ttl, hashes: HashForm::Json, ..RedisOptions::default() };
        assert_read(&dump, &ttl(TtlPolicy::Skip), &[("other", r#"{"a":"0"}"#)]);
        let kept = [("hash", r#"{"a":"1","b":"2"}"#), ("other", r#"{"a":"0"}"#)];
        assert_read(&dump, &ttl(TtlPolicy::KeepValue), &kept);
        // Left out by its database, which takes other ways.
        let nothing = RedisOptions { database: Some(7), ..RedisOptions::default() };
        assert_eq!(assert_read(&dump, &nothing, &[]).other_databases, 2);
    }
}

#[test]
fn one_database_is_taken_and_several_are_named() {
    let mut dump = RdbWriter::new(11);
    dump.database(0).string("a", "0").database(7).string("a", "7").string("b", "7");
    let dump = dump.end();
    let found = problems(&dump, &RedisOptions::default());
    assert_eq!(found, [RedisProblem::Databases { keys: vec![(0, 1), (7, 2)] }]);
    assert_eq!(found[0].to_string(), "expected keys in one database, found databases 0 (1 key), 7 (2 keys)");
    let of = |database| RedisOptions { database: Some(database), ..RedisOptions::default() };
    assert_read(&dump, &of(0), &[("a", "0")]);
    let counts = assert_read(&dump, &of(7), &[("a", "7"), ("b", "7")]);
    assert_eq!(counts.other_databases, 1);
    assert_read(&dump, &of(1), &[]);
    // Only one of them has keys that are taken.
    let keys = Some(KeyFilter::new(|key| key == b"b"));
    let counts = assert_read(&dump, &RedisOptions { keys, ..RedisOptions::default() }, &[("b", "7")]);
    assert_eq!(counts.unmatched, 2);
}

#[test]
fn strings_beside_hashes_need_a_choice() {
    let dump = hashes().string("s", "1").string("t", "2").end();
    assert_eq!(problems(&dump, &RedisOptions::default()), [RedisProblem::Mixed { strings: 2, hashes: 4 }]);
    let only = |kinds| RedisOptions { kinds: Some(kinds), ..RedisOptions::default() };
    let counts = assert_read(&dump, &only(TakenKind::Strings), &[("s", "1"), ("t", "2")]);
    assert_eq!(counts.other_kind, 4);
    let (found, counts) = read(&dump, &only(TakenKind::Hashes)).unwrap();
    assert_eq!((found.len(), counts.other_kind), (4, 2));
    assert_eq!(read(&dump, &json(HashForm::Json)).unwrap().0.len(), 6);
    let strings = RdbWriter::new(11).string("s", "1").end();
    match read_columns(&strings, &RedisOptions::default(), Some(ColumnOptions::default())) {
        Err(Error { cause: Cause::Redis(problems), .. }) => {
            assert_eq!(problems, [RedisProblem::NoColumns { strings: 1 }]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_that_is_refused_is_said_at_once() {
    let mut dump = hashes();
    dump.string("s", "1").expires_ms(i64::MAX).string("t", "2").value(1, "l", &strings(1, &["a"]));
    let found = problems(&dump.end(), &RedisOptions::default());
    assert!(matches!(
        &found[..],
        [RedisProblem::Others(_), RedisProblem::Expiring(_), RedisProblem::Mixed { strings: 2, hashes: 4 }]
    ));
}

#[test]
fn fields_that_no_table_has_are_named_with_their_key() {
    let many: Vec<String> = (0..1025).map(|i| format!("f{i}")).collect();
    let many: Vec<&str> = many.iter().flat_map(|name| [name.as_str(), "v"]).collect();
    let dump = RdbWriter::new(11).value(4, "wide", &strings(1025, &many)).end();
    assert_eq!(
        problems(&dump, &RedisOptions::default()),
        [RedisProblem::TooManyFields { key: b"wide".to_vec(), most: 1024 }]
    );
    assert_eq!(read(&dump, &json(HashForm::Json)).unwrap().0.len(), 1);

    let bytes = [&length(1)[..], &raw(b"\xFF"), &raw(b"v")].concat();
    let dump = RdbWriter::new(11).value(4, "odd", &bytes).end();
    for hashes in [HashForm::Row, HashForm::Json] {
        assert_eq!(
            problems(&dump, &json(hashes)),
            [RedisProblem::FieldName { key: b"odd".to_vec(), field: b"\xFF".to_vec() }]
        );
    }
    let dump = RdbWriter::new(11).value(4, "k", &strings(1, &["key", "v"])).end();
    assert_eq!(
        problems(&dump, &RedisOptions::default()),
        [RedisProblem::KeyName { key: b"k".to_vec(), name: "key".into() }]
    );
    let named = RedisOptions { key_name: Some("id".into()), ..RedisOptions::default() };
    assert_read(&dump, &named, &[("k", r#"{"key":"v"}"#)]);
}

/// A dump with everything in it.
fn everything() -> RdbWriter {
    let (mut dump, _) = others();
    dump.about("ctime", "1700000000").expires_ms(i64::MAX);
    dump.value(0, "lzf", b"\xC3\x06\x0B\x02abc\xC0\x02");
    dump.bytes(&hashes().0[9..]);
    dump
}

#[test]
fn a_dump_that_is_cut_anywhere_is_an_error() {
    let dump = everything().end();
    assert!(read(&dump, &all()).is_ok());
    for end in 0..dump.len() {
        match read(&dump[..end], &all()).unwrap_err().cause {
            Cause::Rdb(damage) if end < 9 => {
                assert_eq!(damage.fault, RdbFault::Magic { found: dump[..end].to_vec() });
            }
            Cause::Rdb(damage) => {
                assert!(matches!(damage.fault, RdbFault::Ends { .. }), "{end}: {damage}");
                assert!(damage.offset <= end as u64);
            }
            other => panic!("{end}: {other}"),
        }
    }
}

#[test]
fn a_dump_in_which_any_byte_changed_is_an_error_and_without_a_checksum_no_panic() {
    let (dump, unsummed) = (everything().end(), everything().end_without_checksum());
    for at in 0..dump.len() {
        for change in [1, 0x80, 0xFF] {
            let mut changed = dump.clone();
            changed[at] ^= change;
            assert!(read(&changed, &all()).is_err(), "{at} {change}");
            let mut changed = unsummed.clone();
            changed[at] ^= change;
            let _ = read(&changed, &all());
        }
    }
}

#[test]
fn lengths_that_lie_cost_an_error_and_no_memory() {
    let head = |bytes: &[u8]| RdbWriter::new(11).bytes(bytes).0.clone();
    let too_long = |what, found| RdbFault::TooLong { what, most: 512 << 20, found };
    // A value, a key and a hash that say 4 GB and more, packed and not.
    let value = head(&[&[0, 1, b'k', 0x81][..], &(1_u64 << 40).to_be_bytes()].concat());
    assert_eq!(damage(&value).fault, too_long("a value", 1 << 40));
    assert_eq!(damage(&value).key.as_deref(), Some(&b"k"[..]));
    let key = head(b"\x00\x80\xFF\xFF\xFF\xFF");
    assert_eq!(damage(&key).fault, too_long("a key", 0xFFFF_FFFF));
    let hash = head(b"\x10\x01k\x80\xFF\xFF\xFF\xFF");
    assert_eq!(damage(&hash).fault, too_long("a hash", 0xFFFF_FFFF));
    let packed = head(b"\x00\x01k\xC3\x80\xFF\xFF\xFF\xFF\x05");
    assert_eq!(damage(&packed).fault, too_long("a value", 0xFFFF_FFFF));
    let unpacked = head(b"\x00\x01k\xC3\x05\x80\xFF\xFF\xFF\xFF");
    assert_eq!(damage(&unpacked).fault, too_long("a value", 0xFFFF_FFFF));
    // As much as is allowed, of which nothing comes.
    let allowed = head(b"\x00\x01k\x80\x20\x00\x00\x00abc");
    assert_eq!(damage(&allowed).fault, RdbFault::Ends { expected: (512 << 20) - 3 });
    // Fields, elements and nodes without end.
    for value_type in [1, 2, 3, 4, 5, 14, 15, 18, 19, 21, 22] {
        let counted = head(&[&[value_type, 1, b'k'][..], &length(u64::MAX)].concat());
        assert!(matches!(damage(&counted).fault, RdbFault::Ends { .. }), "{value_type}");
    }
    // A key that no table has: 65,537 bytes.
    let long = RdbWriter::new(11).string(&"k".repeat(65_537), "v").end();
    assert_eq!(damage(&long).fault, RdbFault::TooLong { what: "a key", most: 65_536, found: 65_537 });
    // One that is left out may have as many.
    let none = RedisOptions { keys: Some(KeyFilter::new(|_| false)), ..RedisOptions::default() };
    assert_read(&long, &none, &[]);
}

#[test]
fn packed_hashes_that_lie_are_refused_with_what_was_expected() {
    let elements = [Packed::Text(b"name"), Packed::Text(b"Ada"), Packed::Text(b"born"), Packed::Number(1815)];
    for (value_type, good) in [
        (16, listpack(&elements)),
        (13, ziplist(&elements)),
        (9, zipmap(&[("name", "Ada"), ("born", "1815")], 0)),
    ] {
        let dump = |packed: &[u8]| RdbWriter::new(11).value(value_type, "k", &raw(packed)).end();
        assert!(read(&dump(&good), &all()).is_ok());
        for at in 0..good.len() {
            for byte in [0, 1, 0x7F, 0x80, 0xC0, 0xE0, 0xF0, 0xF4, 0xFE, 0xFF] {
                let mut changed = good.clone();
                changed[at] = byte;
                // Names and values may be others, also such as no table has; nothing else may.
                let error = read(&dump(&changed), &all()).err().map(|error| error.cause);
                if !matches!(error, None | Some(Cause::Redis(_))) {
                    let Some(Cause::Rdb(damage)) = error else { panic!("{error:?}") };
                    assert_eq!(damage.key.as_deref(), Some(&b"k"[..]));
                    assert!(
                        matches!(damage.fault, RdbFault::Packed { .. } | RdbFault::RepeatedField { .. }),
                        "{damage}"
                    );
                }
            }
            let cut = dump(&good[..at]);
            assert!(matches!(damage(&cut).fault, RdbFault::Packed { .. }), "cut at {at}");
        }
    }
    let of =
        |value_type, packed: &[u8]| damage(&RdbWriter::new(11).value(value_type, "k", &raw(packed)).end());
    let odd = of(16, &listpack(&elements[..3]));
    assert_eq!(
        odd.to_string(),
        "byte 37, key \"k\": the hash is damaged at its byte 0: expected a number of elements of 4, found 3"
    );
    let long = of(16, b"\xFF\xFF\xFF\xFF\x00\x00\xFF");
    assert_eq!(
        long.to_string(),
        "byte 20, key \"k\": the listpack is damaged at its byte 4: expected a length of 4294967295, found 7"
    );
    let twice = [Packed::Text(b"a"), Packed::Text(b"1"), Packed::Text(b"a"), Packed::Text(b"2")];
    assert_eq!(of(16, &listpack(&twice)).fault, RdbFault::RepeatedField { name: b"a".to_vec() });
}

#[test]
fn what_is_no_dump_or_of_another_version_is_named() {
    let fault = |dump: &[u8]| damage(dump).fault;
    assert_eq!(fault(b"REDIS0013\xFF"), RdbFault::Version { found: 13 });
    assert_eq!(fault(b"REDIS0000\xFF"), RdbFault::Version { found: 0 });
    assert_eq!(fault(b"VALKEY080\xFF"), RdbFault::Valkey { found: 80 });
    assert_eq!(fault(b"REDIS+011\xFF"), RdbFault::Magic { found: b"REDIS+011".to_vec() });
    let dump = RdbWriter::new(11).string("key", "value").clone();
    assert_eq!(
        read(&[&dump.end()[..], b"*2\r\n"].concat(), &all()).unwrap_err().to_string(),
        "dump.rdb: byte 29: expected the end of the file behind the end of the dump, found more bytes"
    );
    let unknown = RdbWriter::new(11).value(26, "k", b"").end();
    assert_eq!(
        damage(&unknown).to_string(),
        "byte 9: expected the type of a value or the end, found the byte 26"
    );
    let mut wrong = dump.end();
    let end = wrong.len();
    let sum = checksum(&wrong[..end - 8]);
    wrong[end - 1] ^= 1;
    let found = damage(&wrong);
    assert_eq!((found.offset, found.key), (end as u64 - 8, None));
    assert_eq!(found.fault, RdbFault::Checksum { expected: sum ^ 1 << 56, found: sum });
}

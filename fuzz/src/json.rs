//! JSON documents that are read as a stream: the pairs and the error are the same however the bytes
//! arrive, and pairs are those that a reader of the whole document finds.

use std::fmt;
use std::io::Cursor;

use graven_format::KEY_BYTES_MAX;
use graven_ingest::{Compression, Format, Input, Nulls, Pairs, ReadOptions, ValueColumns, ValueType};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::ingest::Drops;

/// How deep a document may be for its reading to be compared: less deep than what is read.
const DEPTH_MAX: usize = 100;

/// The first byte chooses the options; the rest is the document.
pub fn document(input: &[u8]) {
    let [how, text @ ..] = input else { return };
    if Compression::of(text).is_some() {
        return;
    }
    let is = |bit: u8| how >> bit & 1 == 1;
    let options = ReadOptions {
        format: Some(Format::Json),
        key: is(0).then(|| "a".into()),
        value: match how >> 1 & 3 {
            0 => None,
            1 => Some("b".into()),
            2 => Some(ValueColumns::Object(vec!["b".into(), "c".into()])),
            _ => Some(ValueColumns::AllOthers),
        },
        at: if is(3) { vec!["d".into()] } else { Vec::new() },
        skip: u64::from(is(4)),
        value_type: if is(5) { ValueType::Json } else { ValueType::Found },
        nulls: Nulls::Json,
        ..ReadOptions::default()
    };
    let whole = read(Input::from_reader("fuzz", Cursor::new(text.to_vec())), &options);
    assert_eq!(read(Input::from_reader("fuzz", Drops::of(text)), &options), whole);
    let (pairs, error) = whole;
    if is(5) {
        for (_, value) in &pairs {
            serde_json::from_slice::<&RawValue>(value).expect("values are JSON");
        }
    }
    if *how != 0 {
        return;
    }
    // What a document of members is, read at once.
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    if text.iter().filter(|byte| matches!(byte, b'{' | b'[')).count() > DEPTH_MAX {
        return;
    }
    let mut json = serde_json::Deserializer::from_slice(text);
    let members = json.deserialize_map(Members).and_then(|members| json.end().map(|()| members));
    match members {
        Ok(members) if members.iter().all(|(name, _)| name.len() <= KEY_BYTES_MAX) => {
            assert_eq!((pairs, error), (members, None));
        }
        Ok(_) => {}
        // An array is another document.
        Err(_) if text.trim_ascii_start().starts_with(b"[") => {}
        Err(wrong) => assert!(error.is_some(), "it is taken for a document: {wrong}"),
    }
}

type OwnedPairs = Vec<(Vec<u8>, Vec<u8>)>;

fn read(input: Result<Input, graven_ingest::Error>, options: &ReadOptions) -> (OwnedPairs, Option<String>) {
    let mut read = Vec::new();
    let mut pairs = match input.and_then(|input| Pairs::new(input, options)) {
        Ok(pairs) => pairs,
        Err(error) => return (read, Some(error.to_string())),
    };
    loop {
        match pairs.next_pair() {
            Ok(Some(pair)) => read.push((pair.key.to_vec(), pair.value.to_vec())),
            Ok(None) => return (read, None),
            Err(error) => return (read, Some(error.to_string())),
        }
    }
}

/// Reads the members of an object as pairs.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = OwnedPairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<OwnedPairs, M::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            let value = match serde_json::from_str::<String>(value.get()) {
                Ok(text) => text.into_bytes(),
                Err(_) if value.get().starts_with('"') => return Err(serde::de::Error::custom("no text")),
                Err(_) => value.get().as_bytes().to_vec(),
            };
            members.push((name.into_bytes(), value));
        }
        Ok(members)
    }
}

//! Dumps of a Redis: whatever the bytes, what is read of them is the same however they arrive, and
//! what is damaged is an error.

use std::io::Cursor;

use graven_format::Options;
use graven_ingest::{
    Compression, HashForm, Input, OtherPolicy, RedisBuilder, RedisCounts, RedisDump, RedisOptions,
    RedisTable, TakenKind, TtlPolicy,
};

use crate::ingest::Drops;

/// The first byte chooses the options; the rest is the dump.
pub fn input(input: &[u8]) {
    let [how, dump @ ..] = input else { return };
    let whole = read(Input::from_reader("fuzz", Cursor::new(dump.to_vec())), *how);
    if Compression::of(dump).is_none() {
        assert_eq!(read(Input::from_reader("fuzz", Drops::of(dump)), *how), whole);
    }
}

fn options(how: u8) -> RedisOptions {
    RedisOptions {
        database: (how & 1 == 1).then_some(0),
        kinds: match how >> 1 & 3 {
            1 => Some(TakenKind::Strings),
            2 => Some(TakenKind::Hashes),
            _ => None,
        },
        hashes: if how & 8 == 0 { HashForm::Row } else { HashForm::Json },
        ttl: match how >> 4 & 3 {
            0 => TtlPolicy::Refuse,
            1 => TtlPolicy::Skip,
            _ => TtlPolicy::KeepValue,
        },
        others: if how & 64 == 0 { OtherPolicy::Skip } else { OtherPolicy::Refuse },
        ..RedisOptions::default()
    }
}

/// What was counted, how many pairs were taken, and why it ended early.
type Outcome = (RedisCounts, u64, Option<String>);

fn read(input: Result<Input, graven_ingest::Error>, how: u8) -> Outcome {
    let mut table = RedisTable::new(options(how), None, Options::default());
    let read = input.and_then(RedisDump::new).and_then(|mut dump| dump.add_to(&mut table));
    let counts = table.counts().clone();
    if let Err(error) = read {
        return (counts, 0, Some(error.to_string()));
    }
    match table.finish() {
        Err(cause) => (counts, 0, Some(cause.to_string())),
        Ok(None) => (counts, 0, None),
        Ok(Some(RedisBuilder::Pairs(builder))) => {
            assert_eq!(builder.pairs(), counts.strings + counts.hashes);
            (counts, builder.pairs(), None)
        }
        Ok(Some(RedisBuilder::Rows(builder))) => {
            assert_eq!(builder.rows(), counts.hashes);
            (counts, builder.rows(), None)
        }
    }
}

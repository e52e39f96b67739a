//! Parquet files: whatever bytes a file has, it is read or refused, in bounded memory.

use std::cell::RefCell;
use std::fs;

use graven_format::{Options, RowBuilder};
use graven_ingest::{ColumnOptions, Input, Nulls, Pairs, ReadOptions, TableRows};
use tempfile::NamedTempFile;

/// Rows of a table that are looked at: a few bytes can stand for billions of nulls.
const PAIRS_MAX: usize = 10_000;

/// What pages and rows may take.
const MEMORY_BYTES: u64 = 16 << 20;

thread_local! {
    /// Files are read at their end first, so they have to be files.
    static FILE: RefCell<NamedTempFile> = RefCell::new(NamedTempFile::new_in(std::env::temp_dir()).unwrap());
}

/// The fuzzer ends at every panic, those that are caught not left out. A panic of the `parquet` crate is caught by
/// what is tested, and made an error: it is passed over here.
pub fn pass_over_caught_panics() {
    let ends = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let is_caught = info
            .location()
            .is_some_and(|place| ["/parquet-", "/bytes-"].iter().any(|name| place.file().contains(name)));
        if !is_caught {
            ends(info);
        }
    }));
}

fn read_options(names: u8) -> ReadOptions {
    let is_named = |bit: u8| names >> bit & 1 == 1;
    ReadOptions {
        key: is_named(0).then(|| "key".into()),
        value: is_named(1).then(|| "2".into()),
        nulls: if names >> 2 & 1 == 1 { Nulls::Skip } else { Nulls::Json },
        memory_bytes: Some(MEMORY_BYTES),
        threads: 1 + usize::from(names >> 3 & 1),
        ..ReadOptions::default()
    }
}

/// The first byte chooses the options; the rest is the file.
pub fn file(input: &[u8]) {
    let [how, file @ ..] = input else { return };
    FILE.with_borrow(|there| {
        fs::write(there.path(), file).unwrap();
        let read = read_options(*how);
        let open = || Input::open(there.path()).unwrap();
        // Whether the pairs come to an end, or to an error, before there are too many.
        let all_read = |read: &ReadOptions| {
            let Ok(mut pairs) = Pairs::new(open(), read) else { return true };
            (0..PAIRS_MAX).any(|_| !matches!(pairs.next_pair(), Ok(Some(_))))
        };
        all_read(&read);
        // Whole rows are read where they are few.
        let read = ReadOptions { key: Some("1".into()), value: None, ..read };
        if !all_read(&ReadOptions { value: Some("1".into()), nulls: Nulls::Json, ..read.clone() }) {
            return;
        }
        let Ok(mut rows) = TableRows::new(open(), &read, &ColumnOptions::default()) else { return };
        let options = Options { threads: 1, temporary_dir: std::env::temp_dir(), ..Options::default() };
        let Ok(mut builder) = rows.builder(options) else { return };
        let added: Result<(), graven_ingest::Error> = rows.add_to(&mut builder);
        if added.is_ok() {
            finish(builder);
        }
    });
}

/// What was added is a table whose rows are read.
fn finish(builder: RowBuilder) {
    let Ok((store, _)) = builder.finish() else { return };
    let mut json = Vec::new();
    for pair in store.iter().take(PAIRS_MAX) {
        let (_, value) = pair.unwrap();
        json.clear();
        store.row(&value).unwrap().write_json(&mut json).unwrap();
    }
}

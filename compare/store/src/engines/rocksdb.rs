//! RocksDB: sorted keys in one SST file, which goes to the bottommost level as it is, opened read-only. Its blocks are raw, or
//! go through zstd with a dictionary that is trained on samples of them.

use std::path::Path;

use ::rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DataBlockIndexType, IngestExternalFileOptions, LogLevel,
    Options, ReadOptions, SstFileWriter,
};
use anyhow::{Context, Result};

use crate::engine::{BATCH, Engine, Timed};
use crate::pairs::Pairs;

/// Bytes of a block before compression.
const BLOCK_BYTES: usize = 4096;

/// What zstd's dictionary may have, and the samples that it is trained on: a hundred times as much, as zstd advises.
const DICTIONARY_BYTES: i32 = 64 << 10;
const SAMPLES_BYTES: i32 = 100 * DICTIONARY_BYTES;

/// No container around what zstd makes of a block.
const WINDOW_BITS: i32 = -14;

/// A column family that every database has.
const FAMILY: &str = "default";

/// How blocks are read.
#[derive(Clone, Copy)]
pub(super) enum Reads {
    /// Once, into a cache that has room for all of them.
    AllCached,
    /// From the mapped file, with a cache of 8 MiB.
    Mapped,
}

struct Rocks {
    database: DB,
    options: ReadOptions,
}

fn options(cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_size(BLOCK_BYTES);
    table.set_block_cache(cache);
    table.set_bloom_filter(10.0, false);
    table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_log_level(LogLevel::Fatal);
    options
}

pub(super) fn write(text: &Path, folder: &Path, zstd_level: Option<i32>) -> Result<()> {
    let pairs = Pairs::read(text)?;
    let mut options = options(&Cache::new_lru_cache(0));
    options.create_if_missing(true);
    options.set_compression_type(DBCompressionType::None);
    if let Some(level) = zstd_level {
        options.set_bottommost_compression_type(DBCompressionType::Zstd);
        options.set_bottommost_compression_options(WINDOW_BITS, level, 0, DICTIONARY_BYTES, true);
        options.set_bottommost_zstd_max_train_bytes(SAMPLES_BYTES, true);
    }
    let path = folder.join("sorted.sst");
    let mut writer = SstFileWriter::create(&options);
    writer.open(&path)?;
    for i in pairs.sorted() {
        let (key, value) = pairs.get(i as usize);
        writer.put(key, value)?;
    }
    writer.finish()?;
    let mut ingest = IngestExternalFileOptions::default();
    ingest.set_move_files(true);
    DB::open(&options, folder)?.ingest_external_file_opts(&ingest, vec![path])?;
    Ok(())
}

pub(super) fn open(folder: &Path, reads: Reads) -> Result<Box<dyn Timed>> {
    let cache_bytes = match reads {
        Reads::AllCached => 1 << 30,
        Reads::Mapped => 8 << 20,
    };
    let mut options = options(&Cache::new_hyper_clock_cache(cache_bytes, 0));
    options.set_allow_mmap_reads(matches!(reads, Reads::Mapped));
    let database = DB::open_cf_with_opts_for_read_only(&options, folder, [(FAMILY, options.clone())], false)?;
    database.cf_handle(FAMILY).context("the database has no column family")?;
    Ok(Box::new(Rocks { database, options: ReadOptions::default() }))
}

impl Engine for Rocks {
    #[inline(always)]
    fn get(&mut self, key: &[u8], value: &mut Vec<u8>) -> bool {
        value.clear();
        match self.database.get_pinned_opt(key, &self.options) {
            Ok(Some(found)) => {
                value.extend_from_slice(&found);
                true
            }
            // A failure is counted as a key that was not found, and the count is compared.
            Ok(None) | Err(_) => false,
        }
    }

    #[inline(always)]
    fn get_many(&mut self, keys: &[&[u8]; BATCH], value: &mut Vec<u8>, mut each: impl FnMut(Option<&[u8]>)) {
        let Some(family) = self.database.cf_handle(FAMILY) else { return };
        let found =
            self.database.batched_multi_get_cf_opt(family, keys.iter().copied(), false, &self.options);
        for found in found {
            value.clear();
            each(found.ok().flatten().map(|found| {
                value.extend_from_slice(&found);
                value.as_slice()
            }));
        }
    }
}

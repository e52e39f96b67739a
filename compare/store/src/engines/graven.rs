//! graven: a carved file, brought into memory as a server does it.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use graven_format::{Batch, Builder, CodecChoice, Options, Source, Store};

use crate::engine::{BATCH, Engine, Timed};

struct Carved {
    store: Store,
    batch: Batch,
}

pub(super) fn write(text: &Path, folder: &Path, codec: CodecChoice) -> Result<()> {
    let mut builder = Builder::new(Options { codec, temporary_dir: folder.into(), ..Options::default() });
    builder.add_text(Source::File(
        File::open(text).with_context(|| format!("cannot read {}", text.display()))?,
    ))?;
    builder.write(&folder.join("graven"))?;
    Ok(())
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Timed>> {
    let store = Store::open(&folder.join("graven"))?;
    store.load()?;
    Ok(Box::new(Carved { store, batch: Batch::default() }))
}

impl Engine for Carved {
    #[inline(always)]
    fn get(&mut self, key: &[u8], value: &mut Vec<u8>) -> bool {
        value.clear();
        // A failure is counted as a key that was not found, and the count is compared.
        self.store.get(key, value).unwrap_or(false)
    }

    #[inline(always)]
    fn get_many(&mut self, keys: &[&[u8]; BATCH], _: &mut Vec<u8>, mut each: impl FnMut(Option<&[u8]>)) {
        if self.store.get_many(keys, &mut self.batch).is_ok() {
            (0..BATCH).for_each(|i| each(self.batch.value(i, &self.store)));
        }
    }
}

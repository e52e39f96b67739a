//! What a carved table says of itself: read from its header, so in the same time whatever its
//! size.

use crate::codec::Codec;
use crate::key::KeyKind;
use crate::layout::{Section, VERSION};
use crate::store::Store;

/// What a table is made of. Lengths are in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Info {
    /// The version of the format.
    pub version: u32,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// The number of pairs.
    pub pairs: u64,
    /// How the keys are written.
    pub key_kind: KeyKind,
    /// What every key begins with, and no record stores.
    pub key_prefix: Vec<u8>,
    /// Bits in which numeric keys differ: as many as a key can need; 0 where keys are bytes.
    pub key_bits: u32,
    /// How keys of bytes are stored.
    pub key_codec: Codec,
    /// Bytes of all keys as they were given.
    pub key_bytes: u64,
    /// Bytes of all keys as they are stored; 0 where keys are numbers, which are stored in bits.
    pub stored_key_bytes: u64,
    /// How values are stored.
    pub value_codec: Codec,
    /// How long values are stored, where they have a codec of their own.
    pub long_codec: Option<Codec>,
    /// Values that are stored once, whatever the number of keys that have them.
    pub shared_values: u32,
    /// Bytes of all values as they were given.
    pub value_bytes: u64,
    /// Bytes of all values as they are stored.
    pub stored_value_bytes: u64,
    /// The number of buckets.
    pub buckets: u64,
    /// What tells the table from every other.
    pub identity: u64,
    /// Buckets that share a check.
    pub check_buckets: u8,
    /// The sections, in file order.
    pub sections: Vec<SectionInfo>,
}

/// Where a section lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionInfo {
    /// The name that the file gives it.
    pub name: String,
    /// Where it begins, from the start of the file.
    pub offset: u64,
    /// Its length.
    pub bytes: u64,
    /// Its CRC-32C.
    pub checksum: u32,
}

impl Info {
    /// Records in a bucket, on average.
    pub fn records_per_bucket(&self) -> f64 {
        self.pairs as f64 / self.buckets as f64
    }

    /// Bytes of the file for each pair; `None` where there is none.
    pub fn bytes_per_pair(&self) -> Option<f64> {
        (self.pairs > 0).then(|| self.file_bytes as f64 / self.pairs as f64)
    }

    /// Bits of the index for each pair; `None` where there is none.
    pub fn index_bits_per_pair(&self) -> Option<f64> {
        let index = self.sections.iter().find(|section| section.name == Section::Index.name());
        let index = index.map_or(0, |section| section.bytes);
        (self.pairs > 0).then(|| index as f64 * 8.0 / self.pairs as f64)
    }

    /// The part of the values' bytes that their codec saves, from 0 to 1; below 0 where it makes
    /// them longer.
    pub fn value_gain(&self) -> f64 {
        gain(self.value_bytes, self.stored_value_bytes)
    }

    /// The part of the keys' bytes that their prefix and codec save; `None` where keys are
    /// numbers.
    pub fn key_gain(&self) -> Option<f64> {
        (self.key_kind == KeyKind::Bytes).then(|| gain(self.key_bytes, self.stored_key_bytes))
    }
}

fn gain(given: u64, stored: u64) -> f64 {
    if given == 0 { 0.0 } else { 1.0 - stored as f64 / given as f64 }
}

impl Store {
    /// What the table is made of.
    ///
    /// ```
    /// use graven_format::{Builder, Options};
    ///
    /// let mut builder = Builder::new(Options::default());
    /// builder.add(b"user-1", b"a")?;
    /// builder.add(b"user-b", b"b")?;
    /// let info = builder.finish()?.0.info();
    /// assert_eq!(info.pairs, 2);
    /// assert_eq!(info.key_prefix, b"user-");
    /// # Ok::<(), graven_format::Error>(())
    /// ```
    pub fn info(&self) -> Info {
        let header = &self.header;
        Info {
            version: VERSION,
            file_bytes: header.file_bytes,
            pairs: header.pairs,
            key_kind: header.keys.kind,
            key_prefix: self.keys.shape().prefix.clone(),
            key_bits: if self.keys.is_numeric() { header.keys.mask.count_ones() } else { 0 },
            key_codec: header.key_codec,
            key_bytes: header.key_bytes,
            stored_key_bytes: header.stored_key_bytes,
            value_codec: header.value_codec,
            long_codec: (header.long_codec != Codec::Raw).then_some(header.long_codec),
            shared_values: header.shared_values,
            value_bytes: header.value_bytes,
            stored_value_bytes: header.stored_value_bytes,
            buckets: self.buckets(),
            identity: header.identity,
            check_buckets: header.group_buckets,
            sections: header
                .sections
                .iter()
                .map(|entry| SectionInfo {
                    name: entry.name().escape_ascii().to_string(),
                    offset: entry.offset,
                    bytes: entry.len,
                    checksum: entry.crc,
                })
                .collect(),
        }
    }
}

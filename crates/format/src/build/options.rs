//! What a build is asked for, and what it says of itself when it is done.

use std::path::PathBuf;
use std::sync::Arc;

use crate::build::progress::Progress;
use crate::codec::Codec;

/// What to do when a key comes more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// The last value of the key counts, as in a hash map that is filled in order.
    #[default]
    Last,
    /// The first value of the key counts.
    First,
    /// A second value is an error.
    Error,
}

/// How values are to be stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CodecChoice {
    /// The codec that costs least by a sample: bytes of the file, and what decoding takes, of which
    /// 32 nanoseconds count as much as a byte, or 512 where the table is for disk. Long values go
    /// through zstd beside it where that costs less.
    #[default]
    Auto,
    /// What makes it smallest, whatever the time that building and decoding take.
    Smallest,
    /// What answers fastest: values as they are.
    Fastest,
    /// This one.
    Fixed(Codec),
}

/// What a table is built for, which decides how many records lie in a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To lie in memory: buckets of about four records, because a lookup reads all of its bucket.
    #[default]
    Ram,
    /// To lie on disk: buckets that fill a page, because a lookup costs one read whatever it
    /// reads.
    Disk,
}

/// The most records in a bucket on average: with more, a lookup reads more than it needs to.
pub const BUCKET_RECORDS_MAX: u16 = 1024;

/// How to build a table.
#[derive(Clone, Debug)]
pub struct Options {
    /// How values are stored.
    pub codec: CodecChoice,
    /// What the table is built for.
    pub purpose: Purpose,
    /// Records in a bucket on average, within a factor of the square root of two, from 1 to
    /// [`BUCKET_RECORDS_MAX`]; `None` leaves it to the purpose.
    pub bucket_records: Option<u16>,
    /// What happens when a key comes more than once.
    pub duplicates: Duplicates,
    /// Bytes of memory that the build may use; what does not fit is written to unnamed temporary
    /// files.
    pub memory_bytes: u64,
    /// Where temporary files go: best beside the output, which needs the room as well.
    pub temporary_dir: PathBuf,
    /// Threads that work; 0 means one for each core.
    pub threads: usize,
    /// Told how far the build is.
    pub progress: Arc<Progress>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            codec: CodecChoice::Auto,
            purpose: Purpose::Ram,
            bucket_records: None,
            duplicates: Duplicates::Last,
            memory_bytes: 1 << 30,
            temporary_dir: PathBuf::from("."),
            threads: 0,
            progress: Arc::default(),
        }
    }
}

/// What a build did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Built {
    /// Pairs in the table.
    pub pairs: u64,
    /// Pairs that are not in it because their key came again.
    pub duplicates: u64,
    /// Bytes of input.
    pub input_bytes: u64,
    /// Bytes of the carved table.
    pub carved_bytes: u64,
}

//! Blocks that were asked for before, of all tables on disk, shared by all threads.
//!
//! Whole buckets are kept, and not single values: a record of some forty bytes would cost twice its size to keep track of,
//! a bucket of three thousand a thirtieth. A bucket also says which keys are not there, so that misses need no cache of
//! their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use graven_format::Block;
use quick_cache::sync::Cache as Shared;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};

use crate::fetch::BlockId;

/// What the cache and the allocator spend on an entry beside its block, in bytes: two counts, key and place in the cache's
/// own tables, and what the allocator rounds up.
const ENTRY_BYTES: usize = 96;

/// A cache of blocks of bounded size. Its policy (Clock-PRO, close to S3-FIFO) lets a block that was asked for once pass
/// through without driving out those that are asked for again and again.
#[derive(Debug)]
pub struct Cache {
    blocks: Shared<BlockId, Arc<Block>, Weight, DefaultHashBuilder, Evicted>,
    evictions: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
struct Weight;

impl Weighter<BlockId, Arc<Block>> for Weight {
    fn weight(&self, _: &BlockId, block: &Arc<Block>) -> u64 {
        weight(block)
    }
}

fn weight(block: &Block) -> u64 {
    (block.memory_bytes() + ENTRY_BYTES) as u64
}

/// Counts the blocks that had to go.
#[derive(Clone, Debug)]
struct Evicted(Arc<AtomicU64>);

impl Lifecycle<BlockId, Arc<Block>> for Evicted {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: BlockId, _: Arc<Block>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Cache {
    /// A cache of at most `bytes` for blocks of about `block_bytes` each.
    pub fn new(bytes: u64, block_bytes: u64) -> Self {
        let evictions = Arc::new(AtomicU64::new(0));
        let estimated = bytes.div_ceil(block_bytes.max(1) + ENTRY_BYTES as u64);
        // Only the number of items is estimated; the bytes are kept to whatever it is.
        let options = OptionsBuilder::new()
            .estimated_items_capacity(usize::try_from(estimated).unwrap_or(usize::MAX))
            .weight_capacity(bytes)
            .build()
            .expect("both capacities are given");
        let lifecycle = Evicted(Arc::clone(&evictions));
        Self {
            blocks: Shared::with_options(options, Weight, DefaultHashBuilder::default(), lifecycle),
            evictions,
        }
    }

    /// The block, if it is there.
    pub fn get(&self, id: &BlockId) -> Option<Arc<Block>> {
        self.blocks.get(id)
    }

    /// Whether the block is there, without the policy being told.
    pub fn holds(&self, id: &BlockId) -> bool {
        self.blocks.contains_key(id)
    }

    /// Keeps the block as long as the policy thinks it worth its bytes.
    pub fn insert(&self, id: BlockId, block: Arc<Block>) {
        self.blocks.insert(id, block);
    }

    /// Bytes that are in the cache, its own share included.
    pub fn bytes(&self) -> u64 {
        self.blocks.weight()
    }

    /// Blocks that had to go for others.
    pub fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }
}

//! Plain values as an Arrow array of `binary`.

use std::sync::Arc;

use arrow_array::BinaryArray;
use arrow_buffer::{Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use graven_format::Store;

use super::{ArrowData, ArrowProblem};
use crate::table::{CHUNK_KEYS, with_batch};

/// The values of `keys`.
pub(crate) fn values(store: &Store, keys: &[&[u8]]) -> Result<ArrowData, ArrowProblem> {
    let mut offsets: Vec<i32> = Vec::with_capacity(keys.len() + 1);
    offsets.push(0);
    let mut bytes: Vec<u8> = Vec::new();
    let mut present = NullBufferBuilder::new(keys.len());
    let mut missing = 0;
    let mut rest = keys;
    while !rest.is_empty() {
        let chunk = &rest[..rest.len().min(CHUNK_KEYS)];
        let answered = with_batch(|batch| {
            store.get_many(chunk, batch)?;
            if bytes.capacity() == 0 {
                // As many for each key as these have, and a little more.
                let each = batch.bytes().len().min(1 << 20) / batch.len().max(1) + 1;
                bytes.reserve(each.saturating_mul(keys.len()).min(1 << 30));
            }
            for i in 0..batch.len() {
                match batch.value(i, store) {
                    Some(value) => {
                        bytes.extend_from_slice(value);
                        present.append_non_null();
                    }
                    None => {
                        missing += 1;
                        present.append_null();
                    }
                }
                offsets.push(i32::try_from(bytes.len()).map_err(|_| ArrowProblem::TooLarge)?);
            }
            Ok::<usize, ArrowProblem>(batch.len())
        })?;
        rest = &rest[answered..];
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let array = BinaryArray::try_new(offsets, Buffer::from_vec(bytes), present.finish())?;
    Ok(ArrowData::new(Arc::new(array), "value", missing))
}

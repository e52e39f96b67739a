//! Bytes behind others, in blocks of a fixed size: a length that has just been loaded is a branch
//! that cannot be predicted, and `Vec::extend_from_slice` two calls for each value.
#![allow(unsafe_code)]

use std::ptr;

/// Bytes of the blocks that values are copied in; most of a table's values have no more.
pub(crate) const BLOCK_BYTES: usize = 64;

/// Appends the first `len` of `block`, or all where it has fewer.
#[inline(always)]
pub(crate) fn append_block<const N: usize>(out: &mut Vec<u8>, block: &[u8; N], len: usize) {
    if out.capacity() - out.len() < N {
        make_room(out, N);
    }
    let start = out.len();
    if let Some(room) = out.spare_capacity_mut().first_chunk_mut::<N>() {
        // SAFETY: `room` has `N` bytes of its own, and so many are copied; then the length is at
        // most `start + N`, which is inside the capacity, and all before it is written.
        unsafe {
            ptr::copy_nonoverlapping(block.as_ptr(), room.as_mut_ptr().cast(), N);
            out.set_len(start + len.min(N));
        }
    }
}

#[cold]
#[inline(never)]
fn make_room(out: &mut Vec<u8>, room: usize) {
    out.reserve(room);
}

/// Appends the first `len` of `stored`, which has as many.
#[inline(always)]
pub(crate) fn append_bytes(out: &mut Vec<u8>, stored: &[u8], len: usize) {
    match stored.first_chunk::<BLOCK_BYTES>() {
        Some(block) if len <= BLOCK_BYTES => append_block(out, block, len),
        _ => append_slowly(out, &stored[..len]),
    }
}

#[inline(never)]
fn append_slowly(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_bytes_are_appended_as_were_asked_for() {
        let bytes: Vec<u8> = (0..200).collect();
        for behind in [0, 63, 64, 100] {
            for len in [0, 1, 31, 63, 64, 65, 99] {
                let stored = &bytes[..len + behind];
                let mut out = Vec::with_capacity(behind);
                (0..3).for_each(|_| append_bytes(&mut out, stored, len));
                assert_eq!(out, [&bytes[..len]; 3].concat(), "{len} bytes and {behind}");
            }
        }
        let mut out = b"before".to_vec();
        append_block(&mut out, b"block", 9);
        append_block(&mut out, b"block", 0);
        assert_eq!(out, b"beforeblock");
    }
}

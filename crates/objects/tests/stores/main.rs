//! What is asked of stores, and what happens when they fail.

mod fake_s3;
mod transfers;
mod writes;

use fake_s3::{BUCKET, FakeRequest, FakeS3, Fault};
use graven_objects::Objects;

/// A store, and a folder in it.
fn folder() -> (FakeS3, Objects) {
    let fake = FakeS3::start();
    let environment = fake.environment().into_iter().map(|(name, value)| (name.to_owned(), value));
    let objects = Objects::open_with(&format!("s3://{BUCKET}/root"), environment).unwrap();
    (fake, objects)
}

/// A fault for the first so many requests that `is_meant`.
fn first(
    mut count: usize,
    fault: Fault,
    is_meant: impl Fn(&FakeRequest) -> bool + Send + 'static,
) -> impl FnMut(&FakeRequest) -> Option<Fault> + Send + 'static {
    move |request| {
        if count == 0 || !is_meant(request) {
            return None;
        }
        count -= 1;
        Some(fault)
    }
}

/// Bytes of which no two ranges are alike.
fn bytes(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

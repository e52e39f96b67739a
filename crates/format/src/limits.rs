//! The largest key and the largest value that a table holds.

/// The longest key, in bytes: 64 KiB.
pub const KEY_BYTES_MAX: usize = 64 * 1024;

/// The longest value, in bytes: 512 MiB, the longest string that Redis clients accept by default,
/// so that whatever a table holds can be answered in every protocol.
pub const VALUE_BYTES_MAX: usize = 512 * 1024 * 1024;

//! Looks for a schema or a row that panics, or takes too much memory, when it is read.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| graven_fuzz::rows::row(input));

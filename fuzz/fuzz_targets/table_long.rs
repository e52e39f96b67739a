//! Looks for a file whose shared values, or values in frames of zstd, panic or contradict themselves.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| graven_fuzz::table::long(input));

//! Looks for bytes on which the memcached request decoder breaks its word.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| graven_fuzz::memcached::request(input));

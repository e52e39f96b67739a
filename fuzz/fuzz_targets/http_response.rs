//! Looks for bytes on which the HTTP response decoder breaks its word.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| graven_fuzz::http::response(input));

//! Looks for bytes on which the HTTP request decoder breaks its word.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| graven_fuzz::http::request(input));

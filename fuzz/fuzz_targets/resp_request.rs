//! Looks for bytes on which the RESP request decoder breaks its word.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| graven_fuzz::resp::request(input));

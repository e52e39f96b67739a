//! Looks for bytes of which the decoder of PROXY headers makes something else when they arrive in pieces.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| graven_fuzz::proxy::header(input));

//! Looks for texts that the grammar of addresses reads otherwise when they are written back.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| graven_fuzz::address::parse(input));

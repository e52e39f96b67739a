//! Looks for a file that panics, takes too much memory or contradicts itself when it is opened and asked.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| graven_fuzz::table::open(input));

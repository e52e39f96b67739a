//! Looks for a pattern and a text on which the glob matcher and the model of it disagree.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| graven_fuzz::glob::matches(input));

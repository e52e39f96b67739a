//! Looks for a JSON document whose pairs are others when its bytes arrive one by one, or than a reader of all of it finds.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| graven_fuzz::json::document(input));

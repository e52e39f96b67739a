//! Looks for pairs of which a carved table answers otherwise than a `BTreeMap`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| graven_fuzz::table::model(input));

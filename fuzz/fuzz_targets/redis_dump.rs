//! Looks for a dump of a Redis that is read in two ways, or that ends the reader.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| graven_fuzz::redis_dump::input(input));

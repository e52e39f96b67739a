//! Looks for a Parquet file that panics outside of the `parquet` crate, whose panics are caught, or takes more memory than it may.
#![no_main]

libfuzzer_sys::fuzz_target!(init: graven_fuzz::parquet::pass_over_caught_panics(), |input: &[u8]| graven_fuzz::parquet::file(input));

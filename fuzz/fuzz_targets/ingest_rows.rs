//! Looks for an input whose rows are others when its bytes arrive one by one, or that panics on its way into a table.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| graven_fuzz::rows::input(input));

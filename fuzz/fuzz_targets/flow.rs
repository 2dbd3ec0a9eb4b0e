//! Any bytes, read as which words to look at and a frame to read into a flow key.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| switch_fuzz::flow(input));

//! Any bytes, read as a frame.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| switch_fuzz::layers(input));

//! Any bytes, read as a table of flows and frames that come to it.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| switch_fuzz::translate(input));

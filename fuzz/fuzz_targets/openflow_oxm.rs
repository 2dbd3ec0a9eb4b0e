//! Any bytes, read as the fields of a match.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| switch_fuzz::openflow_oxm(input));

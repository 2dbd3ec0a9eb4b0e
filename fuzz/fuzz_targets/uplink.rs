//! Any bytes, taken for a frame from the link of an uplink, heard and answered.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| switch_fuzz::uplink(input));

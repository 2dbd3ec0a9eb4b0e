//! Any bytes, read as an OpenFlow message and written again.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| switch_fuzz::openflow_decode(input));

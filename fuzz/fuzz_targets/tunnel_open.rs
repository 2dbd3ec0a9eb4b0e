//! Any bytes, taken for an outer packet, opened and closed again.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| switch_fuzz::tunnel_open(input));

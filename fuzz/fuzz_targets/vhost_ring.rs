//! Any image of a guest's memory, with its rings.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| switch_fuzz::vhost_ring(input));

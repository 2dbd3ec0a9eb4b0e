//! Any bytes, read as a virtio-net header and a frame, and finished in software.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| switch_fuzz::offload(input));

//! Any bytes, read as a header of VXLAN, GRE or Geneve, and written again.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| switch_fuzz::tunnel_header(input));

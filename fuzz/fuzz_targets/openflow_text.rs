//! Any text, read as a flow, printed and written.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| switch_fuzz::openflow_text(input));

//! Any messages of a vhost-user front end, in any order.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| switch_fuzz::vhost_messages(input));

//! The control program of the switch.
fn main() {}

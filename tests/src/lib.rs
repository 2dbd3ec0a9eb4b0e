//! Harness of the tests: namespaces, a daemon of one's own, hosts, traffic and captures.
#![forbid(unsafe_code)]
pub mod wait;

//! The control socket and the daemon's life, with the real program and real clients.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test, an expectation that breaks is a failure"
)]

mod clients;
mod kernel;
mod life;
mod openflow;
mod raw;
mod words;

//! Translation, tested: lists in words, and an oracle.

mod lab;
mod lists;
mod naive;
mod oracle;
mod tunnels;

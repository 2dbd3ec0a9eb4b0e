//! Translation, tested: lists in words, and an oracle.

mod lab;
mod lists;
mod naive;
mod options;
mod oracle;
mod tunnels;

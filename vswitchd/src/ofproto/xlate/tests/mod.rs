//! Translation, tested: lists in words, and an oracle.

mod lab;
mod lists;
mod options;
mod oracle;
mod tunnels;

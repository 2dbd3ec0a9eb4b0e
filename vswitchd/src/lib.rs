//! The control plane of the switch: what the user asked for, and what makes the datapath follow.
//!
//! A library, so that tests run a whole switch inside one process; `main.rs` is thin.

// The tests of translation are compiled by the fuzz targets as well, and name the crate as these do.
#[cfg(test)]
extern crate self as vswitchd;

pub mod appctl;
pub mod capture;
pub mod config;
pub mod daemon;
pub mod log;
pub mod netlink;
pub mod ofconn;
pub mod ofproto;
pub mod rpc;
pub mod stream;
pub mod switch;

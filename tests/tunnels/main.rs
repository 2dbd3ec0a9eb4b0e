//! Tunnels between switches, and to the kernel's and Open vSwitch's, over a routed underlay of
//! namespaces.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test says by a panic what failed")]

mod golden;
mod inband;
mod kernel;
mod life;
mod options;
mod ovs;
mod refusals;
mod rig;
mod segments;
mod sites;
mod uplink;

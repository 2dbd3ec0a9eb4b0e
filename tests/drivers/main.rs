//! The drivers against the kernel that they drive: veth pairs and TAP devices in namespaces of their
//! own, with real traffic of the kernel's stack.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test says by a panic what failed")]

mod afxdp;
mod carrier;
mod netns;
mod packet;
mod rig;
mod stream;
mod tap;
mod vhost;

//! Harness of the tests: namespaces, a daemon of one's own, hosts, real traffic and captures.
//!
//! # Design
//! A test builds a [`Lab`]: a namespace of its own with a `vswitchd` in it, and hosts in namespaces
//! around it. Nothing touches the machine's own links, so tests run side by side. Everything is
//! undone by `Drop`, also when an assertion fails; what a killed test left is swept by the next.
//!
//! The oracles are not the switch's own code: traffic is the kernel's ping and TCP, frames are sent
//! by Python's raw sockets ([`inject`]) and seen by tcpdump ([`capture`]).
//!
//! A test that cannot run here (no root, no daemon built, a tool missing) panics and says why.
//!
//! [`Lab`]: lab::Lab

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "in a test, an expectation that breaks is a failure")]

pub mod capture;
pub mod control;
pub mod daemon;
pub mod example;
pub mod frame;
pub mod front_end;
pub mod inject;
pub mod lab;
pub mod ledger;
pub mod matrix;
pub mod netns;
pub mod ovs;
pub mod process;
pub mod traffic;
pub mod vm;
pub mod wait;
pub mod watch;

pub use capture::Sink;
pub use control::Control;
pub use daemon::Daemon;
pub use example::Example;
pub use front_end::FrontEnd;
pub use lab::{Host, Lab, PortKind};
pub use netns::Netns;
pub use vm::{Card, Vm};
pub use wait::{wait_for, wait_until};
pub use watch::Watch;

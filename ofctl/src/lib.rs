//! The control program of the switch, as a library with a thin `main`, so that tests and the
//! generators of documentation use the same command table that the program runs on.
//!
//! # Design
//!
//! One table ([`table::COMMANDS`]) says which commands exist, what they take and what they are
//! for. Everything else is derived from it:
//!
//! ```text
//!  argv ─► cli (clap, built from the table) ─► plan (names, counts, transaction) ─► run
//!                                                                                   │
//!  help, man page, completions ◄─ table        stdout ◄─ text ◄─ rpc ◄─► vswitchd.ctl
//!                                                            ◄─ of  ◄─► BRIDGE.mgmt
//! ```
//!
//! The program knows command *shapes*; the daemon alone knows which bridges, ports, keys and
//! values are valid. So nothing is checked twice, and the two cannot disagree.
//!
//! # References
//!
//! The words are those of `ovs-vsctl`, `ovs-ofctl` and `ovs-appctl`; `vswitchd.ctl` speaks JSON-RPC
//! 1.0 as Open vSwitch's `unixctl` does, a bridge's socket speaks OpenFlow.

#![forbid(unsafe_code)]

pub mod capture;
pub mod cli;
pub mod command;
pub mod complete;
pub mod error;
pub mod help;
pub mod man;
pub mod of;
pub mod plan;
pub mod rpc;
pub mod run;
pub mod table;
pub mod top;

pub use command::{CommandSpec, Family, Route, Switch};
pub use error::Error;
pub use run::{Environment, run};

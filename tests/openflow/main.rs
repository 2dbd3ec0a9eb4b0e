//! OpenFlow with its real users: `ovs-ofctl` beside a real Open vSwitch, os-ken, and traffic by
//! flows.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "in a test, an expectation that breaks is a failure")]

mod controllers;
mod monitor;
mod options;
mod script;
mod traffic;

//! The switch on real interfaces: a daemon in a namespace, hosts around it, the kernel's own traffic.
//!
//! # Design
//! A scenario is a function of the port driver; [`scenarios!`] makes a test of it for each. No host
//! is configured for the switch: in particular, `ethtool` is never called.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "in a test, an expectation that breaks is a failure")]

use switch_tests::PortKind;

/// One test per driver for each scenario of a module.
macro_rules! scenarios {
    ($($name:ident),+ $(,)?) => {
        mod packet {
            $(#[test] fn $name() { super::$name(super::PortKind::Packet); })+
        }
        mod afxdp {
            $(#[test] fn $name() { super::$name(super::PortKind::AfXdp); })+
        }
        mod tap {
            $(#[test] fn $name() { super::$name(super::PortKind::Tap); })+
        }
    };
}

mod afxdp;
mod capture;
mod change;
mod crash;
mod device;
mod flood;
mod host;
mod matrix;
mod mirror;
mod mtu;
mod patch;
mod reach;
mod storm;
mod top;
mod vlan;

//! A whole switch in one process: ports in memory, a clock turned by hand, no root.
//!
//! What the tests here show of a switch they show by its commands and by the frames that leave it;
//! the rules of each layer have their tests beside the code.

#![allow(clippy::expect_used, reason = "in a test, an expectation that breaks is a failure")]

mod capture;
mod conservation;
mod controllers;
mod flood;
mod flows;
mod life;
mod matrix;
mod mirror;
mod patch;
mod rig;
mod traces;
mod vlan;

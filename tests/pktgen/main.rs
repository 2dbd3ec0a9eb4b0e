//! `pktgen` on real interfaces: what it tells of switches and links, beside what they tell themselves.
//!
//! # Design
//! A count of frames that fits every queue on its way cannot be lost, however slow the machine is; so
//! a lost frame is a defect. Where loss is wanted, a queueing discipline of the kernel makes it, and
//! counts it.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "in a test, an expectation that breaks is a failure")]

mod link;
mod rig;
mod switches;
mod words;

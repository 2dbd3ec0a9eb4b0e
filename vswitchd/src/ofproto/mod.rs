//! OpenFlow tables and what becomes of packets in them.
//!
//! # Design
//! ```text
//!  connections ──messages──► Switch ──► Ofproto ──► Tables, groups, meters ──publish──► View
//!       ▲                                  │                                             │
//!       └──────────── notices ─────────────┘        poll threads: Handler ─► xlate ◄─────┘
//! ```
//! - [`rule`]: a flow, and what it has counted. [`tables`]: the classifiers of a bridge, and when each
//!   last changed; [`recent`]: in what. [`group`]: a group at work.
//! - [`view`]: what poll threads see of all bridges; published whole, with a version.
//! - [`notice`]: what connections are told.
//! - [`ledger`]: how what cached flows count reaches the flows that they came from.
//!
//! A change is made under the version that comes next, and seen once that is published; so any number
//! of changes is one step for traffic.
//!
//! # Thread-safety
//! The control thread owns everything and is the only one that changes it. Poll threads read the view,
//! classifiers under a reader's lock, and only to translate a packet that no cached flow matches.

pub mod bridge;
pub mod classifier;
pub mod group;
pub mod handler;
pub mod ledger;
pub mod meter_slots;
pub mod notice;
pub mod odp;
pub mod recent;
pub mod rule;
pub mod tables;
pub mod view;
pub mod xlate;

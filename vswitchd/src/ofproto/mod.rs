//! OpenFlow tables and what becomes of packets in them.

pub mod classifier;

//! The layer-2 stage: VLAN admission, storm limits, the forwarding database, and `NORMAL`.

pub mod fdb;
pub mod mirror;
pub mod normal;
pub mod storm;
pub mod vlan;

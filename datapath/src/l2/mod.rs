//! The layer-2 stage: VLAN admission, the forwarding database, and `NORMAL`.

pub mod fdb;
pub mod vlan;

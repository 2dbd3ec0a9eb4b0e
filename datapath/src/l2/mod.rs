//! The layer-2 stage: VLAN admission, the forwarding database, and `NORMAL`.

pub mod fdb;
pub mod normal;
pub mod vlan;

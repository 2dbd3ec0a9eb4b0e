//! The forwarding database.

/// Where addresses are: (VID, MAC) to port.
pub struct Fdb;

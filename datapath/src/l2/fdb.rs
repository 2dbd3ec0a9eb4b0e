//! The forwarding database.

use std::time::Duration;

/// How large and how patient a database is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FdbConfig {
    /// Most entries.
    pub max_entries: usize,
    /// How long an entry lives without a frame.
    pub aging: Duration,
}

/// Where addresses are: (VID, MAC) to port.
pub struct Fdb {
    /// How it was made.
    pub config: FdbConfig,
}

impl Fdb {
    /// An empty database.
    #[must_use]
    pub fn new(config: FdbConfig) -> Fdb {
        Fdb { config }
    }
}

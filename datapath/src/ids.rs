//! Numbers that name ports and bridges inside the datapath.
//!
//! They are dense indices, reused after removal, and never shown as OpenFlow port numbers: that is
//! `OfPort`, a number of the control plane.

use core::fmt;

/// A port of the datapath, of whatever bridge.
///
/// # Legal values
/// 0 to [`PortNo::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortNo(u16);

impl PortNo {
    /// The highest number, so that a port fits the 16 bits that an FDB entry gives it.
    pub const MAX: u16 = 0xfffe;

    /// `None` above [`PortNo::MAX`].
    #[must_use]
    pub const fn new(no: u16) -> Option<PortNo> {
        if no <= Self::MAX { Some(PortNo(no)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// As an index into per-port tables.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A bridge of the datapath: an index into the snapshot's bridges.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BridgeId(pub u16);

impl BridgeId {
    /// Not a bridge.
    pub const NONE: BridgeId = BridgeId(u16::MAX);

    /// As an index into per-bridge tables.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for PortNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for PortNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {}", self.0)
    }
}

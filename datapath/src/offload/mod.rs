//! Work that a sender left undone, and that an output port cannot do.

use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, FramePool};
use crate::netdev::TxCaps;

/// What an output port takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// What its transmit queue does for frames.
    pub caps: TxCaps,
    /// Its MTU, bytes of Ethernet payload.
    pub mtu: u32,
}

/// Bytes of an Ethernet header.
const ETHERNET_LEN: usize = 14;

/// Whether the port can send the frame as it is.
#[must_use]
pub fn fits(frame: &Frame, limits: &Limits) -> bool {
    frame.offload().is_done() && frame.len() <= limits.mtu as usize + ETHERNET_LEN
}

/// Makes a frame fit, or drops it with a reason.
pub fn fit(
    frame: Frame,
    limits: &Limits,
    pool: &mut FramePool,
    counters: &PortCounters,
    sink: &mut impl FnMut(&mut FramePool, Frame),
) {
    if fits(&frame, limits) {
        return sink(pool, frame);
    }
    counters.drop_tx(DropReason::MtuExceeded, 1);
    pool.put(frame);
}

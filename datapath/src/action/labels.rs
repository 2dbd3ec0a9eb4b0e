//! MPLS label stack entries, pushed and popped in place (RFC 3032 §2.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------------------------------+-----+-+---------------+
//! |                 Label                 | TC  |S|      TTL      |
//! +---------------------------------------+-----+-+---------------+
//! ```
//!
//! # Design
//! The stack begins behind any VLAN tags; what is in front of it moves, and the EtherType in front of
//! it changes. What the sender left undone must have been done before ([`checksum::complete`]): a label
//! makes IP a payload that no device finishes checksums of, and a label that goes turns bytes that
//! nobody looked at into headers.
//!
//! [`checksum::complete`]: crate::offload::checksum::complete

use packet::flow::extract::{self, Depth, Offsets, VlanLimit};
use packet::{EtherType, FlowKey};

use crate::frame::Frame;

/// Bytes of an entry.
const LSE_LEN: usize = 4;
/// Bytes of an EtherType.
const ETHERTYPE_LEN: usize = 2;

/// Where the headers of a frame are, as far as MPLS.
fn offsets(frame: &Frame) -> Offsets {
    let mut key = FlowKey::EMPTY;
    extract::headers(frame.data(), Depth::L2, VlanLimit::Two, &mut key)
}

/// Adds an outer entry; `false`, and nothing changed, without headroom. A frame without an Ethernet
/// header is left alone.
#[must_use]
pub fn push(frame: &mut Frame, ethertype: EtherType, lse: u32) -> bool {
    let offsets = offsets(frame);
    let Some(at) = offsets.mpls.or(offsets.l3) else { return true };
    if !frame.extend_front(LSE_LEN) {
        return false;
    }
    let data = frame.data_mut();
    data.copy_within(LSE_LEN..LSE_LEN + at, 0);
    data[at - ETHERTYPE_LEN..at].copy_from_slice(&ethertype.0.to_be_bytes());
    data[at..at + LSE_LEN].copy_from_slice(&lse.to_be_bytes());
    true
}

/// Removes the outer entry; a frame without a whole one is left alone.
pub fn pop(frame: &mut Frame, ethertype: EtherType) {
    let Some(at) = offsets(frame).mpls else { return };
    let data = frame.data_mut();
    if data.len() < at + LSE_LEN {
        return;
    }
    data[at - ETHERTYPE_LEN..at].copy_from_slice(&ethertype.0.to_be_bytes());
    data.copy_within(..at, LSE_LEN);
    // There are as many bytes: checked above.
    let _ = frame.trim_front(LSE_LEN);
}

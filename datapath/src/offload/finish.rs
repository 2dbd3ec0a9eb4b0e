//! Making a frame fit its output.

use packet::ethernet;
use packet::layers::L2;

use super::{checksum, layout, segment};
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Checksum, Frame, FramePool, Gso, GsoKind};
use crate::netdev::TxCaps;

/// What an output takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// What its queue does for frames.
    pub caps: TxCaps,
    /// Bytes of Ethernet payload; up to three VLAN tags do not count against it.
    pub mtu: u32,
}

impl Limits {
    /// Whether the output cuts such segments itself.
    const fn cuts(&self, gso: &Gso) -> bool {
        // Nobody takes segments inside of tunnels from us: see `vnet`.
        self.caps.checksum
            && gso.inner == 0
            && match gso.kind {
                GsoKind::TcpV4 | GsoKind::TcpV6 => self.caps.tcp_segmentation,
                GsoKind::Udp => self.caps.udp_segmentation,
            }
    }
}

/// Whether the output takes `frame` as it is. Cheap for frames of ordinary size.
#[must_use]
#[inline]
pub fn fits(frame: &Frame, limits: &Limits) -> bool {
    let offload = frame.offload();
    let capable = match offload.gso {
        None => limits.caps.checksum || offload.is_done(),
        Some(gso) => limits.cuts(&gso),
    };
    capable && within_mtu(frame, limits.mtu)
}

/// Whether what reaches the wire is within the MTU: the frame, or the segments it stands for.
#[inline]
fn within_mtu(frame: &Frame, mtu: u32) -> bool {
    let wire_len = wire_len(frame);
    let untagged = (mtu as usize).saturating_add(ethernet::HEADER_LEN);
    wire_len <= untagged || within_tagged(frame.data(), wire_len - untagged)
}

/// Bytes of what reaches the wire: of the frame, or of the largest segment that it stands for.
#[must_use]
#[inline]
pub fn wire_len(frame: &Frame) -> usize {
    match frame.offload().gso {
        None => frame.len(),
        Some(gso) => segment_len(frame, gso),
    }
}

/// Whether a frame is above the MTU by no more than its tags.
fn within_tagged(data: &[u8], excess: usize) -> bool {
    L2::parse(data).is_some_and(|l2| excess <= l2.l3 - ethernet::HEADER_LEN)
}

/// Bytes of the largest frame that `frame` is to be cut into.
fn segment_len(frame: &Frame, gso: Gso) -> usize {
    let Checksum::Partial { start, .. } = frame.offload().checksum else {
        return frame.len();
    };
    let l4 = usize::from(start);
    match layout::header_len(frame.data(), gso.kind, l4) {
        Some(header_len) => frame.len().min(l4 + header_len + usize::from(gso.size.get())),
        None => frame.len(),
    }
}

/// Does to `frame` what the output cannot: cuts it, finishes its checksum, or drops it. What is to
/// be sent goes to `sink`, in order. Counts on `counters`, those of the output: `segments`,
/// `tx_checksums`, and drops.
pub fn fit(
    frame: Frame,
    limits: &Limits,
    pool: &mut FramePool,
    counters: &PortCounters,
    sink: &mut impl FnMut(&mut FramePool, Frame),
) {
    if !within_mtu(&frame, limits.mtu) {
        counters.drop_tx(DropReason::MtuExceeded, 1);
        return pool.put(frame);
    }
    match frame.offload().gso {
        Some(gso) if !limits.cuts(&gso) => {
            cut(&frame, limits, pool, counters, sink);
            pool.put(frame);
        }
        None if !limits.caps.checksum && !frame.offload().is_done() => {
            complete(frame, pool, counters, sink);
        }
        _ => sink(pool, frame),
    }
}

fn complete(
    mut frame: Frame,
    pool: &mut FramePool,
    counters: &PortCounters,
    sink: &mut impl FnMut(&mut FramePool, Frame),
) {
    if checksum::complete(&mut frame) {
        counters.tx_checksums.add(1);
        sink(pool, frame);
    } else {
        counters.drop_tx(DropReason::BadOffload, 1);
        pool.put(frame);
    }
}

fn cut(
    frame: &Frame,
    limits: &Limits,
    pool: &mut FramePool,
    counters: &PortCounters,
    sink: &mut impl FnMut(&mut FramePool, Frame),
) {
    let takes_unfinished = limits.caps.checksum;
    let cut = segment::segment(frame, pool, &mut |pool, piece| {
        if takes_unfinished {
            sink(pool, piece);
        } else {
            complete(piece, pool, counters, sink);
        }
    });
    match cut {
        Ok(cut) => {
            let n = (cut.n_done + cut.n_lost) as u64;
            counters.segments.add(n.saturating_sub(1));
            if cut.n_lost > 0 {
                counters.drop_tx(DropReason::NoFrame, cut.n_lost as u64);
            }
        }
        Err(reason) => counters.drop_tx(reason, 1),
    }
}

#[cfg(test)]
mod tests;

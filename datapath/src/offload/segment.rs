//! Cutting a large segment into the frames that it stands for.
//!
//! # Design
//! Every piece gets the headers of the whole, patched: lengths, IPv4 identification and header
//! checksum, TCP sequence number and flags. Its layer-4 checksum stays unfinished, with the
//! pseudo-header sum of its own length in the field, so that a piece is an ordinary frame with
//! ordinary work left: an output that finishes checksums takes it so, for others
//! [`checksum::complete`](super::checksum::complete) runs over the piece while it is warm.
//!
//! The new pseudo-header sum follows from the old one, not from the addresses: with an IPv6 routing
//! header the destination that counts is not in the fixed header.
//!
//! # References
//! RFC 9293 §3.1 (sequence numbers), RFC 3168 §6.1.2 (CWR on the first piece only), RFC 6864
//! (identification), virtio 1.2 §5.1.6.2.

use packet::EtherType;
use packet::checksum::Sum;
use packet::ipv4::Ipv4Header;
use packet::ipv6::{self, Ipv6Header};
use packet::tcp::{self, TcpHeader};
use packet::udp::UdpHeader;

use super::layout::Layout;
use super::tunnelled;
use crate::drop_reason::DropReason;
use crate::frame::{Checksum, Frame, FramePool, Gso, GsoKind, Offload};

/// Most pieces that one frame is cut into. TCP with the smallest segments that Linux sends makes
/// fewer of 64 KiB; a sender that asks for more wants to exhaust us.
pub const MAX_SEGMENTS: usize = 2048;

/// What became of the pieces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cut {
    /// Given to the sink.
    pub n_done: usize,
    /// Lost, because the pool had no frame.
    pub n_lost: usize,
}

/// Cuts `frame` and gives the pieces to `sink`, first to last. Their checksums are unfinished.
/// The pieces come from `pool`; when it runs dry the rest is lost.
///
/// # Errors
/// [`DropReason::SegmentFailed`], and no piece made: the frame is not a large segment, does not bear
/// out its request, or would make more than [`MAX_SEGMENTS`].
pub fn segment(
    frame: &Frame,
    pool: &mut FramePool,
    sink: &mut impl FnMut(&mut FramePool, Frame),
) -> Result<Cut, DropReason> {
    let cutter = Cutter::new(frame).ok_or(DropReason::SegmentFailed)?;
    let mut cut = Cut { n_done: 0, n_lost: cutter.n_segments };
    for index in 0..cutter.n_segments {
        let Some(piece) = cutter.piece(index, pool) else { break };
        sink(pool, piece);
        cut = Cut { n_done: cut.n_done + 1, n_lost: cut.n_lost - 1 };
    }
    Ok(cut)
}

/// A frame that is being cut.
struct Cutter<'a> {
    headers: &'a [u8],
    payload: &'a [u8],
    layout: Layout,
    gso: Gso,
    checksum: Checksum,
    /// The pseudo-header's sum without the length.
    pseudo: Sum,
    n_segments: usize,
}

impl<'a> Cutter<'a> {
    fn new(frame: &'a Frame) -> Option<Cutter<'a>> {
        let Offload { checksum: checksum @ Checksum::Partial { start, offset }, gso: Some(gso) } =
            *frame.offload()
        else {
            return None;
        };
        let data = frame.data();
        let layout = Layout::of(data, gso.kind, start, offset)?;
        let (headers, payload) = data.split_at_checked(layout.headers_len)?;
        let n_segments = payload.len().div_ceil(gso.size.get().into());
        if n_segments > MAX_SEGMENTS {
            return None;
        }
        let field = layout.l4 + usize::from(offset);
        let field = u16::from_be_bytes(*headers.get(field..)?.first_chunk()?);
        let whole_len = u16::try_from(data.len() - layout.l4).ok()?;
        let pseudo = Sum::default().add_u16(field).sub_u16(whole_len);
        Some(Cutter { headers, payload, layout, gso, checksum, pseudo, n_segments })
    }

    /// The piece with this number; `None` when the pool has no frame.
    fn piece(&self, index: usize, pool: &mut FramePool) -> Option<Frame> {
        let size = usize::from(self.gso.size.get());
        let payload = self.payload.chunks(size).nth(index)?;
        let len = self.headers.len() + payload.len();
        let mut piece = pool.get_for(len)?;
        let room = piece.set_len(len);
        let (headers, rest) = piece.data_mut().split_at_mut(self.headers.len().min(len));
        if !room || self.patch(index, headers, payload.len()).is_none() {
            pool.put(piece);
            return None;
        }
        rest.copy_from_slice(payload);
        piece.set_offload(Offload { checksum: self.checksum, gso: None });
        Some(piece)
    }

    /// Writes the headers of the piece with this number.
    fn patch(&self, index: usize, headers: &mut [u8], payload_len: usize) -> Option<()> {
        headers.copy_from_slice(self.headers);
        let (lower, upper) = headers.split_at_mut_checked(self.layout.l4)?;
        let l3 = lower.get_mut(self.layout.l3..)?;
        let upper_len = u16::try_from(upper.len() + payload_len).ok()?;
        patch_ip(l3, self.layout.ethertype, index, upper_len)?;
        let pseudo = self.pseudo.add_u16(upper_len).fold();
        self.patch_upper(index, upper, (upper_len, pseudo))?;
        if self.layout.inner > 0 {
            let Checksum::Partial { offset, .. } = self.checksum else { return None };
            let start = self.layout.l4;
            tunnelled::patch(headers, (index, payload_len), (start, start + usize::from(offset)))?;
        }
        Some(())
    }

    /// Writes the TCP or UDP header of the piece with this number.
    fn patch_upper(
        &self,
        index: usize,
        upper: &mut [u8],
        (upper_len, pseudo): (u16, u16),
    ) -> Option<()> {
        match self.gso.kind {
            GsoKind::TcpV4 | GsoKind::TcpV6 => {
                let header = TcpHeader::parse_mut(upper)?;
                let done = index.checked_mul(self.gso.size.get().into())?;
                header.seq.set(header.seq.get().wrapping_add(u32::try_from(done).ok()?));
                if index > 0 {
                    header.flags &= !tcp::CWR;
                }
                if index + 1 < self.n_segments {
                    header.flags &= !(tcp::FIN | tcp::PSH);
                }
                header.checksum.set(pseudo);
            }
            GsoKind::Udp => {
                let header = UdpHeader::parse_mut(upper)?;
                header.len.set(upper_len);
                header.checksum.set(pseudo);
            }
        }
        Some(())
    }
}

/// Writes the length of the IP packet whose headers are `headers` and, over IPv4, the identification
/// of the piece with this number and the header checksum.
fn patch_ip(headers: &mut [u8], ethertype: EtherType, index: usize, upper_len: u16) -> Option<()> {
    let len = u16::try_from(headers.len()).ok()?.checked_add(upper_len)?;
    if ethertype == EtherType::IPV4 {
        let header = Ipv4Header::parse_mut(headers)?;
        header.total_len.set(len);
        header.id.set(header.id.get().wrapping_add(u16::try_from(index).ok()?));
        header.checksum.set(0);
        let checksum = Sum::default().add_bytes(headers).finish();
        Ipv4Header::parse_mut(headers)?.checksum.set(checksum);
    } else {
        let fixed_len = u16::try_from(ipv6::HEADER_LEN).ok()?;
        Ipv6Header::parse_mut(headers)?.payload_len.set(len.checked_sub(fixed_len)?);
    }
    Some(())
}

#[cfg(test)]
mod tests;

//! Joining segments of TCP for an output that cuts large ones itself.
//!
//! # Design
//! Where a stream arrives cut into frames and leaves towards a stack of this machine, each frame costs
//! that stack a whole way up, which is far more than it costs us. So frames that stand one behind the
//! other in a batch and are one piece of a stream are handed over as one large segment: the headers of
//! the first, patched, and behind them the payloads from where they lie. No byte of payload moves.
//!
//! What is joined is what cutting it again gives ([`segment`](super::segment)): the rules are those of
//! the kernel's `tcp_gro_receive`. The frames agree in everything but lengths, checksums, sequence
//! numbers and PSH; each goes on where the one before it ended; all but the last are of one size; PSH
//! stands on the last alone. Identifications count up, or do not matter (DF, RFC 6864 §4.1). Flags
//! other than ACK, PSH and ECE, options of IPv4, extension headers and two VLAN tags (which the kernel
//! does not cut) stay by themselves.
//!
//! A large segment gets new checksums. So a finished one is verified first: an error that the wire
//! made must not be sealed with a right sum.
//!
//! # References
//! RFC 9293 §3.1, RFC 6864 §4.1; `tcp_gro_receive`, `inet_gro_receive` and `ipv6_gro_receive` of Linux
//! v6.12 (net/ipv4/tcp_offload.c, af_inet.c, net/ipv6/ip6_offload.c).

use core::num::NonZeroU16;

use packet::checksum::Sum;
use packet::ipv4::{self, Ipv4Header};
use packet::ipv6::{self, Ipv6Header};
use packet::tcp::{self, TcpHeader};
use packet::{EtherType, IpProto, ethernet, vlan};

use super::layout::Layout;
use crate::frame::{Checksum, Frame, Gso, GsoKind, Offload};

/// Bytes of payload below which frames are left alone: what is typed shall not be looked at twice.
const MIN_SIZE: usize = 256;
/// Most bytes of an IP packet.
const MAX_IP_LEN: usize = u16::MAX as usize;
/// The bit of [`Ipv4Header`]'s bytes 6 and 7 that says "don't fragment".
const DF: u8 = 0x40;

/// Frames that go out as one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Joined {
    /// How many.
    pub n_frames: usize,
    /// Bytes of the headers that all but the first have to leave away.
    pub headers_len: usize,
}

impl Joined {
    /// A frame that goes by itself.
    pub const ALONE: Joined = Joined { n_frames: 1, headers_len: 0 };
}

/// Whether at least two frames at the start are one piece of a stream.
#[must_use]
pub fn begins(frames: &[Frame]) -> bool {
    Run::of(&frames[..frames.len().min(2)]).is_some()
}

/// Finds out how many frames at the start are one piece of a stream, and if these are several, makes
/// the first one's headers and [`Offload`] those of the whole. Its bytes then are the beginning of a
/// large segment, which goes on with the payloads of the others.
pub fn join(frames: &mut [Frame]) -> Joined {
    let run = Run::of(frames);
    let patched = run.and_then(|run| frames.first_mut().and_then(|first| run.patch(first)));
    patched.unwrap_or(Joined::ALONE)
}

/// A frame that may be a part of a larger segment.
struct Piece<'a> {
    data: &'a [u8],
    layout: Layout,
    kind: GsoKind,
    tcp: &'a TcpHeader,
}

impl<'a> Piece<'a> {
    fn of(frame: &'a Frame) -> Option<Piece<'a>> {
        let data = frame.data();
        if data.len() < MIN_SIZE || frame.offload().gso.is_some() {
            return None;
        }
        let (layout, kind) = Layout::of_tcp(data)?;
        let header_len = match kind {
            GsoKind::TcpV4 => ipv4::MIN_HEADER_LEN,
            _ => ipv6::HEADER_LEN,
        };
        let tcp = TcpHeader::parse(data.get(layout.l4..)?)?;
        let is_plain = layout.l3 <= ethernet::HEADER_LEN + vlan::TAG_LEN
            && layout.l4 - layout.l3 == header_len
            && tcp.flags & !(tcp::PSH | tcp::ECE) == tcp::ACK
            && data.len() - layout.headers_len >= MIN_SIZE;
        is_plain.then_some(Piece { data, layout, kind, tcp })
    }

    fn payload_len(&self) -> usize {
        self.data.len() - self.layout.headers_len
    }

    fn is_pushed(&self) -> bool {
        self.tcp.flags & tcp::PSH != 0
    }

    fn ip(&self) -> &[u8] {
        &self.data[self.layout.l3..self.layout.l4]
    }

    /// Whether both are of one stream, with the same to say to its receiver but for the payload.
    fn is_like(&self, other: &Piece<'_>) -> bool {
        let [a, b] = [self, other].map(|piece| &piece.data[piece.layout.l4..]);
        let headers = self.layout.headers_len - self.layout.l4;
        self.layout == other.layout
            && self.data[..self.layout.l3] == other.data[..self.layout.l3]
            && a[..4] == b[..4] // ports
            && a[8..13] == b[8..13] // acknowledgment, length of the header
            && (self.tcp.flags ^ other.tcp.flags) & !tcp::PSH == 0
            && a[14..16] == b[14..16] // window
            && a[18..headers] == b[18..headers] // urgent pointer, options
    }

    /// Whether the IP headers could have been cut from one, `n` packets apart.
    fn is_cut_with(&self, other: &Piece<'_>, n: u16) -> bool {
        let (a, b) = (self.ip(), other.ip());
        match self.layout.ethertype {
            EtherType::IPV4 => {
                let id = |ip: &[u8]| u16::from_be_bytes([ip[4], ip[5]]);
                a[..2] == b[..2] // version, length, type of service
                    && a[6..10] == b[6..10] // flags, time to live, protocol
                    && a[12..] == b[12..] // addresses
                    && (a[6] & DF != 0 || id(b) == id(a).wrapping_add(n))
            }
            _ => a[..4] == b[..4] && a[6..] == b[6..],
        }
    }

    /// Whether the checksums are right, or will be made so.
    fn is_sound(&self, frame: &Frame) -> bool {
        let ip = self.ip();
        if self.layout.ethertype == EtherType::IPV4 && Sum::default().add_bytes(ip).fold() != 0xffff
        {
            return false;
        }
        match frame.offload().checksum {
            Checksum::Valid => true,
            Checksum::Partial { start, offset } => {
                (usize::from(start), offset) == (self.layout.l4, tcp::CHECKSUM_OFFSET)
            }
            Checksum::Unknown => {
                let segment = &self.data[self.layout.l4..];
                pseudo(ip, segment.len()).is_some_and(|sum| sum.add_bytes(segment).fold() == 0xffff)
            }
        }
    }
}

/// The sum of the pseudo-header of a TCP segment behind this IP header.
fn pseudo(ip: &[u8], segment_len: usize) -> Option<Sum> {
    if let Some(header) = Ipv4Header::parse(ip) {
        let len = u16::try_from(segment_len).ok()?;
        return Some(Sum::pseudo_v4(header.src(), header.dst(), IpProto::TCP, len));
    }
    let header = Ipv6Header::parse(ip)?;
    let len = u32::try_from(segment_len).ok()?;
    Some(Sum::pseudo_v6(header.src(), header.dst(), IpProto::TCP, len))
}

/// Frames that are one piece of a stream.
struct Run {
    layout: Layout,
    kind: GsoKind,
    /// Payload bytes of each frame but the last.
    size: usize,
    n_frames: u16,
    payload_len: usize,
    is_pushed: bool,
}

impl Run {
    /// The frames at the start that are; at least two.
    fn of(frames: &[Frame]) -> Option<Run> {
        let (front, rest) = frames.split_first()?;
        let first = Piece::of(front)?;
        let mut run = Run {
            layout: first.layout,
            kind: first.kind,
            size: first.payload_len(),
            n_frames: 1,
            payload_len: first.payload_len(),
            is_pushed: first.is_pushed(),
        };
        for frame in rest {
            let Some(next) = Piece::of(frame).filter(|next| run.goes_on(&first, next)) else {
                break;
            };
            let is_first_sound = run.n_frames > 1 || first.is_sound(front);
            if !is_first_sound || !next.is_sound(frame) {
                break;
            }
            run.n_frames += 1;
            run.payload_len += next.payload_len();
            run.is_pushed = next.is_pushed();
        }
        (run.n_frames > 1).then_some(run)
    }

    fn goes_on(&self, first: &Piece<'_>, next: &Piece<'_>) -> bool {
        let is_open = !self.is_pushed && self.payload_len == self.size * usize::from(self.n_frames);
        let seq = u32::try_from(self.payload_len).ok().map(|n| first.tcp.seq.get().wrapping_add(n));
        let ip_len =
            self.layout.headers_len - self.layout.l3 + self.payload_len + next.payload_len();
        is_open
            && seq == Some(next.tcp.seq.get())
            && next.payload_len() <= self.size
            && ip_len <= MAX_IP_LEN
            && first.is_like(next)
            && first.is_cut_with(next, self.n_frames)
    }

    /// Makes the first frame's headers those of the whole.
    fn patch(&self, first: &mut Frame) -> Option<Joined> {
        let Layout { ethertype, l3, l4, headers_len, .. } = self.layout;
        let size = NonZeroU16::new(u16::try_from(self.size).ok()?)?;
        let checksum =
            Checksum::Partial { start: u16::try_from(l4).ok()?, offset: tcp::CHECKSUM_OFFSET };
        let (ip, segment) = first.data_mut().get_mut(l3..)?.split_at_mut_checked(l4 - l3)?;
        let segment_len = headers_len - l4 + self.payload_len;
        let pseudo = pseudo(ip, segment_len)?;
        let header = TcpHeader::parse_mut(segment)?;
        set_len(ip, ethertype, segment_len)?;
        header.checksum.set(pseudo.fold());
        if self.is_pushed {
            header.flags |= tcp::PSH;
        }
        let gso = Gso { kind: self.kind, size, ecn: false, inner: 0 };
        first.set_offload(Offload { checksum, gso: Some(gso) });
        Some(Joined { n_frames: self.n_frames.into(), headers_len })
    }
}

/// Writes the length of an IP packet with `segment_len` bytes behind its header.
fn set_len(ip: &mut [u8], ethertype: EtherType, segment_len: usize) -> Option<()> {
    if ethertype == EtherType::IPV4 {
        let len = u16::try_from(ip.len() + segment_len).ok()?;
        let header = Ipv4Header::parse_mut(ip)?;
        header.total_len.set(len);
        header.checksum.set(0);
        let sum = Sum::default().add_bytes(ip).finish();
        Ipv4Header::parse_mut(ip)?.checksum.set(sum);
        return Some(());
    }
    Ipv6Header::parse_mut(ip)?.payload_len.set(u16::try_from(segment_len).ok()?);
    Some(())
}

#[cfg(test)]
mod tests;

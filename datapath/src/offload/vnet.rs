//! The virtio-net header, as TAP and AF_PACKET speak it.
//!
//! ```text
//!  0               1               2               4               6               8               10
//! +---------------+---------------+---------------+---------------+---------------+---------------+
//! |     flags     |   gso_type    |    hdr_len    |   gso_size    |  csum_start   |  csum_offset  |
//! +---------------+---------------+---------------+---------------+---------------+---------------+
//! ```
//!
//! The legacy layout of ten bytes, in the byte order of this machine (`struct virtio_net_hdr`, kernel
//! v6.12 `include/uapi/linux/virtio_net.h`; virtio 1.2 §5.1.6).
//!
//! # Design
//! Whoever fills the header may lie. [`parse`] believes nothing that the frame's own headers do not
//! confirm; `hdr_len` is a hint and is not read. Refused without further ado: UDP fragmentation
//! (`VIRTIO_NET_HDR_GSO_UDP`). A large segment inside of a tunnel has no type of its own here: the kernel
//! gives that of what is inside (`virtio_net_hdr_from_skb`), with the checksum's start there, so the
//! tunnel's headers are looked through ([`tunnelled`](super::tunnelled)). It is never emitted: the kernel
//! would not take it back so.

use core::num::NonZeroU16;

use packet::{Fragment, IpProto, Layers, tcp, udp};

use super::checksum::{SCTP_CHECKSUM_OFFSET, SCTP_HEADER_LEN};
use super::layout::{self, Layout};
use crate::drop_reason::DropReason;
use crate::frame::{Checksum, Frame, Gso, GsoKind, Offload};

/// Bytes of the header.
pub const HEADER_LEN: usize = 10;

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`.
const NEEDS_CSUM: u8 = 1;
/// `VIRTIO_NET_HDR_F_DATA_VALID`.
const DATA_VALID: u8 = 2;

/// `VIRTIO_NET_HDR_GSO_*`.
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
const GSO_ECN: u8 = 0x80;

/// Bytes of the shortest upper header; a checksum that starts behind it belongs to the payload
/// (a tunnelled packet).
const MIN_UPPER_LEN: usize = 8;

/// What the sender left undone, checked against the bytes of `frame`.
///
/// # Errors
/// [`DropReason::BadOffload`]: the header asks for what the frame does not bear.
pub fn parse(header: &[u8; HEADER_LEN], frame: &[u8]) -> Result<Offload, DropReason> {
    let [flags, gso_type, ..] = *header;
    if flags & NEEDS_CSUM != 0 {
        return parse_unfinished(header, frame).ok_or(DropReason::BadOffload);
    }
    // A frame is never cut without a checksum to finish (virtio 1.2 §5.1.6.2).
    if gso_type != GSO_NONE {
        return Err(DropReason::BadOffload);
    }
    let valid = flags & DATA_VALID != 0;
    let checksum = if valid { Checksum::Valid } else { Checksum::Unknown };
    Ok(Offload { checksum, gso: None })
}

fn parse_unfinished(header: &[u8; HEADER_LEN], frame: &[u8]) -> Option<Offload> {
    let [_, gso_type, _, _, size0, size1, start0, start1, offset0, offset1] = *header;
    let start = u16::from_ne_bytes([start0, start1]);
    let offset = u16::from_ne_bytes([offset0, offset1]);
    if !may_complete(frame, start, offset) {
        return None;
    }
    let checksum = Checksum::Partial { start, offset };
    if gso_type == GSO_NONE {
        return Some(Offload { checksum, gso: None });
    }
    let mut gso = parse_gso(gso_type, u16::from_ne_bytes([size0, size1]))?;
    let layout = Layout::of(frame, gso.kind, start, offset)?;
    gso.inner = u16::try_from(layout.inner).ok()?;
    // What fits one segment is not to be cut.
    let several = frame.len() - layout.headers_len > usize::from(gso.size.get());
    Some(Offload { checksum, gso: several.then_some(gso) })
}

fn parse_gso(gso_type: u8, size: u16) -> Option<Gso> {
    let ecn = gso_type & GSO_ECN != 0;
    let kind = match gso_type & !GSO_ECN {
        GSO_TCPV4 => GsoKind::TcpV4,
        GSO_TCPV6 => GsoKind::TcpV6,
        GSO_UDP_L4 if !ecn => GsoKind::Udp,
        _ => return None,
    };
    Some(Gso { kind, size: NonZeroU16::new(size)?, ecn, inner: 0 })
}

/// Whether a checksum may be written at `start + offset`: within the frame, behind the network
/// header, and in TCP, UDP and SCTP headers nowhere but in their checksum field.
fn may_complete(frame: &[u8], start: u16, offset: u16) -> bool {
    let start = usize::from(start);
    let Some(layers) = Layers::parse(frame) else { return false };
    if start + usize::from(offset) + 2 > frame.len() {
        return false;
    }
    match layers.ip {
        Some(ip) if ip.fragment != Fragment::No => false,
        Some(ip) if ip.l4 == start => match ip.proto {
            IpProto::TCP => offset == tcp::CHECKSUM_OFFSET,
            IpProto::UDP => offset == udp::CHECKSUM_OFFSET,
            IpProto::SCTP => {
                offset == SCTP_CHECKSUM_OFFSET && start + SCTP_HEADER_LEN <= frame.len()
            }
            _ => true,
        },
        Some(ip) => start >= ip.l4 + MIN_UPPER_LEN,
        None => !layers.ethertype.is_ip() && start >= layers.l3,
    }
}

/// The header that says what is left undone of `frame`.
#[must_use]
pub fn emit(frame: &Frame) -> [u8; HEADER_LEN] {
    let Offload { checksum, gso } = *frame.offload();
    let (flags, start, offset) = match checksum {
        Checksum::Unknown => (0, 0, 0),
        Checksum::Valid => (DATA_VALID, 0, 0),
        Checksum::Partial { start, offset } => (NEEDS_CSUM, start, offset),
    };
    let (gso_type, size) = gso.map_or((GSO_NONE, 0), |gso| (gso_type(gso), gso.size.get()));
    let hdr_len = gso.map_or(0, |gso| headers_len(frame.data(), gso.kind, start));
    let [[h0, h1], [z0, z1]] = [hdr_len.to_ne_bytes(), size.to_ne_bytes()];
    let [[s0, s1], [o0, o1]] = [start.to_ne_bytes(), offset.to_ne_bytes()];
    [flags, gso_type, h0, h1, z0, z1, s0, s1, o0, o1]
}

const fn gso_type(gso: Gso) -> u8 {
    let kind = match gso.kind {
        GsoKind::TcpV4 => GSO_TCPV4,
        GsoKind::TcpV6 => GSO_TCPV6,
        GsoKind::Udp => GSO_UDP_L4,
    };
    if gso.ecn { kind | GSO_ECN } else { kind }
}

/// Bytes of all headers of a segment whose upper header is at `start`.
fn headers_len(data: &[u8], kind: GsoKind, start: u16) -> u16 {
    let upper = layout::header_len(data, kind, start.into()).unwrap_or(0);
    u16::try_from(upper).map_or(start, |upper| start.saturating_add(upper))
}

#[cfg(test)]
mod tests;

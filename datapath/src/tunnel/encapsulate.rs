//! Writing the outer headers of frames that leave by a tunnel.
//!
//! # Design
//! Frames that go to one remote host with the same parameters have the same outer headers but for some
//! fields: lengths, checksums, the hash of the flow inside, what is inherited from it. So the headers
//! are written once per batch, as an [`Outer`]; per frame they are copied into the headroom and those
//! fields filled in. The frame's bytes stay where they are.
//!
//! A checksum of the packet inside that is unfinished stays so: it is an ordinary request of the outer
//! frame, further back. A checksum outside that covers it needs no look at the payload either: what is
//! summed up from where the unfinished checksum starts is, once it is finished, the complement of what
//! stands in its field now (Linux, `Documentation/networking/checksum-offloads.rst`, "LCO"). The CRC of
//! SCTP is finished here, since nobody would find it again behind the outer headers.
//!
//! # Invariants
//! What is written depends on the packet inside only by [`Inner`], its length and its bytes' sum.
//!
//! # References
//! RFC 7348 §5, RFC 8926 §3, RFC 2784, RFC 2890; RFC 6040 §4.1 (congestion marks); RFC 6864 §4
//! (identification: 0 where no fragment can be).

use core::net::IpAddr;

use arrayvec::ArrayVec;
use packet::checksum::Sum;
use packet::tunnel::geneve::Geneve;
use packet::tunnel::gre::{self, Gre};
use packet::tunnel::vxlan::{GroupPolicy, Vxlan};
use packet::tunnel::{TunnelKey, TunnelKind};
use packet::{EtherType, IpProto, ipv4, ipv6, udp};

use super::ecn::ECN;
use super::inner::Inner;
use super::state::TunnelState;
use super::{Byte, Key, Link, Switch, TunnelConfig};
use crate::frame::{Checksum, Frame, Offload};
use crate::offload::checksum;

/// Bytes of the longest outer headers: Ethernet, IPv6, UDP, Geneve with all options.
pub const MAX_OUTER_LEN: usize = 14 + ipv6::HEADER_LEN + udp::HEADER_LEN + 8 + 252;

/// The time to live of a packet whose inside has none.
pub const DEFAULT_TTL: u8 = 64;
/// UDP source ports: from the first to before the second (Open vSwitch: `tnl/egress_port_range`).
pub const SOURCE_PORTS: (u16, u16) = (32_768, 61_000);

/// GRE (RFC 2784).
pub(super) const GRE: IpProto = IpProto(47);
const DONT_FRAGMENT: u16 = 0x4000;
/// The flags and the type of a GRE header, in front of what is optional.
const GRE_SEQUENCE_LEN: usize = 4;

/// Between whom outer packets go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends {
    /// This host.
    pub src: IpAddr,
    /// The remote one.
    pub dst: IpAddr,
    /// The Ethernet header, if one is written.
    pub link: Option<Link>,
}

/// The outer headers of frames that have the same.
pub struct Outer<'a> {
    bytes: ArrayVec<u8, MAX_OUTER_LEN>,
    config: &'a TunnelConfig,
    state: &'a TunnelState,
    /// Byte offset of the IP header.
    l3: usize,
    /// Byte offset of UDP or GRE.
    l4: usize,
    is_v4: bool,
    /// Whether the UDP checksum is computed: always over IPv6, where receivers may refuse a packet
    /// without one (RFC 8200 §8.1), as the kernel's do.
    sums_udp: bool,
    /// Of the IPv4 header without length, type of service, time to live and identification.
    ip_sum: Sum,
    /// Of the pseudo-header's addresses and protocol.
    pseudo: Sum,
}

impl<'a> Outer<'a> {
    /// The headers of frames of a tunnel port between two hosts; `None` if one has an address of IPv4
    /// and the other one of IPv6. `key` is what the flow says, if it says anything.
    #[must_use]
    pub fn new(
        (config, state): (&'a TunnelConfig, &'a TunnelState),
        key: Option<&TunnelKey>,
        ends: &Ends,
    ) -> Option<Outer<'a>> {
        let mut bytes = ArrayVec::new();
        if let Some(Link { src, dst, .. }) = ends.link {
            bytes.extend(dst.0);
            bytes.extend(src.0);
            bytes.extend(ethertype(ends.dst).0.to_be_bytes());
        }
        let l3 = bytes.len();
        let proto = if config.kind == TunnelKind::Gre { GRE } else { IpProto::UDP };
        let (is_v4, pseudo) = push_ip(&mut bytes, (ends, proto), config)?;
        let ip_sum = Sum::default().add_bytes(&bytes[l3..]);
        let l4 = bytes.len();
        if config.kind != TunnelKind::Gre {
            let [d0, d1] = config.dst_port.to_be_bytes();
            bytes.extend([0, 0, d0, d1, 0, 0, 0, 0]);
        }
        push_tunnel(&mut bytes, config, key);
        let sums_udp = config.csum == Switch::On || !is_v4;
        Some(Outer { bytes, config, state, l3, l4, is_v4, sums_udp, ip_sum, pseudo })
    }

    /// Bytes in front of the frame.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes in front of the frame that count against the path's MTU.
    #[must_use]
    pub fn ip_overhead(&self) -> usize {
        self.bytes.len() - self.l3
    }

    /// Byte offset of the IP header.
    #[must_use]
    pub const fn l3(&self) -> usize {
        self.l3
    }

    /// Whether routers may not fragment what is written, or cannot.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.is_v4 || self.config.df == Switch::On
    }

    /// Puts the headers in front of a frame, whose outer packet is of at most 65,535 bytes, and which is
    /// no large segment.
    ///
    /// # Errors
    /// See [`Unwritten`]; the frame is unchanged.
    #[inline]
    pub fn write(&self, frame: &mut Frame) -> Result<(), Unwritten> {
        let inner = Inner::read(frame.data());
        let ttl = match (self.config.ttl, &inner.ip) {
            (Byte::Is(ttl), _) => ttl,
            (Byte::Inherit, Some(ip)) => ip.ttl,
            (Byte::Inherit, None) => DEFAULT_TTL,
        };
        if ttl == 0 {
            return Err(Unwritten::Ttl);
        }
        let dscp = match (self.config.tos, &inner.ip) {
            (Byte::Is(tos), _) => tos,
            (Byte::Inherit, ip) => ip.map_or(0, |ip| ip.tos),
        };
        let tos = dscp & !ECN | inner.ip.map_or(0, |ip| ip.tos & ECN);
        if *frame.offload() != Offload::NONE && !self.finish_crc(frame) {
            return Err(Unwritten::BadOffload);
        }
        let n = self.bytes.len();
        if !frame.extend_front(n) {
            return Err(Unwritten::Headroom);
        }
        let unfinished = if *frame.offload() == Offload::NONE { None } else { shift(frame, n) };
        let data = frame.data_mut();
        let len = data.len();
        let Some((outer, _)) = data.split_at_mut_checked(n) else {
            return Err(Unwritten::Headroom);
        };
        outer.copy_from_slice(&self.bytes);
        self.fill_ip(outer, len - self.l3, tos, ttl);
        match self.config.kind {
            TunnelKind::Gre => self.fill_gre(data, unfinished),
            TunnelKind::Vxlan | TunnelKind::Geneve => {
                self.fill_udp(outer, len - self.l4, inner.hash);
                if self.sums_udp {
                    self.fill_udp_checksum(data, unfinished);
                }
            }
        }
        Ok(())
    }

    /// Whether nothing is left undone that could not be done behind the outer headers.
    fn finish_crc(&self, frame: &mut Frame) -> bool {
        match frame.offload().checksum {
            Checksum::Partial { start, offset } => {
                // A sum that starts at an odd place cannot be taken over into the one outside.
                let is_sum = matches!(offset, packet::tcp::CHECKSUM_OFFSET | udp::CHECKSUM_OFFSET);
                (is_sum && start.is_multiple_of(2)) || checksum::complete(frame)
            }
            Checksum::Unknown | Checksum::Valid => true,
        }
    }

    /// Fills in the IP header of a packet of `len` bytes.
    #[inline]
    fn fill_ip(&self, outer: &mut [u8], len: usize, tos: u8, ttl: u8) {
        let header = outer.get_mut(self.l3..).and_then(|packet| packet.first_chunk_mut());
        let Some(header): Option<&mut [u8; ipv4::MIN_HEADER_LEN]> = header else { return };
        if self.is_v4 {
            let total_len = u16::try_from(len).unwrap_or(u16::MAX);
            let id = if self.config.df == Switch::On { 0 } else { self.state.take_ip_id() };
            let sum = self.ip_sum.add_u16(tos.into()).add_u16(total_len).add_u16(id);
            let sum = sum.add_u16(u16::from_be_bytes([ttl, 0])).finish();
            header[1] = tos;
            header[2..4].copy_from_slice(&total_len.to_be_bytes());
            header[4..6].copy_from_slice(&id.to_be_bytes());
            header[8] = ttl;
            header[10..12].copy_from_slice(&sum.to_be_bytes());
        } else {
            let payload_len = u16::try_from(len - ipv6::HEADER_LEN).unwrap_or(u16::MAX);
            (header[0], header[1]) = (0x60 | tos >> 4, tos << 4);
            header[4..6].copy_from_slice(&payload_len.to_be_bytes());
            header[7] = ttl;
        }
    }

    /// Fills in the UDP header of a datagram of `len` bytes, but for its checksum.
    #[inline]
    fn fill_udp(&self, outer: &mut [u8], len: usize, hash: u64) {
        let header = outer.get_mut(self.l4..).and_then(|datagram| datagram.first_chunk_mut());
        let Some(header): Option<&mut [u8; udp::HEADER_LEN]> = header else { return };
        let len = u16::try_from(len).unwrap_or(u16::MAX);
        header[..2].copy_from_slice(&source_port(hash).to_be_bytes());
        header[4..6].copy_from_slice(&len.to_be_bytes());
    }

    fn fill_udp_checksum(&self, data: &mut [u8], unfinished: Option<(usize, usize)>) {
        let len = u16::try_from(data.len() - self.l4).unwrap_or(u16::MAX);
        let sum = sum_from(data, self.l4, unfinished).add(self.pseudo).add_u16(len);
        let sum = match sum.finish() {
            0 => 0xffff, // RFC 768: zero means that there is no checksum
            sum => sum,
        };
        data[self.l4 + 6..self.l4 + 8].copy_from_slice(&sum.to_be_bytes());
    }

    fn fill_gre(&self, data: &mut [u8], unfinished: Option<(usize, usize)>) {
        if self.config.seq == Switch::On {
            let at = self.bytes.len() - GRE_SEQUENCE_LEN;
            let sequence = self.state.take_sequence(1);
            data[at..self.bytes.len()].copy_from_slice(&sequence.to_be_bytes());
        }
        if self.config.csum == Switch::On {
            let sum = sum_from(data, self.l4, unfinished).finish();
            let at = self.l4 + gre::CHECKSUM_OFFSET;
            data[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        }
    }
}

/// Notes that what is left undone of a frame begins `n` bytes further back; where the checksum that is
/// unfinished starts, and where in what it covers it is to stand.
#[inline(never)]
fn shift(frame: &mut Frame, n: usize) -> Option<(usize, usize)> {
    let offload = frame.offload().shifted(i16::try_from(n).unwrap_or(i16::MAX));
    frame.set_offload(offload);
    match offload.checksum {
        Checksum::Partial { start, offset } => Some((start.into(), offset.into())),
        Checksum::Unknown | Checksum::Valid => None,
    }
}

/// Why no headers were written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unwritten {
    /// There is no room in front of the frame.
    Headroom,
    /// The time to live that is inherited is zero.
    Ttl,
    /// What is left undone cannot be done.
    BadOffload,
}

/// The sum from `from` to the end, as it will be when the checksum that is unfinished is finished.
fn sum_from(data: &[u8], from: usize, unfinished: Option<(usize, usize)>) -> Sum {
    let taken_over = unfinished.and_then(|(start, offset)| {
        let (headers, message) = data.get(from..)?.split_at_checked(start.checked_sub(from)?)?;
        let field = message.get(offset..)?.first_chunk()?;
        let sum = Sum::default().add_bytes(headers);
        Some(sum.add_u16(!u16::from_be_bytes(*field)))
    });
    taken_over.unwrap_or_else(|| Sum::default().add_bytes(&data[from..]))
}

/// The UDP source port of a flow.
fn source_port(hash: u64) -> u16 {
    let (first, end) = SOURCE_PORTS;
    let at = ((hash >> 32) * u64::from(end - first)) >> 32;
    first + u16::try_from(at).unwrap_or(0)
}

const fn ethertype(address: IpAddr) -> EtherType {
    match address {
        IpAddr::V4(_) => EtherType::IPV4,
        IpAddr::V6(_) => EtherType::IPV6,
    }
}

/// Writes an IP header whose length, type of service, time to live and identification are zero, and
/// its checksum; whether it is one of IPv4, and the sum of addresses and protocol.
fn push_ip(
    bytes: &mut ArrayVec<u8, MAX_OUTER_LEN>,
    (ends, proto): (&Ends, IpProto),
    config: &TunnelConfig,
) -> Option<(bool, Sum)> {
    match (ends.src, ends.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let flags = if config.df == Switch::On { DONT_FRAGMENT } else { 0 };
            let [f0, f1] = flags.to_be_bytes();
            bytes.extend([0x45, 0, 0, 0, 0, 0, f0, f1, 0, proto.0, 0, 0]);
            bytes.extend(src.octets());
            bytes.extend(dst.octets());
            debug_assert_eq!(ipv4::MIN_HEADER_LEN, 20);
            Some((true, Sum::pseudo_v4(src, dst, proto, 0)))
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            bytes.extend([0x60, 0, 0, 0, 0, 0, proto.0, 0]);
            bytes.extend(src.octets());
            bytes.extend(dst.octets());
            Some((false, Sum::pseudo_v6(src, dst, proto, 0)))
        }
        _ => None,
    }
}

/// Writes the tunnel's header; its checksum and sequence number are zero.
fn push_tunnel(
    bytes: &mut ArrayVec<u8, MAX_OUTER_LEN>,
    config: &TunnelConfig,
    key: Option<&TunnelKey>,
) {
    let id = match config.out_key {
        Key::None => None,
        Key::Is(id) => Some(id),
        Key::Flow => Some(key.map_or(0, |key| key.id)),
    };
    let id = id.map(|id| u32::try_from(id & config.kind.max_key()).unwrap_or(0));
    match config.kind {
        TunnelKind::Vxlan => {
            let policy = key.map(|key| GroupPolicy { id: key.gbp_id, flags: key.gbp_flags });
            let policy = policy
                .filter(|policy| config.gbp == Switch::On && *policy != GroupPolicy::default());
            bytes.extend(Vxlan { vni: id.unwrap_or(0), policy }.emit());
        }
        TunnelKind::Geneve => {
            let options = key.map_or(&[][..], |key| &key.options);
            let oam = key.is_some_and(|key| key.oam);
            bytes.extend(Geneve { vni: id.unwrap_or(0), oam, options }.emit());
        }
        TunnelKind::Gre => {
            let zero = |switch| (switch == Switch::On).then_some(0);
            let checksum = zero(config.csum).map(|_| 0);
            bytes.extend(Gre { checksum, key: id, sequence: zero(config.seq) }.emit());
        }
    }
}

//! Taking the outer headers off.
//!
//! # Design
//! [`open`] looks at one packet. What is no packet of a tunnel stays as it is, and goes on: another
//! protocol, another UDP port, a fragment (the host puts it together, and the carrier brings the whole).
//! What is one must be right in every length and checksum that it has, or is lost for a reason.
//!
//! Who asks says what is known of the packet: from a carrier the kernel has looked at the IP header.
//!
//! A tunnel device of this machine's kernel leaves checksums inside unfinished, and where the packet comes
//! by a socket that tells of no checksum, nobody says so: those inside are then looked at
//! ([`recover`]). A checksum outside is right for what is inside once that is finished; one of GRE may be
//! unfinished itself. What is lost is what [`recover`] loses: one error in 65,536 that would have shown.
//!
//! # Invariants
//! No byte behind the end that the headers claim is looked at, or is part of the frame inside.
//!
//! # References
//! RFC 7348 §4.1, RFC 8926 §3, RFC 2784; RFC 6935 (a UDP checksum of zero over IPv6);
//! `lib/netdev-native-tnl.c` of Open vSwitch.

use core::net::IpAddr;

use packet::checksum::Sum;
use packet::ethernet::{self, EthernetHeader};
use packet::ipv4::Ipv4Header;
use packet::ipv6::{self, Ipv6Header};
use packet::tunnel::geneve::Geneve;
use packet::tunnel::gre::Gre;
use packet::tunnel::vxlan::Vxlan;
use packet::tunnel::{TunnelKey, TunnelKind};
use packet::udp::{self, UdpHeader};
use packet::{EtherType, Fragment, IpProto, Layers};

use super::again::Again;
use super::encapsulate::GRE;
use super::inner::Inner;
use super::lookup::Last;
use super::{Switch, Terminator, Tunnels, ecn};
use crate::drop_reason::DropReason;
use crate::frame::{Checksum, Frame, Gso, GsoKind, Offload};
use crate::ids::PortNo;
use crate::offload::recover;

/// Where an outer packet was found.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// At a carrier: it begins with its IP header, and is for this host.
    Carrier,
    /// At a port with addresses: it begins with its Ethernet header.
    Port(&'a Terminator),
}

impl Source<'_> {
    /// Whether checksums may be unfinished without a word.
    const fn may_hide(self) -> bool {
        match self {
            Source::Carrier => true,
            Source::Port(terminator) => matches!(terminator.recovers, Switch::On),
        }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opened {
    /// It is the frame inside now, and belongs to this tunnel port; the key says what was outside.
    By(PortNo),
    /// It is the frame inside now, and belongs to the port of the one opened before, whose key is like
    /// its own.
    Again,
    /// It is no packet of a tunnel, and unchanged.
    No,
    /// It is lost.
    Lost(DropReason),
}

/// A packet of a tunnel, its headers read.
struct Found {
    kind: TunnelKind,
    /// Byte offset of the frame inside, and of its end.
    inner: (usize, usize),
}

/// Takes the outer headers off frames, one after the other.
pub struct Opener<'a> {
    source: Source<'a>,
    tunnels: &'a Tunnels,
    last: Last,
    again: Again,
    /// What was outside of the frame opened last.
    pub key: TunnelKey,
}

impl<'a> Opener<'a> {
    /// For packets found in one place.
    #[must_use]
    pub fn new(source: Source<'a>, tunnels: &'a Tunnels) -> Opener<'a> {
        let (last, again) = (Last::default(), Again::default());
        Opener { source, tunnels, last, again, key: TunnelKey::new() }
    }

    /// Takes the outer headers off a frame.
    #[inline]
    pub fn open(&mut self, frame: &mut Frame) -> Opened {
        let offload = frame.offload();
        if offload.gso.is_none()
            && !matches!(offload.checksum, Checksum::Partial { .. })
            && let Some(known) = self.again.find(frame.data())
        {
            self.key.tp_src = known.tp_src;
            return match strip(frame, self.source, known.inner, self.key.tos) {
                Ok(()) => Opened::Again,
                Err(reason) => Opened::Lost(reason),
            };
        }
        self.open_new(frame)
    }

    /// Takes the outer headers off a frame of which nothing is known.
    #[inline(never)]
    fn open_new(&mut self, frame: &mut Frame) -> Opened {
        let Opener { source, tunnels, last, again, key } = self;
        again.forget();
        let checksum = frame.offload().checksum;
        let Found { kind, inner } = match find(frame.data(), *source, tunnels, (checksum, key)) {
            Ok(Some(found)) => found,
            Ok(None) => return Opened::No,
            Err(reason) => return Opened::Lost(reason),
        };
        let Some(port) = tunnels.find_next(kind, key, last) else {
            return Opened::Lost(DropReason::TunnelUnknownKey);
        };
        // Whether an option is known is its bridge's matter.
        if !key.options.is_empty() && !key.is_allowed_by(tunnels.options(port)) {
            return Opened::Lost(DropReason::TunnelBadHeader);
        }
        again.keep(frame.data(), (*source, kind), inner.0, port);
        match strip(frame, *source, inner, key.tos) {
            Ok(()) => Opened::By(port),
            Err(reason) => {
                again.forget(); // what is known again is what was opened
                Opened::Lost(reason)
            }
        }
    }
}

/// Takes the outer headers off a frame.
pub fn open(
    frame: &mut Frame,
    source: Source<'_>,
    tunnels: &Tunnels,
    key: &mut TunnelKey,
) -> Opened {
    let mut opener = Opener::new(source, tunnels);
    let opened = opener.open_new(frame);
    *key = opener.key;
    opened
}

/// Makes a packet of a tunnel the frame inside, which lies where its headers have been found to say;
/// `tos` is that outside.
#[inline]
fn strip(
    frame: &mut Frame,
    source: Source<'_>,
    (start, end): (usize, usize),
    tos: u8,
) -> Result<(), DropReason> {
    let offload = inner_offload(frame.offload(), start);
    // Both are possible: the frame was found inside.
    let is_cut = frame.set_len(end) && frame.trim_front(start);
    frame.set_offload(offload);
    if source.may_hide() && offload == Offload::NONE {
        frame.set_offload(recover::recover_wrapped(frame.data()));
    }
    if !is_cut {
        return Err(DropReason::TunnelBadHeader);
    }
    if tos & ecn::ECN != 0 { combine_marks(frame, tos) } else { Ok(()) }
}

/// Lets the packet inside know of congestion that its outer headers met.
fn combine_marks(frame: &mut Frame, tos: u8) -> Result<(), DropReason> {
    let Some(ip) = Inner::read(frame.data()).ip else { return Ok(()) };
    match ecn::merged(ip.tos, tos) {
        None => return Err(DropReason::Congestion),
        Some(mark) if mark == ip.tos & ecn::ECN => {}
        Some(mark) => ecn::mark(frame.data_mut(), &ip, mark),
    }
    Ok(())
}

/// Whether a frame stands for several packets of tunnels, which a sender of this machine sent at once
/// (`UDP_SEGMENT`): each has its own outer headers, and is opened alone.
#[inline]
#[must_use]
pub fn is_joined(frame: &Frame, tunnels: &Tunnels) -> bool {
    frame.offload().gso.is_some_and(|gso| gso.kind == GsoKind::Udp)
        && is_for_service(frame, tunnels)
}

#[cold]
fn is_for_service(frame: &Frame, tunnels: &Tunnels) -> bool {
    let upper = Layers::parse(frame.data()).and_then(|layers| layers.ip);
    let upper = upper.filter(|ip| ip.proto == IpProto::UDP && ip.fragment == Fragment::No);
    let header = upper.and_then(|ip| UdpHeader::parse(frame.data().get(ip.l4..)?));
    header.is_some_and(|(header, _)| tunnels.service(header.dst_port.get()).is_some())
}

/// What is left undone of the frame inside, which begins `start` bytes into the packet.
#[inline]
fn inner_offload(outer: &Offload, start: usize) -> Offload {
    match outer.checksum {
        Checksum::Partial { start: at, offset } if usize::from(at) >= start => {
            let at = at.saturating_sub(u16::try_from(start).unwrap_or(u16::MAX));
            let gso = outer.gso.map(|gso| Gso { inner: 0, ..gso });
            Offload { checksum: Checksum::Partial { start: at, offset }, gso }
        }
        // Of the packet outside, and done with it.
        _ => Offload::NONE,
    }
}

/// Whether a frame may be a packet of a tunnel for a port with addresses: a quick look.
#[inline]
#[must_use]
pub fn may_be_for(frame: &[u8], terminator: &Terminator) -> bool {
    let Some((header, packet)) = EthernetHeader::parse(frame) else {
        return false;
    };
    terminator.hears(header.dst)
        && match header.ethertype() {
            EtherType::IPV4 => packet.get(9).is_some_and(|proto| is_tunnel(IpProto(*proto))),
            EtherType::IPV6 => packet.len() >= ipv6::HEADER_LEN,
            _ => false,
        }
}

fn is_tunnel(proto: IpProto) -> bool {
    proto == IpProto::UDP || proto == GRE
}

/// Finds the packet of a tunnel in a frame. `checksum` is what is known of the outer one.
fn find(
    data: &[u8],
    source: Source<'_>,
    tunnels: &Tunnels,
    (checksum, key): (Checksum, &mut TunnelKey),
) -> Result<Option<Found>, DropReason> {
    let l3 = match source {
        Source::Carrier => 0,
        Source::Port(terminator) if may_be_for(data, terminator) => ethernet::HEADER_LEN,
        Source::Port(_) => return Ok(None),
    };
    let Some(ip) = Ip::read(data, l3, key) else { return Ok(None) };
    if let Source::Port(terminator) = source
        && !EthernetHeader::parse(data)
            .is_some_and(|(header, _)| terminator.takes(header.dst, key.dst))
    {
        return Ok(None);
    }
    match ip.proto {
        IpProto::UDP => {
            let (start, end) = (ip.l4, ip.end);
            let Some((header, _)) = UdpHeader::parse(&data[start..end]) else { return Ok(None) };
            let Some((kind, extension)) = tunnels.service(header.dst_port.get()) else {
                return Ok(None);
            };
            if ip.is_bad(data, source) {
                return Err(DropReason::TunnelBadChecksum);
            }
            let end = start + usize::from(header.len.get());
            let is_right = end <= ip.end && end >= start + udp::HEADER_LEN;
            let datagram = data.get(start..end).filter(|_| is_right);
            let datagram = datagram.ok_or(DropReason::TunnelBadHeader)?;
            key.csum = header.checksum.get() != 0;
            (key.tp_src, key.tp_dst) = (header.src_port.get(), header.dst_port.get());
            let header = &datagram[udp::HEADER_LEN..];
            let len = match kind {
                TunnelKind::Vxlan => read_vxlan(header, extension, key),
                TunnelKind::Geneve => read_geneve(header, key),
                TunnelKind::Gre => None,
            };
            if key.csum && checksum == Checksum::Unknown {
                let inner = len.filter(|_| source.may_hide()).map(|len| udp::HEADER_LEN + len);
                if !is_sum_right(pseudo_of(datagram, key), datagram, inner) {
                    return Err(DropReason::TunnelBadChecksum);
                }
            }
            let len = len.ok_or(DropReason::TunnelBadHeader)?;
            Ok(Some(Found { kind, inner: (start + udp::HEADER_LEN + len, end) }))
        }
        GRE if tunnels.has_gre() => {
            if ip.is_bad(data, source) {
                return Err(DropReason::TunnelBadChecksum);
            }
            let packet = &data[ip.l4..ip.end];
            let (len, sum) = read_gre(packet, key)?;
            // One that is left to the device is zero: there is no pseudo-header.
            let is_unfinished = sum == Some(0) && source.may_hide();
            if key.csum && checksum == Checksum::Unknown && !is_unfinished {
                let inner = source.may_hide().then_some(len);
                if !is_sum_right(Some(Sum::default()), packet, inner) {
                    return Err(DropReason::TunnelBadChecksum);
                }
            }
            Ok(Some(Found { kind: TunnelKind::Gre, inner: (ip.l4 + len, ip.end) }))
        }
        _ => Ok(None),
    }
}

/// An outer IP packet.
struct Ip {
    proto: IpProto,
    /// Byte offset of the IP header, of what is above, and of the end that the header claims.
    l3: usize,
    l4: usize,
    end: usize,
}

impl Ip {
    /// Reads the header at `l3` into the key; `None` if it is not whole, claims more than there is, or
    /// is that of a fragment.
    fn read(data: &[u8], l3: usize, key: &mut TunnelKey) -> Option<Ip> {
        let packet = data.get(l3..)?;
        let (proto, l4, end) = match packet.first()? >> 4 {
            4 => {
                let header = Ipv4Header::parse(packet)?;
                (key.src, key.dst) = (IpAddr::V4(header.src()), IpAddr::V4(header.dst()));
                (key.tos, key.ttl) = (header.tos, header.ttl);
                key.df = packet[6] & 0x40 != 0;
                if header.fragment() != Fragment::No {
                    return None;
                }
                (header.proto(), header.header_len(), usize::from(header.total_len.get()))
            }
            6 => {
                let header = Ipv6Header::parse(packet)?;
                let upper = ipv6::upper(packet)?;
                (key.src, key.dst) = (IpAddr::V6(header.src()), IpAddr::V6(header.dst()));
                (key.tos, key.ttl) = (header.traffic_class(), header.hop_limit);
                key.df = false;
                if upper.fragment != Fragment::No {
                    return None;
                }
                let end = ipv6::HEADER_LEN + usize::from(header.payload_len.get());
                (upper.proto, upper.offset, end)
            }
            _ => return None,
        };
        let is_whole = l4 <= end && end <= packet.len();
        is_whole.then_some(Ip { proto, l3, l4: l3 + l4, end: l3 + end })
    }

    /// Whether the checksum of an IPv4 header is wrong. A carrier's was looked at by the kernel.
    fn is_bad(&self, data: &[u8], source: Source<'_>) -> bool {
        matches!(source, Source::Port(_))
            && data[self.l3] >> 4 == 4
            && Ipv4Header::parse(&data[self.l3..]).is_none_or(|header| {
                let header = &data[self.l3..self.l3 + header.header_len()];
                Sum::default().add_bytes(header).finish() != 0
            })
    }
}

/// The pseudo-header of a datagram.
fn pseudo_of(datagram: &[u8], key: &TunnelKey) -> Option<Sum> {
    let len = u16::try_from(datagram.len()).ok()?;
    match (key.src, key.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => Some(Sum::pseudo_v4(src, dst, IpProto::UDP, len)),
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            Some(Sum::pseudo_v6(src, dst, IpProto::UDP, len.into()))
        }
        _ => None,
    }
}

/// Whether the checksum outside is right; with `inner`, where the frame inside begins, also if it is so
/// once an unfinished checksum inside is finished.
fn is_sum_right(pseudo: Option<Sum>, packet: &[u8], inner: Option<usize>) -> bool {
    let Some(pseudo) = pseudo else { return false };
    pseudo.add_bytes(packet).finish() == 0
        || inner.is_some_and(|inner| is_right_once_finished(pseudo, packet, inner) == Some(true))
}

/// What is summed up from where an unfinished checksum starts is, once it is finished, the complement of
/// what stands in its field now ([`encapsulate`](super::encapsulate)).
fn is_right_once_finished(pseudo: Sum, packet: &[u8], inner: usize) -> Option<bool> {
    let Checksum::Partial { start, offset } = recover::recover(packet.get(inner..)?).checksum
    else {
        return None;
    };
    let start = inner + usize::from(start);
    let field = packet.get(start + usize::from(offset)..)?.first_chunk()?;
    let sum = pseudo.add_bytes(packet.get(..start)?).add_u16(!u16::from_be_bytes(*field));
    Some(sum.finish() == 0)
}

fn read_vxlan(
    bytes: &[u8],
    extension: packet::tunnel::vxlan::Extension,
    key: &mut TunnelKey,
) -> Option<usize> {
    let header = Vxlan::parse(bytes, extension)?;
    let policy = header.policy.unwrap_or_default();
    (key.id, key.has_key) = (header.vni.into(), true);
    (key.gbp_id, key.gbp_flags) = (policy.id, policy.flags);
    key.oam = false;
    key.options.clear();
    Some(packet::tunnel::vxlan::HEADER_LEN)
}

fn read_geneve(bytes: &[u8], key: &mut TunnelKey) -> Option<usize> {
    let (header, len) = Geneve::parse(bytes)?;
    (key.id, key.has_key, key.oam) = (header.vni.into(), true, header.oam);
    (key.gbp_id, key.gbp_flags) = (0, 0);
    key.options.clear();
    // There are never more than there is room for: six bits count their words.
    let _ = key.options.try_extend_from_slice(header.options);
    Some(len)
}

/// Bytes of the header, and its checksum, if it has one.
fn read_gre(packet: &[u8], key: &mut TunnelKey) -> Result<(usize, Option<u16>), DropReason> {
    let (header, len) = Gre::parse(packet).ok_or(DropReason::TunnelBadHeader)?;
    (key.id, key.has_key) = (header.key.unwrap_or(0).into(), header.key.is_some());
    (key.tp_src, key.tp_dst) = (0, 0);
    (key.gbp_id, key.gbp_flags, key.oam) = (0, 0, false);
    key.csum = header.checksum.is_some();
    key.options.clear();
    Ok((len, header.checksum))
}

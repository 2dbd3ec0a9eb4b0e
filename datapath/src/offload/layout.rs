//! Where the headers of a large segment are, checked against its bytes.

use packet::ipv4::Ipv4Header;
use packet::ipv6::{self, Ipv6Header};
use packet::tcp::{self, TcpHeader};
use packet::udp;
use packet::{EtherType, Fragment, IpProto, Layers};

use super::tunnelled;
use crate::frame::GsoKind;

/// Where the headers of a large segment are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Layout {
    /// IPv4 or IPv6.
    pub ethertype: EtherType,
    /// Byte offset of the IP header.
    pub l3: usize,
    /// Byte offset of the TCP or UDP header: the start of the unfinished checksum.
    pub l4: usize,
    /// Bytes of all headers: the byte offset of the payload, which is not empty.
    pub headers_len: usize,
    /// Byte offset of the frame inside of a tunnel that the others speak of; 0 outside of tunnels.
    pub inner: usize,
}

impl Layout {
    /// Finds the headers of `frame`, a segment of `kind` whose checksum starts at `start` and lies
    /// `offset` further on. `None` if frame and request contradict each other: another protocol, a
    /// fragment, a header cut short, no payload, or an IP length that is not the frame's.
    pub fn of(frame: &[u8], kind: GsoKind, start: u16, offset: u16) -> Option<Layout> {
        let layers = Layers::parse(frame)?;
        let ip = layers.ip?;
        if ip.l4 == usize::from(start) {
            return Layout::plain(frame, layers, kind, (start, offset));
        }
        // Inside of a tunnel, whose packet ends where the frame does.
        let inner = tunnelled::inner_of(frame, start.into())?;
        if ip_len(layers.ethertype, frame.get(layers.l3..)?)? != frame.len() - layers.l3 {
            return None;
        }
        let data = frame.get(inner..)?;
        let start = start.checked_sub(u16::try_from(inner).ok()?)?;
        let layout = Layout::plain(data, Layers::parse(data)?, kind, (start, offset))?;
        let Layout { ethertype, l3, l4, headers_len, .. } = layout;
        let (l3, l4, headers_len) = (l3 + inner, l4 + inner, headers_len + inner);
        Some(Layout { ethertype, l3, l4, headers_len, inner })
    }

    /// The headers of a whole segment of TCP, large or not, outside of tunnels.
    pub fn of_tcp(frame: &[u8]) -> Option<(Layout, GsoKind)> {
        let layers = Layers::parse(frame)?;
        let kind = match layers.ethertype {
            EtherType::IPV4 => GsoKind::TcpV4,
            EtherType::IPV6 => GsoKind::TcpV6,
            _ => return None,
        };
        let start = u16::try_from(layers.ip?.l4).ok()?;
        let layout = Layout::plain(frame, layers, kind, (start, tcp::CHECKSUM_OFFSET))?;
        Some((layout, kind))
    }

    fn plain(
        frame: &[u8],
        layers: Layers,
        kind: GsoKind,
        (start, offset): (u16, u16),
    ) -> Option<Layout> {
        let Layers { ethertype, l3, ip, .. } = layers;
        let ip = ip?;
        let l4 = ip.l4;
        let header_len = header_len(frame, kind, l4)?;
        let (proto, field) = match kind {
            GsoKind::TcpV4 | GsoKind::TcpV6 => (IpProto::TCP, tcp::CHECKSUM_OFFSET),
            GsoKind::Udp => (IpProto::UDP, udp::CHECKSUM_OFFSET),
        };
        let version_agrees = match kind {
            GsoKind::TcpV4 => ethertype == EtherType::IPV4,
            GsoKind::TcpV6 => ethertype == EtherType::IPV6,
            GsoKind::Udp => true,
        };
        let agrees = version_agrees
            && (ip.proto, ip.fragment) == (proto, Fragment::No)
            && (usize::from(start), offset) == (l4, field)
            && ip_len(ethertype, frame.get(l3..)?)? == frame.len() - l3
            && l4 + header_len < frame.len();
        let headers_len = l4 + header_len;
        agrees.then_some(Layout { ethertype, l3, l4, headers_len, inner: 0 })
    }
}

/// Bytes of the TCP or UDP header at `l4`, if it is whole.
pub(super) fn header_len(frame: &[u8], kind: GsoKind, l4: usize) -> Option<usize> {
    let header = frame.get(l4..)?;
    match kind {
        GsoKind::TcpV4 | GsoKind::TcpV6 => Some(TcpHeader::parse(header)?.header_len()),
        GsoKind::Udp => (header.len() >= udp::HEADER_LEN).then_some(udp::HEADER_LEN),
    }
}

/// Bytes of the IP packet, as its header says.
fn ip_len(ethertype: EtherType, packet: &[u8]) -> Option<usize> {
    match ethertype {
        EtherType::IPV4 => Some(Ipv4Header::parse(packet)?.total_len.get().into()),
        EtherType::IPV6 => {
            Some(ipv6::HEADER_LEN + usize::from(Ipv6Header::parse(packet)?.payload_len.get()))
        }
        _ => None,
    }
}

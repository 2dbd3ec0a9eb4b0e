//! The outer headers that a carrier writes in front of what it receives, and reads of what it sends.
//!
//! # Design
//! The kernel takes and gives datagrams without headers; everybody else in the datapath sees packets
//! with them. This is the place where one becomes the other.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use packet::{IpProto, ipv4, ipv6, udp};

/// The protocol number of GRE.
pub(super) const GRE: u8 = 47;
/// "Don't fragment" in the flags and offset of an IPv4 header.
const DF: u16 = 0x4000;
/// The offset in these.
const OFFSET_AND_MORE: u16 = 0x3fff;
/// Bytes of the longest headers that are written.
const MAX_LEN: usize = ipv6::HEADER_LEN + udp::HEADER_LEN;

/// What the outer IP and UDP headers of a packet say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outer {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// Type of service, or traffic class.
    pub tos: u8,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Whether routers may not fragment it; always so with IPv6.
    pub df: bool,
    /// UDP source and destination port; `None` for GRE.
    pub ports: Option<(u16, u16)>,
}

impl Outer {
    /// Bytes of the headers.
    #[must_use]
    pub const fn headers_len(&self) -> usize {
        let ip = match self.src {
            IpAddr::V4(_) => ipv4::MIN_HEADER_LEN,
            IpAddr::V6(_) => ipv6::HEADER_LEN,
        };
        if self.ports.is_some() { ip + udp::HEADER_LEN } else { ip }
    }

    /// Reads the headers at the start of a packet that was made here; these, and the data behind
    /// them. `None` if it is no such packet.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<(Outer, &[u8])> {
        let (mut outer, proto, rest) = match packet.first()? >> 4 {
            4 => parse_v4(packet)?,
            6 => parse_v6(packet)?,
            _ => return None,
        };
        match proto {
            IpProto::UDP => {
                let (header, data) = udp::UdpHeader::parse(rest)?;
                outer.ports = Some((header.src_port.get(), header.dst_port.get()));
                Some((outer, data))
            }
            IpProto(GRE) => Some((outer, rest)),
            _ => None,
        }
    }

    /// Writes the headers of a packet with so many bytes of data into the first [`Outer::headers_len`] bytes;
    /// `false` if they do not fit, or the addresses are not of one kind. Checksums are left 0.
    #[must_use]
    pub fn emit(&self, to: &mut [u8], data_len: usize) -> bool {
        let upper_len = data_len + if self.ports.is_some() { udp::HEADER_LEN } else { 0 };
        let proto = if self.ports.is_some() { IpProto::UDP.0 } else { GRE };
        let mut bytes = [0; MAX_LEN];
        let ip_len = match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let Ok(total) = u16::try_from(ipv4::MIN_HEADER_LEN + upper_len) else {
                    return false;
                };
                bytes[0] = 0x45;
                bytes[1] = self.tos;
                bytes[2..4].copy_from_slice(&total.to_be_bytes());
                let flags = if self.df { DF } else { 0 };
                bytes[6..8].copy_from_slice(&flags.to_be_bytes());
                bytes[8..10].copy_from_slice(&[self.ttl, proto]);
                bytes[12..16].copy_from_slice(&src.octets());
                bytes[16..20].copy_from_slice(&dst.octets());
                ipv4::MIN_HEADER_LEN
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let Ok(len) = u16::try_from(upper_len) else { return false };
                bytes[..2].copy_from_slice(&(0x6000 | u16::from(self.tos) << 4).to_be_bytes());
                bytes[4..6].copy_from_slice(&len.to_be_bytes());
                bytes[6..8].copy_from_slice(&[proto, self.ttl]);
                bytes[8..24].copy_from_slice(&src.octets());
                bytes[24..40].copy_from_slice(&dst.octets());
                ipv6::HEADER_LEN
            }
            _ => return false,
        };
        if let (Some((src, dst)), Ok(len)) = (self.ports, u16::try_from(upper_len)) {
            bytes[ip_len..ip_len + 2].copy_from_slice(&src.to_be_bytes());
            bytes[ip_len + 2..ip_len + 4].copy_from_slice(&dst.to_be_bytes());
            bytes[ip_len + 4..ip_len + 6].copy_from_slice(&len.to_be_bytes());
        }
        let len = self.headers_len();
        match to.get_mut(..len) {
            Some(to) => {
                to.copy_from_slice(&bytes[..len]);
                true
            }
            None => false,
        }
    }
}

fn parse_v4(packet: &[u8]) -> Option<(Outer, IpProto, &[u8])> {
    let header = ipv4::Ipv4Header::parse(packet)?;
    let flags = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]);
    let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
    if flags & OFFSET_AND_MORE != 0 {
        return None;
    }
    let outer = Outer {
        src: Ipv4Addr::into(header.src()),
        dst: Ipv4Addr::into(header.dst()),
        tos: *packet.get(1)?,
        ttl: *packet.get(8)?,
        df: flags & DF != 0,
        ports: None,
    };
    Some((outer, header.proto(), packet.get(header.header_len()..total)?))
}

fn parse_v6(packet: &[u8]) -> Option<(Outer, IpProto, &[u8])> {
    let header = ipv6::Ipv6Header::parse(packet)?;
    let len = usize::from(u16::from_be_bytes([*packet.get(4)?, *packet.get(5)?]));
    let outer = Outer {
        src: Ipv6Addr::into(header.src()),
        dst: Ipv6Addr::into(header.dst()),
        tos: header.traffic_class(),
        ttl: *packet.get(7)?,
        df: true,
        ports: None,
    };
    let proto = IpProto(*packet.get(6)?);
    Some((outer, proto, packet.get(ipv6::HEADER_LEN..ipv6::HEADER_LEN + len)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outer(src: &str, dst: &str, ports: Option<(u16, u16)>) -> Outer {
        let df = src.contains(':') || ports.is_some();
        let (src, dst) = (src.parse().unwrap(), dst.parse().unwrap());
        Outer { src, dst, tos: 0xb8, ttl: 61, df, ports }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (src, dst) in [("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::2")] {
            for ports in [Some((50001, 4789)), None] {
                let outer = outer(src, dst, ports);
                let mut packet = vec![7; outer.headers_len() + 100];
                assert!(outer.emit(&mut packet, 100));
                let (parsed, data) = Outer::parse(&packet).unwrap();
                assert_eq!((parsed, data), (outer, &[7; 100][..]));
                for len in 0..packet.len() {
                    assert!(Outer::parse(&packet[..len]).is_none(), "{len} bytes");
                }
            }
        }
    }

    #[test]
    fn an_ethernet_trailer_is_no_data() {
        let outer = outer("10.0.0.1", "10.0.0.2", None);
        let mut packet = vec![7; outer.headers_len() + 100];
        assert!(outer.emit(&mut packet, 60));
        assert_eq!(Outer::parse(&packet).unwrap().1.len(), 60);
    }

    #[test]
    fn what_cannot_be_said_in_headers_is_refused() {
        let mut room = [0; 64];
        assert!(!outer("10.0.0.1", "::1", None).emit(&mut room, 1));
        assert!(!outer("10.0.0.1", "10.0.0.2", None).emit(&mut room, 65516));
        assert!(!outer("::1", "::2", Some((1, 2))).emit(&mut room, 65528));
        assert!(!outer("10.0.0.1", "10.0.0.2", None).emit(&mut room[..19], 1));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = Outer::parse(&bytes);
        }
    }
}

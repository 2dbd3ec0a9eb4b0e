//! Internet Protocol version 6 and its extension headers (RFC 8200 §3, §4).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------+---------------+---------------------------------------+
//! |Version| Traffic Class |              Flow Label               |
//! +-------+---------------+-------+---------------+---------------+
//! |         Payload Length        |  Next Header  |   Hop Limit   |
//! +-------------------------------+---------------+---------------+
//! |                    Source Address (16 bytes)                  |
//! +---------------------------------------------------------------+
//! |                  Destination Address (16 bytes)               |
//! +---------------------------------------------------------------+
//!
//! Most extension headers; the length counts 8 bytes, less the first 8:
//! +---------------+---------------+-------------------------------+
//! |  Next Header  |  Hdr Ext Len  |              ...              |
//! +---------------+---------------+-------------------------------+
//!
//! Fragment:
//! +---------------+---------------+-------------------------+---+-+
//! |  Next Header  |    Reserved   |     Fragment Offset     |Res|M|
//! +---------------+---------------+-------------------------+---+-+
//! |                         Identification                        |
//! +---------------------------------------------------------------+
//! ```

use core::net::Ipv6Addr;

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::ip::{Fragment, IpProto};

/// Bytes of the fixed header.
pub const HEADER_LEN: usize = 40;

/// Most extension headers that [`upper`] walks; a longer chain has no upper header for us. Real ones
/// have one or two; the bound keeps a forged chain from costing more than a packet is worth.
pub const MAX_EXTENSIONS: usize = 8;

pub(crate) const HOP_BY_HOP: u8 = 0;
pub(crate) const ROUTING: u8 = 43;
pub(crate) const FRAGMENT: u8 = 44;
pub(crate) const AUTHENTICATION: u8 = 51;
pub(crate) const DESTINATION_OPTIONS: u8 = 60;

/// An IPv6 header.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Ipv6Header {
    version_class_label: U32,
    /// Bytes behind this header.
    pub payload_len: U16,
    /// What follows: an extension header or the upper protocol.
    pub next_header: u8,
    /// Hop limit.
    pub hop_limit: u8,
    src: [u8; 16],
    dst: [u8; 16],
}

/// What stands behind the extension headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Upper {
    /// The upper protocol; for a later fragment, that of the header which follows in the first.
    pub proto: IpProto,
    /// Byte offset of the upper header from the start of the fixed header.
    pub offset: usize,
    /// Which part of a datagram this is.
    pub fragment: Fragment,
}

impl Ipv6Header {
    /// The header at the start of `packet`; `None` if the version is another or it is cut short.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<&Ipv6Header> {
        let (header, _) = Ipv6Header::ref_from_prefix(packet).ok()?;
        (header.version_class_label.get() >> 28 == 6).then_some(header)
    }

    /// Like [`Ipv6Header::parse`], to change.
    #[must_use]
    pub fn parse_mut(packet: &mut [u8]) -> Option<&mut Ipv6Header> {
        Ipv6Header::parse(packet)?;
        let (header, _) = Ipv6Header::mut_from_prefix(packet).ok()?;
        Some(header)
    }

    /// Traffic class: DSCP and ECN.
    #[must_use]
    pub const fn traffic_class(&self) -> u8 {
        self.version_class_label.get().to_be_bytes()[0] << 4
            | self.version_class_label.get().to_be_bytes()[1] >> 4
    }

    /// Source address.
    #[must_use]
    pub const fn src(&self) -> Ipv6Addr {
        Ipv6Addr::from_octets(self.src)
    }

    /// Destination address: with a routing header, the next hop's and not the last.
    #[must_use]
    pub const fn dst(&self) -> Ipv6Addr {
        Ipv6Addr::from_octets(self.dst)
    }
}

/// Walks the extension headers of `packet`, which begins with a fixed header that parses.
///
/// `None` if a header is cut short or there are more than [`MAX_EXTENSIONS`].
#[must_use]
pub fn upper(packet: &[u8]) -> Option<Upper> {
    let mut next = Ipv6Header::parse(packet)?.next_header;
    let mut offset = HEADER_LEN;
    let mut fragment = Fragment::No;
    for _ in 0..=MAX_EXTENSIONS {
        let done = Upper { proto: IpProto(next), offset, fragment };
        if fragment == Fragment::Later {
            return Some(done);
        }
        let header = packet.get(offset..)?;
        let len = match next {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => (usize::from(*header.get(1)?) + 1) * 8,
            // RFC 4302 §2.2: 4-byte words, less 2.
            AUTHENTICATION => (usize::from(*header.get(1)?) + 2) * 4,
            FRAGMENT => {
                let bits = u16::from_be_bytes([*header.get(2)?, *header.get(3)?]);
                fragment = Fragment::from_bits(bits >> 3, bits & 1);
                8
            }
            _ => return Some(done),
        };
        next = *header.get(..len)?.first()?;
        offset += len;
    }
    None
}

/// Whether a routing header has addresses left to visit: then the destination in the fixed header is
/// not the last, and not the one that checksums cover (RFC 8200 §8.1).
#[must_use]
pub fn is_source_routed(packet: &[u8]) -> bool {
    let Some(header) = Ipv6Header::parse(packet) else { return false };
    let (mut next, mut rest) = (header.next_header, packet.get(HEADER_LEN..).unwrap_or(&[]));
    for _ in 0..MAX_EXTENSIONS {
        let Some(&[following, len, _, segments_left, ..]) = rest.first_chunk::<8>() else { break };
        let len = match next {
            ROUTING if segments_left > 0 => return true,
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => (usize::from(len) + 1) * 8,
            AUTHENTICATION => (usize::from(len) + 2) * 4,
            FRAGMENT => 8,
            _ => break,
        };
        (next, rest) = (following, rest.get(len..).unwrap_or(&[]));
    }
    false
}

#[cfg(test)]
mod tests {
    use etherparse::Ipv6HeaderSlice;
    use proptest::prelude::*;

    use super::*;

    /// A fixed header, then the extension headers named by kind and length, then `proto`.
    fn chain(extensions: &[(u8, u8)], proto: u8) -> Vec<u8> {
        let mut packet = vec![0; HEADER_LEN];
        packet[0] = 0x60;
        let mut next_at = 6;
        for &(kind, len) in extensions {
            packet[next_at] = kind;
            next_at = packet.len();
            let bytes = match kind {
                FRAGMENT => 8,
                AUTHENTICATION => (usize::from(len) + 2) * 4,
                _ => (usize::from(len) + 1) * 8,
            };
            packet.resize(next_at + bytes, 0);
            packet[next_at + 1] = len;
        }
        packet[next_at] = proto;
        packet
    }

    #[test]
    fn every_truncation_of_a_chain_is_none() {
        let packet = chain(&[(0, 0), (43, 2), (60, 1), (51, 4), (44, 0)], 6);
        for len in 0..packet.len() {
            assert_eq!(upper(&packet[..len]), None, "{len}");
            assert_eq!(Ipv6Header::parse(&packet[..len]).is_some(), len >= HEADER_LEN);
        }
        let end = Upper { proto: IpProto::TCP, offset: packet.len(), fragment: Fragment::No };
        assert_eq!(upper(&packet), Some(end));
    }

    #[test]
    fn fragments_end_the_walk() {
        let mut packet = chain(&[(44, 0), (60, 0)], 17);
        packet[43] = 1;
        let upper_of = |packet: &[u8]| upper(packet).map(|u| (u.proto.0, u.offset, u.fragment));
        assert_eq!(upper_of(&packet), Some((17, 56, Fragment::First)));
        packet[42..44].copy_from_slice(&0x0009_u16.to_be_bytes());
        assert_eq!(upper_of(&packet), Some((60, 48, Fragment::Later)));
        packet[42..44].copy_from_slice(&0x0008_u16.to_be_bytes());
        assert_eq!(upper_of(&packet), Some((60, 48, Fragment::Later)));
    }

    #[test]
    fn a_routing_header_with_addresses_left_is_found() {
        for (extensions, at) in [(&[(43, 2)][..], 43), (&[(0, 1), (51, 4), (60, 0), (43, 0)], 91)] {
            let mut packet = chain(extensions, 6);
            assert!(!is_source_routed(&packet));
            packet[at] = 1;
            assert!(is_source_routed(&packet), "{extensions:?}");
            assert!(!is_source_routed(&packet[..at]));
        }
    }

    #[test]
    fn the_walk_is_bounded() {
        let most = vec![(0, 0); MAX_EXTENSIONS];
        assert!(upper(&chain(&most, 6)).is_some());
        let more = vec![(0, 0); MAX_EXTENSIONS + 1];
        assert_eq!(upper(&chain(&more, 6)), None);
    }

    proptest! {
        #[test]
        fn agrees_with_etherparse(mut bytes in prop::collection::vec(any::<u8>(), 0..60), six: bool) {
            if let (Some(byte), true) = (bytes.first_mut(), six) {
                *byte = *byte & 0xf | 0x60;
            }
            let oracle = Ipv6HeaderSlice::from_slice(&bytes).ok();
            let ours = Ipv6Header::parse(&bytes);
            prop_assert_eq!(ours.is_some(), oracle.is_some());
            let (Some(ours), Some(oracle)) = (ours, oracle) else { return Ok(()) };
            prop_assert_eq!(ours.payload_len.get(), oracle.payload_length());
            prop_assert_eq!((ours.next_header, ours.hop_limit), (oracle.next_header().0, oracle.hop_limit()));
            prop_assert_eq!(ours.traffic_class(), oracle.traffic_class());
            prop_assert_eq!((ours.src(), ours.dst()), (oracle.source_addr(), oracle.destination_addr()));
        }

        #[test]
        fn any_bytes_are_walked_within_bounds(
            kinds in prop::collection::vec(prop::sample::select(vec![0_u8, 43, 44, 51, 60]), 0..10),
            noise in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let extensions: Vec<_> = kinds.iter().map(|&kind| (kind, 0)).collect();
            let mut packet = chain(&extensions, 6);
            for (byte, noise) in packet.iter_mut().skip(HEADER_LEN + 1).zip(noise) {
                *byte ^= noise & 3;
            }
            if let Some(found) = upper(&packet) {
                prop_assert!(found.offset <= packet.len());
            }
        }
    }
}

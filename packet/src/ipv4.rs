//! Internet Protocol version 4 (RFC 791 §3.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------+-------+---------------+-------------------------------+
//! |Version|  IHL  |Type of Service|          Total Length         |
//! +-------+-------+---------------+-----+-------------------------+
//! |         Identification        |Flags|     Fragment Offset     |
//! +---------------+---------------+-----+-------------------------+
//! |  Time to Live |    Protocol   |        Header Checksum        |
//! +---------------+---------------+-------------------------------+
//! |                         Source Address                        |
//! +---------------------------------------------------------------+
//! |                      Destination Address                      |
//! +-----------------------------------------------+---------------+
//! |                    Options                    |    Padding    |
//! +-----------------------------------------------+---------------+
//! ```

use core::net::Ipv4Addr;

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::ip::{Fragment, IpProto};

/// Bytes of a header without options.
pub const MIN_HEADER_LEN: usize = 20;

const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;

/// An IPv4 header without its options.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Ipv4Header {
    version_ihl: u8,
    /// Type of service: DSCP and ECN (RFC 2474, RFC 3168).
    pub tos: u8,
    /// Bytes of header and payload.
    pub total_len: U16,
    /// Identification of the datagram that a fragment belongs to.
    pub id: U16,
    flags_offset: U16,
    /// Time to live.
    pub ttl: u8,
    proto: u8,
    /// Checksum over the header.
    pub checksum: U16,
    src: [u8; 4],
    dst: [u8; 4],
}

impl Ipv4Header {
    /// The header at the start of `packet`; `None` if the version is another, or the header with its
    /// options does not fit. The payload begins at [`Ipv4Header::header_len`].
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<&Ipv4Header> {
        let (header, _) = Ipv4Header::ref_from_prefix(packet).ok()?;
        let fits = (MIN_HEADER_LEN..=packet.len()).contains(&header.header_len());
        (header.version_ihl >> 4 == 4 && fits).then_some(header)
    }

    /// Like [`Ipv4Header::parse`], to change.
    #[must_use]
    pub fn parse_mut(packet: &mut [u8]) -> Option<&mut Ipv4Header> {
        Ipv4Header::parse(packet)?;
        let (header, _) = Ipv4Header::mut_from_prefix(packet).ok()?;
        Some(header)
    }

    /// Bytes of the header with its options.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        (self.version_ihl & 0xf) as usize * 4
    }

    /// The protocol above.
    #[must_use]
    pub const fn proto(&self) -> IpProto {
        IpProto(self.proto)
    }

    /// Which part of a datagram this is.
    #[must_use]
    pub const fn fragment(&self) -> Fragment {
        let bits = self.flags_offset.get();
        Fragment::from_bits(bits & OFFSET_MASK, bits & MORE_FRAGMENTS)
    }

    /// Source address.
    #[must_use]
    pub const fn src(&self) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.src)
    }

    /// Destination address.
    #[must_use]
    pub const fn dst(&self) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.dst)
    }
}

#[cfg(test)]
mod tests {
    use etherparse::Ipv4HeaderSlice;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_etherparse(
            mut bytes in prop::collection::vec(any::<u8>(), 0..80),
            first in prop_oneof![0x44_u8..0x50, any::<u8>()],
        ) {
            if let Some(byte) = bytes.first_mut() {
                *byte = first;
            }
            let oracle = Ipv4HeaderSlice::from_slice(&bytes).ok();
            let ours = Ipv4Header::parse(&bytes);
            prop_assert_eq!(ours.is_some(), oracle.is_some());
            let (Some(ours), Some(oracle)) = (ours, oracle) else { return Ok(()) };
            prop_assert_eq!(ours.header_len(), oracle.slice().len());
            prop_assert_eq!(ours.total_len.get(), oracle.total_len());
            prop_assert_eq!(ours.id.get(), oracle.identification());
            prop_assert_eq!(ours.tos, oracle.dcp().value() << 2 | oracle.ecn().value());
            prop_assert_eq!((ours.ttl, ours.proto().0), (oracle.ttl(), oracle.protocol().0));
            prop_assert_eq!(ours.checksum.get(), oracle.header_checksum());
            prop_assert_eq!((ours.src(), ours.dst()), (oracle.source_addr(), oracle.destination_addr()));
            let fragment = match (oracle.fragments_offset().value(), oracle.more_fragments()) {
                (0, false) => Fragment::No,
                (0, true) => Fragment::First,
                _ => Fragment::Later,
            };
            prop_assert_eq!(ours.fragment(), fragment);
        }
    }

    #[test]
    fn every_truncation_is_none() {
        let mut bytes = [0; 60];
        for ihl in 5..=15 {
            bytes[0] = 0x40 | ihl;
            let header_len = usize::from(ihl) * 4;
            for len in 0..=60 {
                let fits = len >= header_len;
                assert_eq!(Ipv4Header::parse(&bytes[..len]).is_some(), fits, "{ihl} {len}");
                assert_eq!(Ipv4Header::parse_mut(&mut bytes[..len]).is_some(), fits);
            }
        }
    }
}

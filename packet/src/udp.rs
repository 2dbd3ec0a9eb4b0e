//! User Datagram Protocol headers (RFC 768).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------------------------------+-------------------------------+
//! |          Source Port          |       Destination Port        |
//! +-------------------------------+-------------------------------+
//! |             Length            |            Checksum           |
//! +-------------------------------+-------------------------------+
//! ```

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a header.
pub const HEADER_LEN: usize = 8;
/// Byte offset of the checksum.
pub const CHECKSUM_OFFSET: u16 = 6;

/// A UDP header.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct UdpHeader {
    /// Source port.
    pub src_port: U16,
    /// Destination port.
    pub dst_port: U16,
    /// Bytes of header and data.
    pub len: U16,
    /// Checksum over pseudo-header, header and data; 0 over IPv4: none was made.
    pub checksum: U16,
}

impl UdpHeader {
    /// The header at the start of `datagram` and what follows; `None` if it is cut short.
    #[must_use]
    pub fn parse(datagram: &[u8]) -> Option<(&UdpHeader, &[u8])> {
        UdpHeader::ref_from_prefix(datagram).ok()
    }

    /// Like [`UdpHeader::parse`], to change.
    #[must_use]
    pub fn parse_mut(datagram: &mut [u8]) -> Option<&mut UdpHeader> {
        let (header, _) = UdpHeader::mut_from_prefix(datagram).ok()?;
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use etherparse::UdpHeaderSlice;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_etherparse(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let oracle = UdpHeaderSlice::from_slice(&bytes).ok();
            let ours = UdpHeader::parse(&bytes);
            prop_assert_eq!(ours.is_some(), oracle.is_some());
            let (Some((ours, rest)), Some(oracle)) = (ours, oracle) else { return Ok(()) };
            prop_assert_eq!(rest, &bytes[HEADER_LEN..]);
            prop_assert_eq!(ours.src_port.get(), oracle.source_port());
            prop_assert_eq!(ours.dst_port.get(), oracle.destination_port());
            prop_assert_eq!(ours.len.get(), oracle.length());
            prop_assert_eq!(ours.checksum.get(), oracle.checksum());
        }
    }

    #[test]
    fn every_truncation_is_none() {
        for len in 0..HEADER_LEN {
            assert!(UdpHeader::parse(&[0; HEADER_LEN][..len]).is_none());
            assert!(UdpHeader::parse_mut(&mut [0; HEADER_LEN][..len]).is_none());
        }
    }
}

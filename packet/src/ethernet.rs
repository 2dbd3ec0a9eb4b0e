//! Ethernet II headers (IEEE 802.3-2018 §3.1.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------------------------------------------------------+
//! |                      Destination address                      |
//! +                               +-------------------------------+
//! |                               |                               |
//! +-------------------------------+                               +
//! |                        Source address                         |
//! +-------------------------------+-------------------------------+
//! |           EtherType           |
//! +-------------------------------+
//! ```

use core::fmt;

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::mac::MacAddr;
use crate::vlan::{TPID_CTAG, TPID_STAG};

/// Bytes of an Ethernet header without tags.
pub const HEADER_LEN: usize = 14;
/// Bytes of the two addresses.
pub const ADDRS_LEN: usize = 12;

/// What an Ethernet frame carries.
///
/// # Legal values
/// All 2¹⁶. Below 1536 it is a length, and LLC follows (IEEE 802.3-2018 §3.2.6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EtherType(pub u16);

impl EtherType {
    /// Internet Protocol version 4 (RFC 894).
    pub const IPV4: EtherType = EtherType(0x0800);
    /// Address Resolution Protocol (RFC 826).
    pub const ARP: EtherType = EtherType(0x0806);
    /// Internet Protocol version 6 (RFC 2464).
    pub const IPV6: EtherType = EtherType(0x86dd);
    /// Reverse ARP (RFC 903).
    pub const RARP: EtherType = EtherType(0x8035);
    /// MPLS, unicast (RFC 3032 §5).
    pub const MPLS: EtherType = EtherType(0x8847);
    /// MPLS with a label from upstream, multicast (RFC 5332 §3).
    pub const MPLS_MULTICAST: EtherType = EtherType(0x8848);
    /// Network service header (RFC 8300 §6).
    pub const NSH: EtherType = EtherType(0x894f);
    /// A customer VLAN tag.
    pub const CTAG: EtherType = EtherType(TPID_CTAG);
    /// A service VLAN tag.
    pub const STAG: EtherType = EtherType(TPID_STAG);

    /// Whether an IP packet follows, of either version.
    #[must_use]
    pub const fn is_ip(self) -> bool {
        matches!(self, Self::IPV4 | Self::IPV6)
    }

    /// Whether a label stack follows.
    #[must_use]
    pub const fn is_mpls(self) -> bool {
        matches!(self, Self::MPLS | Self::MPLS_MULTICAST)
    }

    /// Whether a VLAN tag follows.
    #[must_use]
    pub const fn is_vlan(self) -> bool {
        matches!(self, Self::CTAG | Self::STAG)
    }
}

impl fmt::Debug for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04x}", self.0)
    }
}

/// An Ethernet header, as it stands on the wire.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct EthernetHeader {
    /// Destination.
    pub dst: MacAddr,
    /// Source.
    pub src: MacAddr,
    ethertype: U16,
}

impl EthernetHeader {
    /// The header of `frame` and what follows; `None` for a runt.
    #[must_use]
    pub fn parse(frame: &[u8]) -> Option<(&EthernetHeader, &[u8])> {
        EthernetHeader::ref_from_prefix(frame).ok()
    }

    /// What follows the addresses.
    #[must_use]
    pub const fn ethertype(&self) -> EtherType {
        EtherType(self.ethertype.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_every_truncation() {
        let frame: Vec<u8> = (0..20).collect();
        for len in 0..HEADER_LEN {
            assert!(EthernetHeader::parse(&frame[..len]).is_none());
        }
        let (header, rest) = EthernetHeader::parse(&frame).unwrap();
        assert_eq!(header.dst, MacAddr([0, 1, 2, 3, 4, 5]));
        assert_eq!(header.src, MacAddr([6, 7, 8, 9, 10, 11]));
        assert_eq!((header.ethertype(), rest), (EtherType(0x0c0d), &frame[14..]));
        assert!(EtherType(0x88a8).is_vlan() && !EtherType::IPV4.is_vlan());
    }
}

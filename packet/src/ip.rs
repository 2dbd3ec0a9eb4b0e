//! What both versions of the Internet Protocol share.

use core::fmt;

/// The protocol above IP (the "Protocol" of IPv4, the last "Next Header" of IPv6).
///
/// # Legal values
/// All 2⁸ (IANA, Assigned Internet Protocol Numbers).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpProto(pub u8);

impl IpProto {
    /// Internet Control Message Protocol (RFC 792).
    pub const ICMP: IpProto = IpProto(1);
    /// Internet Group Management Protocol (RFC 9776).
    pub const IGMP: IpProto = IpProto(2);
    /// Transmission Control Protocol (RFC 9293).
    pub const TCP: IpProto = IpProto(6);
    /// User Datagram Protocol (RFC 768).
    pub const UDP: IpProto = IpProto(17);
    /// Internet Control Message Protocol for IPv6 (RFC 4443).
    pub const ICMPV6: IpProto = IpProto(58);
    /// Stream Control Transmission Protocol (RFC 9260).
    pub const SCTP: IpProto = IpProto(132);
}

impl fmt::Debug for IpProto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Which part of a datagram a packet is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Fragment {
    /// The whole.
    #[default]
    No,
    /// The first piece: the upper header is there.
    First,
    /// A later piece: no upper header.
    Later,
}

impl Fragment {
    /// From a fragment offset and the "more fragments" bit.
    pub(crate) const fn from_bits(offset: u16, more: u16) -> Fragment {
        match (offset, more) {
            (0, 0) => Fragment::No,
            (0, _) => Fragment::First,
            _ => Fragment::Later,
        }
    }
}

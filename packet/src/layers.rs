//! Where the headers of a frame are, below up to three VLAN tags.
//!
//! # Design
//! [`Layers::parse`] reads each header once, front to back, and stops where it can read no further:
//! a frame whose IP header is cut short still has an EtherType. Lengths that headers *claim* (IPv4
//! total length, IPv6 payload length) are left to the reader, who knows what for.

use crate::ethernet::{self, EtherType, EthernetHeader};
use crate::ip::{Fragment, IpProto};
use crate::ipv4::Ipv4Header;
use crate::ipv6;
use crate::vlan::TAG_LEN;

/// Most VLAN tags that are looked through: a customer's two and a provider's. A fourth is what the
/// frame carries.
pub const MAX_TAGS: usize = 3;

/// Where the headers of a frame are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layers {
    /// VLAN tags, at most [`MAX_TAGS`].
    pub n_tags: usize,
    /// The EtherType below the tags.
    pub ethertype: EtherType,
    /// Byte offset of what the EtherType names.
    pub l3: usize,
    /// The IP packet, if it is one and its headers are whole.
    pub ip: Option<IpLayers>,
}

/// Where the headers of an IP packet are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IpLayers {
    /// The protocol above IP.
    pub proto: IpProto,
    /// Byte offset in the frame of the header above IP: behind options and extension headers, at
    /// most the frame's length.
    pub l4: usize,
    /// Which part of a datagram this is.
    pub fragment: Fragment,
}

/// What stands below the tags of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct L2 {
    /// VLAN tags, at most [`MAX_TAGS`].
    pub n_tags: usize,
    /// The EtherType below the tags.
    pub ethertype: EtherType,
    /// Byte offset of what the EtherType names: bytes of the Ethernet header with its tags.
    pub l3: usize,
}

impl L2 {
    /// Looks through the tags of `frame`; `None` for a runt, or if it ends inside a tag.
    #[must_use]
    pub fn parse(frame: &[u8]) -> Option<L2> {
        let (header, _) = EthernetHeader::parse(frame)?;
        let mut l2 = L2 { n_tags: 0, ethertype: header.ethertype(), l3: ethernet::HEADER_LEN };
        while l2.ethertype.is_vlan() && l2.n_tags < MAX_TAGS {
            let tag = frame.get(l2.l3..)?.first_chunk::<TAG_LEN>()?;
            l2.ethertype = EtherType(u16::from_be_bytes([tag[2], tag[3]]));
            l2.n_tags += 1;
            l2.l3 += TAG_LEN;
        }
        Some(l2)
    }
}

impl Layers {
    /// Finds the headers of `frame`; `None` for a runt, or if it ends inside a tag.
    #[must_use]
    pub fn parse(frame: &[u8]) -> Option<Layers> {
        let l2 = L2::parse(frame)?;
        let ip = IpLayers::parse(frame, &l2);
        let L2 { n_tags, ethertype, l3 } = l2;
        Some(Layers { n_tags, ethertype, l3, ip })
    }
}

impl IpLayers {
    /// Finds the IP headers of `frame`, below the tags where [`L2::parse`] found them.
    #[must_use]
    pub fn parse(frame: &[u8], l2: &L2) -> Option<IpLayers> {
        let (packet, l3) = (frame.get(l2.l3..)?, l2.l3);
        match l2.ethertype {
            EtherType::IPV4 => {
                let header = Ipv4Header::parse(packet)?;
                let l4 = l3 + header.header_len();
                Some(IpLayers { proto: header.proto(), l4, fragment: header.fragment() })
            }
            EtherType::IPV6 => {
                let upper = ipv6::upper(packet)?;
                let l4 = l3 + upper.offset;
                Some(IpLayers { proto: upper.proto, l4, fragment: upper.fragment })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;

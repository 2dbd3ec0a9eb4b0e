//! What is known of a packet.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::ops::{Deref, DerefMut};

use super::field::FieldId;
use super::mask::FlowMask;
use super::place;
use super::words::Words;
use crate::vlan::{TAG_PRESENT, VlanTag};
use crate::{EtherType, IpProto, MacAddr};

/// Everything that a match may look at: the headers of a packet, where it came from, and what the
/// switch has noted about it. What is not there is zero.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct FlowKey(Words);

/// A VLAN tag as a key holds it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct KeyVlan {
    /// What the tag began with; 0 if there is none.
    pub tpid: u16,
    /// Its control information, with [`TAG_PRESENT`] in place of the drop eligible bit; 0 if there is
    /// none.
    pub tci: u16,
}

/// `ip_frag`: a fragment of whatever position.
pub const FRAG_ANY: u8 = 1;
/// `ip_frag`: not the first, so that there is no header of layer 4.
pub const FRAG_LATER: u8 = 2;

impl FlowKey {
    /// Of nothing: all zero.
    pub const EMPTY: FlowKey = FlowKey(Words::ZERO);

    /// What follows the Ethernet header and its tags.
    #[must_use]
    pub const fn eth_type(&self) -> EtherType {
        let [.., high, low] = self.0.word(place::ETH_DST).to_be_bytes();
        EtherType(u16::from_be_bytes([high, low]))
    }

    /// Ethernet destination.
    #[must_use]
    pub const fn eth_dst(&self) -> MacAddr {
        MacAddr::from_u64(self.0.word(place::ETH_DST) >> 16)
    }

    /// Ethernet source.
    #[must_use]
    pub const fn eth_src(&self) -> MacAddr {
        MacAddr::from_u64(self.0.word(place::ETH_SRC) >> 16)
    }

    /// Whether there is a VLAN tag.
    #[must_use]
    pub const fn has_vlan(&self) -> bool {
        self.0.word(place::ETH_SRC) & TAG_PRESENT as u64 != 0
    }

    /// The outer tag.
    #[must_use]
    pub const fn outer_vlan(&self) -> KeyVlan {
        let [t0, t1, ..] = self.0.word(place::VLAN).to_be_bytes();
        let [.., c0, c1] = self.0.word(place::ETH_SRC).to_be_bytes();
        KeyVlan { tpid: u16::from_be_bytes([t0, t1]), tci: u16::from_be_bytes([c0, c1]) }
    }

    /// The tag below the outer one.
    #[must_use]
    pub const fn inner_vlan(&self) -> KeyVlan {
        let [_, _, t0, t1, c0, c1, ..] = self.0.word(place::VLAN).to_be_bytes();
        KeyVlan { tpid: u16::from_be_bytes([t0, t1]), tci: u16::from_be_bytes([c0, c1]) }
    }

    /// Replaces the outer tag.
    pub const fn set_outer_vlan(&mut self, vlan: KeyVlan) {
        let tpids = self.0.word(place::VLAN) & !(0xffff << 48);
        self.0.put_word(place::VLAN, tpids | (vlan.tpid as u64) << 48);
        let rest = self.0.word(place::ETH_SRC) & !0xffff;
        self.0.put_word(place::ETH_SRC, rest | vlan.tci as u64);
    }

    /// Replaces the tag below the outer one.
    pub const fn set_inner_vlan(&mut self, vlan: KeyVlan) {
        let rest = self.0.word(place::VLAN) & !(0xffff_ffff << 16);
        let bits = (vlan.tpid as u64) << 32 | (vlan.tci as u64) << 16;
        self.0.put_word(place::VLAN, rest | bits);
    }

    /// An MPLS label stack entry, outermost first; 0 from the fourth on.
    #[must_use]
    pub const fn mpls_lse(&self, n: usize) -> u32 {
        let [a, b, c, d, e, f, g, h] = match n {
            0 | 1 => self.0.word(place::MPLS).to_be_bytes(),
            2 => self.0.word(place::MPLS2).to_be_bytes(),
            _ => [0; 8],
        };
        u32::from_be_bytes(if n == 1 { [e, f, g, h] } else { [a, b, c, d] })
    }

    /// Replaces an MPLS label stack entry; there is no fourth.
    pub const fn set_mpls_lse(&mut self, n: usize, lse: u32) {
        let (word, shift) = match n {
            0 => (place::MPLS, 32),
            1 => (place::MPLS, 0),
            2 => (place::MPLS2, 32),
            _ => return,
        };
        let rest = self.0.word(word) & !(0xffff_ffff << shift);
        self.0.put_word(word, rest | (lse as u64) << shift);
    }

    /// The protocol above IP.
    #[must_use]
    pub const fn ip_proto(&self) -> IpProto {
        let [.., proto, _, _, _] = self.0.word(place::IP).to_be_bytes();
        IpProto(proto)
    }

    /// Whether this is a fragment that does not begin its datagram.
    #[must_use]
    pub const fn is_later_fragment(&self) -> bool {
        self.0.word(place::IP) & FRAG_LATER as u64 != 0
    }

    /// IPv4 source, or sender of ARP.
    #[must_use]
    pub const fn ipv4_src(&self) -> Ipv4Addr {
        let [a, b, c, d, ..] = self.0.word(place::IPV4).to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    }

    /// IPv4 destination, or target of ARP.
    #[must_use]
    pub const fn ipv4_dst(&self) -> Ipv4Addr {
        let [.., a, b, c, d] = self.0.word(place::IPV4).to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    }

    /// IPv6 source.
    #[must_use]
    pub const fn ipv6_src(&self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.0.get(FieldId::Ipv6Src))
    }

    /// IPv6 destination.
    #[must_use]
    pub const fn ipv6_dst(&self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.0.get(FieldId::Ipv6Dst))
    }

    /// Source port, or ICMP type.
    #[must_use]
    pub const fn tp_src(&self) -> u16 {
        let [a, b, ..] = self.0.word(place::L4).to_be_bytes();
        u16::from_be_bytes([a, b])
    }

    /// Destination port, or ICMP code.
    #[must_use]
    pub const fn tp_dst(&self) -> u16 {
        let [_, _, a, b, ..] = self.0.word(place::L4).to_be_bytes();
        u16::from_be_bytes([a, b])
    }

    /// Port that the packet came by: a number of the datapath or of OpenFlow, as its owner says.
    #[must_use]
    pub const fn in_port(&self) -> u32 {
        let [a, b, c, d, ..] = self.0.word(place::PORT).to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// Overwrites the bits that `mask` has with those of `value`.
    pub fn overwrite(&mut self, value: &FlowKey, mask: &FlowMask) {
        for (at, bits) in mask.iter() {
            self.0.put_word(at, self.0.word(at) & !bits | value.word(at) & bits);
        }
    }

    /// What of it `mask` lets through.
    #[must_use]
    pub fn masked(&self, mask: &FlowMask) -> FlowKey {
        let mut masked = FlowKey::EMPTY;
        for at in self.nonzero().and(mask.nonzero()) {
            masked.put_word(at, self.word(at) & mask.word(at));
        }
        masked
    }
}

impl KeyVlan {
    /// A tag that is there.
    #[must_use]
    pub const fn new(tpid: u16, tag: VlanTag) -> KeyVlan {
        KeyVlan { tpid, tci: tag.0 | TAG_PRESENT }
    }
}

impl Deref for FlowKey {
    type Target = Words;

    #[inline]
    fn deref(&self) -> &Words {
        &self.0
    }
}

impl DerefMut for FlowKey {
    #[inline]
    fn deref_mut(&mut self) -> &mut Words {
        &mut self.0
    }
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

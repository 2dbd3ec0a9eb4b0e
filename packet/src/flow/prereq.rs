//! What must be known of a packet before a field of it means anything.
//!
//! # Design
//! A prerequisite is a question to a key. It is asked of a packet's key (may this action write the
//! field?) and of a match (may this field be matched?), whose key is zero where its mask is: a match
//! that leaves the EtherType open has none.
//! Who asked it of a packet must remember what he looked at: [`Prereq::fields`].
//!
//! # References
//! OpenFlow 1.5.1 §7.2.3.6, ovs-fields(7).

use super::field::FieldId;
use super::key::FlowKey;
use super::matching::FlowMatch;
use crate::{EtherType, IpProto};

/// What must be so for a field to be there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Prereq {
    /// Nothing.
    None,
    /// An Ethernet frame.
    Ethernet,
    /// ARP or RARP.
    Arp,
    /// A VLAN tag.
    VlanVid,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// IP of either version.
    Ip,
    /// MPLS, unicast or multicast.
    Mpls,
    /// A network service header.
    Nsh,
    /// TCP; as for all that follow, not in a later fragment.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
    /// ICMP over IPv4.
    Icmpv4,
    /// ICMP over IPv6.
    Icmpv6,
    /// Neighbour solicitation or advertisement.
    Nd,
    /// Neighbour solicitation.
    NdSolicit,
    /// Neighbour advertisement.
    NdAdvert,
    /// A connection that the tracker knows.
    Ct,
}

/// ICMPv6 type of a neighbour solicitation (RFC 4861 §4.3).
pub const ND_SOLICIT: u8 = 135;
/// ICMPv6 type of a neighbour advertisement (RFC 4861 §4.4).
pub const ND_ADVERT: u8 = 136;

/// `ct_state`: new, established, or in the direction of replies. A packet of a connection has one.
const CT_VALID: u128 = 0x0b;
/// `ct_state`: those, and related, and either translation of addresses.
const CT_IMPLIES_VALID: u128 = 0xcf;
/// `ct_state`: what the tracker could make nothing of.
const CT_INVALID: u128 = 0x10;
/// `ct_state`: the tracker has seen it.
const CT_TRACKED: u128 = 0x20;

impl Prereq {
    /// Whether a match demands it. A match may demand a connection in one way more than a packet shows
    /// one: tracked, and not invalid.
    #[must_use]
    pub fn is_demanded(self, by: &FlowMatch) -> bool {
        if self != Prereq::Ct {
            return self.holds(by.key());
        }
        let [state, mask] = [by.key().get(FieldId::CtState), by.mask().get(FieldId::CtState)];
        let is_sane = state & CT_TRACKED != 0 && mask & CT_INVALID != 0 && state & CT_INVALID == 0;
        state & CT_IMPLIES_VALID != 0 || is_sane
    }

    /// Whether it is so of a packet.
    #[must_use]
    pub fn holds(self, key: &FlowKey) -> bool {
        let ethertype = key.eth_type();
        let l4 = |proto| ethertype.is_ip() && key.ip_proto() == proto && !key.is_later_fragment();
        let icmpv6 = || l4(IpProto::ICMPV6) && ethertype == EtherType::IPV6;
        let nd = |kind: u8| {
            let icmp = (key.get(FieldId::Icmpv6Type), key.get(FieldId::Icmpv6Code));
            icmpv6() && icmp == (kind.into(), 0)
        };
        match self {
            Prereq::None => true,
            Prereq::Ethernet => key.get(FieldId::PacketType) == 0,
            Prereq::Arp => matches!(ethertype, EtherType::ARP | EtherType::RARP),
            Prereq::VlanVid => key.has_vlan(),
            Prereq::Ipv4 => ethertype == EtherType::IPV4,
            Prereq::Ipv6 => ethertype == EtherType::IPV6,
            Prereq::Ip => ethertype.is_ip(),
            Prereq::Mpls => ethertype.is_mpls(),
            Prereq::Nsh => ethertype == EtherType::NSH,
            Prereq::Tcp => l4(IpProto::TCP),
            Prereq::Udp => l4(IpProto::UDP),
            Prereq::Sctp => l4(IpProto::SCTP),
            Prereq::Icmpv4 => l4(IpProto::ICMP) && ethertype == EtherType::IPV4,
            Prereq::Icmpv6 => icmpv6(),
            Prereq::Nd => nd(ND_SOLICIT) || nd(ND_ADVERT),
            Prereq::NdSolicit => nd(ND_SOLICIT),
            Prereq::NdAdvert => nd(ND_ADVERT),
            Prereq::Ct => key.get(FieldId::CtState) & CT_VALID != 0,
        }
    }

    /// The fields that the answer depends on.
    #[must_use]
    pub const fn fields(self) -> &'static [FieldId] {
        use FieldId::{
            CtState, EthType, Icmpv6Code, Icmpv6Type, IpFrag, IpProto, PacketType, VlanTci,
        };
        match self {
            Prereq::None => &[],
            Prereq::Ethernet => &[PacketType],
            Prereq::Arp | Prereq::Ipv4 | Prereq::Ipv6 | Prereq::Ip | Prereq::Mpls | Prereq::Nsh => {
                &[EthType]
            }
            Prereq::VlanVid => &[VlanTci],
            Prereq::Tcp | Prereq::Udp | Prereq::Sctp | Prereq::Icmpv4 | Prereq::Icmpv6 => {
                &[EthType, IpProto, IpFrag]
            }
            Prereq::Nd | Prereq::NdSolicit | Prereq::NdAdvert => {
                &[EthType, IpProto, IpFrag, Icmpv6Type, Icmpv6Code]
            }
            Prereq::Ct => &[CtState],
        }
    }
}

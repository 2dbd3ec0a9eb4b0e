//! A packet's headers, printed as `ofproto/trace` prints its flow.

use openflow::flow::DEFAULT_PRIORITY;
use openflow::text::match_text;
use packet::flow::field::N_REGS;
use packet::flow::tunnel::WHOLE;
use packet::flow::{FieldId, OptionTable, Prereq};
use packet::{FlowKey, FlowMask, FlowMatch};

/// What is printed of a packet: where, what it must be, which fields.
const SHOWN: &[(Prereq, &[FieldId])] = &[
    (
        Prereq::None,
        &[FieldId::InPortOxm, FieldId::VlanTci, FieldId::EthSrc, FieldId::EthDst, FieldId::EthType],
    ),
    (Prereq::Mpls, &[FieldId::MplsLabel, FieldId::MplsTc, FieldId::MplsTtl, FieldId::MplsBos]),
    (Prereq::Ipv4, &[FieldId::Ipv4Src, FieldId::Ipv4Dst]),
    (Prereq::Ipv6, &[FieldId::Ipv6Src, FieldId::Ipv6Dst, FieldId::Ipv6Label]),
    (
        Prereq::Ip,
        &[FieldId::IpProto, FieldId::IpTos, FieldId::IpEcn, FieldId::IpTtl, FieldId::IpFrag],
    ),
    (
        Prereq::Arp,
        &[FieldId::ArpSpa, FieldId::ArpTpa, FieldId::ArpOp, FieldId::ArpSha, FieldId::ArpTha],
    ),
    (Prereq::Tcp, &[FieldId::TcpSrc, FieldId::TcpDst, FieldId::TcpFlags]),
    (Prereq::Udp, &[FieldId::UdpSrc, FieldId::UdpDst]),
    (Prereq::Sctp, &[FieldId::SctpSrc, FieldId::SctpDst]),
    (Prereq::Icmpv4, &[FieldId::Icmpv4Type, FieldId::Icmpv4Code]),
    (Prereq::Icmpv6, &[FieldId::Icmpv6Type, FieldId::Icmpv6Code]),
    (Prereq::NdSolicit, &[FieldId::NdTarget, FieldId::NdSll]),
    (Prereq::NdAdvert, &[FieldId::NdTarget, FieldId::NdTll]),
];

/// What is printed of a tunnel that the packet came through, where it is not zero.
const TUNNEL: &[FieldId] = &[
    FieldId::TunId,
    FieldId::TunSrc,
    FieldId::TunDst,
    FieldId::TunIpv6Src,
    FieldId::TunIpv6Dst,
    FieldId::TunGbpId,
    FieldId::TunGbpFlags,
    FieldId::TunTos,
    FieldId::TunTtl,
];

/// Prints a packet's headers, and what the switch has noted about it; `options` says which options of
/// its tunnel header are fields.
#[must_use]
pub fn headers_text(key: &FlowKey, options: &OptionTable) -> String {
    let mut mask = FlowMask::EMPTY;
    for (_, fields) in SHOWN.iter().filter(|(prereq, _)| prereq.holds(key)) {
        fields.iter().for_each(|field| mask.add_field(*field));
    }
    // Each register once: several of them are fields of their own too (`xreg0`).
    let registers = (0..N_REGS).filter_map(FieldId::reg);
    let noted =
        registers.chain([FieldId::Metadata, FieldId::PktMark]).chain(TUNNEL.iter().copied());
    noted.filter(|field| key.get(*field) != 0).for_each(|field| mask.add_field(field));
    for (_, slot) in options.iter().filter(|(_, slot)| key.get(slot.field()) != 0) {
        mask.set_option(slot, &WHOLE);
    }
    match_text(&FlowMatch::new(key, mask).with_options(options), DEFAULT_PRIORITY)
}

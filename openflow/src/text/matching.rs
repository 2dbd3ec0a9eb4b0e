//! Matches: `tcp,nw_dst=10.0.0.0/8,tp_dst=80`.

use core::fmt::Write;

use packet::flow::{FieldId, FlowMatch};
use packet::vlan::TAG_PRESENT;

use super::names::{Names, Style};
use super::scan::{Item, Piece};
use super::{TextError, value};
use crate::flow::DEFAULT_PRIORITY;
use crate::version::Version;

/// Words that stand for an EtherType, and a protocol above it.
const PROTOCOLS: &[(&str, u16, Option<u8>)] = &[
    ("ip", 0x0800, None),
    ("ip4", 0x0800, None),
    ("icmp", 0x0800, Some(1)),
    ("tcp", 0x0800, Some(6)),
    ("udp", 0x0800, Some(17)),
    ("sctp", 0x0800, Some(132)),
    ("arp", 0x0806, None),
    ("rarp", 0x8035, None),
    ("ipv6", 0x86dd, None),
    ("ip6", 0x86dd, None),
    ("icmp6", 0x86dd, Some(58)),
    ("tcp6", 0x86dd, Some(6)),
    ("udp6", 0x86dd, Some(17)),
    ("sctp6", 0x86dd, Some(132)),
    ("mpls", 0x8847, None),
    ("mplsm", 0x8848, None),
];

const FIELD: &str = "a field, as ovs-fields(7) names it, or a protocol such as ip, arp, tcp6";

/// Reads a match.
///
/// # Errors
/// Where it cannot be read, and what was expected.
pub fn parse_match(text: &str) -> Result<FlowMatch, TextError> {
    parse(Piece::whole(text))
}

pub(super) fn parse(text: Piece<'_>) -> Result<FlowMatch, TextError> {
    let mut matching = FlowMatch::ANY;
    let items = text.items()?;
    apply(&mut matching, &items)?;
    Ok(matching)
}

/// Adds terms to a match: first those that others need, whatever their order in the text.
pub(super) fn apply(matching: &mut FlowMatch, items: &[Item<'_>]) -> Result<(), TextError> {
    let rank = |item: &&Item<'_>| match item.key.text {
        _ if item.value.is_none() => 0,
        "eth_type" | "dl_type" | "vlan_tci" | "vlan_vid" | "dl_vlan" => 0,
        "nw_proto" | "ip_proto" => 1,
        "icmp_type" | "icmp_code" | "icmpv6_type" | "icmpv6_code" => 2,
        _ => 3,
    };
    let mut ordered: Vec<&Item<'_>> = items.iter().collect();
    ordered.sort_by_key(rank);
    ordered.into_iter().try_for_each(|item| term(matching, item))
}

fn term(matching: &mut FlowMatch, item: &Item<'_>) -> Result<(), TextError> {
    let key = item.key.text;
    if item.value.is_none() {
        if let "eth" = key {
            return Ok(());
        }
        if let Some(index) = FieldId::by_name(key).and_then(FieldId::option) {
            // That it is there.
            matching.set_option(value::option(index, None)?);
            return Ok(());
        }
        let found = PROTOCOLS.iter().find(|(name, ..)| *name == key);
        let (_, ethertype, proto) = found.ok_or(item.key.expected(FIELD))?;
        matching.set(FieldId::EthType, (*ethertype).into());
        if let Some(proto) = proto {
            matching.set(FieldId::IpProto, (*proto).into());
        }
        return Ok(());
    }
    let piece = item.need("a value behind the =")?;
    match key {
        "dl_vlan" if piece.text == "0xffff" || piece.text == "65535" => {
            matching.set_masked(FieldId::VlanTci, 0, 0xffff);
            return Ok(());
        }
        _ => {}
    }
    let field = field(matching, key).ok_or(item.key.expected(FIELD))?;
    if !matching.allows(field) {
        let expected = "a match on the protocol that the field belongs to, such as ip, arp or tcp";
        return Err(item.key.expected(expected));
    }
    if let Some(index) = field.option() {
        matching.set_option(value::option(index, Some(piece))?);
        return Ok(());
    }
    let (bits, mask) = value::parse(field, piece)?;
    if field == FieldId::DlVlan || field == FieldId::DlVlanPcp || field == FieldId::VlanPcp {
        matching.set(field, bits);
    } else {
        matching.set_masked(field, bits, mask);
    }
    Ok(())
}

/// The field of a name that may mean several, by what the match says already.
fn field(matching: &FlowMatch, key: &str) -> Option<FieldId> {
    use FieldId::*;
    let candidates: &[FieldId] = match key {
        "nw_src" => &[Ipv4Src, ArpSpa],
        "nw_dst" => &[Ipv4Dst, ArpTpa],
        "nw_proto" => &[IpProto, ArpOp],
        "tp_src" => &[TcpSrc, UdpSrc, SctpSrc, Icmpv4Type, Icmpv6Type],
        "tp_dst" => &[TcpDst, UdpDst, SctpDst, Icmpv4Code, Icmpv6Code],
        "icmp_type" => &[Icmpv4Type, Icmpv6Type],
        "icmp_code" => &[Icmpv4Code, Icmpv6Code],
        _ => return FieldId::by_name(key),
    };
    let allowed = candidates.iter().find(|field| matching.allows(**field));
    allowed.or(candidates.first()).copied()
}

/// Fields before the protocol's word, in the order of Open vSwitch.
const FIRST: &[FieldId] = {
    use FieldId::*;
    &[
        PktMark,
        RecircId,
        DpHash,
        ConjId,
        SkbPriority,
        ActsetOutput,
        CtState,
        CtZone,
        CtMark,
        CtLabel,
        CtNwSrc,
        CtIpv6Src,
        CtNwDst,
        CtIpv6Dst,
        CtNwProto,
        CtTpSrc,
        CtTpDst,
    ]
};
const TUNNEL: &[FieldId] = {
    use FieldId::*;
    &[
        TunId,
        TunSrc,
        TunDst,
        TunIpv6Src,
        TunIpv6Dst,
        TunGbpId,
        TunGbpFlags,
        TunTos,
        TunTtl,
        TunErspanIdx,
        TunErspanVer,
        TunErspanDir,
        TunErspanHwid,
        TunGtpuFlags,
        TunGtpuMsgtype,
        TunFlags,
    ]
};
const ADDRESSES: &[FieldId] = {
    use FieldId::*;
    &[
        Ipv6Src, Ipv6Dst, Ipv6Label, ArpSpa, ArpTpa, NshFlags, NshTtl, NshMdtype, NshNp, NshSpi,
        NshSi, NshC1, NshC2, NshC3, NshC4, Ipv4Src, Ipv4Dst,
    ]
};
const LAST: &[FieldId] = {
    use FieldId::*;
    &[
        ArpSha,
        ArpTha,
        IpTos,
        IpEcn,
        IpTtl,
        MplsLabel,
        MplsTc,
        MplsTtl,
        MplsBos,
        IpFrag,
        Icmpv4Type,
        Icmpv4Code,
        Icmpv6Type,
        Icmpv6Code,
        NdTarget,
        NdSll,
        NdTll,
        NdReserved,
        NdOptionsType,
        TcpSrc,
        TcpDst,
        UdpSrc,
        UdpDst,
        SctpSrc,
        SctpDst,
        TcpFlags,
    ]
};

/// Writes a match as `ovs-ofctl` does, and the priority before it unless it is the default.
#[must_use]
pub fn match_text(matching: &FlowMatch, priority: u16) -> String {
    let mut text = String::new();
    put(&mut text, Version::V10.into(), matching, priority);
    text
}

/// Like [`match_text`], in a style.
#[must_use]
pub fn match_text_in<'a>(
    style: impl Into<Style<'a>>,
    matching: &FlowMatch,
    priority: u16,
) -> String {
    let mut text = String::new();
    put(&mut text, style.into(), matching, priority);
    text
}

/// Like [`match_text`], behind a text, in a style.
pub(super) fn put(text: &mut String, style: Style<'_>, matching: &FlowMatch, priority: u16) {
    let start = text.len();
    let names = style.names;
    if priority != DEFAULT_PRIORITY {
        let _ = write!(text, "priority={priority},");
    }
    put_all(text, names, matching, FIRST);
    let word = word(matching);
    if let Some((name, ..)) = word {
        let _ = write!(text, "{name},");
    }
    let registers: Vec<FieldId> = (0..16).filter_map(FieldId::reg).collect();
    put_all(text, names, matching, &registers);
    put_all(text, names, matching, TUNNEL);
    for option in matching.options() {
        let _ = match value::option_text(option) {
            value if value.is_empty() => write!(text, "{},", option.field().info().name),
            value => write!(text, "{}={value},", option.field().info().name),
        };
    }
    put_all(text, names, matching, &[FieldId::Metadata, FieldId::InPortOxm]);
    put_vlan(text, matching);
    put_all(text, names, matching, &[FieldId::EthSrc, FieldId::EthDst]);
    if word.is_none() && matching.mask().is_exact(FieldId::EthType) {
        let _ = write!(text, "dl_type=0x{:04x},", matching.key().get(FieldId::EthType));
    }
    put_all(text, names, matching, ADDRESSES);
    if word.is_none_or(|(_, _, proto)| proto.is_none()) {
        put_all(text, names, matching, &[FieldId::IpProto, FieldId::ArpOp]);
    }
    put_all(text, names, matching, LAST);
    if text.len() > start && text.ends_with(',') {
        text.pop();
    }
}

/// The word for EtherType and protocol.
fn word(matching: &FlowMatch) -> Option<(&'static str, u16, Option<u8>)> {
    if !matching.mask().is_exact(FieldId::EthType) {
        return None;
    }
    let ethertype = matching.key().get(FieldId::EthType);
    let proto = matching.mask().is_exact(FieldId::IpProto);
    let proto = proto.then(|| matching.key().get(FieldId::IpProto));
    let fits = |above: Option<u8>| above.is_none_or(|above| proto == Some(above.into()));
    let known =
        PROTOCOLS.iter().filter(|(_, low, above)| u128::from(*low) == ethertype && fits(*above));
    known.copied().max_by_key(|(name, _, above)| (above.is_some(), !matches!(*name, "ip4" | "ip6")))
}

fn put_all(text: &mut String, names: &Names, matching: &FlowMatch, fields: &[FieldId]) {
    for field in fields {
        let mask = matching.mask().get(*field);
        if mask == 0 || !matching.allows(*field) {
            continue;
        }
        let bits = matching.key().get(*field);
        let _ = match field {
            FieldId::IpTos if mask & 0xfc == 0 => Ok(()),
            FieldId::IpTos => write!(text, "nw_tos={},", bits & 0xfc),
            // Alone among its kind, decimal.
            FieldId::CtZone => write!(text, "ct_zone={bits},"),
            FieldId::Ipv6Label if mask == field.info().ones() => {
                write!(text, "ipv6_label=0x{bits:05x},")
            }
            FieldId::Ipv6Label => write!(text, "ipv6_label=0x{bits:05x}/0x{mask:05x},"),
            _ => write!(text, "{}={},", name(*field), value::text(names, *field, bits, mask)),
        };
    }
}

/// The older names, which Open vSwitch prints.
fn name(field: FieldId) -> &'static str {
    use FieldId::*;
    match field {
        InPortOxm => "in_port",
        EthSrc => "dl_src",
        EthDst => "dl_dst",
        Ipv4Src => "nw_src",
        Ipv4Dst => "nw_dst",
        IpFrag => "nw_frag",
        TcpSrc | UdpSrc | SctpSrc => "tp_src",
        TcpDst | UdpDst | SctpDst => "tp_dst",
        Icmpv6Type => "icmp_type",
        Icmpv6Code => "icmp_code",
        _ => field.info().name,
    }
}

fn put_vlan(text: &mut String, matching: &FlowMatch) {
    let mask = matching.mask().get(FieldId::VlanTci);
    let tci = matching.key().get(FieldId::VlanTci);
    let present = u128::from(TAG_PRESENT);
    let (vid_mask, pcp_mask) = (mask & 0xfff, mask & 0xe000);
    let plain = matches!(vid_mask, 0 | 0xfff) && matches!(pcp_mask, 0 | 0xe000);
    let _ = match mask {
        0 => Ok(()),
        _ if tci & present != 0 && plain && vid_mask | pcp_mask != 0 => {
            if vid_mask != 0 {
                let _ = write!(text, "dl_vlan={},", tci & 0xfff);
            }
            if pcp_mask != 0 {
                let _ = write!(text, "dl_vlan_pcp={},", tci >> 13);
            }
            Ok(())
        }
        0xffff => write!(text, "vlan_tci=0x{tci:04x},"),
        _ => write!(text, "vlan_tci=0x{tci:04x}/0x{mask:04x},"),
    };
}

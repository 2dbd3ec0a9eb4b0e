//! A flow of the datapath, printed.
//!
//! # Design
//! A header is printed if the mask looks at a field of it, with those fields; one table has headers and
//! fields in order. Below a VLAN tag, what follows is in `encap(…)`, as Open vSwitch nests it.

use std::fmt::Write as _;

use packet::flow::{FieldId, FlowMask, KeyVlan, OptionTable, Prereq};
use packet::vlan::TAG_PRESENT;
use packet::{FlowKey, MacAddr};

/// How a field's value is written.
#[derive(Clone, Copy)]
enum As {
    Decimal,
    Hex,
    Mac,
    Ipv4,
    Ipv6,
    Flags,
    Frag,
}

/// A header: when it is there, its name, its fields.
type Header = (Prereq, &'static str, &'static [(&'static str, FieldId, As)]);

/// Headers above Ethernet and its tags, in the order in which they are printed.
const HEADERS: &[Header] = &[
    (
        Prereq::Mpls,
        "mpls",
        &[
            ("label", FieldId::MplsLabel, As::Decimal),
            ("tc", FieldId::MplsTc, As::Decimal),
            ("ttl", FieldId::MplsTtl, As::Decimal),
            ("bos", FieldId::MplsBos, As::Decimal),
        ],
    ),
    (
        Prereq::Ipv4,
        "ipv4",
        &[
            ("src", FieldId::Ipv4Src, As::Ipv4),
            ("dst", FieldId::Ipv4Dst, As::Ipv4),
            ("proto", FieldId::IpProto, As::Decimal),
            ("tos", FieldId::IpTos, As::Hex),
            ("ttl", FieldId::IpTtl, As::Decimal),
            ("frag", FieldId::IpFrag, As::Frag),
        ],
    ),
    (
        Prereq::Ipv6,
        "ipv6",
        &[
            ("src", FieldId::Ipv6Src, As::Ipv6),
            ("dst", FieldId::Ipv6Dst, As::Ipv6),
            ("label", FieldId::Ipv6Label, As::Hex),
            ("proto", FieldId::IpProto, As::Decimal),
            ("tclass", FieldId::IpTos, As::Hex),
            ("hlimit", FieldId::IpTtl, As::Decimal),
            ("frag", FieldId::IpFrag, As::Frag),
        ],
    ),
    (
        Prereq::Arp,
        "arp",
        &[
            ("sip", FieldId::ArpSpa, As::Ipv4),
            ("tip", FieldId::ArpTpa, As::Ipv4),
            ("op", FieldId::ArpOp, As::Decimal),
            ("sha", FieldId::ArpSha, As::Mac),
            ("tha", FieldId::ArpTha, As::Mac),
        ],
    ),
    (
        Prereq::Tcp,
        "tcp",
        &[("src", FieldId::TcpSrc, As::Decimal), ("dst", FieldId::TcpDst, As::Decimal)],
    ),
    (Prereq::Tcp, "tcp_flags", &[("", FieldId::TcpFlags, As::Flags)]),
    (
        Prereq::Udp,
        "udp",
        &[("src", FieldId::UdpSrc, As::Decimal), ("dst", FieldId::UdpDst, As::Decimal)],
    ),
    (
        Prereq::Sctp,
        "sctp",
        &[("src", FieldId::SctpSrc, As::Decimal), ("dst", FieldId::SctpDst, As::Decimal)],
    ),
    (
        Prereq::Icmpv4,
        "icmp",
        &[("type", FieldId::Icmpv4Type, As::Decimal), ("code", FieldId::Icmpv4Code, As::Decimal)],
    ),
    (
        Prereq::Icmpv6,
        "icmpv6",
        &[("type", FieldId::Icmpv6Type, As::Decimal), ("code", FieldId::Icmpv6Code, As::Decimal)],
    ),
    (
        Prereq::Nd,
        "nd",
        &[
            ("target", FieldId::NdTarget, As::Ipv6),
            ("sll", FieldId::NdSll, As::Mac),
            ("tll", FieldId::NdTll, As::Mac),
        ],
    ),
];

const ETHERNET: Header =
    (Prereq::None, "eth", &[("src", FieldId::EthSrc, As::Mac), ("dst", FieldId::EthDst, As::Mac)]);

/// Prints a flow: `recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth(…),…`. `port` names ports, and
/// `options` are those of tunnel headers that are fields.
#[must_use]
pub fn flow_text(
    (key, mask): (&FlowKey, &FlowMask),
    options: &OptionTable,
    port: &dyn Fn(u32) -> String,
) -> String {
    let recirc = key.get(FieldId::RecircId);
    let mut text = super::tunnel::match_text(key, mask, options);
    // Writing to a string does not fail.
    let _ = match recirc {
        0 => write!(text, "recirc_id(0)"),
        id => write!(text, "recirc_id({id:#x})"),
    };
    let _ = write!(text, ",in_port({}),packet_type(ns=0,id=0)", port(key.in_port()));
    push(&mut text, &header(&ETHERNET, key, mask));
    let n_nested = push_tags(&mut text, key, mask);
    let eth_type = key.eth_type().0;
    if !mask.is_wild(FieldId::EthType) {
        push(&mut text, &format!("eth_type(0x{eth_type:04x})"));
        for of in HEADERS.iter().filter(|(prereq, ..)| prereq.holds(key)) {
            push(&mut text, &header(of, key, mask));
        }
    }
    text.push_str(&")".repeat(n_nested));
    text
}

/// Adds a header behind a comma, unless a nesting has just begun.
fn push(text: &mut String, header: &str) {
    if header.is_empty() {
        return;
    }
    if !text.ends_with('(') {
        text.push(',');
    }
    text.push_str(header);
}

/// The tags, each with an `encap(` that is still open.
fn push_tags(text: &mut String, key: &FlowKey, mask: &FlowMask) -> usize {
    let (outer, inner) = (key.outer_vlan(), key.inner_vlan());
    let masks = [mask.get(FieldId::VlanTci), u128::from(inner_tci_mask(mask))];
    let mut n = 0;
    for (tag, mask) in [outer, inner].into_iter().zip(masks) {
        let mask = u16::try_from(mask).unwrap_or(u16::MAX);
        if tag.tci & TAG_PRESENT == 0 || mask == 0 {
            break;
        }
        push(text, &format!("eth_type(0x{:04x})", tag.tpid));
        push(text, &format!("vlan({})", tag_text(tag, mask)));
        text.push_str(",encap(");
        n += 1;
    }
    n
}

fn inner_tci_mask(mask: &FlowMask) -> u16 {
    u16::try_from(mask.word(packet::flow::place::VLAN) >> 16 & 0xffff).unwrap_or(0)
}

fn tag_text(tag: KeyVlan, mask: u16) -> String {
    let part = |name: &str, shift: u32, ones: u16| {
        let (value, mask) = (tag.tci >> shift & ones, mask >> shift & ones);
        match mask {
            0 => String::new(),
            mask if mask == ones => format!("{name}={value}"),
            mask => format!("{name}={value}/0x{mask:x}"),
        }
    };
    let parts = [part("vid", 0, 0xfff), part("pcp", 13, 7)];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(",")
}

/// `name(field=value,…)`, or nothing.
fn header((_, name, fields): &Header, key: &FlowKey, mask: &FlowMask) -> String {
    let parts: Vec<String> = fields
        .iter()
        .filter(|(_, field, _)| !mask.is_wild(*field))
        .map(|(label, field, style)| {
            let (value, bits) = (key.get(*field), mask.get(*field));
            let ones = field.info().ones();
            let value = written(value, *style);
            let value = if bits & ones == ones || matches!(style, As::Frag) {
                value
            } else {
                format!("{value}/{}", mask_text(bits, *style))
            };
            if label.is_empty() { value } else { format!("{label}={value}") }
        })
        .collect();
    if parts.is_empty() { String::new() } else { format!("{name}({})", parts.join(",")) }
}

fn written(value: u128, style: As) -> String {
    let low = u64::try_from(value & u128::from(u64::MAX)).unwrap_or(0);
    let word = u32::try_from(low & 0xffff_ffff).unwrap_or(0);
    match style {
        As::Decimal => value.to_string(),
        As::Hex | As::Flags => format!("{value:#x}"),
        As::Mac => MacAddr::from_u64(low).to_string(),
        As::Ipv4 => std::net::Ipv4Addr::from_bits(word).to_string(),
        As::Ipv6 => std::net::Ipv6Addr::from_bits(value).to_string(),
        As::Frag => match low {
            0 => "no",
            1 => "first",
            _ => "later",
        }
        .to_owned(),
    }
}

fn mask_text(mask: u128, style: As) -> String {
    match style {
        As::Decimal | As::Hex | As::Flags => format!("{mask:#x}"),
        other => written(mask, other),
    }
}

/// The headers that a write touches, for `set(…)`: of those that share their places, that of the
/// protocol in `of`.
#[must_use]
pub fn set_texts(key: &FlowKey, mask: &FlowMask, of: &FlowKey) -> Vec<String> {
    let mut texts = vec![header(&ETHERNET, key, mask)];
    let tci = u16::try_from(mask.get(FieldId::VlanTci)).unwrap_or(0) & !TAG_PRESENT;
    if tci != 0 {
        texts.push(format!("vlan({})", tag_text(key.outer_vlan(), tci)));
    }
    let applies = HEADERS.iter().filter(|(prereq, ..)| prereq.holds(of));
    texts.extend(applies.map(|of| header(of, key, mask)));
    texts.retain(|text| !text.is_empty());
    texts
}

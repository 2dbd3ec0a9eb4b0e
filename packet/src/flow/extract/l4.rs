//! Transport headers, ICMP and neighbour discovery into a key.

use crate::flow::key::FlowKey;
use crate::flow::place;
use crate::flow::prereq::{ND_ADVERT, ND_SOLICIT};
use crate::ip::IpProto;
use crate::{MacAddr, tcp, udp};

/// Bytes of an SCTP header (RFC 9260 §3.1).
const SCTP_LEN: usize = 12;

/// Bytes of an ICMP or IGMP header before it counts: type, code, checksum, and four of the message.
const ICMP_LEN: usize = 8;

/// Option of neighbour discovery: the sender's link-layer address (RFC 4861 §4.6.1).
const SOURCE_LINK: u8 = 1;
/// Option of neighbour discovery: the target's link-layer address.
const TARGET_LINK: u8 = 2;

/// `L4` of a key.
fn word(src: u16, dst: u16, flags: u16) -> u64 {
    u64::from(src) << 48 | u64::from(dst) << 32 | u64::from(flags) << 16
}

/// Reads the header of `proto`, if its fixed part is whole.
#[inline]
pub(super) fn read(proto: u8, segment: &[u8], key: &mut FlowKey) {
    match IpProto(proto) {
        IpProto::TCP => tcp(segment, key),
        IpProto::UDP => ports(segment, udp::HEADER_LEN, key),
        IpProto::SCTP => ports(segment, SCTP_LEN, key),
        IpProto::ICMP | IpProto::IGMP => drop(icmp(segment, key)),
        IpProto::ICMPV6 => icmpv6(segment, key),
        _ => {}
    }
}

#[inline]
fn tcp(segment: &[u8], key: &mut FlowKey) {
    let Some(header) = segment.first_chunk::<{ tcp::MIN_HEADER_LEN }>() else { return };
    let [s0, s1, d0, d1, .., f0, f1, _, _, _, _, _, _] = *header;
    let len = usize::from(f0 >> 4) * 4;
    if !(tcp::MIN_HEADER_LEN..=segment.len()).contains(&len) {
        return;
    }
    let flags = u16::from_be_bytes([f0, f1]) & 0xfff;
    key.put_word(
        place::L4,
        word(u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]), flags),
    );
}

#[inline]
fn ports(segment: &[u8], len: usize, key: &mut FlowKey) {
    if let (Some(&[s0, s1, d0, d1]), true) = (segment.first_chunk(), segment.len() >= len) {
        let (src, dst) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
        key.put_word(place::L4, word(src, dst, 0));
    }
}

/// Type and code; gives them too.
fn icmp(message: &[u8], key: &mut FlowKey) -> Option<(u8, u8)> {
    let [kind, code, ..] = *message.first_chunk::<ICMP_LEN>()?;
    key.put_word(place::L4, word(kind.into(), code.into(), 0));
    Some((kind, code))
}

/// ICMPv6; and of neighbour discovery (RFC 4861 §4.3, §4.4) the target and link-layer addresses. A
/// link-layer address that is given twice makes the message speak of no target.
fn icmpv6(message: &[u8], key: &mut FlowKey) {
    let Some((ND_SOLICIT | ND_ADVERT, 0)) = icmp(message, key) else { return };
    let Some((&[_, _, _, _, r0, r1, r2, r3], rest)) = message.split_first_chunk() else { return };
    let reserved = u64::from(u32::from_be_bytes([r0, r1, r2, r3])) << 32;
    key.put_word(place::ND_MORE, reserved);
    let Some((target, options)) = rest.split_first_chunk::<16>() else { return };
    let links = Links::read(options);
    key.put_word(place::ND_MORE, reserved | u64::from(links.first));
    if links.is_doubled {
        return;
    }
    let ([high, low], _) = target.as_chunks::<8>() else { return };
    key.put_word(place::ND_TARGET, u64::from_be_bytes(*high));
    key.put_word(place::ND_TARGET + 1, u64::from_be_bytes(*low));
    key.put_word(place::ARP_SHA, links.source.to_u64() << 16);
    key.put_word(place::ARP_THA, links.target.to_u64() << 16);
}

/// The link-layer addresses of neighbour discovery, zero if there is none.
#[derive(Default)]
struct Links {
    source: MacAddr,
    target: MacAddr,
    /// Type of the first such option.
    first: u8,
    /// Whether one is there twice, and no longer to be trusted.
    is_doubled: bool,
}

impl Links {
    /// Reads options up to one that contradicts itself.
    fn read(mut options: &[u8]) -> Links {
        let mut links = Links::default();
        while let Some(&[kind, len, a, b, c, d, e, f]) = options.first_chunk() {
            let rest = options.split_at_checked(usize::from(len) * 8);
            let Some((_, rest)) = rest.filter(|_| len != 0) else { break };
            let slot = match (kind, len) {
                (SOURCE_LINK, 1) => Some(&mut links.source),
                (TARGET_LINK, 1) => Some(&mut links.target),
                _ => None,
            };
            if let Some(slot) = slot {
                if *slot != MacAddr::ZERO {
                    links.is_doubled = true;
                    break;
                }
                *slot = MacAddr([a, b, c, d, e, f]);
                if links.first == 0 {
                    links.first = kind;
                }
            }
            options = rest;
        }
        links
    }
}

//! IPv4 and IPv6 headers into a key.

use super::MAX_EXTENSIONS;
use crate::flow::key::{FRAG_ANY, FRAG_LATER, FlowKey};
use crate::flow::place;
use crate::ipv4::MIN_HEADER_LEN;
use crate::ipv6::{AUTHENTICATION, DESTINATION_OPTIONS, FRAGMENT, HEADER_LEN, HOP_BY_HOP, ROUTING};

/// An IP header that counts.
pub(super) struct IpHeader {
    /// The protocol above.
    pub proto: u8,
    /// Where it begins.
    pub l4: usize,
    /// Where the packet ends, by its own claim; not before `l4`, not behind the frame's end.
    pub end: usize,
    /// Whether it is a later fragment.
    pub is_later: bool,
}

/// `IP` of a key, but for the flow label.
fn word(proto: u8, tos: u8, ttl: u8, frag: u8) -> u64 {
    u32::from_be_bytes([proto, tos, ttl, frag]).into()
}

/// IPv4 (RFC 791 §3.1); its version is what the EtherType says.
#[inline]
pub(super) fn v4(packet: &[u8], key: &mut FlowKey) -> Option<IpHeader> {
    const MORE_FRAGMENTS: u8 = 0x20;
    let header = packet.first_chunk::<MIN_HEADER_LEN>()?;
    let [ihl, tos, l0, l1, _, _, f0, f1, ttl, proto, _, _, rest @ ..] = *header;
    let l4 = usize::from(ihl & 0xf) * 4;
    let end = usize::from(u16::from_be_bytes([l0, l1]));
    if l4 < MIN_HEADER_LEN || l4 > end || end > packet.len() {
        return None;
    }
    let is_later = f0 & 0x1f != 0 || f1 != 0;
    let frag = match (is_later, f0 & MORE_FRAGMENTS) {
        (false, 0) => 0,
        (false, _) => FRAG_ANY,
        (true, _) => FRAG_ANY | FRAG_LATER,
    };
    key.put_word(place::IPV4, u64::from_be_bytes(rest));
    key.put_word(place::IP, word(proto, tos, ttl, frag));
    Some(IpHeader { proto, l4, end, is_later })
}

/// IPv6 (RFC 8200 §3) and its extension headers.
#[inline]
pub(super) fn v6(packet: &[u8], key: &mut FlowKey) -> Option<IpHeader> {
    let header = packet.first_chunk::<HEADER_LEN>()?;
    let [v0, v1, v2, v3, l0, l1, next, hops, addresses @ ..] = header;
    let end = HEADER_LEN + usize::from(u16::from_be_bytes([*l0, *l1]));
    let own = packet.get(..end)?;
    let first = u32::from_be_bytes([*v0, *v1, *v2, *v3]);
    let (words, _) = addresses.as_chunks::<8>();
    for (at, word) in (place::IPV6_SRC..).zip(words) {
        key.put_word(at, u64::from_be_bytes(*word));
    }
    let label = u64::from(first & 0xf_ffff) << 32;
    key.put_word(place::IP, label);
    let chain = walk(own, *next)?;
    let [_, tos, ..] = (first >> 4).to_be_bytes();
    key.put_word(place::IP, label | word(chain.proto, tos, *hops, chain.frag));
    let is_later = chain.frag & FRAG_LATER != 0;
    Some(IpHeader { proto: chain.proto, l4: chain.l4, end, is_later })
}

struct Chain {
    proto: u8,
    l4: usize,
    frag: u8,
}

/// Walks the extension headers; `None` if one is cut short, or there are too many.
fn walk(packet: &[u8], mut next: u8) -> Option<Chain> {
    let (mut l4, mut frag) = (HEADER_LEN, 0);
    for _ in 0..=MAX_EXTENSIONS {
        let known =
            matches!(next, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS);
        if !known {
            return Some(Chain { proto: next, l4, frag });
        }
        let header = packet.get(l4..)?;
        let [following, len, f0, f1, ..] = *header.first_chunk::<8>()?;
        let len = match next {
            FRAGMENT => 8,
            AUTHENTICATION => (usize::from(len) + 2) * 4,
            _ => (usize::from(len) + 1) * 8,
        };
        header.get(..len)?;
        l4 += len;
        if next == FRAGMENT && (f0, f1) != (0, 0) {
            frag = FRAG_ANY;
            if u16::from_be_bytes([f0, f1]) >> 3 != 0 {
                return Some(Chain { proto: FRAGMENT, l4, frag: FRAG_ANY | FRAG_LATER });
            }
        }
        next = following;
    }
    None
}

//! From a frame to its key.
//!
//! # Design
//! [`headers`] reads each header once, front to back, into a key whose owner has noted already where
//! the packet came from. It stops where it can read no further: what could not be read stays zero, so
//! a truncated frame is no error but a key with less in it, and rules without that field still see it.
//! [`Depth`] says how far to read: a table that only asks for Ethernet costs no look at IP.
//!
//! Which lies are believed is part of the contract, because the same frame must look the same to every
//! table and to whoever compares this switch with Open vSwitch. It does as Open vSwitch's
//! `flow_extract`:
//! - An IP header counts only if the lengths that it claims fit the frame; otherwise there is an
//!   EtherType and nothing of layer 3. What lies behind the end that it claims is padding.
//! - A later fragment has no layer 4. A first fragment has. The protocol of a later IPv6 fragment is
//!   that of the fragment header, since nobody knows what follows.
//! - A layer 4 header counts only if its fixed part is whole, and that of TCP with its options.
//! - Below 0x600 the EtherType is a length: LLC with SNAP names the type, otherwise it is
//!   [`TYPE_NONE`].
//! - IP below an MPLS label stack is not looked at.
//!
//! It departs from Open vSwitch in one point: of IPv6 extension headers, at most
//! [`MAX_EXTENSIONS`] are walked, and a longer chain counts as cut short.
//!
//! # Invariants
//! No byte outside of the frame, or behind the end that IP claims, is ever read. A word of the key is
//! written only if the depth covers its stage.

mod ip;
mod l4;
#[cfg(test)]
mod tests;

use super::field::FieldId;
use super::key::{FlowKey, KeyVlan};
use super::place::{self, STAGE_L3, STAGE_L4};
use super::words::WordSet;
use crate::arp::ArpMessage;
use crate::ethernet::{ADDRS_LEN, HEADER_LEN};
use crate::vlan::{TAG_LEN, TAG_PRESENT};
use crate::{EtherType, MacAddr};

pub use crate::ipv6::MAX_EXTENSIONS;

/// The EtherType of a frame that has a length in its place, and no SNAP header that names one.
pub const TYPE_NONE: EtherType = EtherType(0x05ff);

/// Labels that a key holds.
pub const MAX_LABELS: usize = 3;

/// The first EtherType that is not a length (IEEE 802.3-2018 §3.2.6).
const MIN_TYPE: u16 = 0x600;
/// LLC and SNAP of an encapsulated EtherType (RFC 1042).
const SNAP: [u8; 6] = [0xaa, 0xaa, 3, 0, 0, 0];

/// How deep a frame is read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Depth {
    /// Ethernet, VLAN, MPLS.
    L2,
    /// And IP, ARP, network services.
    L3,
    /// And transport, ICMP, neighbour discovery.
    L4,
}

impl Depth {
    /// What must be read to know these words.
    #[must_use]
    pub const fn of(words: WordSet) -> Depth {
        // The link-layer addresses of neighbour discovery lie in those of ARP.
        let deep = STAGE_L4.or(WordSet::range(place::ARP_SHA, place::ARP_THA + 1));
        if !words.and(deep).is_empty() {
            Depth::L4
        } else if !words.and(STAGE_L3).is_empty() {
            Depth::L3
        } else {
            Depth::L2
        }
    }
}

/// How many VLAN tags are looked through (Open vSwitch: `other_config:vlan-limit`). A tag beyond is
/// what the frame carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum VlanLimit {
    /// One.
    #[default]
    One,
    /// Two, as many as a key holds.
    Two,
}

/// Where the headers of a frame begin: byte offsets, where there is such a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Offsets {
    /// The MPLS label stack.
    pub mpls: Option<usize>,
    /// What the EtherType names, behind any labels.
    pub l3: Option<usize>,
    /// What follows an IP header that counts, and its extension headers.
    pub l4: Option<usize>,
}

/// Reads the headers of an Ethernet frame into `key`, whose words of layer 2 to 4 are zero.
#[inline]
pub fn headers(frame: &[u8], depth: Depth, limit: VlanLimit, key: &mut FlowKey) -> Offsets {
    let mut offsets = Offsets::default();
    let Some(header) = frame.first_chunk::<HEADER_LEN>() else { return offsets };
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *header;
    let dst = MacAddr([d0, d1, d2, d3, d4, d5]).to_u64() << 16;
    let src = MacAddr([s0, s1, s2, s3, s4, s5]).to_u64() << 16;
    key.put_word(place::ETH_SRC, src);
    let mut at = ADDRS_LEN;
    let mut ethertype = EtherType(u16::from_be_bytes([t0, t1]));
    if ethertype.is_vlan() {
        (at, ethertype) = tags(frame, limit, key);
    }
    at += 2;
    if ethertype.0 < MIN_TYPE {
        (at, ethertype) = snap(frame, at);
    }
    key.put_word(place::ETH_DST, dst | u64::from(ethertype.0));
    if ethertype.is_mpls() {
        offsets.mpls = Some(at);
        at += labels(&frame[at..], key);
    }
    offsets.l3 = Some(at);
    if depth >= Depth::L3 {
        offsets.l4 = network(ethertype, &frame[at..], depth, key).map(|l4| at + l4);
    }
    offsets
}

/// Reads tags; gives where the EtherType below them stands, and it. A tag that is cut short is not
/// looked through.
fn tags(frame: &[u8], limit: VlanLimit, key: &mut FlowKey) -> (usize, EtherType) {
    let mut at = ADDRS_LEN;
    let n_tags = match limit {
        VlanLimit::One => 1,
        VlanLimit::Two => 2,
    };
    for n in 0..n_tags {
        let Some(&[p0, p1, c0, c1, _, _]) = frame[at..].first_chunk() else { break };
        let tpid = u16::from_be_bytes([p0, p1]);
        if !EtherType(tpid).is_vlan() {
            break;
        }
        let vlan = KeyVlan { tpid, tci: u16::from_be_bytes([c0, c1]) | TAG_PRESENT };
        if n == 0 {
            key.set_outer_vlan(vlan)
        } else {
            key.set_inner_vlan(vlan)
        }
        at += TAG_LEN;
    }
    (at, EtherType(u16::from_be_bytes([frame[at], frame[at + 1]])))
}

/// The EtherType behind a length, and where its payload begins.
fn snap(frame: &[u8], at: usize) -> (usize, EtherType) {
    match frame[at..].first_chunk() {
        Some(&[a, b, c, d, e, f, t0, t1]) if [a, b, c, d, e, f] == SNAP => {
            let ethertype = u16::from_be_bytes([t0, t1]);
            (at + 8, EtherType(if ethertype < MIN_TYPE { TYPE_NONE.0 } else { ethertype }))
        }
        _ => (at, TYPE_NONE),
    }
}

/// Reads a label stack; gives its bytes. The stack ends with its bottom or with the frame.
fn labels(stack: &[u8], key: &mut FlowKey) -> usize {
    let (entries, _) = stack.as_chunks::<4>();
    let mut len = 0;
    for (n, entry) in entries.iter().enumerate() {
        let lse = u32::from_be_bytes(*entry);
        if n < MAX_LABELS {
            key.set_mpls_lse(n, lse);
        }
        len += 4;
        if lse & 0x100 != 0 {
            break;
        }
    }
    len
}

/// Reads what the EtherType names; gives where layer 4 begins, if there is one.
#[inline]
fn network(ethertype: EtherType, packet: &[u8], depth: Depth, key: &mut FlowKey) -> Option<usize> {
    let header = match ethertype {
        EtherType::IPV4 => ip::v4(packet, key)?,
        EtherType::IPV6 => ip::v6(packet, key)?,
        EtherType::ARP | EtherType::RARP => {
            arp(packet, key);
            return None;
        }
        EtherType::NSH => {
            nsh(packet, key);
            return None;
        }
        _ => return None,
    };
    if depth >= Depth::L4 && !header.is_later {
        l4::read(header.proto, &packet[header.l4..header.end], key);
    }
    Some(header.l4)
}

/// ARP of IPv4 over Ethernet. An opcode above 255 leaves the opcode zero.
fn arp(packet: &[u8], key: &mut FlowKey) {
    let Some(message) = ArpMessage::parse(packet) else { return };
    if message.operation() <= 0xff {
        key.set(FieldId::ArpOp, message.operation().into());
    }
    let (sender, target) = (message.sender_ip().to_bits(), message.target_ip().to_bits());
    key.put_word(place::IPV4, u64::from(sender) << 32 | u64::from(target));
    key.put_word(place::ARP_SHA, message.sender_mac.to_u64() << 16);
    key.put_word(place::ARP_THA, message.target_mac.to_u64() << 16);
}

/// Network service header (RFC 8300 §2.2), version 0; of context headers, those of fixed length.
fn nsh(packet: &[u8], key: &mut FlowKey) {
    const FIXED_CONTEXT: u8 = 1;
    const VARIABLE_CONTEXT: u8 = 2;
    const FIXED_LEN: usize = 24;
    let Some(&[a, b, mdtype, np, p0, p1, p2, si]) = packet.first_chunk() else { return };
    let len = usize::from(b & 0x3f) * 4;
    let is_bad_len = match mdtype {
        FIXED_CONTEXT => len != FIXED_LEN,
        VARIABLE_CONTEXT => len < 8,
        _ => false,
    };
    if a >> 6 != 0 || len > packet.len() || is_bad_len {
        return;
    }
    let ttl = (a & 0xf) << 2 | b >> 6;
    let flags = a >> 4 & 3;
    key.put_word(place::NSH, u64::from_be_bytes([flags, ttl, mdtype, np, p0, p1, p2, si]));
    let context = packet.get(8..FIXED_LEN).and_then(|context| context.as_chunks().0.first_chunk());
    if let (FIXED_CONTEXT, Some([high, low])) = (mdtype, context) {
        key.put_word(place::NSH_CONTEXT, u64::from_be_bytes(*high));
        key.put_word(place::NSH_CONTEXT + 1, u64::from_be_bytes(*low));
    }
}

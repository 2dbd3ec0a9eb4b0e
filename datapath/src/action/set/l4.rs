//! TCP, UDP, SCTP, ICMP and neighbour discovery, and the checksums over them.

use packet::checksum::Sum;
use packet::crc32c::crc32c;
use packet::flow::{FieldId, Prereq, place};
use packet::{EtherType, FlowKey, IpProto, icmp, tcp, udp};

use super::Edit;
use super::ip::changed;

/// Byte offset of the checksum of ICMP.
const ICMP_CHECKSUM: usize = 2;
/// Bytes of an ICMP message before it counts.
const ICMP_LEN: usize = icmp::HEADER_LEN + 4;
/// Bytes of an SCTP header, of which the checksum is the end (RFC 9260 §3.1).
const SCTP_LEN: usize = 12;
/// Byte offset of the reserved bits of neighbour discovery (RFC 4861 §4.3).
const ND_RESERVED: usize = 4;
/// Byte offset of its target.
const ND_TARGET: usize = 8;
/// Byte offset of its options.
const ND_OPTIONS: usize = 24;
/// Option: the sender's link-layer address (RFC 4861 §4.6.1).
const SOURCE_LINK: u8 = 1;
/// Option: the target's link-layer address.
const TARGET_LINK: u8 = 2;

/// What becomes of what a checksum covers.
struct Change {
    /// The pseudo-header.
    pseudo: Sum,
    /// The message.
    message: Sum,
}

impl Edit<'_> {
    /// What is above IP. `pseudo` is the change of the pseudo-header.
    pub(super) fn transport(&mut self, l3: usize, l4: usize, pseudo: Sum) {
        let Some(end) = self.ip_end(l3) else { return };
        let (old, new) = (self.old, self.new);
        let Some(message) = self.data.get_mut(l4..end) else { return };
        // Byte offset of the field, if the sum over this message is unfinished.
        let unfinished = self.unfinished.filter(|(start, _)| *start == l4).map(|(_, at)| at);
        let is_v6 = old.eth_type() == EtherType::IPV6;
        let (field, pseudo, message_change) = match old.ip_proto() {
            IpProto::TCP => {
                let change = ports(message, tcp::MIN_HEADER_LEN, (old, new));
                (tcp::CHECKSUM_OFFSET.into(), pseudo, change)
            }
            IpProto::UDP => {
                let change = ports(message, udp::HEADER_LEN, (old, new));
                (udp::CHECKSUM_OFFSET.into(), pseudo, change)
            }
            IpProto::ICMPV6 if is_v6 => (ICMP_CHECKSUM, pseudo, icmp(message, (old, new))),
            // Without a pseudo-header.
            IpProto::ICMP if !is_v6 => (ICMP_CHECKSUM, Sum::default(), icmp(message, (old, new))),
            IpProto::SCTP => {
                let is_whole = old.get(FieldId::IpFrag) == 0 && unfinished.is_none();
                return sctp(message, is_whole, (old, new));
            }
            _ => return,
        };
        let change = Change { pseudo, message: message_change };
        match unfinished {
            Some(at) => patch_unfinished(message, at, &change),
            None => patch(message, field, &change, old.ip_proto() == IpProto::UDP),
        }
    }
}

/// Patches a checksum. One of UDP that is zero is none, and none becomes zero.
fn patch(message: &mut [u8], at: usize, change: &Change, is_udp: bool) {
    if change.pseudo == Sum::default() && change.message == Sum::default() {
        return;
    }
    let Some(field) = message.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) else { return };
    let before = u16::from_be_bytes(*field);
    if is_udp && before == 0 {
        return;
    }
    let sum = change.pseudo.add(change.message).add_u16(!before);
    let after = match sum.finish() {
        0 if is_udp => 0xffff,
        after => after,
    };
    *field = after.to_be_bytes();
}

/// Patches the sum of the pseudo-header that stands in the field of an unfinished checksum.
fn patch_unfinished(message: &mut [u8], at: usize, change: &Change) {
    if change.pseudo != Sum::default()
        && let Some(field) = message.get_mut(at..).and_then(|rest| rest.first_chunk_mut())
    {
        *field = change.pseudo.add_u16(u16::from_be_bytes(*field)).fold().to_be_bytes();
    }
}

/// Overwrites bytes at an even offset, if they are there, and adds the change to `sum`.
fn overwrite(sum: Sum, message: &mut [u8], at: usize, bytes: &[u8]) -> Sum {
    let Some(field) = message.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) else {
        return sum;
    };
    let sum = changed(sum, field, bytes);
    field.copy_from_slice(bytes);
    sum
}

/// Whether a word is to change.
fn differs((old, new): (&FlowKey, &FlowKey), at: usize) -> bool {
    old.word(at) != new.word(at)
}

/// Ports, of a header that is whole.
fn ports(message: &mut [u8], header_len: usize, keys: (&FlowKey, &FlowKey)) -> Sum {
    if !differs(keys, place::L4) || message.len() < header_len {
        return Sum::default();
    }
    let [s0, s1, d0, d1, ..] = keys.1.word(place::L4).to_be_bytes();
    overwrite(Sum::default(), message, 0, &[s0, s1, d0, d1])
}

/// Ports, and the checksum over a whole message.
fn sctp(message: &mut [u8], is_whole: bool, keys: (&FlowKey, &FlowKey)) {
    if !differs(keys, place::L4) || message.len() < SCTP_LEN {
        return;
    }
    let carried = is_whole.then(|| take_crc(message)).flatten();
    let before = crc32c(message);
    // What follows needs no sum: the whole message is read.
    let _ = ports(message, SCTP_LEN, keys);
    if let Some(carried) = carried {
        let crc = carried ^ before ^ crc32c(message);
        let _ = overwrite(Sum::default(), message, SCTP_LEN - 4, &crc.to_le_bytes());
    }
}

/// The checksum of SCTP, which is zero when it is computed.
fn take_crc(message: &mut [u8]) -> Option<u32> {
    let field = message.get_mut(SCTP_LEN - 4..)?.first_chunk_mut::<4>()?;
    Some(u32::from_le_bytes(core::mem::take(field)))
}

/// ICMP of either version, of a header that is whole.
fn icmp(message: &mut [u8], keys: (&FlowKey, &FlowKey)) -> Sum {
    let (old, new) = keys;
    let mut sum = Sum::default();
    if message.len() < ICMP_LEN {
        return sum;
    }
    if differs(keys, place::L4) {
        let [_, kind, _, code, ..] = new.word(place::L4).to_be_bytes();
        sum = overwrite(sum, message, 0, &[kind, code]);
    }
    if Prereq::Nd.holds(old) {
        sum = discovery(sum, message, keys);
    }
    sum
}

/// Neighbour discovery: reserved bits, target, and link-layer addresses that are there.
fn discovery(mut sum: Sum, message: &mut [u8], keys: (&FlowKey, &FlowKey)) -> Sum {
    let (old, new) = keys;
    let [r0, r1, r2, r3, .., first] = new.word(place::ND_MORE).to_be_bytes();
    sum = overwrite(sum, message, ND_RESERVED, &[r0, r1, r2, r3]);
    let target = |key: &FlowKey| key.get(FieldId::NdTarget).to_be_bytes();
    let read = message.get(ND_TARGET..).and_then(|rest| rest.first_chunk());
    if read != Some(&target(old)) {
        return sum; // cut short, or contradicts itself: the key has no target
    }
    sum = overwrite(sum, message, ND_TARGET, &target(new));
    let (mut at, mut is_first) = (ND_OPTIONS, true);
    while let Some(&[kind, len, ..]) = message.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let link = match (kind, len) {
            (_, 0) => break,
            (SOURCE_LINK, 1) => place::ARP_SHA,
            (TARGET_LINK, 1) => place::ARP_THA,
            _ => {
                at += usize::from(len) * 8;
                continue;
            }
        };
        let [address @ .., _, _] = new.word(link).to_be_bytes();
        sum = overwrite(sum, message, at + 2, &address);
        if is_first {
            sum = overwrite(sum, message, at, &[first, len]);
        }
        (at, is_first) = (at + 8, false);
    }
    sum
}

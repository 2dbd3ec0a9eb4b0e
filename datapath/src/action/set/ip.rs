//! IPv4 and IPv6 headers.

use packet::EtherType;
use packet::checksum::Sum;
use packet::flow::{FieldId, place};
use packet::ipv6::{HEADER_LEN, is_source_routed};

use super::Edit;

/// Byte offset of the type of service.
const TOS: usize = 1;
/// Byte offset of the time to live.
const TTL: usize = 8;
/// Byte offset of the header's checksum.
const CHECKSUM: usize = 10;
/// Byte offset of the two addresses.
const ADDRESSES: usize = 12;
/// Byte offset of the hop limit.
const HOP_LIMIT: usize = 7;
/// Byte offset of the source address.
const V6_SRC: usize = 8;
/// Byte offset of the destination address.
const V6_DST: usize = 24;

/// Adds what becomes of bytes that stand at even offsets of what is summed.
pub(super) fn changed(sum: Sum, old: &[u8], new: &[u8]) -> Sum {
    let words = |bytes| {
        let (pairs, _): (&[[u8; 2]], _) = <[u8]>::as_chunks(bytes);
        pairs.iter().map(|pair| u16::from_be_bytes(*pair))
    };
    words(old).zip(words(new)).fold(sum, |sum, (old, new)| sum.sub_u16(old).add_u16(new))
}

impl Edit<'_> {
    /// An IP header that counts, and what is above it.
    pub(super) fn ip(&mut self) {
        let (Some(l3), Some(l4)) = (self.offsets.l3, self.offsets.l4) else { return };
        let is_v4 = self.old.eth_type() == EtherType::IPV4;
        let pseudo = if is_v4 { self.ipv4(l3) } else { self.ipv6(l3) };
        if !self.old.is_later_fragment() {
            self.transport(l3, l4, pseudo.unwrap_or_default());
        }
    }

    /// Gives the change of the pseudo-header.
    fn ipv4(&mut self, l3: usize) -> Option<Sum> {
        if !self.differs(place::IP) && !self.differs(place::IPV4) {
            return None;
        }
        let header = self.data.get_mut(l3..)?.first_chunk_mut::<20>()?;
        let before = *header;
        let [.., tos, ttl, _] = self.new.word(place::IP).to_be_bytes();
        (header[TOS], header[TTL]) = (tos, ttl);
        header[ADDRESSES..].copy_from_slice(&self.new.word(place::IPV4).to_be_bytes());
        let field = u16::from_be_bytes([header[CHECKSUM], header[CHECKSUM + 1]]);
        let sum = changed(Sum::default().add_u16(!field), &before, &header[..]);
        header[CHECKSUM..ADDRESSES].copy_from_slice(&sum.finish().to_be_bytes());
        Some(changed(Sum::default(), &before[ADDRESSES..], &header[ADDRESSES..]))
    }

    fn ipv6(&mut self, l3: usize) -> Option<Sum> {
        let addresses = place::IPV6_SRC..place::IPV6_DST + 2;
        if !self.differs(place::IP) && !addresses.clone().any(|at| self.differs(at)) {
            return None;
        }
        let covers_dst = !is_source_routed(self.data.get(l3..)?);
        let header = self.data.get_mut(l3..)?.first_chunk_mut::<HEADER_LEN>()?;
        let before = *header;
        let [.., tos, ttl, _] = self.new.word(place::IP).to_be_bytes();
        let label = u32::try_from(self.new.get(FieldId::Ipv6Label)).unwrap_or(0);
        let version = u32::from(header[0] & 0xf0) << 24;
        header[..4].copy_from_slice(&(version | u32::from(tos) << 20 | label).to_be_bytes());
        header[HOP_LIMIT] = ttl;
        for (bytes, at) in header[V6_SRC..].as_chunks_mut().0.iter_mut().zip(addresses) {
            *bytes = self.new.word(at).to_be_bytes();
        }
        let covered = if covers_dst { V6_SRC..HEADER_LEN } else { V6_SRC..V6_DST };
        Some(changed(Sum::default(), &before[covered.clone()], &header[covered]))
    }

    /// Where the packet ends, as its header says.
    pub(super) fn ip_end(&self, l3: usize) -> Option<usize> {
        let packet = self.data.get(l3..)?;
        let len = if self.old.eth_type() == EtherType::IPV4 {
            usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]))
        } else {
            HEADER_LEN + usize::from(u16::from_be_bytes([*packet.get(4)?, *packet.get(5)?]))
        };
        Some(l3 + len)
    }
}

//! What the outer headers take from the packet inside.
//!
//! # Design
//! One look at the headers gives all of it: what is inherited, and the hash that spreads the packets of
//! different flows over the ways of the network between (RFC 7348 §5: the UDP source port; RFC 8926
//! §3.3). The hash is over protocol, addresses and ports, of what is not IP over the Ethernet header.

use packet::flow::hash::WordHash;
use packet::ipv4::Ipv4Header;
use packet::ipv6::Ipv6Header;
use packet::layers::{IpLayers, L2};
use packet::{EtherType, Fragment, IpProto, ethernet, ipv4};

/// Seed of the hash: any; the same everywhere, so that a restart moves no flow.
const SEED: u64 = 0;

/// What is known of the packet inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Inner {
    /// The type of service and the time to live, if it is an IP packet.
    pub ip: Option<InnerIp>,
    /// Hash of the flow.
    pub hash: u64,
}

/// What is known of an IP packet inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct InnerIp {
    /// Byte offset of the header.
    pub l3: usize,
    /// IPv4 or IPv6.
    pub ethertype: EtherType,
    /// Type of service, or traffic class.
    pub tos: u8,
    /// Time to live, or hop limit.
    pub ttl: u8,
}

impl Inner {
    /// Looks into a frame.
    #[inline]
    pub fn read(frame: &[u8]) -> Inner {
        read_plain(frame).unwrap_or_else(|| Inner::read_any(frame))
    }

    #[inline(never)]
    fn read_any(frame: &[u8]) -> Inner {
        let Some(l2) = L2::parse(frame) else {
            return Inner { ip: None, hash: WordHash::new(SEED).finish() };
        };
        match read_ip(frame, &l2) {
            Some(inner) => inner,
            None => Inner { ip: None, hash: hash_ethernet(frame) },
        }
    }
}

/// Bytes of an Ethernet header, one of IPv4 and two ports.
const PLAIN_LEN: usize = ethernet::HEADER_LEN + ipv4::MIN_HEADER_LEN + 4;

/// What [`Inner::read_any`] says of most frames, at once: a whole packet of IPv4 without options, below
/// no tag.
#[inline]
fn read_plain(frame: &[u8]) -> Option<Inner> {
    const L3: usize = ethernet::HEADER_LEN;
    let head: &[u8; PLAIN_LEN] = frame.first_chunk()?;
    let is_plain = head[L3 - 2..=L3] == [0x08, 0x00, 0x45]
        && head[L3 + 6] & 0x3f | head[L3 + 7] == 0
        && matches!(IpProto(head[L3 + 9]), IpProto::TCP | IpProto::UDP | IpProto::SCTP);
    if !is_plain {
        return None;
    }
    let addresses = head[L3 + 12..].first_chunk()?;
    let ports = head[L3 + 20..].first_chunk()?;
    let upper = u64::from(head[L3 + 9]) << 32 | u64::from(u32::from_be_bytes(*ports));
    let hash = WordHash::new(SEED).add(u64::from_be_bytes(*addresses)).add(upper);
    let (ethertype, tos, ttl) = (EtherType::IPV4, head[L3 + 1], head[L3 + 8]);
    Some(Inner { ip: Some(InnerIp { l3: L3, ethertype, tos, ttl }), hash: hash.finish() })
}

fn read_ip(frame: &[u8], l2: &L2) -> Option<Inner> {
    let layers = IpLayers::parse(frame, l2)?;
    let packet = frame.get(l2.l3..)?;
    let ip = |tos, ttl| InnerIp { l3: l2.l3, ethertype: l2.ethertype, tos, ttl };
    let (ip, hash) = if l2.ethertype == EtherType::IPV4 {
        let header = Ipv4Header::parse(packet)?;
        let (src, dst) = (header.src().to_bits(), header.dst().to_bits());
        let hash = WordHash::new(SEED).add(u64::from(src) << 32 | u64::from(dst));
        (ip(header.tos, header.ttl), hash)
    } else {
        let header = Ipv6Header::parse(packet)?;
        (ip(header.traffic_class(), header.hop_limit), hash_addresses(header))
    };
    let ports = match layers.proto {
        IpProto::TCP | IpProto::UDP | IpProto::SCTP if layers.fragment == Fragment::No => {
            let ports = frame.get(layers.l4..).and_then(|upper| upper.first_chunk::<4>());
            ports.map_or(0, |ports| u32::from_be_bytes(*ports))
        }
        _ => 0,
    };
    let hash = hash.add(u64::from(layers.proto.0) << 32 | u64::from(ports));
    Some(Inner { ip: Some(ip), hash: hash.finish() })
}

fn hash_addresses(header: &Ipv6Header) -> WordHash {
    [header.src(), header.dst()].into_iter().fold(WordHash::new(SEED), |hash, address| {
        let [high, low] = halves(address.to_bits());
        hash.add(high).add(low)
    })
}

#[allow(clippy::cast_possible_truncation, reason = "the halves are asked for")]
const fn halves(bits: u128) -> [u64; 2] {
    [(bits >> 64) as u64, bits as u64]
}

/// Addresses and EtherType.
fn hash_ethernet(frame: &[u8]) -> u64 {
    let word = |at: usize| {
        let bytes = frame.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u64::from_be_bytes(*bytes))
    };
    WordHash::new(SEED).add(word(0)).add(word(6)).finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_short_way_says_what_the_long_one_does(
            mut bytes in prop::collection::vec(any::<u8>(), 14..80), fragment: bool, proto in 0..4_usize,
        ) {
            let l3 = ethernet::HEADER_LEN;
            bytes[12..14].copy_from_slice(&[8, 0]);
            if let Some(header) = bytes.get_mut(l3..l3 + 10) {
                header[0] = 0x45;
                header[6..8].copy_from_slice(if fragment { &[0x20, 0] } else { &[0x40, 0] });
                header[9] = [1, 6, 17, 132][proto];
            }
            let plain = read_plain(&bytes);
            prop_assert_eq!(plain.is_some(), bytes.len() >= PLAIN_LEN && !fragment && proto > 0);
            prop_assert!(plain.is_none_or(|plain| plain == Inner::read_any(&bytes)));
        }
    }
}

//! The time to live of IPv4, and the hop limit of IPv6.

use packet::EtherType;
use packet::checksum::Sum;
use packet::flow::extract::{self, Depth, VlanLimit};
use packet::{FlowKey, ipv6};

use crate::frame::Frame;

/// Byte offset of the hop limit.
const HOP_LIMIT: usize = 7;

/// What became of a packet's time to live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ttl {
    /// One less, or the packet is not IP.
    Left,
    /// None would be left: nothing changed.
    Expired,
}

/// Takes one off.
#[must_use]
pub fn decrement(frame: &mut Frame) -> Ttl {
    let mut key = FlowKey::EMPTY;
    let offsets = extract::headers(frame.data(), Depth::L3, VlanLimit::Two, &mut key);
    let (Some(l3), Some(_), None) = (offsets.l3, offsets.l4, offsets.mpls) else {
        return Ttl::Left;
    };
    let Some(packet) = frame.data_mut().get_mut(l3..) else { return Ttl::Left };
    if key.eth_type() == EtherType::IPV4 {
        decrement_v4(packet)
    } else {
        let Some(header) = packet.first_chunk_mut::<{ ipv6::HEADER_LEN }>() else {
            return Ttl::Left;
        };
        match header[HOP_LIMIT] {
            0 | 1 => return Ttl::Expired,
            hops => header[HOP_LIMIT] = hops - 1,
        }
        Ttl::Left
    }
}

fn decrement_v4(packet: &mut [u8]) -> Ttl {
    let Some([_, _, _, _, _, _, _, _, ttl, proto, c0, c1]) = packet.first_chunk_mut() else {
        return Ttl::Left;
    };
    if *ttl <= 1 {
        return Ttl::Expired;
    }
    let word = |ttl| u16::from_be_bytes([ttl, *proto]);
    let sum = Sum::default().add_u16(!u16::from_be_bytes([*c0, *c1]));
    let sum = sum.sub_u16(word(*ttl)).add_u16(word(*ttl - 1));
    *ttl -= 1;
    [*c0, *c1] = sum.finish().to_be_bytes();
    Ttl::Left
}

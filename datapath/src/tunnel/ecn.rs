//! Congestion marks inside and outside (RFC 6040).
//!
//! # Design
//! On the way in the two bits are copied to the outer header, CE too (RFC 6040 §4.1, normal mode), so
//! that a queue on the way sees what the packet has seen. Linux and Open vSwitch still write ECT(0) for
//! CE there (RFC 3168 §9.1.1, full functionality); both forms are the same to who takes them off.
//!
//! On the way out (RFC 6040 §4.2, figure 4):
//!
//! | inside \ outside | Not-ECT | ECT(0) | ECT(1) | CE |
//! |---|---|---|---|---|
//! | Not-ECT | Not-ECT | Not-ECT | Not-ECT | dropped |
//! | ECT(0) | ECT(0) | ECT(0) | ECT(1) | CE |
//! | ECT(1) | ECT(1) | ECT(1) | ECT(1) | CE |
//! | CE | CE | CE | CE | CE |
//!
//! A frame that is no IP packet has no bits, and passes.

use packet::EtherType;
use packet::checksum::Sum;
use packet::ipv4::Ipv4Header;

use super::inner::InnerIp;

/// The two bits of a type of service.
pub(super) const ECN: u8 = 3;
const NOT_ECT: u8 = 0;
const ECT_1: u8 = 1;
const ECT_0: u8 = 2;
const CE: u8 = 3;

/// What the mark inside becomes; `None`: the packet is dropped.
pub(super) const fn merged(inner: u8, outer: u8) -> Option<u8> {
    match (inner & ECN, outer & ECN) {
        (NOT_ECT, CE) => None,
        (ECT_0 | ECT_1, CE) => Some(CE),
        (ECT_0, ECT_1) => Some(ECT_1),
        (inner, _) => Some(inner),
    }
}

/// Overwrites the mark of the packet inside.
pub(super) fn mark(frame: &mut [u8], ip: &InnerIp, ecn: u8) {
    let Some(packet) = frame.get_mut(ip.l3..) else { return };
    if ip.ethertype == EtherType::IPV4 {
        let Some(header) = Ipv4Header::parse_mut(packet) else { return };
        let (before, after) = (header.tos, header.tos & !ECN | ecn);
        let checksum = header.checksum.get();
        let sum = Sum::default().add_u16(!checksum).sub_u16(before.into()).add_u16(after.into());
        header.tos = after;
        header.checksum.set(sum.finish());
    } else if let Some(byte) = packet.get_mut(1) {
        // The low half of the traffic class lies in the high half of the second byte.
        *byte = *byte & !(ECN << 4) | ecn << 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_rfc() {
        let drop = None;
        let rows = [
            (NOT_ECT, [Some(NOT_ECT), Some(NOT_ECT), Some(NOT_ECT), drop]),
            (ECT_0, [Some(ECT_0), Some(ECT_0), Some(ECT_1), Some(CE)]),
            (ECT_1, [Some(ECT_1), Some(ECT_1), Some(ECT_1), Some(CE)]),
            (CE, [Some(CE), Some(CE), Some(CE), Some(CE)]),
        ];
        for (inner, row) in rows {
            for (outer, expected) in [NOT_ECT, ECT_0, ECT_1, CE].into_iter().zip(row) {
                // The six bits beside do not matter.
                assert_eq!(merged(inner | 0xa0, outer | 0x50), expected, "{inner} {outer}");
            }
        }
    }
}

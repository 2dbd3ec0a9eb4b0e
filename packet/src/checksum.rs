//! The Internet checksum: a ones-complement sum of 16-bit words (RFC 1071), and its pseudo-headers
//! (RFC 9293 §3.1, RFC 8200 §8.1).
//!
//! ```text
//! IPv4 pseudo-header:                 IPv6 pseudo-header:
//! +--------+--------+--------+------+ +---------------------------------+
//! |          Source Address         | |    Source Address (16 bytes)    |
//! +---------------------------------+ +---------------------------------+
//! |       Destination Address       | |  Destination Address (16 bytes) |
//! +--------+--------+---------------+ +---------------------------------+
//! |  zero  | Proto  | Upper length  | |       Upper length (4 bytes)    |
//! +--------+--------+---------------+ +------------------------+--------+
//!                                     |          zero          |  Next  |
//!                                     +------------------------+--------+
//! ```
//!
//! # Design
//! The sum does not depend on byte order (RFC 1071 §2 B), so long buffers are added as native 32-bit
//! words into several 64-bit lanes, which the compiler turns into vector code, and swapped once.

use core::net::{Ipv4Addr, Ipv6Addr};

use crate::ip::IpProto;

/// Bytes added per step of the inner loop.
const STRIDE: usize = 32;
const LANES: usize = STRIDE / 4;

/// A running ones-complement sum, not yet folded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[must_use]
pub struct Sum(u64);

impl Sum {
    /// Adds one 16-bit word.
    pub const fn add_u16(self, word: u16) -> Sum {
        Sum(self.0 + word as u64)
    }

    /// Adds another sum.
    #[allow(clippy::should_implement_trait, reason = "a const fn beside its like")]
    pub const fn add(self, other: Sum) -> Sum {
        Sum(self.0 + other.0)
    }

    /// Takes away one 16-bit word that was added: adds its complement (RFC 1624).
    pub const fn sub_u16(self, word: u16) -> Sum {
        self.add_u16(!word)
    }

    /// Adds bytes that begin at an even offset of the message; an odd last byte is padded with zero.
    pub fn add_bytes(self, bytes: &[u8]) -> Sum {
        self.add_u16(u16::from_be(fold(native(bytes))))
    }

    /// The sum in 16 bits, not complemented: what an unfinished checksum field holds.
    #[must_use]
    pub const fn fold(self) -> u16 {
        fold(self.0)
    }

    /// The complement: what a finished checksum field holds.
    #[must_use]
    pub const fn finish(self) -> u16 {
        !self.fold()
    }

    /// The pseudo-header of an upper packet of `len` bytes over IPv4.
    pub fn pseudo_v4(src: Ipv4Addr, dst: Ipv4Addr, proto: IpProto, len: u16) -> Sum {
        let sum = Sum::default().add_bytes(&src.octets()).add_bytes(&dst.octets());
        sum.add_u16(u16::from(proto.0)).add_u16(len)
    }

    /// The pseudo-header of an upper packet of `len` bytes over IPv6.
    pub fn pseudo_v6(src: Ipv6Addr, dst: Ipv6Addr, proto: IpProto, len: u32) -> Sum {
        let sum = Sum::default().add_bytes(&src.octets()).add_bytes(&dst.octets());
        sum.add_u16(u16::from(proto.0)).add_bytes(&len.to_be_bytes())
    }
}

/// Folds carries back in until 16 bits remain.
const fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let [.., high, low] = ((sum & 0xffff) + (sum >> 16)).to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// The sum of the bytes as native words. A lane overflows only beyond 2³² words.
fn native(bytes: &[u8]) -> u64 {
    let (strides, rest) = bytes.as_chunks::<STRIDE>();
    let mut lanes = [0_u64; LANES];
    for stride in strides {
        for (lane, word) in lanes.iter_mut().zip(stride.as_chunks::<4>().0) {
            *lane += u64::from(u32::from_ne_bytes(*word));
        }
    }
    let mut sum: u64 = 0;
    for lane in lanes {
        sum += (lane & 0xffff_ffff) + (lane >> 32);
    }
    let (words, rest) = rest.as_chunks::<2>();
    for word in words {
        sum += u64::from(u16::from_ne_bytes(*word));
    }
    match rest {
        [last] => sum + u64::from(u16::from_ne_bytes([*last, 0])),
        _ => sum,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 1071 as it stands: word by word, carry by carry.
    fn naive(bytes: &[u8]) -> u16 {
        let mut sum: u32 = 0;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::try_from(sum).unwrap()
    }

    #[test]
    fn the_example_of_rfc_1071() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::default().add_bytes(&bytes).fold(), 0xddf2);
        assert_eq!(Sum::default().add_bytes(&bytes).finish(), !0xddf2);
    }

    #[test]
    fn all_ones_do_not_overflow() {
        assert_eq!(Sum::default().add_bytes(&vec![0xff; 0x20000]).fold(), 0xffff);
        assert_eq!(Sum::default().finish(), 0xffff);
        assert_eq!(fold(u64::MAX), 0xffff);
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_sum(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0..300_usize) {
            prop_assert_eq!(Sum::default().add_bytes(&bytes).fold(), naive(&bytes));
            let at = at.min(bytes.len()) & !1;
            let (front, back) = bytes.split_at(at);
            prop_assert_eq!(Sum::default().add_bytes(front).add_bytes(back).fold(), naive(&bytes));
        }

        #[test]
        fn subtraction_undoes_addition(a: u16, b: u16) {
            let there_and_back = Sum::default().add_u16(a).add_u16(b).sub_u16(b).fold();
            // Zero has two forms.
            prop_assert_eq!(there_and_back % 0xffff, a % 0xffff);
        }

        #[test]
        fn pseudo_headers_agree_with_etherparse(
            src: [u8; 16], dst: [u8; 16], payload in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let udp = etherparse::UdpHeader {
                source_port: 1, destination_port: 2,
                length: u16::try_from(payload.len() + 8).unwrap(), checksum: 0,
            };
            let message = |pseudo: Sum| pseudo.add_bytes(&udp.to_bytes()).add_bytes(&payload).finish();
            let zero_is_ones = |sum: u16| if sum == 0 { 0xffff } else { sum };

            let v4 = |a: [u8; 16]| [a[0], a[1], a[2], a[3]];
            let pseudo = Sum::pseudo_v4(v4(src).into(), v4(dst).into(), IpProto::UDP, udp.length);
            let oracle = udp.calc_checksum_ipv4_raw(v4(src), v4(dst), &payload).unwrap();
            prop_assert_eq!(zero_is_ones(message(pseudo)), oracle);

            let pseudo = Sum::pseudo_v6(src.into(), dst.into(), IpProto::UDP, udp.length.into());
            let oracle = udp.calc_checksum_ipv6_raw(src, dst, &payload).unwrap();
            prop_assert_eq!(zero_is_ones(message(pseudo)), oracle);
        }
    }
}

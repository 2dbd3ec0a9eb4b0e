//! The Address Resolution Protocol for IPv4 over Ethernet (RFC 826).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------------------------------+-------------------------------+
//! |      Hardware type (1)        |     Protocol type (0x0800)    |
//! +---------------+---------------+-------------------------------+
//! | Hw length (6) | Pr length (4) |           Operation           |
//! +---------------+---------------+-------------------------------+
//! |                    Sender hardware address                    |
//! +                               +-------------------------------+
//! |                               | Sender protocol address       |
//! +-------------------------------+-------------------------------+
//! |   (sender protocol address)   |                               |
//! +-------------------------------+                               +
//! |                    Target hardware address                    |
//! +---------------------------------------------------------------+
//! |                    Target protocol address                    |
//! +---------------------------------------------------------------+
//! ```

use core::net::Ipv4Addr;

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::ethernet::EtherType;
use crate::mac::MacAddr;

/// Who has an address? (RFC 826)
pub const REQUEST: u16 = 1;
/// I have it.
pub const REPLY: u16 = 2;

const HARDWARE_ETHERNET: u16 = 1;

/// An ARP message for IPv4 over Ethernet.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct ArpMessage {
    hardware: U16,
    protocol: U16,
    hardware_len: u8,
    protocol_len: u8,
    operation: U16,
    /// Sender's hardware address.
    pub sender_mac: MacAddr,
    sender_ip: [u8; 4],
    /// Target's hardware address.
    pub target_mac: MacAddr,
    target_ip: [u8; 4],
}

impl ArpMessage {
    /// The message in the payload of an ARP frame; `None` if it is cut short or about other networks
    /// than IPv4 over Ethernet.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<&ArpMessage> {
        let (message, _padding) = ArpMessage::ref_from_prefix(payload).ok()?;
        let ours = message.hardware.get() == HARDWARE_ETHERNET
            && message.protocol.get() == EtherType::IPV4.0
            && (message.hardware_len, message.protocol_len) == (6, 4);
        ours.then_some(message)
    }

    /// [`REQUEST`], [`REPLY`] or another.
    #[must_use]
    pub const fn operation(&self) -> u16 {
        self.operation.get()
    }

    /// Sender's protocol address.
    #[must_use]
    pub const fn sender_ip(&self) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.sender_ip)
    }

    /// Target's protocol address.
    #[must_use]
    pub const fn target_ip(&self) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.target_ip)
    }

    /// Whether a host announces its own address, unasked: a broadcast reply, or a broadcast request
    /// for the sender's own address (RFC 5227 §3). `dst` is the frame's Ethernet destination.
    #[must_use]
    pub fn is_gratuitous(&self, dst: MacAddr) -> bool {
        dst.is_broadcast()
            && match self.operation() {
                REPLY => true,
                REQUEST => self.sender_ip == self.target_ip,
                _ => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(operation: u8, target_last: u8) -> [u8; 28] {
        let mut bytes = [0; 28];
        bytes[..16].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, operation, 2, 0, 0, 0, 0, 1, 10, 0]);
        bytes[16..].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, target_last]);
        bytes
    }

    #[test]
    fn fields_and_every_truncation() {
        let bytes = message(1, 9);
        for len in 0..bytes.len() {
            assert!(ArpMessage::parse(&bytes[..len]).is_none());
        }
        let arp = ArpMessage::parse(&bytes).unwrap();
        assert_eq!(arp.operation(), REQUEST);
        assert_eq!(arp.sender_mac, MacAddr([2, 0, 0, 0, 0, 1]));
        assert_eq!(arp.target_mac, MacAddr::ZERO);
        assert_eq!(arp.sender_ip(), Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(arp.target_ip(), Ipv4Addr::new(10, 0, 0, 9));
    }

    #[test]
    fn other_networks_are_not_ours() {
        for at in 0..6 {
            let mut bytes = message(1, 9);
            bytes[at] ^= 0x10;
            assert!(ArpMessage::parse(&bytes).is_none(), "byte {at}");
        }
    }

    #[test]
    fn gratuitous() {
        let is = |op, last, dst| ArpMessage::parse(&message(op, last)).unwrap().is_gratuitous(dst);
        assert!(is(2, 9, MacAddr::BROADCAST), "a broadcast reply");
        assert!(is(1, 1, MacAddr::BROADCAST), "a request for oneself");
        assert!(!is(1, 9, MacAddr::BROADCAST), "a plain request");
        assert!(!is(2, 1, MacAddr([2, 0, 0, 0, 0, 9])), "a plain reply");
        assert!(!is(3, 1, MacAddr::BROADCAST), "reverse ARP");
    }
}

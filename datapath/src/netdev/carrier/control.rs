//! Control messages beside datagrams, and socket addresses, as the kernel lays them out.
//!
//! ```text
//! +--------------------+-----------+-----------+--------------+---------+--
//! | length, with header| level     | kind      | data         | padding | next …
//! +--------------------+-----------+-----------+--------------+---------+--
//!   size_t               int         int                        to a size_t
//! ```
//!
//! # Design
//! Plain bytes, written and read here by safe code. The kernel's answer is believed as far as it
//! fits the buffer.
//!
//! # References
//! cmsg(3); `struct cmsghdr` of linux/socket.h; ip(7), ipv6(7).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of the length in front of a control message, to which it is aligned, too.
const WORD: usize = size_of::<usize>();
/// Bytes of the header of a control message.
const HEADER_LEN: usize = WORD + 8;
/// Room for the control messages of one datagram, bytes: five of the largest kind.
pub(super) const CONTROL_CAP: usize = 256;

/// The control messages of one datagram.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control {
    bytes: [u8; CONTROL_CAP],
    len: usize,
}

impl Control {
    /// None.
    pub(super) const fn new() -> Control {
        Control { bytes: [0; CONTROL_CAP], len: 0 }
    }

    /// Adds a message. One that finds no room is left out.
    pub(super) fn push(&mut self, level: i32, kind: i32, data: &[u8]) {
        let len = HEADER_LEN + data.len();
        let end = self.len + len.next_multiple_of(WORD);
        let Some(to) = self.bytes.get_mut(self.len..end) else { return };
        to[..WORD].copy_from_slice(&len.to_ne_bytes());
        to[WORD..WORD + 4].copy_from_slice(&level.to_ne_bytes());
        to[WORD + 4..HEADER_LEN].copy_from_slice(&kind.to_ne_bytes());
        to[HEADER_LEN..len].copy_from_slice(data);
        self.len = end;
    }

    /// Level, kind and data of each message.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i32, i32, &[u8])> {
        let mut rest = self.bytes.get(..self.len).unwrap_or_default();
        std::iter::from_fn(move || {
            let len = usize::from_ne_bytes(rest.get(..WORD)?.try_into().ok()?);
            let level = i32::from_ne_bytes(rest.get(WORD..WORD + 4)?.try_into().ok()?);
            let kind = i32::from_ne_bytes(rest.get(WORD + 4..HEADER_LEN)?.try_into().ok()?);
            let data = rest.get(HEADER_LEN..len)?;
            rest = rest.get(len.next_multiple_of(WORD)..).unwrap_or_default();
            Some((level, kind, data))
        })
    }

    /// The bytes to send.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// All of the room, for the kernel to write.
    pub(super) fn room_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The kernel wrote so many bytes.
    pub(super) fn set_len(&mut self, len: usize) {
        self.len = len.min(CONTROL_CAP);
    }
}

/// Room for a socket address, bytes (`struct sockaddr_in6`).
pub(super) const ADDRESS_CAP: usize = 28;
/// Bytes of `struct sockaddr_in`.
const V4_LEN: usize = 16;

/// A socket address.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Address {
    bytes: [u8; ADDRESS_CAP],
    len: usize,
}

impl Address {
    /// None.
    pub(super) const fn new() -> Address {
        Address { bytes: [0; ADDRESS_CAP], len: 0 }
    }

    /// Of an IP address and a port.
    pub(super) fn of(ip: IpAddr, port: u16) -> Address {
        let mut address = Address::new();
        let bytes = &mut address.bytes;
        bytes[2..4].copy_from_slice(&port.to_be_bytes());
        let (family, len) = match ip {
            IpAddr::V4(ip) => {
                bytes[4..8].copy_from_slice(&ip.octets());
                (libc::AF_INET, V4_LEN)
            }
            IpAddr::V6(ip) => {
                bytes[8..24].copy_from_slice(&ip.octets());
                (libc::AF_INET6, ADDRESS_CAP)
            }
        };
        bytes[..2].copy_from_slice(&u16::try_from(family).unwrap_or(0).to_ne_bytes());
        address.len = len;
        address
    }

    /// The IP address and port; `None` if it is another kind of address.
    pub(super) fn parse(&self) -> Option<(IpAddr, u16)> {
        let bytes = self.bytes.get(..self.len)?;
        let family = i32::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
        let port = u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?);
        let ip = if family == libc::AF_INET {
            IpAddr::from(<[u8; 4]>::try_from(bytes.get(4..8)?).ok()?)
        } else if family == libc::AF_INET6 {
            IpAddr::from(<[u8; 16]>::try_from(bytes.get(8..24)?).ok()?)
        } else {
            return None;
        };
        Some((ip, port))
    }

    /// The bytes to send to.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// All of the room, for the kernel to write.
    pub(super) fn room_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The kernel wrote so many bytes.
    pub(super) fn set_len(&mut self, len: usize) {
        self.len = len.min(ADDRESS_CAP);
    }
}

/// `struct in_pktinfo` that sends from `src`.
pub(super) fn pktinfo_v4(src: Ipv4Addr) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[4..8].copy_from_slice(&src.octets());
    bytes
}

/// `struct in6_pktinfo` that sends from `src`.
pub(super) fn pktinfo_v6(src: Ipv6Addr) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..16].copy_from_slice(&src.octets());
    bytes
}

/// The destination that a received packet's `struct in_pktinfo` or `in6_pktinfo` tells.
pub(super) fn destination(level: i32, data: &[u8]) -> Option<IpAddr> {
    if level == libc::IPPROTO_IP {
        return Some(IpAddr::from(<[u8; 4]>::try_from(data.get(8..12)?).ok()?));
    }
    Some(IpAddr::from(<[u8; 16]>::try_from(data.get(..16)?).ok()?))
}

/// A number of one byte or of four, which is how the kernel tells bytes of a header.
pub(super) fn number(data: &[u8]) -> Option<u32> {
    match *data {
        [byte] => Some(byte.into()),
        [a, b, c, d, ..] => Some(u32::from_ne_bytes([a, b, c, d])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_were_written() {
        let mut control = Control::new();
        control.push(0, 8, &pktinfo_v4(Ipv4Addr::new(10, 0, 0, 1)));
        control.push(0, 1, &[0x28]);
        control.push(17, 103, &1450u16.to_ne_bytes());
        let kinds: Vec<_> = control.iter().map(|(l, k, d)| (l, k, d.len())).collect();
        assert_eq!(kinds, [(0, 8, 12), (0, 1, 1), (17, 103, 2)]);
        assert_eq!(control.as_bytes().len() % WORD, 0);
    }

    #[test]
    fn no_length_that_the_kernel_may_tell_is_read_beyond() {
        let mut control = Control::new();
        control.push(0, 1, &[7]);
        for len in 0..=CONTROL_CAP + 9 {
            control.set_len(len);
            assert!(control.iter().count() <= CONTROL_CAP / HEADER_LEN);
        }
        for first in [0usize, 1, HEADER_LEN - 1, HEADER_LEN, 255, 256, 257, usize::MAX] {
            control.room_mut()[..WORD].copy_from_slice(&first.to_ne_bytes());
            control.set_len(CONTROL_CAP);
            assert!(control.iter().take(CONTROL_CAP).count() < CONTROL_CAP);
        }
        for _ in 0..30 {
            control.push(1, 1, &[0; 20]); // what has no room is left out
        }
        assert!(control.as_bytes().len() <= CONTROL_CAP);
    }

    #[test]
    fn addresses_of_both_versions() {
        for (ip, len) in [("10.1.2.3", 16), ("2001:db8::7", 28)] {
            let ip: IpAddr = ip.parse().unwrap();
            let address = Address::of(ip, 4789);
            assert_eq!((address.parse(), address.as_bytes().len()), (Some((ip, 4789)), len));
        }
        assert_eq!(Address::new().parse(), None);
    }

    #[test]
    fn numbers_and_destinations_of_any_length() {
        assert_eq!((number(&[5]), number(&9u32.to_ne_bytes())), (Some(5), Some(9)));
        assert_eq!((number(&[]), number(&[1, 2])), (None, None));
        for len in 0..20 {
            let data = vec![1; len];
            assert_eq!(destination(libc::IPPROTO_IP, &data).is_some(), len >= 12);
            assert_eq!(destination(libc::IPPROTO_IPV6, &data).is_some(), len >= 16);
        }
    }
}

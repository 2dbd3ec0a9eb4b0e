//! 48-bit MAC addresses (IEEE 802-2014 §8.2).

use core::fmt;
use core::str::FromStr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A 48-bit MAC address, as it stands on the wire.
///
/// # Legal values
/// All 2⁴⁸. Whether an address may be a *source* is asked by [`MacAddr::is_multicast`].
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(transparent)]
pub struct MacAddr(pub [u8; 6]);

/// Text that is not a MAC address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a MAC address (expected six hexadecimal bytes, as in 02:00:00:00:00:01)")]
pub struct ParseMacError(pub String);

impl MacAddr {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: MacAddr = MacAddr([0xff; 6]);
    /// `00:00:00:00:00:00`.
    pub const ZERO: MacAddr = MacAddr([0; 6]);

    /// The address in the low 48 bits of `bits`; the high 16 are ignored.
    #[must_use]
    pub const fn from_u64(bits: u64) -> MacAddr {
        let [_, _, a, b, c, d, e, f] = bits.to_be_bytes();
        MacAddr([a, b, c, d, e, f])
    }

    /// The address as the low 48 bits of a number, first byte highest.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// Group address: multicast or broadcast (IEEE 802-2014 §8.2.2, I/G bit).
    #[must_use]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// `ff:ff:ff:ff:ff:ff`.
    #[must_use]
    pub fn is_broadcast(self) -> bool {
        self == Self::BROADCAST
    }

    /// `01:80:c2:00:00:00` to `01:80:c2:00:00:0f`: addresses that a bridge keeps to itself
    /// (IEEE 802.1Q-2018 table 8-1).
    #[must_use]
    pub const fn is_reserved(self) -> bool {
        self.to_u64() & !0xf == 0x0180_c200_0000
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddr {
    type Err = ParseMacError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || ParseMacError(text.to_owned());
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().ok_or_else(fail)?;
            let hex = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit());
            if !hex {
                return Err(fail());
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| fail())?;
        }
        if parts.next().is_some() { Err(fail()) } else { Ok(MacAddr(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        let mac: MacAddr = "02:0A:ff:00:1:9c".parse().unwrap();
        assert_eq!(mac.to_string(), "02:0a:ff:00:01:9c");
        assert_eq!(MacAddr::from_u64(mac.to_u64()), mac);
    }

    #[test]
    fn bad_text_is_refused() {
        for text in
            ["", "02:00:00:00:00", "02:00:00:00:00:00:00", "02:00:00:00:00:0g", "+2:0:0:0:0:0"]
        {
            assert!(text.parse::<MacAddr>().is_err(), "{text}");
        }
    }

    #[test]
    fn reserved_addresses_are_sixteen() {
        assert!(MacAddr::from_u64(0x0180_c200_0000).is_reserved());
        assert!(MacAddr::from_u64(0x0180_c200_000f).is_reserved());
        assert!(!MacAddr::from_u64(0x0180_c200_0010).is_reserved());
        assert!(!MacAddr::from_u64(0x0180_c2ff_ffff).is_reserved());
    }
}

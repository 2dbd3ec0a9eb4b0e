//! GRE with a checksum (RFC 2784 §2), a key and a sequence number (RFC 2890 §2), around Ethernet.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-------------------+-----+-----------------------------+
//! |C|R|K|S|     Reserved0     | Ver |         Protocol Type         |
//! +-+-+-+-+-------------------+-----+-------------+---------------+
//! |      Checksum (optional)        |    Reserved1 (optional)     |
//! +---------------------------------+-----------------------------+
//! |                         Key (optional)                        |
//! +---------------------------------------------------------------+
//! |                    Sequence Number (optional)                 |
//! +---------------------------------------------------------------+
//! ```

use arrayvec::ArrayVec;

use super::TRANSPARENT_ETHERNET;

/// Bytes of a header without anything optional.
pub const MIN_HEADER_LEN: usize = 4;
/// Bytes of one with everything.
pub const MAX_HEADER_LEN: usize = 16;
/// Byte offset of the checksum, where there is one.
pub const CHECKSUM_OFFSET: usize = 4;

const CHECKSUM: u8 = 0x80;
/// The bit of the first byte that says: there is a key.
pub const KEY: u8 = 0x20;
const SEQUENCE: u8 = 0x10;
/// Bits 1, 4 and 5: routing, strict source route, and the first of recursion control. A packet with one
/// is refused by who does not do RFC 1701 (RFC 2784 §2.2); those behind them are ignored.
const REFUSED: u8 = 0x4c;
const VERSION: u8 = 0x07;

/// A header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Gre {
    /// The checksum as it stands there, if there is one: over header and payload.
    pub checksum: Option<u16>,
    /// The key, if there is one.
    pub key: Option<u32>,
    /// The sequence number, if there is one.
    pub sequence: Option<u32>,
}

impl Gre {
    /// The header at the start of `bytes`, and its length; `None` if it is cut short, of another
    /// version, with a route, or if something else than Ethernet follows.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<(Gre, usize)> {
        let [flags, version, p0, p1] = *bytes.first_chunk()?;
        if flags & REFUSED != 0
            || version & VERSION != 0
            || u16::from_be_bytes([p0, p1]) != TRANSPARENT_ETHERNET
        {
            return None;
        }
        let mut at = MIN_HEADER_LEN;
        let mut word = |bit: u8| -> Option<Option<u32>> {
            if flags & bit == 0 {
                return Some(None);
            }
            let word = bytes.get(at..)?.first_chunk()?;
            at += word.len();
            Some(Some(u32::from_be_bytes(*word)))
        };
        let checksum = word(CHECKSUM)?.map(|word| {
            let [high, low, ..] = word.to_be_bytes();
            u16::from_be_bytes([high, low])
        });
        let (key, sequence) = (word(KEY)?, word(SEQUENCE)?);
        Some((Gre { checksum, key, sequence }, at))
    }

    /// Bytes of the header.
    #[must_use]
    pub fn header_len(&self) -> usize {
        let n_words = usize::from(self.checksum.is_some())
            + usize::from(self.key.is_some())
            + usize::from(self.sequence.is_some());
        MIN_HEADER_LEN + 4 * n_words
    }

    /// The header's bytes.
    #[must_use]
    pub fn emit(&self) -> ArrayVec<u8, MAX_HEADER_LEN> {
        let flag = |is_there: bool, bit: u8| if is_there { bit } else { 0 };
        let flags = flag(self.checksum.is_some(), CHECKSUM)
            | flag(self.key.is_some(), KEY)
            | flag(self.sequence.is_some(), SEQUENCE);
        let [p0, p1] = TRANSPARENT_ETHERNET.to_be_bytes();
        let mut bytes = ArrayVec::new();
        bytes.extend([flags, 0, p0, p1]);
        if let Some(checksum) = self.checksum {
            bytes.extend(checksum.to_be_bytes());
            bytes.extend([0, 0]);
        }
        for word in [self.key, self.sequence].into_iter().flatten() {
            bytes.extend(word.to_be_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn every_header() -> impl Iterator<Item = Gre> {
        let option = |n: u32, bit: u32, value: u32| (n & bit != 0).then_some(value);
        (0..8).map(move |n| Gre {
            checksum: (n & 1 != 0).then_some(0x1234),
            key: option(n, 2, 0xdead_beef),
            sequence: option(n, 4, 99),
        })
    }

    #[test]
    fn the_bytes_of_the_rfcs() {
        assert_eq!(Gre::default().emit()[..], [0, 0, 0x65, 0x58]);
        let full = Gre { checksum: Some(0x1234), key: Some(5), sequence: Some(6) };
        let bytes = [0xb0, 0, 0x65, 0x58, 0x12, 0x34, 0, 0, 0, 0, 0, 5, 0, 0, 0, 6];
        assert_eq!(full.emit()[..], bytes);
    }

    #[test]
    fn every_combination_is_read_back_and_every_truncation_refused() {
        for header in every_header() {
            let bytes = header.emit();
            assert_eq!(Gre::parse(&bytes), Some((header, bytes.len())));
            assert_eq!(header.header_len(), bytes.len());
            for len in 0..bytes.len() {
                assert_eq!(Gre::parse(&bytes[..len]), None);
            }
        }
    }

    #[test]
    fn routes_versions_and_other_protocols_are_refused_and_reserved_bits_ignored() {
        for bit in 0..32 {
            let mut bytes = [0; MAX_HEADER_LEN];
            bytes[2..4].copy_from_slice(&TRANSPARENT_ETHERNET.to_be_bytes());
            bytes[bit / 8] ^= 0x80 >> (bit % 8);
            let is_refused = matches!(bit, 1 | 4 | 5 | 13..);
            assert_eq!(Gre::parse(&bytes).is_none(), is_refused, "{bit}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_within_bounds(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Some((header, len)) = Gre::parse(&bytes) {
                prop_assert!(len <= bytes.len());
                prop_assert_eq!(header.header_len(), len);
            }
        }
    }
}

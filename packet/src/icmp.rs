//! Internet Control Message Protocol headers, versions 4 and 6 (RFC 792, RFC 4443 §2.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+-------------------------------+
//! |     Type      |     Code      |            Checksum           |
//! +---------------+---------------+-------------------------------+
//! ```

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes that every message begins with.
pub const HEADER_LEN: usize = 4;

/// The part of the header that all messages share.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct IcmpHeader {
    /// Kind of message.
    pub kind: u8,
    /// Kind within the kind.
    pub code: u8,
    /// Checksum over the message; version 6 adds the pseudo-header.
    pub checksum: U16,
}

impl IcmpHeader {
    /// The header at the start of `message` and what follows; `None` if it is cut short.
    #[must_use]
    pub fn parse(message: &[u8]) -> Option<(&IcmpHeader, &[u8])> {
        IcmpHeader::ref_from_prefix(message).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_every_truncation() {
        let bytes = [8, 3, 0x12, 0x34, 5];
        for len in 0..HEADER_LEN {
            assert!(IcmpHeader::parse(&bytes[..len]).is_none());
        }
        let (header, rest) = IcmpHeader::parse(&bytes).unwrap();
        assert_eq!((header.kind, header.code, header.checksum.get()), (8, 3, 0x1234));
        assert_eq!(rest, [5]);
    }
}

//! Geneve (RFC 8926 §3.4, §3.5), around Ethernet.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---+-----------+-+-+-----------+-------------------------------+
//! |Ver|  Opt Len  |O|C|    Rsvd.  |          Protocol Type        |
//! +---+-----------+-+-+-----------+---------------+---------------+
//! |        Virtual Network Identifier (VNI)       |    Reserved   |
//! +-----------------------------------------------+---------------+
//! |                    Variable-Length Options                    |
//!
//! An option:
//! +-------------------------------+-+-------------+-----+---------+
//! |          Option Class         |C|     Type    |R|R|R| Length  |
//! +-------------------------------+-+-------------+-----+---------+
//! |                  Variable-Length Option Data                  |
//! +---------------------------------------------------------------+
//! ```
//!
//! # Design
//! Lengths count words of four bytes. Options are given as they stand in the header, their lengths
//! checked; [`options`] walks them. Reserved bits are ignored (RFC 8926 §3.4).

use arrayvec::ArrayVec;

use super::{MAX_OPTIONS_LEN, TRANSPARENT_ETHERNET};

/// Bytes of a header without options.
pub const MIN_HEADER_LEN: usize = 8;
/// Bytes of the longest header.
pub const MAX_HEADER_LEN: usize = MIN_HEADER_LEN + MAX_OPTIONS_LEN;
/// Bytes of an option without its data.
pub const OPTION_HEADER_LEN: usize = 4;
/// The bit of an option's type that says: who does not know it drops the packet (RFC 8926 §3.5).
pub const CRITICAL_TYPE: u8 = 0x80;

const VERSION: u8 = 0xc0;
const LENGTH: u8 = 0x3f;
const OAM: u8 = 0x80;
const CRITICAL: u8 = 0x40;
const OPTION_LENGTH: u8 = 0x1f;

/// A header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geneve<'a> {
    /// The virtual network, 24 bits.
    pub vni: u32,
    /// O: for operations and management, to be looked at by the endpoint itself.
    pub oam: bool,
    /// The options: whole ones, at most [`MAX_OPTIONS_LEN`] bytes.
    pub options: &'a [u8],
}

/// An option of a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GeneveOption<'a> {
    /// Whose types these are.
    pub class: u16,
    /// The type, with [`CRITICAL_TYPE`].
    pub kind: u8,
    /// The data, in steps of four bytes.
    pub data: &'a [u8],
}

impl<'a> Geneve<'a> {
    /// The header at the start of `bytes`, and its length; `None` if it is cut short, of another
    /// version, with an option that does not end where the options do, or if something else than
    /// Ethernet follows.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<(Geneve<'a>, usize)> {
        let [version, flags, p0, p1, v0, v1, v2, _] = *bytes.first_chunk()?;
        if version & VERSION != 0 || u16::from_be_bytes([p0, p1]) != TRANSPARENT_ETHERNET {
            return None;
        }
        let len = MIN_HEADER_LEN + usize::from(version & LENGTH) * 4;
        let options = bytes.get(MIN_HEADER_LEN..len)?;
        if !are_whole(options) {
            return None;
        }
        let vni = u32::from_be_bytes([0, v0, v1, v2]);
        Some((Geneve { vni, oam: flags & OAM != 0, options }, len))
    }

    /// The header's bytes. C is set if an option is critical. A VNI beyond 24 bits is cut, and so are
    /// options beyond [`MAX_OPTIONS_LEN`].
    #[must_use]
    pub fn emit(&self) -> ArrayVec<u8, MAX_HEADER_LEN> {
        let options = self.options.get(..MAX_OPTIONS_LEN).unwrap_or(self.options);
        let n_words = options.len() / 4;
        let critical = self::options(options).any(|option| option.is_critical());
        let flags = if self.oam { OAM } else { 0 } | if critical { CRITICAL } else { 0 };
        let [_, v0, v1, v2] = self.vni.to_be_bytes();
        let [p0, p1] = TRANSPARENT_ETHERNET.to_be_bytes();
        let mut bytes = ArrayVec::new();
        bytes.extend([u8::try_from(n_words).unwrap_or(0), flags, p0, p1, v0, v1, v2, 0]);
        bytes.extend(options.iter().take(n_words * 4).copied());
        bytes
    }
}

impl GeneveOption<'_> {
    /// Whether a packet must be dropped by who does not know the option.
    #[must_use]
    pub const fn is_critical(&self) -> bool {
        self.kind & CRITICAL_TYPE != 0
    }
}

/// Whether the bytes are options, the last of which ends where they end.
#[must_use]
pub fn are_whole(bytes: &[u8]) -> bool {
    let whole: usize = options(bytes).map(|option| OPTION_HEADER_LEN + option.data.len()).sum();
    whole == bytes.len()
}

/// The options, up to the first that is cut short.
pub fn options(bytes: &[u8]) -> impl Iterator<Item = GeneveOption<'_>> {
    let mut rest = bytes;
    core::iter::from_fn(move || {
        let (&[c0, c1, kind, len], behind) = rest.split_first_chunk()?;
        let (data, behind) = behind.split_at_checked(usize::from(len & OPTION_LENGTH) * 4)?;
        rest = behind;
        Some(GeneveOption { class: u16::from_be_bytes([c0, c1]), kind, data })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bytes_of_the_rfc() {
        let plain = Geneve { vni: 0x12_3456, oam: false, options: &[] };
        assert_eq!(plain.emit()[..], [0, 0, 0x65, 0x58, 0x12, 0x34, 0x56, 0]);
        let option = [0x01, 0x02, 0x80, 1, 0, 0, 0, 5];
        let header = Geneve { vni: 7, oam: true, options: &option };
        let bytes = [2, 0xc0, 0x65, 0x58, 0, 0, 7, 0, 0x01, 0x02, 0x80, 1, 0, 0, 0, 5];
        assert_eq!(header.emit()[..], bytes);
        assert_eq!(Geneve::parse(&bytes), Some((header, 16)));
        let one = GeneveOption { class: 0x0102, kind: 0x80, data: &[0, 0, 0, 5] };
        assert_eq!(options(&option).collect::<Vec<_>>(), [one]);
        assert!(one.is_critical() && !GeneveOption { kind: 0x7f, ..one }.is_critical());
        for len in 0..bytes.len() {
            assert_eq!(Geneve::parse(&bytes[..len]), None);
        }
    }

    #[test]
    fn versions_other_protocols_and_options_beyond_the_end_are_refused() {
        let good = [0, 0, 0x65, 0x58, 0, 0, 1, 0];
        for bit in 0..64 {
            let mut bytes = good;
            bytes[bit / 8] ^= 0x80 >> (bit % 8);
            // Version and length; the protocol.
            let is_refused = matches!(bit, 0..8 | 16..32);
            assert_eq!(Geneve::parse(&bytes).is_none(), is_refused, "{bit}");
        }
        let ends = [2, 0, 0x65, 0x58, 0, 0, 1, 0, 0, 1, 2, 2, 9, 9, 9, 9, 9, 9, 9, 9];
        assert_eq!(Geneve::parse(&ends), None);
        // Two options without data.
        let mut empty = ends;
        empty[8..16].copy_from_slice(&[0, 1, 2, 0xe0, 0, 1, 3, 0]);
        assert_eq!(
            Geneve::parse(&empty).map(|(header, len)| (header.options.len(), len)),
            Some((8, 16))
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_within_bounds_and_written_back(
            mut bytes in prop::collection::vec(any::<u8>(), 0..280), n_words in 0..64_u8,
        ) {
            if let Some([version, _, p0, p1]) = bytes.first_chunk_mut() {
                (*version, *p0, *p1) = (n_words, 0x65, 0x58);
            }
            if let Some((header, len)) = Geneve::parse(&bytes) {
                prop_assert!(len <= bytes.len());
                let again = header.emit();
                prop_assert_eq!(Geneve::parse(&again), Some((header, len)));
                prop_assert_eq!(&again[MIN_HEADER_LEN..], &bytes[MIN_HEADER_LEN..len]);
            }
        }
    }
}

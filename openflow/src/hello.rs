//! HELLO: which versions a peer speaks.
//!
//! # References
//! OpenFlow 1.3.5 §6.3.1, §7.5.1.

use crate::error::OfpError;
use crate::version::{Version, Versions};
use crate::wire::{Reader, Writer};

/// OFPHET_VERSIONBITMAP.
const ELEMENT_VERSIONS: u16 = 1;

/// OFPT_HELLO.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hello {
    /// The versions that the sender speaks.
    pub versions: Versions,
}

impl Hello {
    /// Elements that are unknown or broken are passed over, as the specification asks; without a
    /// bitmap the header's version means itself and all before.
    pub(crate) fn decode(header_version: u8, r: &mut Reader<'_>) -> Hello {
        let mut versions = None;
        while let Some((element, body)) = next_element(r) {
            if element == ELEMENT_VERSIONS && body.len() >= 4 {
                let [a, b, c, d, ..] = *body else { break };
                versions = Some(Versions::from_bits(u32::from_be_bytes([a, b, c, d])));
            }
        }
        Hello { versions: versions.unwrap_or(Versions::up_to(header_version)) }
    }

    /// The version that the header of this HELLO bears: the newest that is spoken.
    #[must_use]
    pub fn header_version(&self) -> Version {
        self.versions.newest().unwrap_or(Version::V10)
    }

    /// OpenFlow 1.0 to 1.2 know no elements, and need none if the versions have no gap.
    pub(crate) fn encode(&self, w: &mut Writer) {
        let newest = self.header_version();
        if self.versions == Versions::up_to(newest.wire()) && newest < Version::V13 {
            return;
        }
        w.u16(ELEMENT_VERSIONS);
        w.u16(8);
        w.u32(self.versions.bits());
    }
}

fn next_element<'a>(r: &mut Reader<'a>) -> Option<(u16, &'a [u8])> {
    let mut head = r.or(OfpError::BrBadLen);
    let (element, len) = (head.u16().ok()?, usize::from(head.u16().ok()?));
    let padded = len.next_multiple_of(8).min(r.len());
    let whole = r.bytes(padded).ok()?;
    Some((element, whole.get(4..len)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(version: u8, body: &[u8]) -> Versions {
        Hello::decode(version, &mut Reader::new(body, OfpError::BrBadLen)).versions
    }

    #[test]
    fn without_a_bitmap_the_header_counts() {
        assert_eq!(decode(1, &[]), Versions::up_to(1));
        assert_eq!(decode(4, &[0, 9, 0, 8, 1, 2, 3, 4]), Versions::up_to(4));
        assert_eq!(decode(4, &[0, 1, 0, 3]), Versions::up_to(4), "broken");
        assert_eq!(decode(4, &[0, 1, 0, 9, 0]), Versions::up_to(4), "cut short");
    }

    #[test]
    fn a_bitmap_wins() {
        let body = [0, 9, 0, 5, 1, 0, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0x12];
        assert_eq!(decode(4, &body), Versions::from_bits(0x12));
        let hello = Hello { versions: Versions::spoken() };
        let mut w = Writer::new();
        hello.encode(&mut w);
        assert_eq!(decode(1, w.as_bytes()), hello.versions);
        assert_eq!(hello.header_version(), Version::V15);
        let oldest = Hello { versions: Versions::up_to(1) };
        let mut w = Writer::new();
        oldest.encode(&mut w);
        assert_eq!(w.len(), 0);
    }
}

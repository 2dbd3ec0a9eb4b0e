//! VLAN tags (IEEE 802.1Q-2018 §9.6).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------------------------------+-----+-+-----------------------+
//! |             TPID              | PCP |D|          VID          |
//! +-------------------------------+-----+-+-----------------------+
//! ```

use core::fmt;

/// Bytes of one tag: TPID and TCI.
pub const TAG_LEN: usize = 4;

/// TPID of a customer tag (IEEE 802.1Q-2018 table 9-1).
pub const TPID_CTAG: u16 = 0x8100;
/// TPID of a service tag (IEEE 802.1Q-2018 table 9-1).
pub const TPID_STAG: u16 = 0x88a8;

/// The drop eligible bit's place in a TCI, where matches say that there is a tag at all (OpenFlow
/// 1.5.1 §7.2.3.8, `OFPVID_PRESENT`).
pub const TAG_PRESENT: u16 = 0x1000;

/// A VLAN identifier, 12 bits.
///
/// # Legal values
/// 0 (priority tag: no VLAN) to 4095 (reserved, but a wire may carry it).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Vid(u16);

impl Vid {
    /// No VLAN.
    pub const NONE: Vid = Vid(0);
    /// How many VIDs there are.
    pub const COUNT: usize = 4096;

    /// `None` above 4095.
    #[must_use]
    pub const fn new(vid: u16) -> Option<Vid> {
        if vid < 4096 { Some(Vid(vid)) } else { None }
    }

    /// The number, below 4096.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// As an index into a table of [`Vid::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Vid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Vid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A priority code point, 3 bits (IEEE 802.1Q-2018 §6.9.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Pcp(u8);

impl Pcp {
    /// `None` above 7.
    #[must_use]
    pub const fn new(pcp: u8) -> Option<Pcp> {
        if pcp < 8 { Some(Pcp(pcp)) } else { None }
    }

    /// The number, below 8.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// The tag control information of one tag: PCP, DEI and VID in 16 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct VlanTag(pub u16);

impl VlanTag {
    /// A tag with drop eligibility off.
    #[must_use]
    pub const fn new(vid: Vid, pcp: Pcp) -> VlanTag {
        VlanTag((pcp.0 as u16) << 13 | vid.0)
    }

    /// The VLAN identifier.
    #[must_use]
    pub const fn vid(self) -> Vid {
        Vid(self.0 & 0xfff)
    }

    /// The priority.
    #[must_use]
    pub const fn pcp(self) -> Pcp {
        Pcp((self.0 >> 13) as u8)
    }

    /// The same priority and drop eligibility, another VLAN.
    #[must_use]
    pub const fn with_vid(self, vid: Vid) -> VlanTag {
        VlanTag(self.0 & 0xf000 | vid.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_overlap() {
        let tag = VlanTag::new(Vid::new(0xabc).unwrap(), Pcp::new(5).unwrap());
        assert_eq!(tag.0, 0xaabc);
        assert_eq!((tag.vid().get(), tag.pcp().get()), (0xabc, 5));
        assert_eq!(tag.with_vid(Vid::NONE).0, 0xa000);
        assert_eq!((Vid::new(4096), Pcp::new(8)), (None, None));
    }
}

//! OpenFlow versions: the number in every header, and which one two peers agree on.

use core::fmt;
use core::str::FromStr;

/// A version of the OpenFlow protocol. Later versions compare greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Version {
    /// OpenFlow 1.0.
    V10 = 1,
    /// OpenFlow 1.1: known by its number and its errors only.
    V11 = 2,
    /// OpenFlow 1.2: known by its number and its errors only.
    V12 = 3,
    /// OpenFlow 1.3.
    V13 = 4,
    /// OpenFlow 1.4.
    V14 = 5,
    /// OpenFlow 1.5.
    V15 = 6,
}

/// Text that names no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is not an OpenFlow version (allowed: OpenFlow10, OpenFlow13, OpenFlow14, OpenFlow15)"
)]
pub struct ParseVersionError(pub String);

impl Version {
    /// Every version that has a number, oldest first.
    pub const ALL: [Version; 6] =
        [Version::V10, Version::V11, Version::V12, Version::V13, Version::V14, Version::V15];

    /// The versions whose messages this crate reads and writes, oldest first.
    pub const SPOKEN: [Version; 4] = [Version::V10, Version::V13, Version::V14, Version::V15];

    /// The number in the header (OpenFlow 1.5.1 §7.1.1).
    #[must_use]
    pub const fn wire(self) -> u8 {
        self as u8
    }

    /// The version with a number of a header.
    #[must_use]
    pub const fn from_wire(number: u8) -> Option<Version> {
        Some(match number {
            1 => Version::V10,
            2 => Version::V11,
            3 => Version::V12,
            4 => Version::V13,
            5 => Version::V14,
            6 => Version::V15,
            _ => return None,
        })
    }

    /// Whether this crate reads and writes its messages.
    #[must_use]
    pub fn is_spoken(self) -> bool {
        Version::SPOKEN.contains(&self)
    }

    /// `OF1.3`, as messages are titled.
    #[must_use]
    pub const fn short(self) -> &'static str {
        match self {
            Version::V10 => "OF1.0",
            Version::V11 => "OF1.1",
            Version::V12 => "OF1.2",
            Version::V13 => "OF1.3",
            Version::V14 => "OF1.4",
            Version::V15 => "OF1.5",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::V10 => "OpenFlow10",
            Version::V11 => "OpenFlow11",
            Version::V12 => "OpenFlow12",
            Version::V13 => "OpenFlow13",
            Version::V14 => "OpenFlow14",
            Version::V15 => "OpenFlow15",
        })
    }
}

impl FromStr for Version {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = |version: &&Version| version.to_string().eq_ignore_ascii_case(text);
        let found = Version::SPOKEN.iter().find(known).copied();
        found.ok_or_else(|| ParseVersionError(text.to_owned()))
    }
}

/// A set of versions, such as a HELLO announces.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Versions(u32);

impl Versions {
    /// The versions of [`Version::SPOKEN`].
    #[must_use]
    pub fn spoken() -> Versions {
        Version::SPOKEN.into_iter().collect()
    }

    /// The set with the bits of an OFPHET_VERSIONBITMAP: bit `n` is version number `n`
    /// (OpenFlow 1.3.5 §7.5.1).
    #[must_use]
    pub const fn from_bits(bits: u32) -> Versions {
        Versions(bits)
    }

    /// Every version up to a number: what a HELLO without a bitmap means (OpenFlow 1.3.5 §6.3.1).
    #[must_use]
    pub const fn up_to(number: u8) -> Versions {
        let above = if number >= 31 { 0 } else { !0 << (number + 1) };
        Versions(!above & !1)
    }

    /// The bits of an OFPHET_VERSIONBITMAP.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether a version is in the set.
    #[must_use]
    pub const fn contains(self, version: Version) -> bool {
        self.0 & 1 << version.wire() != 0
    }

    /// The greatest known version in both sets: what two peers agree on.
    #[must_use]
    pub fn agree(self, other: Versions) -> Option<Version> {
        let both = Versions(self.0 & other.0);
        Version::ALL.into_iter().rev().find(|version| both.contains(*version))
    }

    /// The greatest known version in the set.
    #[must_use]
    pub fn newest(self) -> Option<Version> {
        self.agree(self)
    }
}

impl FromIterator<Version> for Versions {
    fn from_iter<I: IntoIterator<Item = Version>>(versions: I) -> Versions {
        Versions(versions.into_iter().fold(0, |bits, version| bits | 1 << version.wire()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_round_trip() {
        for version in Version::ALL {
            assert_eq!(Version::from_wire(version.wire()), Some(version));
            assert_eq!(version.to_string().parse().ok(), version.is_spoken().then_some(version));
        }
        assert_eq!((Version::from_wire(0), Version::from_wire(7)), (None, None));
        assert_eq!("openflow13".parse(), Ok(Version::V13));
    }

    #[test]
    fn peers_agree_on_the_newest_of_both() {
        let ours = Versions::spoken();
        assert_eq!(ours.agree(Versions::up_to(4)), Some(Version::V13));
        assert_eq!(ours.agree(Versions::up_to(3)), Some(Version::V10));
        assert_eq!(ours.agree(Versions::up_to(200)), Some(Version::V15));
        assert_eq!(ours.agree(Versions::from_bits(1 << 5 | 1 << 1)), Some(Version::V14));
        assert_eq!(ours.agree(Versions::from_bits(1 << 3)), None);
        assert_eq!(Versions::up_to(0), Versions::default());
    }
}

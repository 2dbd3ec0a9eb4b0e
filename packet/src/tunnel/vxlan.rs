//! VXLAN (RFC 7348 §5) and its group policy (draft-smith-vxlan-group-policy-05 §2.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-------------------------------+
//! |G|R|R|R|I|R|R|R|R|D|R|R|A|R|R|R|       Group Policy ID         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+---------------+---------------+
//! |        VXLAN Network Identifier (VNI)         |    Reserved   |
//! +-----------------------------------------------+---------------+
//! ```
//!
//! # Design
//! RFC 7348 has reserved bits ignored. Linux and Open vSwitch refuse packets in which one is set: it
//! speaks of an extension that changes what the rest means (a group policy, a header length, another
//! protocol inside). So does this; the group policy is understood where the port has it switched on.

/// Bytes of the header.
pub const HEADER_LEN: usize = 8;

/// I: the VNI counts.
const VALID: u8 = 0x08;
/// G: there is a group policy.
const GROUP: u8 = 0x80;

/// A group policy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct GroupPolicy {
    /// The group.
    pub id: u16,
    /// The header's second byte: 0x40, do not learn; 0x08, the policy was applied.
    pub flags: u8,
}

/// What is understood of a header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Extension {
    /// The VNI and nothing else.
    None,
    /// A group policy too.
    GroupPolicy,
}

/// A header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vxlan {
    /// The virtual network, 24 bits.
    pub vni: u32,
    /// The group policy, if the header has one.
    pub policy: Option<GroupPolicy>,
}

impl Vxlan {
    /// The header at the start of `bytes`; `None` if it is cut short, has no VNI, or says what is not
    /// understood.
    #[must_use]
    pub fn parse(bytes: &[u8], extension: Extension) -> Option<Vxlan> {
        let [flags, policy_flags, g0, g1, v0, v1, v2, reserved] = *bytes.first_chunk()?;
        let vni = u32::from_be_bytes([0, v0, v1, v2]);
        let group = GroupPolicy { id: u16::from_be_bytes([g0, g1]), flags: policy_flags };
        let policy = match (flags, extension) {
            (VALID, _) if group == GroupPolicy::default() => None,
            (flags, Extension::GroupPolicy) if flags == VALID | GROUP => Some(group),
            _ => return None,
        };
        (reserved == 0).then_some(Vxlan { vni, policy })
    }

    /// The header's bytes. A VNI beyond 24 bits is cut.
    #[must_use]
    pub const fn emit(self) -> [u8; HEADER_LEN] {
        let [_, v0, v1, v2] = self.vni.to_be_bytes();
        match self.policy {
            None => [VALID, 0, 0, 0, v0, v1, v2, 0],
            Some(GroupPolicy { id, flags }) => {
                let [g0, g1] = id.to_be_bytes();
                [VALID | GROUP, flags, g0, g1, v0, v1, v2, 0]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bytes_of_the_rfc_and_of_the_draft() {
        let plain = Vxlan { vni: 0x12_3456, policy: None };
        assert_eq!(plain.emit(), [0x08, 0, 0, 0, 0x12, 0x34, 0x56, 0]);
        let policy = Some(GroupPolicy { id: 0xabcd, flags: 0x48 });
        let grouped = Vxlan { vni: 7, policy };
        assert_eq!(grouped.emit(), [0x88, 0x48, 0xab, 0xcd, 0, 0, 7, 0]);
        assert_eq!(Vxlan::parse(&plain.emit(), Extension::None), Some(plain));
        assert_eq!(Vxlan::parse(&grouped.emit(), Extension::GroupPolicy), Some(grouped));
        assert_eq!(Vxlan::parse(&grouped.emit(), Extension::None), None);
    }

    #[test]
    fn every_bit_that_is_not_understood_and_every_truncation_is_refused() {
        let good = Vxlan { vni: 1, policy: None }.emit();
        for len in 0..HEADER_LEN {
            assert_eq!(Vxlan::parse(&good[..len], Extension::GroupPolicy), None);
        }
        // The flags, the policy's place and the last byte; those between are the VNI.
        for bit in (0..32).chain(56..64) {
            let mut bytes = good;
            bytes[bit / 8] ^= 0x80 >> (bit % 8);
            assert_eq!(Vxlan::parse(&bytes, Extension::None), None, "{bit}");
            assert_eq!(Vxlan::parse(&bytes, Extension::GroupPolicy).is_some(), bit == 0, "{bit}");
        }
    }

    proptest! {
        #[test]
        fn what_is_understood_is_emitted_again(bytes: [u8; 8], flags in prop::sample::select(vec![8_u8, 0x88])) {
            let mut bytes = bytes;
            (bytes[0], bytes[7]) = (flags, 0);
            if let Some(header) = Vxlan::parse(&bytes, Extension::GroupPolicy) {
                prop_assert_eq!(header.emit(), bytes);
            } else {
                prop_assert!(flags == 8 && bytes[1..4] != [0; 3]);
            }
        }
    }
}

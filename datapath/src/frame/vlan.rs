//! VLAN tags of a frame, written and removed in place.

use packet::vlan::{TAG_LEN, VlanTag};

use super::memory::Frame;

/// Bytes of the two MAC addresses, which stand in front of a tag.
const ADDRS_LEN: usize = 12;

impl Frame {
    /// Inserts a tag behind the addresses; `false`, and nothing changed, without headroom or if the
    /// frame is shorter than two addresses.
    #[must_use]
    pub fn push_vlan(&mut self, tpid: u16, tag: VlanTag) -> bool {
        if self.len() < ADDRS_LEN || !self.extend_front(TAG_LEN) {
            return false;
        }
        let data = self.data_mut();
        data.copy_within(TAG_LEN..TAG_LEN + ADDRS_LEN, 0);
        data[ADDRS_LEN..ADDRS_LEN + 2].copy_from_slice(&tpid.to_be_bytes());
        data[ADDRS_LEN + 2..ADDRS_LEN + 4].copy_from_slice(&tag.0.to_be_bytes());
        self.set_offload(self.offload().shifted(4));
        true
    }

    /// Removes the outer tag; `false`, and nothing changed, if the frame cannot hold one.
    /// The caller knows that there is one.
    #[must_use]
    pub fn pop_vlan(&mut self) -> bool {
        if self.len() < ADDRS_LEN + TAG_LEN + 2 {
            return false;
        }
        self.data_mut().copy_within(..ADDRS_LEN, TAG_LEN);
        self.set_offload(self.offload().shifted(-4));
        self.trim_front(TAG_LEN)
    }

    /// Overwrites the outer tag's control information; `false` if the frame cannot hold a tag.
    #[must_use]
    pub fn set_vlan(&mut self, tag: VlanTag) -> bool {
        match self.data_mut().get_mut(ADDRS_LEN + 2..ADDRS_LEN + 4) {
            Some(tci) => {
                tci.copy_from_slice(&tag.0.to_be_bytes());
                true
            }
            None => false,
        }
    }

    /// Overwrites the outer tag; `false` if the frame cannot hold a tag.
    #[must_use]
    pub fn replace_vlan(&mut self, tpid: u16, tag: VlanTag) -> bool {
        match self.data_mut().get_mut(ADDRS_LEN..ADDRS_LEN + 2) {
            Some(field) => {
                field.copy_from_slice(&tpid.to_be_bytes());
                self.set_vlan(tag)
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::offload::{Checksum, Offload};
    use crate::frame::{FrameMemory, FramePool};

    #[test]
    fn push_and_pop_are_inverse_and_move_the_checksum() {
        let mut pool = FramePool::new(FrameMemory::new(1, 0).unwrap());
        let bytes: Vec<u8> = (0..60).collect();
        let mut frame = pool.from_bytes(&bytes).unwrap();
        let at = |start| Offload { checksum: Checksum::Partial { start, offset: 16 }, gso: None };
        frame.set_offload(at(34));
        assert!(frame.push_vlan(0x8100, VlanTag(0x2064)));
        assert_eq!(frame.data()[..16], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x81, 0, 0x20, 0x64]);
        assert_eq!((frame.data()[16], frame.len(), *frame.offload()), (12, 64, at(38)));
        assert!(frame.set_vlan(VlanTag(7)));
        assert_eq!(frame.data()[14..16], [0, 7]);
        assert!(frame.replace_vlan(0x88a8, VlanTag(0xa009)));
        assert_eq!(frame.data()[11..17], [11, 0x88, 0xa8, 0xa0, 9, 12]);
        assert!(frame.pop_vlan());
        assert_eq!((frame.data(), *frame.offload()), (&bytes[..], at(34)));
    }

    #[test]
    fn short_frames_are_left_alone() {
        let mut pool = FramePool::new(FrameMemory::new(1, 0).unwrap());
        let mut frame = pool.from_bytes(&[9; 11]).unwrap();
        assert!(!frame.push_vlan(0x8100, VlanTag(1)) && !frame.pop_vlan());
        assert!(!frame.set_vlan(VlanTag(1)) && !frame.replace_vlan(0x8100, VlanTag(1)));
        assert_eq!(frame.data(), [9; 11]);
    }
}

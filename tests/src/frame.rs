//! Ethernet frames for [`inject`](crate::inject), in the words that tests use.

/// EtherType for experiments (IEEE 802 "local experimental 1"): no stack answers it.
pub const EXPERIMENT: u16 = 0x88b5;
/// Bytes that the kernel pads short frames to.
const MIN_LEN: usize = 60;

/// A frame in the making.
#[derive(Clone, Debug)]
pub struct Frame {
    bytes: Vec<u8>,
}

impl Frame {
    /// Addresses only.
    #[must_use]
    pub fn new(dst: [u8; 6], src: [u8; 6]) -> Frame {
        Frame { bytes: [dst, src].concat() }
    }

    /// Adds a VLAN tag (IEEE 802.1Q-2018 §9.6) with priority 0.
    #[must_use]
    pub fn vlan(mut self, vid: u16) -> Frame {
        self.bytes.extend([0x81, 0x00]);
        self.bytes.extend(vid.to_be_bytes());
        self
    }

    /// Ends the frame with [`EXPERIMENT`] and a text, by which [`Sink`](crate::Sink) finds it.
    #[must_use]
    pub fn text(mut self, text: &str) -> Vec<u8> {
        self.bytes.extend(EXPERIMENT.to_be_bytes());
        self.bytes.extend(text.as_bytes());
        let len = self.bytes.len().max(MIN_LEN);
        self.bytes.resize(len, 0);
        self.bytes
    }
}

/// The locally administered address with a number in its low 32 bits.
#[must_use]
pub fn mac(number: u32) -> [u8; 6] {
    let [a, b, c, d] = number.to_be_bytes();
    [0x02, 0x00, a, b, c, d]
}

/// Broadcast.
pub const BROADCAST: [u8; 6] = [0xff; 6];

/// As text: `02:00:00:00:00:01`.
#[must_use]
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// From its text.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn mac_of(text: &str) -> [u8; 6] {
    let bytes: Vec<u8> =
        text.split(':').filter_map(|part| u8::from_str_radix(part, 16).ok()).collect();
    bytes.try_into().unwrap_or_else(|_| panic!("{text} is no MAC address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tagged_frame_has_its_tag_behind_the_addresses() {
        let frame = Frame::new(BROADCAST, mac(1)).vlan(100).text("hello");
        assert_eq!(frame[..6], [0xff; 6]);
        assert_eq!(frame[6..18], [2, 0, 0, 0, 0, 1, 0x81, 0, 0, 100, 0x88, 0xb5]);
        assert_eq!((&frame[18..23], frame.len()), (&b"hello"[..], 60));
        assert_eq!(mac_text(mac(0x0102_0304)), "02:00:01:02:03:04");
        assert_eq!(mac_of("02:00:01:02:03:ff"), mac(0x0102_03ff));
    }
}

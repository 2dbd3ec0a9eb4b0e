//! The stamp in the payload of each frame: which frame it is, and when it was sent.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------------------------------+-------------+-+---------------+
//! |             magic             |    epoch    |S|  flow (high)  |
//! +-------------------------------+-------------+-+---------------+
//! |           flow (low)          |        sequence (high)        |
//! +-------------------------------+-------------------------------+
//! |         sequence (low)        |          time (high)          |
//! +-------------------------------+-------------------------------+
//! |                           time (low)                          |
//! +-------------------------------+-------------------------------+
//! |             check             |   S: stream, 0 or 1
//! +-------------------------------+
//! ```
//!
//! It fills the payload of the shortest Ethernet frame exactly.

/// Bytes of a stamp.
pub const STAMP_LEN: usize = 18;
/// Epochs, after which their numbers begin again; 0 is that of [`LEARN`].
pub const N_EPOCHS: u8 = 128;
/// The epoch of frames that only tell the switch where addresses are.
pub const LEARN: u8 = 0;
/// Flows that a stamp can tell apart.
pub const MAX_FLOWS: u32 = 1 << 24;

const MAGIC: u16 = 0x9a7e;
const CHECK_AT: usize = STAMP_LEN - 2;

/// What a stamp says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// The trial, below [`N_EPOCHS`]: a frame of an earlier one is known by it.
    pub epoch: u8,
    /// The direction, 0 or 1.
    pub stream: u8,
    /// The flow, below [`MAX_FLOWS`].
    pub flow: u32,
    /// Of the frame in its flow, modulo 2³².
    pub sequence: u32,
    /// When it was sent, nanoseconds since the program's start, modulo 2⁴⁸ (three days).
    pub time_ns: u64,
}

/// Why there is no stamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoStamp {
    /// The frame is somebody else's.
    Foreign,
    /// There was one, but its bytes have changed.
    Corrupt,
}

impl Stamp {
    /// The bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; STAMP_LEN] {
        let mut bytes = [0; STAMP_LEN];
        bytes[..2].copy_from_slice(&MAGIC.to_be_bytes());
        bytes[2] = self.epoch << 1 | self.stream & 1;
        bytes[3..6].copy_from_slice(&self.flow.to_be_bytes()[1..]);
        bytes[6..10].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[10..16].copy_from_slice(&self.time_ns.to_be_bytes()[2..]);
        let check = check(&bytes);
        bytes[CHECK_AT..].copy_from_slice(&check.to_be_bytes());
        bytes
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// It begins with no stamp.
    pub fn parse(payload: &[u8]) -> Result<Stamp, NoStamp> {
        let bytes: &[u8; STAMP_LEN] = payload.first_chunk().ok_or(NoStamp::Foreign)?;
        if bytes[..2] != MAGIC.to_be_bytes() {
            return Err(NoStamp::Foreign);
        }
        if bytes[CHECK_AT..] != check(bytes).to_be_bytes() {
            return Err(NoStamp::Corrupt);
        }
        let number = |from: usize, to: usize| {
            bytes[from..to].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        };
        let word = |from, to| u32::try_from(number(from, to)).unwrap_or(u32::MAX);
        Ok(Stamp {
            epoch: bytes[2] >> 1,
            stream: bytes[2] & 1,
            flow: word(3, 6),
            sequence: word(6, 10),
            time_ns: number(10, 16),
        })
    }
}

/// Of the bytes in front of it. One changed byte changes it.
fn check(bytes: &[u8; STAMP_LEN]) -> u16 {
    let half = |at: usize| {
        let (mut half, from) = ([0; 8], &bytes[at..at + 8]);
        half.copy_from_slice(from);
        u64::from_be_bytes(half)
    };
    // Odd factors keep every difference, and each half is mixed before they meet.
    let mix = |half: u64| (half ^ half >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mix(half(0)).rotate_left(23) ^ half(8)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let [high, low, ..] = (mixed ^ mixed << 29).to_be_bytes();
    u16::from_be_bytes([high, low])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_stamp_comes_back_and_a_changed_one_does_not(
            epoch in 0..N_EPOCHS,
            stream in 0..2_u8,
            flow in 0..MAX_FLOWS,
            sequence: u32,
            time_ns in 0..1_u64 << 48,
            at in 2..STAMP_LEN,
        ) {
            let stamp = Stamp { epoch, stream, flow, sequence, time_ns };
            let mut payload = stamp.to_bytes().to_vec();
            payload.extend([7; 3]);
            prop_assert_eq!(Stamp::parse(&payload), Ok(stamp));
            prop_assert_eq!(Stamp::parse(&payload[..STAMP_LEN - 1]), Err(NoStamp::Foreign));
            let n_missed = (1..=255_u8).filter(|change| {
                let mut bad = payload.clone();
                bad[at] ^= change;
                Stamp::parse(&bad) != Err(NoStamp::Corrupt)
            });
            // Sixteen bits of check let one in 65,536 pass.
            prop_assert!(n_missed.count() <= 1);
        }
    }
}

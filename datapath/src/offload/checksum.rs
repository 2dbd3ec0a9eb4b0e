//! Finishing a checksum in place.

use packet::checksum::Sum;
use packet::crc32c::crc32c;
use packet::udp;
use packet::{IpProto, Layers};

use super::tunnelled;
use crate::frame::{Checksum, Frame, Offload};

/// Byte offset of SCTP's checksum, a CRC32c (RFC 9260 §3.1).
pub(super) const SCTP_CHECKSUM_OFFSET: u16 = 8;
/// Bytes of SCTP's header, of which the checksum is the end.
pub(super) const SCTP_HEADER_LEN: usize = 12;

/// Finishes the frame's checksum, if it is unfinished. `false`, and nothing changed, if the field
/// lies outside the frame.
///
/// The field holds the folded pseudo-header sum; the sum runs from `start` to the end of the frame
/// (virtio 1.2 §5.1.6.2). The kernel uses the same request for SCTP, whose CRC has no pseudo-header.
#[must_use]
pub fn complete(frame: &mut Frame) -> bool {
    let Checksum::Partial { start, offset } = frame.offload().checksum else {
        return true;
    };
    let gso = frame.offload().gso;
    let done = if is_sctp(frame.data(), start, offset) {
        complete_crc(frame.data_mut(), start.into())
    } else {
        complete_sum(frame.data_mut(), start.into(), offset)
    };
    if done.is_some() {
        frame.set_offload(Offload { checksum: Checksum::Unknown, gso });
    }
    done.is_some()
}

fn complete_sum(data: &mut [u8], start: usize, offset: u16) -> Option<()> {
    let message = data.get_mut(start..)?;
    let at = usize::from(offset);
    message.get(at..at + 2)?;
    let sum = match Sum::default().add_bytes(message).finish() {
        // RFC 768: zero means that there is no checksum.
        0 if offset == udp::CHECKSUM_OFFSET => 0xffff,
        sum => sum,
    };
    message.get_mut(at..at + 2)?.copy_from_slice(&sum.to_be_bytes());
    Some(())
}

fn complete_crc(data: &mut [u8], start: usize) -> Option<()> {
    let message = data.get_mut(start..)?;
    let field = usize::from(SCTP_CHECKSUM_OFFSET)..SCTP_HEADER_LEN;
    message.get_mut(field.clone())?.fill(0);
    let crc = crc32c(message);
    message.get_mut(field)?.copy_from_slice(&crc.to_le_bytes());
    Some(())
}

fn is_sctp(data: &[u8], start: u16, offset: u16) -> bool {
    let start = usize::from(start);
    let is_at = |frame: &[u8], start| {
        let ip = Layers::parse(frame).and_then(|layers| layers.ip);
        ip.is_some_and(|ip| ip.proto == IpProto::SCTP && ip.l4 == start)
    };
    offset == SCTP_CHECKSUM_OFFSET
        && (is_at(data, start)
            || tunnelled::inner_of(data, start)
                .is_some_and(|inner| is_at(&data[inner..], start - inner)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::{FrameMemory, FramePool};
    use crate::offload::tests::{Recipe, Upper, any_recipe};

    fn pool() -> FramePool {
        FramePool::new(FrameMemory::new(2, 2).unwrap())
    }

    proptest! {
        #[test]
        fn an_unfinished_checksum_becomes_what_the_sender_would_have_written(r in any_recipe(2000)) {
            let mut pool = pool();
            let finished = r.build();
            let mut frame = r.unfinished(&mut pool);
            prop_assert_ne!(frame.data(), &finished[..]);
            prop_assert!(complete(&mut frame));
            prop_assert_eq!(frame.data(), &finished[..]);
            prop_assert_eq!(*frame.offload(), Offload::NONE);
        }
    }

    #[test]
    fn a_udp_sum_of_zero_is_sent_as_ones() {
        let mut pool = pool();
        let mut r = Recipe { upper: Upper::Udp, ..Recipe::plain(2) };
        // The two payload bytes are chosen so that the sum is all ones, and its complement zero.
        r.payload = vec![0, 0];
        let finished = r.build();
        r.payload = finished[40..42].to_vec();
        let mut frame = r.unfinished(&mut pool);
        assert!(complete(&mut frame));
        assert_eq!(frame.data()[40..42], [0xff, 0xff]);
    }

    #[test]
    fn sctp_has_its_own() {
        let mut pool = pool();
        let mut bytes = vec![0; 14 + 20 + 16];
        bytes[12..14].copy_from_slice(&[8, 0]);
        bytes[14] = 0x45;
        bytes[14 + 9] = IpProto::SCTP.0;
        bytes[42..46].fill(0x55);
        let mut frame = pool.from_bytes(&bytes).unwrap();
        let checksum = Checksum::Partial { start: 34, offset: 8 };
        frame.set_offload(Offload { checksum, gso: None });
        assert!(complete(&mut frame));
        assert_eq!(frame.data()[42..46], crc32c(&[0; 16]).to_le_bytes());
    }

    #[test]
    fn a_field_outside_the_frame_is_left_alone() {
        let mut pool = pool();
        for (start, offset) in [(60, 0), (59, 0), (40, 19), (61, 0), (65535, 65535)] {
            let mut frame = pool.from_bytes(&[7; 60]).unwrap();
            let offload = Offload { checksum: Checksum::Partial { start, offset }, gso: None };
            frame.set_offload(offload);
            assert!(!complete(&mut frame));
            assert_eq!((frame.data(), *frame.offload()), (&[7; 60][..], offload));
            pool.put(frame);
        }
    }
}

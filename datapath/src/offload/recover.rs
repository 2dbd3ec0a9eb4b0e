//! Finding unfinished checksums where nobody tells of them.
//!
//! # Design
//! A stack whose interface promises checksum offload leaves the sum of the pseudo-header in the
//! checksum field, and says so beside the frame. An AF_XDP socket hears nothing of it. So the field
//! is compared with that sum. If they are equal, the checksum is unfinished; or it is finished and
//! happens to have that value, P. Then, with D the sum of the rest, P = ¬(P + D), which is what
//! finishing writes: the same value again. Finishing is right in either case.
//!
//! What is lost is one error in 65,536 that a finished checksum would have shown: a damaged frame
//! whose field equals P. On a wire that matters, and there nobody leaves checksums unfinished; so
//! this is for ports whose other end is a stack of this machine.
//!
//! SCTP has no pseudo-header: an unfinished CRC32c is zero, and so is one in four thousand million
//! finished ones, which finishing writes again.
//!
//! Only whole datagrams are looked at (fragments are finished by their sender), and only frames that
//! end where the IP packet does: what stands behind it would enter the sum.
//!
//! # References
//! RFC 1071; `skb_partial_csum_set` and `__tcp_v4_send_check` of Linux.

use core::num::NonZeroU16;

use packet::checksum::Sum;
use packet::ipv4::Ipv4Header;
use packet::ipv6::{self, Ipv6Header};
use packet::tcp::{self, TcpHeader};
use packet::{EtherType, Fragment, IpProto, Layers, udp};

use super::checksum::{SCTP_CHECKSUM_OFFSET, SCTP_HEADER_LEN};
use super::layout::Layout;
use crate::frame::{Checksum, Gso, GsoKind, Offload};

/// What is left undone in a frame of which nothing is known but its bytes.
#[must_use]
pub fn recover(frame: &[u8]) -> Offload {
    match unfinished(frame) {
        Some(checksum) => Offload { checksum, gso: None },
        None => Offload::NONE,
    }
}

/// Bytes of the longest frame without tags on an Ethernet of the usual MTU.
const USUAL_LEN: usize = 1514;
/// Bytes of the IP packets that a large segment is cut into of which nobody tells how it is to be cut:
/// such as cross a tunnel over the usual MTU.
const CUT_LEN: usize = 1400;

/// The same of a frame out of a tunnel, which the kernel's own tunnel device may have wrapped whole: on
/// this machine, a large segment of TCP then comes as one packet, and nobody tells of that either.
///
/// An unfinished segment longer than [`USUAL_LEN`] is to be cut. Its sender's size is lost, which TCP
/// does not mind. It has left no wire, so a frame of an Ethernet with a larger MTU is cut without need
/// at worst.
#[must_use]
pub fn recover_wrapped(frame: &[u8]) -> Offload {
    let mut offload = recover(frame);
    if frame.len() > USUAL_LEN
        && let Checksum::Partial { start, offset } = offload.checksum
    {
        let gso = |kind| {
            let layout = Layout::of(frame, kind, start, offset)?;
            let header = TcpHeader::parse(frame.get(layout.l4..)?)?;
            let size = CUT_LEN.checked_sub(layout.headers_len - layout.l3)?;
            let size = NonZeroU16::new(u16::try_from(size).ok()?)?;
            Some(Gso { kind, size, ecn: header.flags & tcp::CWR != 0, inner: 0 })
        };
        offload.gso = gso(GsoKind::TcpV4).or_else(|| gso(GsoKind::TcpV6));
    }
    offload
}

fn unfinished(frame: &[u8]) -> Option<Checksum> {
    let Layers { ethertype, l3, ip, .. } = Layers::parse(frame)?;
    let ip = ip.filter(|ip| ip.fragment == Fragment::No)?;
    let message = frame.get(ip.l4..)?;
    let offset = match ip.proto {
        IpProto::TCP => tcp::CHECKSUM_OFFSET,
        IpProto::UDP => udp::CHECKSUM_OFFSET,
        IpProto::SCTP => SCTP_CHECKSUM_OFFSET,
        _ => return None,
    };
    let packet = frame.get(l3..)?;
    if ip.proto == IpProto::SCTP {
        let crc = message.get(usize::from(SCTP_CHECKSUM_OFFSET)..SCTP_HEADER_LEN)?;
        let whole = ip_len(ethertype, packet)? == packet.len();
        return (whole && crc == [0; 4]).then(|| partial(ip.l4, offset))?;
    }
    let at = usize::from(offset);
    let field = message.get(at..)?.first_chunk::<2>()?;
    let pseudo = pseudo_sum(ethertype, packet, ip.proto, message.len())?;
    (u16::from_be_bytes(*field) == pseudo.fold()).then(|| partial(ip.l4, offset))?
}

fn partial(l4: usize, offset: u16) -> Option<Checksum> {
    Some(Checksum::Partial { start: u16::try_from(l4).ok()?, offset })
}

/// The pseudo-header of an upper packet of `len` bytes, if the IP packet ends where the frame does.
fn pseudo_sum(ethertype: EtherType, packet: &[u8], proto: IpProto, len: usize) -> Option<Sum> {
    if ip_len(ethertype, packet)? != packet.len() {
        return None;
    }
    if ethertype == EtherType::IPV4 {
        let header = Ipv4Header::parse(packet)?;
        return Some(Sum::pseudo_v4(header.src(), header.dst(), proto, u16::try_from(len).ok()?));
    }
    let header = Ipv6Header::parse(packet)?;
    Some(Sum::pseudo_v6(header.src(), header.dst(), proto, u32::try_from(len).ok()?))
}

/// Bytes of the IP packet, as its header says.
fn ip_len(ethertype: EtherType, packet: &[u8]) -> Option<usize> {
    match ethertype {
        EtherType::IPV4 => Some(Ipv4Header::parse(packet)?.total_len.get().into()),
        EtherType::IPV6 => {
            Some(ipv6::HEADER_LEN + usize::from(Ipv6Header::parse(packet)?.payload_len.get()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::{FrameMemory, FramePool};
    use crate::offload::checksum::complete;
    use crate::offload::tests::{Recipe, Upper, any_recipe};

    proptest! {
        #[test]
        fn unfinished_checksums_are_found_and_finished_ones_stay_right(r in any_recipe(1400)) {
            let offload = recover(&r.unfinished_bytes());
            prop_assert_eq!(offload, Offload { checksum: r.checksum(), gso: None });
            let finished = r.build();
            let mut pool = FramePool::new(FrameMemory::new(1, 0).unwrap());
            let mut frame = pool.from_bytes(&finished).unwrap();
            frame.set_offload(recover(&finished));
            prop_assert!(complete(&mut frame));
            prop_assert_eq!(frame.data(), &finished[..]);
        }

        #[test]
        fn a_wrapped_segment_is_to_be_cut_and_every_piece_is_right(r in any_recipe(20_000)) {
            let bytes = r.unfinished_bytes();
            let offload = recover_wrapped(&bytes);
            prop_assert_eq!(offload.checksum, r.checksum());
            let is_long = bytes.len() > USUAL_LEN && matches!(r.upper, Upper::Tcp { .. });
            prop_assert_eq!(offload.gso.is_some(), is_long);
            if let (Some(gso), Checksum::Partial { start, offset }) = (offload.gso, offload.checksum) {
                let layout = Layout::of(&bytes, gso.kind, start, offset).expect("a segment");
                prop_assert!(layout.headers_len - layout.l3 + usize::from(gso.size.get()) == CUT_LEN);
            }
        }

        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = recover(&bytes);
            let _ = recover_wrapped(&bytes);
        }

        #[test]
        fn no_cut_and_no_flip_gives_a_field_outside_the_frame(
            r in any_recipe(60),
            cut in any::<prop::sample::Index>(),
            flip in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let mut bytes = r.unfinished_bytes();
            let at = flip.index(bytes.len());
            bytes[at] ^= 1 << bit;
            bytes.truncate(cut.index(bytes.len() + 1));
            if let Checksum::Partial { start, offset } = recover(&bytes).checksum {
                prop_assert!(usize::from(start) + usize::from(offset) + 2 <= bytes.len());
                prop_assert!(start >= 34);
            }
        }
    }

    /// A finished checksum that equals the pseudo-header sum: the rest sums up to its complement's
    /// difference.
    #[test]
    fn a_finished_checksum_of_that_very_value_is_finished_to_itself() {
        let mut r = Recipe { upper: Upper::Udp, ..Recipe::plain(4) };
        let found = (0..=u16::MAX).find(|word| {
            r.payload[..2].copy_from_slice(&word.to_be_bytes());
            r.build() == r.unfinished_bytes()
        });
        assert!(found.is_some());
        let finished = r.build();
        let mut pool = FramePool::new(FrameMemory::new(1, 0).unwrap());
        let mut frame = pool.from_bytes(&finished).unwrap();
        frame.set_offload(recover(&finished));
        assert_eq!(frame.offload().checksum, r.checksum());
        assert!(complete(&mut frame));
        assert_eq!(frame.data(), finished);
    }

    #[test]
    fn bytes_behind_the_packet_and_fragments_leave_it_alone() {
        let r = Recipe::plain(10);
        let mut padded = r.unfinished_bytes();
        padded.push(1);
        assert_eq!(recover(&padded), Offload::NONE);
        let mut fragment = r.unfinished_bytes();
        fragment[20] |= 0x20; // more fragments
        assert_eq!(recover(&fragment), Offload::NONE);
    }

    #[test]
    fn an_unfinished_sctp_checksum_is_zero() {
        let mut bytes = vec![0; 14 + 20 + 16];
        bytes[12..18].copy_from_slice(&[8, 0, 0x45, 0, 0, 36]);
        bytes[14 + 9] = IpProto::SCTP.0;
        assert_eq!(recover(&bytes).checksum, Checksum::Partial { start: 34, offset: 8 });
        bytes[45] = 1;
        assert_eq!(recover(&bytes), Offload::NONE);
    }
}

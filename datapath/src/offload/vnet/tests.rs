//! Requests that are right, wrong in one place, or noise, against frames likewise.

use proptest::prelude::*;

use super::*;
use crate::frame::{FrameMemory, FramePool};
use crate::offload::tests::{Recipe, Upper, any_recipe};
use crate::offload::{checksum, segment};

const BAD: Result<Offload, DropReason> = Err(DropReason::BadOffload);

fn header(flags: u8, gso_type: u8, [hdr_len, size, start, offset]: [usize; 4]) -> [u8; HEADER_LEN] {
    let word = |n: usize| u16::try_from(n).unwrap().to_ne_bytes();
    let words = [word(hdr_len), word(size), word(start), word(offset)].concat();
    let mut header = [flags, gso_type, 0, 0, 0, 0, 0, 0, 0, 0];
    header[2..].copy_from_slice(&words);
    header
}

fn pool() -> FramePool {
    FramePool::new(FrameMemory::new(4, 4).unwrap())
}

proptest! {
    #[test]
    fn what_is_emitted_is_parsed(r in any_recipe(5000), size in 1..3000_u16, ecn: bool) {
        let mut pool = pool();
        let mut frame = r.large(size, &mut pool);
        let mut offload = *frame.offload();
        if let Some(gso) = &mut offload.gso {
            gso.ecn = ecn && r.upper != Upper::Udp;
        }
        frame.set_offload(offload);
        let emitted = emit(&frame);
        prop_assert_eq!(&emitted[2..4], &u16::try_from(r.headers_len()).unwrap().to_ne_bytes());
        if r.payload.len() <= usize::from(size) {
            offload.gso = None;
        }
        prop_assert_eq!(parse(&emitted, frame.data()), Ok(offload));
    }

    #[test]
    fn a_request_with_a_wrong_number_is_refused(
        r in any_recipe(3000), size in 1..1000_u16, field in 1..6_usize, wrong: u16,
    ) {
        let mut pool = pool();
        let frame = r.large(size, &mut pool);
        let right = emit(&frame);
        let mut header = right;
        match field {
            1 => header[1] = wrong.to_ne_bytes()[0],
            2 => header[4..6].fill(0),
            3 => header[6..8].copy_from_slice(&wrong.to_ne_bytes()),
            4 => header[8..10].copy_from_slice(&wrong.to_ne_bytes()),
            _ => header[0] &= !NEEDS_CSUM,
        }
        let ecn = field == 1 && right[1] | GSO_ECN == header[1] && r.upper != Upper::Udp;
        prop_assume!(header != right && header[1] != GSO_NONE && !ecn);
        prop_assert_eq!(parse(&header, frame.data()), BAD);
    }

    #[test]
    fn a_large_segment_cut_short_is_refused(r in any_recipe(300), cut in 1..400_usize) {
        let mut pool = pool();
        let frame = r.large(10, &mut pool);
        let len = frame.len().saturating_sub(cut);
        prop_assert_eq!(parse(&emit(&frame), &frame.data()[..len]), BAD);
    }

    #[test]
    fn no_header_and_no_frame_do_harm(
        r in any_recipe(200),
        header: [u8; HEADER_LEN],
        plausible in (0..4_u8, 0..7_u8, 0..100_u16, 0..20_u16, 1..100_u16),
        noise in prop::collection::vec((0..300_usize, any::<u8>()), 0..8),
        len in 0..400_usize,
    ) {
        let mut pool = pool();
        let mut bytes = r.unfinished_bytes();
        for (at, byte) in noise {
            if let Some(field) = bytes.get_mut(at) {
                *field = byte;
            }
        }
        bytes.truncate(len);
        let (flags, kind, start, offset, size) = plausible;
        let near = super::tests::header(flags, kind, [0, size.into(), start.into(), offset.into()]);
        let exact = super::tests::header(flags | 1, kind, [0, size.into(), r.start(), r.offset()]);
        for header in [header, near, exact] {
            harmless(&header, &bytes, &mut pool);
        }
    }
}

/// Whatever is accepted can be finished, and is finished behind the network header.
fn harmless(header: &[u8; HEADER_LEN], bytes: &[u8], pool: &mut FramePool) {
    let Ok(offload) = parse(header, bytes) else { return };
    let mut frame = pool.from_bytes(bytes).unwrap();
    frame.set_offload(offload);
    if offload.gso.is_some() {
        let mut n = 0;
        let cut = segment::segment(&frame, pool, &mut |pool, mut piece| {
            assert!(checksum::complete(&mut piece));
            pool.put(piece);
            n += 1;
        });
        assert_eq!(cut, Ok(segment::Cut { n_done: n, n_lost: 0 }));
        assert!(n > 1);
    } else {
        assert!(checksum::complete(&mut frame));
        let decided_on =
            Layers::parse(bytes).map_or(bytes.len(), |l| l.ip.map_or(l.l3, |ip| ip.l4));
        assert_eq!(frame.data()[..decided_on], bytes[..decided_on]);
    }
    pool.put(frame);
}

#[test]
fn plain_headers() {
    let frame = Recipe::plain(10).build();
    let of = |checksum| Ok(Offload { checksum, gso: None });
    assert_eq!(parse(&[0; HEADER_LEN], &frame), of(Checksum::Unknown));
    assert_eq!(parse(&[0; HEADER_LEN], &[]), of(Checksum::Unknown), "a runt is another's concern");
    assert_eq!(parse(&header(DATA_VALID, 0, [9, 9, 9, 9]), &frame), of(Checksum::Valid));
    let mut pool = pool();
    let mut frame = pool.from_bytes(&frame).unwrap();
    assert_eq!(emit(&frame), [0; HEADER_LEN]);
    frame.set_offload(Offload { checksum: Checksum::Valid, gso: None });
    assert_eq!(emit(&frame), header(DATA_VALID, 0, [0; 4]));
}

#[test]
fn layout_on_the_wire() {
    let mut pool = pool();
    let r = Recipe { v6: true, ..Recipe::plain(4000) };
    let frame = r.large(1440, &mut pool);
    assert_eq!(emit(&frame), header(1, 4, [74, 1440, 54, 16]));
    let frame = r.unfinished(&mut pool);
    assert_eq!(emit(&frame), header(1, 0, [0, 0, 54, 16]));
}

#[test]
fn a_checksum_is_not_written_where_decisions_were_read() {
    let frame = Recipe { n_tags: 1, ..Recipe::plain(100) }.unfinished_bytes();
    let refused = [
        (0, 14, "the VLAN tag"),
        (14, 0, "the VLAN tag"),
        (18, 10, "the IP header's checksum"),
        (34, 0, "an IP address"),
        (38, 2, "a port"),
        (39, 1, "a port"),
        (40, 0, "a port"),
        (38, 6, "where UDP has it"),
        (frame.len() - 1, 0, "beyond the end"),
        (60000, 60000, "far beyond the end"),
    ];
    for (start, offset, what) in refused {
        assert_eq!(parse(&header(1, 0, [0, 0, start, offset]), &frame), BAD, "{what}");
    }
    for (start, offset) in [(38, 16), (80, 16), (frame.len() - 2, 0)] {
        assert!(parse(&header(1, 0, [0, 0, start, offset]), &frame).is_ok(), "{start} {offset}");
    }
}

#[test]
fn fragments_have_no_checksum_of_their_own() {
    let mut frame = Recipe::plain(100).unfinished_bytes();
    frame[20] |= 0x20;
    assert_eq!(parse(&header(1, 0, [0, 0, 34, 16]), &frame), BAD);
}

#[test]
fn what_is_not_ip_may_have_a_checksum_behind_its_tags() {
    let mut frame = vec![0; 60];
    frame[12..14].copy_from_slice(&[0x88, 0x64]);
    assert!(parse(&header(1, 0, [0, 0, 14, 16]), &frame).is_ok());
    assert_eq!(parse(&header(1, 0, [0, 0, 13, 16]), &frame), BAD);
    frame[12..14].copy_from_slice(&[0x86, 0xdd]);
    assert_eq!(parse(&header(1, 0, [0, 0, 54, 4]), &frame), BAD, "IPv6 in name only");
}

#[test]
fn sctp_needs_room_for_four_bytes() {
    let mut frame = Recipe::plain(0).build();
    frame[23] = IpProto::SCTP.0;
    let request = header(1, 0, [0, 0, 34, 8]);
    assert!(parse(&request, &frame[..46]).is_ok());
    assert_eq!(parse(&request, &frame[..45]), BAD);
    assert_eq!(parse(&header(1, 0, [0, 0, 34, 2]), &frame), BAD);
}

#[test]
fn fragmentation_of_udp_is_refused() {
    let frame = Recipe { upper: Upper::Udp, ..Recipe::plain(3000) }.unfinished_bytes();
    assert!(parse(&header(1, 5, [0, 1472, 34, 6]), &frame).is_ok());
    assert_eq!(parse(&header(1, 3, [0, 1472, 34, 6]), &frame), BAD);
    assert_eq!(parse(&header(1, 5 | GSO_ECN, [0, 1472, 34, 6]), &frame), BAD);
}

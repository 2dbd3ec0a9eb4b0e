//! Pieces, judged by a strict receiver and joined again.

use packet::VlanTag;
use proptest::prelude::*;

use super::*;
use crate::frame::{FrameMemory, SizeClass};
use crate::offload::checksum;
use crate::offload::tests::{Recipe, Upper, any_recipe, receive};

/// The finished pieces' bytes, and what became of them.
fn cut(frame: &Frame, pool: &mut FramePool) -> (Vec<Vec<u8>>, Result<Cut, DropReason>) {
    let mut pieces = Vec::new();
    let cut = segment(frame, pool, &mut |pool, mut piece| {
        assert!(checksum::complete(&mut piece));
        pieces.push(piece.data().to_vec());
        pool.put(piece);
    });
    (pieces, cut)
}

proptest! {
    #[test]
    fn the_pieces_are_the_whole(r in any_recipe(10_000), size in 5..5000_u16) {
        let mut pool = FramePool::new(FrameMemory::new(2, 2).unwrap());
        let frame = r.large(size, &mut pool);
        let (pieces, cut) = cut(&frame, &mut pool);
        let n = r.payload.len().div_ceil(size.into());
        prop_assert_eq!(cut, Ok(Cut { n_done: n, n_lost: 0 }));

        let whole = receive(&r.build());
        let mut rejoined = Vec::new();
        for (i, piece) in pieces.iter().enumerate() {
            let seen = receive(piece);
            let last = i + 1 == n;
            prop_assert!(seen.payload.len() == usize::from(size) || last);
            if !r.v6 {
                prop_assert_eq!(seen.id, r.id.wrapping_add(u16::try_from(i).unwrap()));
            }
            if let (Some(tcp), Some(mut expected)) = (seen.tcp, whole.tcp.clone()) {
                let before = u32::try_from(rejoined.len()).unwrap();
                expected.sequence_number = r.seq.wrapping_add(before);
                expected.fin &= last;
                expected.psh &= last;
                expected.cwr &= i == 0;
                expected.checksum = tcp.checksum;
                prop_assert_eq!(tcp, expected);
            }
            prop_assert_eq!(&piece[..14 + r.n_tags * 4], &frame.data()[..14 + r.n_tags * 4]);
            rejoined.extend(seen.payload);
        }
        prop_assert_eq!(rejoined, r.payload);
    }
}

#[test]
fn sixty_four_kilobytes() {
    let mut pool = FramePool::new(FrameMemory::new(1, 1).unwrap());
    for v6 in [false, true] {
        let headers = if v6 { 20 } else { 40 };
        let r = Recipe { v6, n_tags: 2, ..Recipe::plain(65535 - headers) };
        let frame = r.large(1448, &mut pool);
        let (pieces, cut) = cut(&frame, &mut pool);
        assert_eq!(cut, Ok(Cut { n_done: 46, n_lost: 0 }));
        let rejoined: Vec<u8> = pieces.iter().flat_map(|piece| receive(piece).payload).collect();
        assert_eq!(rejoined, r.payload);
        pool.put(frame);
    }
}

#[test]
fn a_service_tag_above_two_others_is_on_every_piece_and_a_fourth_tag_is_too_many() {
    let mut pool = FramePool::new(FrameMemory::new(8, 2).unwrap());
    let frame = || Recipe { n_tags: 2, ..Recipe::plain(4000) };
    let (plain, tagged) = (frame().large(1000, &mut pool), frame().large(1000, &mut pool));
    let (without, _) = cut(&plain, &mut pool);
    let mut tagged = tagged;
    assert!(tagged.push_vlan(0x88a8, VlanTag(100)));
    let (with, done) = cut(&tagged, &mut pool);
    assert_eq!(done, Ok(Cut { n_done: 4, n_lost: 0 }));
    for (mut with, without) in with.into_iter().zip(without) {
        let tag: Vec<u8> = with.drain(12..16).collect();
        assert_eq!((&tag[..], with), (&[0x88, 0xa8, 0, 100][..], without));
    }
    assert!(tagged.push_vlan(0x88a8, VlanTag(200)));
    assert_eq!(cut(&tagged, &mut pool).1, Err(DropReason::SegmentFailed));
    pool.put_all([plain, tagged]);
}

#[test]
fn what_the_pool_cannot_hold_is_counted() {
    let mut pool = FramePool::new(FrameMemory::new(3, 1).unwrap());
    let frame = Recipe::plain(10_000).large(1000, &mut pool);
    let mut kept = Vec::new();
    let cut = segment(&frame, &mut pool, &mut |_, piece| kept.push(piece));
    assert_eq!((cut, kept.len()), (Ok(Cut { n_done: 3, n_lost: 7 }), 3));
}

#[test]
fn absurd_sizes_are_refused() {
    let mut pool = FramePool::new(FrameMemory::new(1, 1).unwrap());
    let r = Recipe::plain(MAX_SEGMENTS + 1);
    let frame = r.large(1, &mut pool);
    assert_eq!(cut(&frame, &mut pool), (vec![], Err(DropReason::SegmentFailed)));
    pool.put(frame);
    let frame = r.large(2, &mut pool);
    assert_eq!(cut(&frame, &mut pool).0.len(), MAX_SEGMENTS / 2 + 1);
}

#[test]
fn what_is_no_segment_is_refused() {
    let mut pool = FramePool::new(FrameMemory::new(4, 1).unwrap());
    let r = Recipe::plain(100);
    let frame = r.unfinished(&mut pool);
    assert_eq!(cut(&frame, &mut pool).1, Err(DropReason::SegmentFailed));
    let udp = Recipe { upper: Upper::Udp, ..Recipe::plain(100) };
    let mut frame = r.large(10, &mut pool);
    frame.set_offload(Offload { gso: Some(udp.gso(10)), ..*frame.offload() });
    assert_eq!(cut(&frame, &mut pool).1, Err(DropReason::SegmentFailed));
    assert_eq!(pool.memory().n_free(SizeClass::Large), 1);
}

//! What leaves for an output of each kind, and every counter that moves.

use proptest::prelude::*;

use super::*;
use crate::frame::{FrameMemory, Offload};
use crate::offload::tests::{Recipe, Upper, any_recipe, receive};

const NOTHING: TxCaps =
    TxCaps { checksum: false, tcp_segmentation: false, udp_segmentation: false };
const CHECKSUM: TxCaps = TxCaps { checksum: true, ..NOTHING };
const ALL: TxCaps = TxCaps { checksum: true, tcp_segmentation: true, udp_segmentation: true };

fn limits(caps: TxCaps, mtu: u32) -> Limits {
    Limits { caps, mtu }
}

fn pool(n_small: usize) -> FramePool {
    FramePool::new(FrameMemory::new(n_small, 4).unwrap())
}

/// Every counter that `fit` may move, by name.
fn ledger(counters: &PortCounters) -> Vec<(&'static str, u64)> {
    let named = [("segments", &counters.segments), ("tx_checksums", &counters.tx_checksums)];
    let counted = named.map(|(name, counter)| (name, counter.get()));
    let drops = DropReason::ALL.iter().map(|reason| (reason.name(), counters.tx_drops(*reason)));
    counted.into_iter().chain(drops).filter(|(_, n)| *n > 0).collect()
}

/// Sends one frame through `fit`: what came out, and the counters that moved.
fn run(frame: Frame, limits: &Limits, pool: &mut FramePool) -> (Vec<Frame>, PortCounters) {
    let counters = PortCounters::default();
    let mut sent = Vec::new();
    fit(frame, limits, pool, &counters, &mut |_, frame| sent.push(frame));
    (sent, counters)
}

#[test]
fn what_the_output_can_do_passes() {
    let mut pool = pool(4);
    let r = Recipe::plain(4000);
    for frame in [Recipe::plain(100).unfinished(&mut pool), r.large(1448, &mut pool)] {
        let limits = limits(ALL, 1500);
        assert!(fits(&frame, &limits));
        let before = (frame.data().to_vec(), *frame.offload());
        let (sent, counters) = run(frame, &limits, &mut pool);
        assert_eq!((sent[0].data(), *sent[0].offload()), (&before.0[..], before.1));
        assert_eq!((sent.len(), ledger(&counters)), (1, vec![]));
    }
}

#[test]
fn a_checksum_is_finished() {
    let mut pool = pool(4);
    let r = Recipe::plain(100);
    let frame = r.unfinished(&mut pool);
    assert!(!fits(&frame, &limits(NOTHING, 1500)));
    let (sent, counters) = run(frame, &limits(NOTHING, 1500), &mut pool);
    assert_eq!(sent[0].data(), r.build());
    assert_eq!(ledger(&counters), [("tx_checksums", 1)]);
}

#[test]
fn a_large_segment_is_cut_and_each_piece_finished() {
    let mut pool = pool(8);
    let r = Recipe::plain(4000);
    let frame = r.large(1448, &mut pool);
    assert!(!fits(&frame, &limits(CHECKSUM, 1500)));
    let (sent, counters) = run(frame, &limits(NOTHING, 1500), &mut pool);
    let payload: Vec<u8> = sent.iter().flat_map(|piece| receive(piece.data()).payload).collect();
    assert_eq!((payload, sent.len()), (r.payload, 3));
    assert_eq!(ledger(&counters), [("segments", 2), ("tx_checksums", 3)]);
}

#[test]
fn pieces_stay_unfinished_for_an_output_that_finishes_them() {
    let mut pool = pool(8);
    let r = Recipe { upper: Upper::Udp, ..Recipe::plain(4000) };
    let tcp_only = TxCaps { udp_segmentation: false, ..ALL };
    let frame = r.large(1472, &mut pool);
    let (mut sent, counters) = run(frame, &limits(tcp_only, 1500), &mut pool);
    assert_eq!(ledger(&counters), [("segments", 2)]);
    let undone = Offload { checksum: r.checksum(), gso: None };
    for piece in &mut sent {
        assert_eq!(*piece.offload(), undone);
        assert!(checksum::complete(piece));
        receive(piece.data());
    }
}

#[test]
fn segmentation_without_checksums_is_no_segmentation() {
    let caps = TxCaps { checksum: false, ..ALL };
    let mut pool = pool(8);
    let frame = Recipe::plain(4000).large(1448, &mut pool);
    assert!(!fits(&frame, &limits(caps, 1500)));
}

#[test]
fn the_mtu_counts_what_is_behind_up_to_two_tags() {
    let mut pool = pool(4);
    for n_tags in 0..=2 {
        for (payload_len, fitting) in [(1460, true), (1461, false)] {
            let r = Recipe { n_tags, ..Recipe::plain(payload_len) };
            let frame = pool.from_bytes(&r.build()).unwrap();
            assert_eq!(fits(&frame, &limits(ALL, 1500)), fitting, "{n_tags} {payload_len}");
            let (sent, counters) = run(frame, &limits(NOTHING, 1500), &mut pool);
            let drops = if fitting { vec![] } else { vec![("mtu_exceeded", 1)] };
            assert_eq!((sent.len(), ledger(&counters)), (usize::from(fitting), drops));
            pool.put_all(sent);
        }
    }
}

#[test]
fn segments_above_the_mtu_are_dropped_before_they_are_cut() {
    let mut pool = pool(8);
    for n_tags in 0..=2 {
        for caps in [NOTHING, ALL] {
            for (size, fitting) in [(1460, true), (1461, false)] {
                let frame = Recipe { n_tags, ..Recipe::plain(4000) }.large(size, &mut pool);
                assert_eq!(fits(&frame, &limits(ALL, 1500)), fitting);
                let (sent, counters) = run(frame, &limits(caps, 1500), &mut pool);
                assert_eq!(counters.tx_drops(DropReason::MtuExceeded), u64::from(!fitting));
                assert_eq!(sent.is_empty(), !fitting);
                pool.put_all(sent);
            }
        }
    }
}

#[test]
fn a_dry_pool_loses_countably() {
    let mut pool = pool(2);
    let frame = Recipe::plain(4000).large(1000, &mut pool);
    let (sent, counters) = run(frame, &limits(NOTHING, 1500), &mut pool);
    let expected = [("segments", 3), ("tx_checksums", 2), ("no_frame", 2)];
    assert_eq!((sent.len(), ledger(&counters)), (2, expected.to_vec()));
}

#[test]
fn a_segment_that_cannot_be_cut_is_dropped() {
    let mut pool = pool(2);
    let frame = Recipe::plain(5000).large(1, &mut pool);
    let (sent, counters) = run(frame, &limits(NOTHING, 1500), &mut pool);
    assert_eq!((sent.len(), ledger(&counters)), (0, vec![("segment_failed", 1)]));
}

proptest! {
    #[test]
    fn the_ledger_holds_and_what_leaves_fits(
        r in any_recipe(9000), size in 1..4000_u16, large: bool, mtu in 60..3000_u32, caps in 0..8_u8,
        n_small in 0..20_usize,
    ) {
        let mut pool = pool(1 + n_small);
        let frame = if large { r.large(size, &mut pool) } else { r.unfinished(&mut pool) };
        let [checksum, tcp_segmentation, udp_segmentation] = [1, 2, 4].map(|bit| caps & bit != 0);
        let limits = limits(TxCaps { checksum, tcp_segmentation, udp_segmentation }, mtu);
        let fit_before = fits(&frame, &limits);
        let (sent, counters) = run(frame, &limits, &mut pool);
        let drops: u64 = DropReason::ALL.iter().map(|reason| counters.tx_drops(*reason)).sum();
        prop_assert_eq!(1 + counters.segments.get(), sent.len() as u64 + drops);
        for frame in &sent {
            prop_assert!(fits(frame, &limits));
        }
        prop_assert!(!fit_before || ledger(&counters).is_empty());
    }
}

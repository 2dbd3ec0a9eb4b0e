//! Segments that are cut and joined again, and neighbours that must not be.

use packet::tcp;
use proptest::prelude::*;

use super::*;
use crate::frame::{FrameMemory, FramePool};
use crate::offload::checksum::complete;
use crate::offload::segment::segment;
use crate::offload::tests::{Recipe, Upper, any_recipe};

fn pool() -> FramePool {
    FramePool::new(FrameMemory::new(64, 2).unwrap())
}

/// The frames that a large one is cut into.
fn cut(r: &Recipe, size: u16, pool: &mut FramePool) -> Vec<Frame> {
    let whole = r.large(size, pool);
    let mut pieces = Vec::new();
    segment(&whole, pool, &mut |_, piece| pieces.push(piece)).unwrap();
    pool.put(whole);
    pieces
}

/// The bytes of a message: the first frame's, and of the others what is behind the headers.
fn message(frames: &[Frame], joined: Joined) -> Vec<u8> {
    let (first, rest) = frames[..joined.n_frames].split_first().unwrap();
    let payloads = rest.iter().flat_map(|frame| &frame.data()[joined.headers_len..]);
    first.data().iter().chain(payloads).copied().collect()
}

/// How many of the pieces are to be joined.
fn n_expected(r: &Recipe, size: u16, n: usize) -> usize {
    let Upper::Tcp { fin, cwr, .. } = r.upper else { return 1 };
    let rest = r.payload.len() % usize::from(size);
    let is_last_alone = fin || (1..MIN_SIZE).contains(&rest);
    // CWR stands on the first alone.
    let n = if r.options_words > 0 || r.n_tags > 1 || cwr { 1 } else { n };
    if is_last_alone { n.saturating_sub(1).max(1) } else { n }
}

proptest! {
    #[test]
    fn what_was_cut_is_joined_and_cut_to_the_same_again(
        r in any_recipe(9000),
        size in 300..1800_u16,
        is_finished in any::<bool>(),
    ) {
        let mut pool = pool();
        let mut pieces = cut(&r, size, &mut pool);
        if is_finished {
            pieces.iter_mut().for_each(|piece| assert!(complete(piece)));
        }
        let before: Vec<_> = pieces.iter().map(|piece| piece.data().to_vec()).collect();
        let joined = join(&mut pieces);
        prop_assert_eq!(joined.n_frames, n_expected(&r, size, pieces.len()));
        if joined == Joined::ALONE {
            prop_assert_eq!(pieces[0].data(), &before[0][..]);
        } else {
            let mut whole = pool.from_bytes(&message(&pieces, joined)).unwrap();
            whole.set_offload(*pieces[0].offload());
            let mut again = Vec::new();
            segment(&whole, &mut pool, &mut |pool, mut piece| {
                assert!(!is_finished || complete(&mut piece));
                again.push(piece.data().to_vec());
                pool.put(piece);
            })
            .unwrap();
            prop_assert_eq!(&again[..], &before[..joined.n_frames]);
            pool.put(whole);
        }
        pool.put_all(pieces);
    }

    #[test]
    fn one_bit_that_differs_parts_them_or_is_payload(
        v6 in any::<bool>(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
        which in 0..2_usize,
    ) {
        let mut pool = pool();
        let r = Recipe { v6, ..Recipe::plain(1000) };
        let mut pieces = cut(&r, 500, &mut pool);
        pieces.iter_mut().for_each(|piece| assert!(complete(piece)));
        let at = at.index(pieces[which].len());
        pieces[which].data_mut()[at] ^= 1 << bit;
        // Every bit is under a checksum or compared, but for those of IPv6 and of Ethernet that are
        // compared only.
        prop_assert_eq!(join(&mut pieces), Joined::ALONE);
        pool.put_all(pieces);
    }

    #[test]
    fn no_bytes_do_harm(a in prop::collection::vec(any::<u8>(), 60..400), n in 0..300_usize) {
        let mut pool = pool();
        let b = &a[..n.clamp(14, a.len())];
        let mut frames = vec![pool.from_bytes(&a).unwrap(), pool.from_bytes(b).unwrap()];
        let before = frames[0].data().to_vec();
        if join(&mut frames) == Joined::ALONE {
            prop_assert_eq!(frames[0].data(), &before[..]);
        }
        pool.put_all(frames);
    }
}

/// Two pieces of a plain stream, the second changed and with its checksums right again.
fn two(change: impl Fn(&mut [u8])) -> (Joined, bool) {
    let mut pool = pool();
    let mut pieces = cut(&Recipe::plain(1000), 500, &mut pool);
    change(pieces[1].data_mut());
    let ip = &mut pieces[1].data_mut()[14..34];
    ip[10..12].fill(0);
    let sum = Sum::default().add_bytes(ip).finish();
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let begins = begins(&pieces);
    let joined = join(&mut pieces);
    pool.put_all(pieces);
    (joined, begins)
}

#[test]
fn two_that_differ_stay_two() {
    assert_eq!(two(|_| {}), (Joined { n_frames: 2, headers_len: 54 }, true));
    let differences: [(&str, usize, u8); 10] = [
        ("destination", 0, 2),
        ("type of service", 15, 4),
        ("don't fragment", 20, 0x40),
        ("time to live", 22, 1),
        ("source", 29, 1),
        ("port", 35, 1),
        ("sequence number", 41, 1),
        ("acknowledgment", 45, 1),
        ("window", 49, 1),
        ("FIN", 47, tcp::FIN),
    ];
    for (name, at, bits) in differences {
        assert_eq!(two(|bytes| bytes[at] ^= bits), (Joined::ALONE, false), "{name}");
    }
}

#[test]
fn identifications_count_up_where_somebody_may_fragment() {
    for (flags, second, n_frames) in [(0x40, 9, 2), (0, 8, 2), (0, 9, 1), (0, 7, 1)] {
        let mut pool = pool();
        let mut pieces = cut(&Recipe::plain(1000), 500, &mut pool);
        for (piece, id) in pieces.iter_mut().zip([7, second]) {
            let ip = &mut piece.data_mut()[14..34];
            ip[4..8].copy_from_slice(&[0, id, flags, 0]);
            ip[10..12].fill(0);
            let sum = Sum::default().add_bytes(ip).finish();
            ip[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        assert_eq!(join(&mut pieces).n_frames, n_frames, "{flags:#x} {second}");
        pool.put_all(pieces);
    }
}

#[test]
fn push_is_the_end_of_a_segment() {
    let mut pool = pool();
    let mut pieces = cut(&Recipe::plain(1500), 500, &mut pool);
    pieces[1].data_mut()[47] |= tcp::PSH;
    assert_eq!(join(&mut pieces).n_frames, 2);
    assert_ne!(pieces[0].data()[47] & tcp::PSH, 0);
    assert_eq!(join(&mut pieces[2..]), Joined::ALONE);
    pool.put_all(pieces);
}

#[test]
fn none_grows_beyond_an_ip_packet() {
    let mut pool = FramePool::new(FrameMemory::new(64, 2).unwrap());
    let mut pieces = cut(&Recipe::plain(60_000), 1500, &mut pool);
    let more = cut(&Recipe { seq: 60_001, id: 41, ..Recipe::plain(9000) }, 1500, &mut pool);
    pieces.extend(more);
    pieces[39].data_mut()[47] &= !tcp::PSH;
    assert_eq!(join(&mut pieces).n_frames, 43, "43 × 1500 + 40 bytes");
    pool.put_all(pieces);
}

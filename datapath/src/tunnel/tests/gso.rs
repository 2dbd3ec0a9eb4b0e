//! Large segments that a kernel has put into a tunnel of its own: opened whole, or cut with their outer
//! headers.

use packet::tunnel::{TunnelKey, TunnelKind};
use proptest::prelude::*;

use super::*;
use crate::frame::{Checksum, Frame, FrameMemory, FramePool, GsoKind};
use crate::offload::checksum::complete;
use crate::offload::tests::{Recipe, Upper, any_recipe};
use crate::offload::{segment, vnet};
use crate::tunnel::encapsulate::{Ends, Outer};
use crate::tunnel::open::{Opened, Source, open};

fn ends(v6: bool) -> Ends {
    let (src, dst) = if v6 { ("fc00::2", "fc00::1") } else { (REMOTE, LOCAL) };
    Ends { src: ip(src), dst: ip(dst), link: Some(Link { dst: MacAddr(host(0xa1)), ..link(0) }) }
}

/// A large segment inside of a tunnel, as a packet socket gives it: the frame, and its virtio-net header.
fn tunnelled(
    config: &TunnelConfig,
    ends: &Ends,
    (recipe, size): (&Recipe, u16),
    pool: &mut FramePool,
) -> (Frame, [u8; vnet::HEADER_LEN]) {
    let inner = recipe.unfinished(pool);
    let state = TunnelState::default();
    let outer = Outer::new((config, &state), None, ends).unwrap();
    let mut frame = pool.move_back(&inner, outer.len()).unwrap();
    pool.put(inner);
    outer.write(&mut frame).unwrap();
    let Checksum::Partial { start, offset } = frame.offload().checksum else { panic!() };
    let kind = match recipe.gso(size).kind {
        GsoKind::TcpV4 => 1,
        GsoKind::TcpV6 => 4,
        GsoKind::Udp => 5,
    };
    let [[z0, z1], [s0, s1], [o0, o1]] =
        [size.to_ne_bytes(), start.to_ne_bytes(), offset.to_ne_bytes()];
    (frame, [1, kind, 0, 0, z0, z1, s0, s1, o0, o1])
}

/// What the frame is worth to a receiver at the other end of the tunnel.
fn opened(frame: &mut Frame, config: &TunnelConfig, ends: &Ends) -> Opened {
    let mut tunnels = Tunnels::default();
    tunnels.add_port(&TunnelConfig { remote: Address::Flow, ..config.clone() }, port(5));
    let terminator = Terminator::new(MacAddr(host(0xa1)), vec![ends.dst]);
    open(frame, Source::Port(&terminator), &tunnels, &mut TunnelKey::new())
}

fn cut(frame: &Frame, pool: &mut FramePool) -> Vec<Frame> {
    let mut pieces = Vec::new();
    segment::segment(frame, pool, &mut |_, piece| pieces.push(piece)).unwrap();
    pieces
}

proptest! {
    #[test]
    fn a_large_segment_inside_is_opened_whole_and_cut_with_its_outer_headers(
        recipe in any_recipe(4000), size in 100..1400_u16, v6: bool, csum: bool,
        kind in prop::sample::select(vec![TunnelKind::Vxlan, TunnelKind::Gre, TunnelKind::Geneve]),
    ) {
        let mut pool = FramePool::new(FrameMemory::new(200, 8).unwrap());
        let csum = if csum { Switch::On } else { Switch::Off };
        let (config, ends) = (TunnelConfig { csum, ..config(kind) }, ends(v6));
        let (mut frame, header) = tunnelled(&config, &ends, (&recipe, size), &mut pool);
        let offload = vnet::parse(&header, frame.data());
        prop_assert!(offload.is_ok());
        frame.set_offload(offload.unwrap());
        let is_large = recipe.payload.len() > usize::from(size);
        prop_assert_eq!(frame.offload().gso.is_some(), is_large);
        let whole = recipe.large(size, &mut pool);
        if is_large {
            // Cut as it is, each piece is an outer packet whose inside is the piece of the inside.
            let outside = cut(&frame, &mut pool);
            let inside = cut(&whole, &mut pool);
            prop_assert_eq!(outside.len(), inside.len());
            for (mut outer, mut inner) in outside.into_iter().zip(inside) {
                prop_assert!(complete(&mut outer) && complete(&mut inner));
                prop_assert_eq!(opened(&mut outer, &config, &ends), Opened::By(port(5)));
                prop_assert_eq!(outer.data(), inner.data());
                pool.put_all([outer, inner]);
            }
        }
        prop_assert_eq!(opened(&mut frame, &config, &ends), Opened::By(port(5)));
        prop_assert_eq!(frame.data(), whole.data());
        if is_large {
            prop_assert_eq!(frame.offload(), whole.offload());
        }
    }
}

#[test]
fn the_kind_of_segment_must_be_that_of_what_is_inside() {
    let mut pool = FramePool::new(FrameMemory::new(20, 8).unwrap());
    let upper = Upper::Tcp { options_words: 0, fin: false, cwr: false };
    let recipe = Recipe { upper, ..Recipe::plain(3000) };
    let config = config(TunnelKind::Vxlan);
    let (frame, header) = tunnelled(&config, &ends(false), (&recipe, 1000), &mut pool);
    let bytes = frame.data().to_vec();
    assert!(vnet::parse(&header, &bytes).is_ok());
    for kind in [4, 5, 3] {
        let mut header = header;
        header[1] = kind;
        assert!(vnet::parse(&header, &bytes).is_err(), "{kind}");
    }
    // Where nothing begins.
    let mut elsewhere = header;
    elsewhere[6] ^= 2;
    assert!(vnet::parse(&elsewhere, &bytes).is_err());
    // Longer than the outer header says.
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(vnet::parse(&header, &longer).is_err());
    // A header that is of no tunnel.
    let mut other = bytes;
    other[42] = 0;
    assert!(vnet::parse(&header, &other).is_err());
}

//! What was put into a tunnel comes out of it, with what was said of it.

use packet::tunnel::geneve::MIN_HEADER_LEN;
use packet::tunnel::{TunnelKey, TunnelKind};
use proptest::prelude::*;

use super::*;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, FrameMemory, FramePool, Offload};
use crate::l2::normal::lab::frame;
use crate::offload::checksum::complete;
use crate::offload::tests::any_recipe;
use crate::tunnel::encapsulate::{Ends, Outer, Unwritten};
use crate::tunnel::open::{Opened, Opener, Source, open};

fn any_switch() -> impl Strategy<Value = Switch> {
    prop::sample::select(vec![Switch::On, Switch::Off])
}

fn any_kind() -> impl Strategy<Value = TunnelKind> {
    prop::sample::select(vec![TunnelKind::Vxlan, TunnelKind::Gre, TunnelKind::Geneve])
}

/// Options of up to 252 bytes.
fn any_options() -> impl Strategy<Value = Vec<u8>> {
    let option = (any::<u16>(), any::<u8>(), prop::collection::vec(any::<[u8; 4]>(), 0..8));
    prop::collection::vec(option, 0..7).prop_map(|options| {
        let bytes = options.into_iter().flat_map(|(class, kind, data)| {
            let [c0, c1] = class.to_be_bytes();
            // None that is critical: nobody here knows any.
            let header = [c0, c1, kind & 0x7f, u8::try_from(data.len()).unwrap()];
            header.into_iter().chain(data.into_iter().flatten()).collect::<Vec<_>>()
        });
        bytes.collect()
    })
}

prop_compose! {
    fn any_config()(
        kind in any_kind(),
        (df, csum, seq, gbp) in (any_switch(), any_switch(), any_switch(), any_switch()),
        tos in prop::sample::select(vec![Byte::Is(0), Byte::Is(0xb8), Byte::Inherit]),
        ttl in prop::sample::select(vec![Byte::Is(1), Byte::Is(64), Byte::Inherit]),
        has_key in any::<bool>(),
    ) -> TunnelConfig {
        TunnelConfig {
            remote: Address::Flow,
            local: Address::Flow,
            in_key: Key::Flow,
            out_key: if has_key { Key::Flow } else { Key::None },
            tos, ttl, df, csum, seq, gbp,
            ..config(kind)
        }
    }
}

prop_compose! {
    fn any_key()(
        id in any::<u32>(),
        policy in any::<(u16, u8)>(),
        oam in any::<bool>(),
        options in any_options(),
        v6 in any::<bool>(),
    ) -> TunnelKey {
        let (src, dst) = if v6 { ("fc00::1", "fc00::2") } else { (LOCAL, REMOTE) };
        let options = options.into_iter().collect();
        TunnelKey {
            id: id.into(), src: ip(src), dst: ip(dst),
            gbp_id: policy.0, gbp_flags: policy.1, oam, options, ..TunnelKey::new()
        }
    }
}

/// What is expected to be known of a packet at the other end.
fn received(config: &TunnelConfig, key: &TunnelKey, frame: &[u8]) -> TunnelKey {
    let is_gre = config.kind == TunnelKind::Gre;
    let mut key = key.clone();
    key.id = if config.out_key == Key::None { 0 } else { key.id & config.kind.max_key() };
    if config.kind != TunnelKind::Vxlan || config.gbp == Switch::Off {
        (key.gbp_id, key.gbp_flags) = (0, 0);
    }
    if config.kind != TunnelKind::Geneve {
        key.oam = false;
        key.options.clear();
    }
    key.has_key = !is_gre || config.out_key != Key::None;
    key.csum = config.csum == Switch::On || (key.src.is_ipv6() && !is_gre);
    key.df = config.df == Switch::On && key.src.is_ipv4();
    key.tp_dst = config.dst_port;
    let inner = crate::tunnel::inner::Inner::read(frame).ip;
    let (tos, ttl) = inner.map_or((0, 64), |ip| (ip.tos, ip.ttl));
    let dscp = match config.tos {
        Byte::Is(tos) => tos,
        Byte::Inherit => tos,
    };
    key.tos = dscp & 0xfc | tos & 3;
    key.ttl = match config.ttl {
        Byte::Is(ttl) => ttl,
        Byte::Inherit => ttl,
    };
    key
}

fn write(outer: &Outer<'_>, frame: Frame, pool: &mut FramePool) -> Frame {
    let mut frame = frame;
    if outer.write(&mut frame) == Err(Unwritten::Headroom) {
        let moved = pool.move_back(&frame, outer.len()).unwrap();
        pool.put(std::mem::replace(&mut frame, moved));
        outer.write(&mut frame).unwrap();
    }
    frame
}

fn tunnels(config: &TunnelConfig) -> Tunnels {
    let mut tunnels = Tunnels::default();
    tunnels.add_port(config, port(5));
    tunnels
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(
        config in any_config(), key in any_key(), recipe in any_recipe(1400),
        (is_finished, has_link) in any::<(bool, bool)>(),
    ) {
        let mut pool = FramePool::new(FrameMemory::new(4, 4).unwrap());
        let finished = recipe.build();
        let inner = if is_finished {
            pool.from_bytes(&finished).unwrap()
        } else {
            recipe.unfinished(&mut pool)
        };
        let state = TunnelState::default();
        let link = has_link.then(|| Link { dst: MacAddr(host(0xa1)), ..link(0) });
        let ends = Ends { src: key.src, dst: key.dst, link };
        let outer = Outer::new((&config, &state), Some(&key), &ends).unwrap();
        let overhead = outer.len();
        let mut frame = write(&outer, inner, &mut pool);
        prop_assert_eq!(frame.len(), overhead + finished.len());
        // The checksum inside may still be unfinished; the one outside is right all the same.
        let mut on_the_wire = pool.copy(&frame).unwrap();
        prop_assert!(complete(&mut on_the_wire));
        // As well if nobody tells, where they are looked for.
        let mut hidden = pool.copy(&frame).unwrap();
        hidden.set_offload(Offload::NONE);
        for frame in [&mut on_the_wire, &mut frame, &mut hidden] {
            let mut found = TunnelKey::new();
            let own = MacAddr(host(0xa1));
            let recovers = Switch::On;
            let terminator = Terminator { recovers, ..Terminator::new(own, vec![key.dst]) };
            let source = if has_link { Source::Port(&terminator) } else { Source::Carrier };
            let opened = open(frame, source, &tunnels(&config), &mut found);
            prop_assert_eq!(opened, Opened::By(port(5)));
            let whole = Offload { gso: None, ..*frame.offload() };
            frame.set_offload(whole);
            prop_assert!(complete(frame));
            prop_assert_eq!(frame.data(), &finished[..]);
            prop_assert_eq!(found.tp_src == 0, config.kind == TunnelKind::Gre);
            found.tp_src = 0;
            prop_assert_eq!(found, received(&config, &key, &finished));
        }
    }

    #[test]
    fn no_cut_and_no_flip_does_harm(
        config in any_config(), key in any_key(), recipe in any_recipe(60),
        cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 0..4),
    ) {
        let mut pool = FramePool::new(FrameMemory::new(4, 4).unwrap());
        let inner = pool.from_bytes(&recipe.build()).unwrap();
        let state = TunnelState::default();
        let ends = Ends { src: key.src, dst: key.dst, link: None };
        let outer = Outer::new((&config, &state), Some(&key), &ends).unwrap();
        let frame = write(&outer, inner, &mut pool);
        let mut bytes = frame.data().to_vec();
        for (at, bit) in flips {
            let at = at.index(bytes.len().min(100));
            bytes[at] ^= 1 << bit;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        let mut hostile = pool.from_bytes(&bytes).unwrap();
        let mut found = TunnelKey::new();
        match open(&mut hostile, Source::Carrier, &tunnels(&config), &mut found) {
            Opened::By(_) => {
                prop_assert!(bytes.len() >= hostile.len());
                prop_assert!(found.id <= config.kind.max_key());
            }
            Opened::No => prop_assert_eq!(hostile.data(), &bytes[..]),
            Opened::Again => prop_assert!(false, "nothing was opened before"),
            Opened::Lost(reason) => prop_assert!(matches!(
                reason,
                DropReason::TunnelBadHeader
                    | DropReason::TunnelBadChecksum
                    | DropReason::TunnelUnknownKey
                    | DropReason::Congestion
            )),
        }
    }

    /// A packet behind another one is opened as it would be by itself.
    #[test]
    fn what_is_known_again_is_what_is_read(
        config in any_config(), key in any_key(), recipes in prop::array::uniform2(any_recipe(90)),
        has_link: bool, cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 0..3),
    ) {
        let mut pool = FramePool::new(FrameMemory::new(8, 8).unwrap());
        let state = TunnelState::default();
        let link = has_link.then(|| Link { dst: MacAddr(host(0xa1)), ..link(0) });
        let ends = Ends { src: key.src, dst: key.dst, link };
        let outer = Outer::new((&config, &state), Some(&key), &ends).unwrap();
        let mut packet = |recipe: &crate::offload::tests::Recipe| {
            let inner = pool.from_bytes(&recipe.build()).unwrap();
            write(&outer, inner, &mut pool)
        };
        let [mut first, mut second] = [packet(&recipes[0]), packet(&recipes[1])];
        for (at, bit) in &flips {
            let n = second.len().min(70);
            second.data_mut()[at.index(n)] ^= 1 << bit;
        }
        if let Some(cut) = cut {
            let len = cut.index(second.len() + 1);
            prop_assert!(second.set_len(len));
        }
        let mut alone = pool.copy(&second).unwrap();
        let tunnels = tunnels(&config);
        let terminator = Terminator::new(MacAddr(host(0xa1)), vec![key.dst]);
        let source = if has_link { Source::Port(&terminator) } else { Source::Carrier };
        let mut opener = Opener::new(source, &tunnels);
        let opened = opener.open(&mut first);
        prop_assume!(opened == Opened::By(port(5)));
        let mut found = TunnelKey::new();
        let expected = open(&mut alone, source, &tunnels, &mut found);
        match opener.open(&mut second) {
            Opened::Again => prop_assert_eq!(expected, Opened::By(port(5))),
            other => prop_assert_eq!(other, expected),
        }
        if let Opened::By(_) = expected {
            prop_assert_eq!(second.data(), alone.data());
            prop_assert_eq!(second.offload(), alone.offload());
            prop_assert_eq!(opener.key, found);
        }
    }

    #[test]
    fn packets_of_a_run_are_known_again(kind in any_kind(), has_link: bool) {
        let mut pool = FramePool::new(FrameMemory::new(8, 8).unwrap());
        let (config, state) = (config(kind), TunnelState::default());
        let link = has_link.then(|| Link { dst: MacAddr(host(0xa1)), ..link(0) });
        let ends = Ends { src: ip(REMOTE), dst: ip(LOCAL), link };
        let outer = Outer::new((&config, &state), None, &ends).unwrap();
        let (tunnels, terminator) = (tunnels(&config), terminator());
        let source = if has_link { Source::Port(&terminator) } else { Source::Carrier };
        let mut opener = Opener::new(source, &tunnels);
        let mut opened = Vec::new();
        for len in [60, 61, 1000] {
            let inner = pool.from_bytes(&vec![2; len]).unwrap();
            let mut frame = write(&outer, inner, &mut pool);
            opened.push(opener.open(&mut frame));
            prop_assert_eq!(frame.data(), &vec![2; len][..]);
        }
        prop_assert_eq!(opened, [Opened::By(port(5)), Opened::Again, Opened::Again]);
    }

    #[test]
    fn any_bytes_behind_right_outer_headers_are_an_answer(
        kind in any_kind(), rest in prop::collection::vec(any::<u8>(), 0..80), v6 in any::<bool>(),
    ) {
        let mut pool = FramePool::new(FrameMemory::new(4, 4).unwrap());
        let (src, dst) = if v6 { ("fc00::1", "fc00::2") } else { (LOCAL, REMOTE) };
        let ends = Ends { src: ip(src), dst: ip(dst), link: None };
        let config = TunnelConfig { remote: Address::Flow, in_key: Key::Flow, ..config(kind) };
        let state = TunnelState::default();
        let outer = Outer::new((&config, &state), None, &ends).unwrap();
        // The tunnel's header is overwritten by what follows.
        let inner = pool.from_bytes(&rest).unwrap();
        let mut frame = write(&outer, inner, &mut pool);
        let at = outer.len() - MIN_HEADER_LEN;
        let end = (at + rest.len()).min(frame.len());
        frame.data_mut()[at..end].copy_from_slice(&rest[..end - at]);
        let mut found = TunnelKey::new();
        let opened = open(&mut frame, Source::Carrier, &tunnels(&config), &mut found);
        prop_assert_ne!(opened, Opened::No);
    }
}

/// A kernel leaves the checksum of GRE to the device as well, and a socket tells nothing of that.
#[test]
fn a_checksum_of_gre_that_is_left_to_the_device_is_zero() {
    let mut pool = FramePool::new(FrameMemory::new(4, 4).unwrap());
    let config = TunnelConfig { csum: Switch::On, ..config(TunnelKind::Gre) };
    let (state, ends) = (
        TunnelState::default(),
        Ends {
            src: ip(REMOTE),
            dst: ip(LOCAL),
            link: Some(Link { dst: MacAddr(host(0xa1)), ..link(0) }),
        },
    );
    let inner = frame(host(2), host(1));
    let mut written = pool.from_bytes(&inner).unwrap();
    Outer::new((&config, &state), None, &ends).unwrap().write(&mut written).unwrap();
    let recovers = Terminator { recovers: Switch::On, ..Terminator::clone(&terminator()) };
    let mut opened = |sum: [u8; 2], source: Source<'_>| {
        let mut bytes = written.data().to_vec();
        bytes[14 + 20 + 4..][..2].copy_from_slice(&sum);
        let from = if matches!(source, Source::Carrier) { 14 } else { 0 };
        let mut frame = pool.from_bytes(&bytes[from..]).unwrap();
        let opened = open(&mut frame, source, &tunnels(&config), &mut TunnelKey::new());
        assert!(opened != Opened::By(port(5)) || frame.data() == inner);
        pool.put(frame);
        opened
    };
    assert_eq!(opened([0, 0], Source::Carrier), Opened::By(port(5)));
    assert_eq!(opened([0, 0], Source::Port(&recovers)), Opened::By(port(5)));
    let lost = Opened::Lost(DropReason::TunnelBadChecksum);
    assert_eq!(opened([0, 0], Source::Port(&terminator())), lost);
    assert_eq!(opened([0, 1], Source::Carrier), lost);
}

//! Which port a packet belongs to.

use packet::tunnel::{TunnelKey, TunnelKind};
use proptest::prelude::*;

use super::*;

const ADDRESSES: [&str; 3] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];

fn any_address() -> impl Strategy<Value = Address> {
    let given = prop::sample::select(&ADDRESSES[..]).prop_map(|text| Address::Is(ip(text)));
    prop_oneof![given, Just(Address::Any), Just(Address::Flow)]
}

fn any_in_key() -> impl Strategy<Value = Key> {
    prop_oneof![Just(Key::None), (0..3_u64).prop_map(Key::Is), Just(Key::Flow)]
}

prop_compose! {
    fn any_port()(
        remote in any_address(), local in any_address(), in_key in any_in_key(),
        kind in prop::sample::select(vec![TunnelKind::Vxlan, TunnelKind::Gre]),
        dst_port in 4789..4791_u16,
    ) -> TunnelConfig {
        let dst_port = if kind == TunnelKind::Gre { 0 } else { dst_port };
        TunnelConfig { remote, local, in_key, dst_port, ..config(kind) }
    }
}

/// How well a port suits a packet, as the manual says it: `None` if not at all, and less is better.
fn rank(config: &TunnelConfig, kind: TunnelKind, key: &TunnelKey) -> Option<(u8, u8, u8)> {
    if (config.kind, config.dst_port) != (kind, key.tp_dst) {
        return None;
    }
    let id = match config.in_key {
        Key::None if key.id == 0 => 0,
        Key::Is(id) if key.id == id => 0,
        Key::Flow => 1,
        _ => return None,
    };
    let local = match config.local {
        Address::Is(address) if address == key.dst => 0,
        Address::Any => 1,
        Address::Flow => 2,
        Address::Is(_) => return None,
    };
    let remote = match config.remote {
        Address::Is(address) if address == key.src => 0,
        Address::Flow => 1,
        Address::Is(_) | Address::Any => return None,
    };
    Some((id, local, remote))
}

proptest! {
    #[test]
    fn the_most_specific_port_gets_the_packet(
        ports in prop::collection::vec(any_port(), 0..12),
        id in 0..3_u64,
        src in prop::sample::select(&ADDRESSES[..]),
        dst in prop::sample::select(&ADDRESSES[..]),
        kind in prop::sample::select(vec![TunnelKind::Vxlan, TunnelKind::Gre]),
        tp_dst in 4789..4791_u16,
    ) {
        let mut tunnels = Tunnels::default();
        for (n, config) in (0..).zip(&ports) {
            tunnels.add_port(config, port(n));
        }
        let tp_dst = if kind == TunnelKind::Gre { 0 } else { tp_dst };
        let key = TunnelKey { id, src: ip(src), dst: ip(dst), tp_dst, ..TunnelKey::new() };
        let ranked = (0..).zip(&ports).filter_map(|(n, config)| Some((rank(config, kind, &key)?, n)));
        let best = ranked.min().map(|(_, n)| port(n));
        prop_assert_eq!(tunnels.find(kind, &key), best);
    }
}

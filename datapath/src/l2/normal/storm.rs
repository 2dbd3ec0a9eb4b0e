//! Ledgers of floods that a port's limits end, and of addresses that flap.

use std::sync::Arc;

use super::lab::*;
use crate::l2::fdb::FLAP_MOVES;
use crate::l2::storm::{Storm, StormRates};

const GROUP: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];

/// Two ports, where host 1 is behind port 0 and host 2 behind port 1; port 0 is limited.
fn limited(rates: StormRates) -> Lab {
    let mut lab = Lab::trunks(2);
    lab.receive(0, [frame(host(2), host(1))]);
    lab.receive(1, [frame(host(1), host(2))]);
    lab.port(0).storm = Some(Arc::new(Storm::new(rates)));
    lab
}

#[test]
fn each_class_is_limited_alone_and_known_addresses_never() {
    let all = StormRates { broadcast: Some(10), unknown: Some(10), multicast: Some(10) };
    for (rates, dst, drop) in [
        (all, BROADCAST, Some("0.drop_storm_broadcast")),
        (all, GROUP, Some("0.drop_storm_multicast")),
        (all, host(9), Some("0.drop_storm_unknown")),
        (all, host(2), None),
        (StormRates { broadcast: None, ..all }, BROADCAST, None),
        (StormRates { unknown: None, ..all }, host(9), None),
        (StormRates { multicast: None, ..all }, GROUP, None),
    ] {
        let mut lab = limited(rates);
        let frames: Vec<_> = (0..32).map(|_| frame(dst, host(1))).collect();
        // A burst of one, then one a tenth of a second: here one a second.
        let n_sent = if drop.is_some() { 1 } else { 32 };
        let sent: Vec<_> = frames[..n_sent].iter().map(|f| (1, f.clone())).collect();
        let mut ledger: Vec<(&str, u64)> = drop.map(|name| (name, 31)).into_iter().collect();
        ledger.extend((dst[0] & 1 == 1).then_some(("0.rx_multicast", 32)));
        for _ in 0..2 {
            lab.expect((0, &frames), &sent, &ledger);
            lab.now_s += 1;
        }
        // The other port has no limit.
        let sent: Vec<_> = frames.iter().map(|f| (0, f.clone())).collect();
        let back: Vec<_> = frames.iter().map(|f| [&f[..6], &host(2), &f[12..]].concat()).collect();
        if dst != host(2) {
            assert_eq!(lab.receive(1, &back).len(), sent.len());
        }
        assert_eq!(lab.n_missing(), 0);
    }
}

#[test]
fn a_ring_of_patch_ports_is_held_by_a_limit_on_one_of_them() {
    let mut lab = Lab::trunks(2);
    lab.add_bridge((0..2).map(|_| crate::l2::vlan::PortVlan::trunk_all()));
    lab.patch(1, 3);
    lab.patch(0, 2);
    let rates = StormRates { broadcast: Some(10), ..StormRates::default() };
    lab.port(2).storm = Some(Arc::new(Storm::new(rates)));
    lab.port(3).storm = Some(Arc::new(Storm::new(rates)));
    lab.receive(0, (0..32).map(|_| frame(BROADCAST, host(1))));
    let crossed = |lab: &mut Lab, n| lab.port(n).stats.sum(|c| c.tx_packets.get());
    assert!(crossed(&mut lab, 0) <= 1 && crossed(&mut lab, 1) <= 33);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn an_address_between_two_ports_is_found_flapping() {
    let mut lab = Lab::trunks(3);
    lab.receive(0, [frame(host(9), host(1))]);
    for n in 1..FLAP_MOVES {
        lab.receive(u16::try_from(n % 2).unwrap(), [frame(host(9), host(1))]);
    }
    let f = frame(host(9), host(1));
    let sent = [(1, f.clone()), (2, f.clone())];
    let ledger = [("fdb.moved", 1), ("fdb.flapped", 1), ("0.copies", 1)];
    lab.expect((0, [f]), &sent, &ledger);
    let flaps = lab.fdb().take_flaps();
    assert_eq!((flaps.len(), flaps[0].ports, flaps[0].vid), (1, (port(1), port(0)), vid(0)));
    assert_eq!(lab.fdb().flapping(lab.now_s).len(), 1);
    assert!(lab.fdb().flapping(lab.now_s + 60).is_empty());
}

//! The database, one rule per test.

use super::*;

fn fdb(max_entries: usize) -> Fdb {
    Fdb::new(FdbConfig { max_entries, aging: Duration::from_secs(300) })
}

fn mac(n: u64) -> MacAddr {
    MacAddr::from_u64(0x0200_0000_0000 + n)
}

fn vid(n: u64) -> Vid {
    Vid::new(u16::try_from(n).unwrap()).unwrap()
}

fn port(n: u64) -> PortNo {
    PortNo::new(u16::try_from(n).unwrap()).unwrap()
}

const V0: Vid = Vid::NONE;

#[test]
fn an_address_is_learned_per_vlan_and_moves() {
    let fdb = fdb(100);
    assert_eq!(fdb.lookup(V0, mac(1)), None);
    assert_eq!(fdb.learn(V0, mac(1), port(1), 10), Learned::New);
    assert_eq!(fdb.learn(V0, mac(1), port(1), 10), Learned::Known);
    assert_eq!(fdb.learn(vid(7), mac(1), port(2), 10), Learned::New);
    assert_eq!(fdb.lookup(V0, mac(1)), Some(port(1)));
    assert_eq!(fdb.lookup(vid(7), mac(1)), Some(port(2)));
    assert_eq!(fdb.lookup(vid(8), mac(1)), None);
    assert_eq!(fdb.learn(V0, mac(1), port(3), 11), Learned::Moved);
    assert_eq!(fdb.lookup(V0, mac(1)), Some(port(3)));
    let stats = fdb.stats();
    assert_eq!((stats.current, stats.learned, stats.moved), (2, 2, 1));
}

#[test]
fn extreme_keys_are_keys() {
    let fdb = fdb(100);
    let highest = port(PortNo::MAX.into());
    for (vid, mac) in
        [(V0, MacAddr::ZERO), (vid(4095), MacAddr::ZERO), (vid(4095), MacAddr::BROADCAST)]
    {
        assert_eq!(fdb.learn(vid, mac, highest, u32::MAX), Learned::New);
        assert_eq!(fdb.lookup(vid, mac), Some(highest));
        let entry = fdb.get(vid, mac, u32::MAX).unwrap();
        assert_eq!((entry.vid, entry.mac, entry.port, entry.age_s), (vid, mac, highest, 0));
    }
}

#[test]
fn entries_expire_when_unused_for_the_ageing_time() {
    let fdb = fdb(100);
    fdb.learn(V0, mac(1), port(1), 10);
    fdb.learn(V0, mac(2), port(1), 10);
    fdb.add_static(V0, mac(3), port(1)).unwrap();
    assert_eq!(fdb.learn(V0, mac(2), port(1), 20), Learned::Known);
    assert_eq!((fdb.expire(5), fdb.expire(309)), (0, 0));
    assert_eq!(fdb.expire(310), 1);
    assert_eq!((fdb.lookup(V0, mac(1)), fdb.lookup(V0, mac(2))), (None, Some(port(1))));
    fdb.set_aging(Duration::from_secs(15));
    assert_eq!(fdb.expire(310), 1);
    assert_eq!(fdb.lookup(V0, mac(3)), Some(port(1)));
    let stats = fdb.stats();
    assert_eq!((stats.current, stats.n_static, stats.expired, stats.evicted), (1, 1, 2, 0));
}

#[test]
fn a_full_table_evicts_the_oldest_of_the_largest_port() {
    let fdb = fdb(10);
    fdb.learn(V0, mac(100), port(1), 1);
    fdb.learn(V0, mac(101), port(1), 1);
    (0..8).for_each(|n| assert_eq!(fdb.learn(V0, mac(n), port(2), 2), Learned::New));
    // In use again: no longer the oldest.
    fdb.learn(V0, mac(0), port(2), 3);
    assert_eq!(fdb.learn(V0, mac(50), port(2), 3), Learned::New);
    assert_eq!(fdb.lookup(V0, mac(1)), None);
    for kept in [0, 2, 7, 50, 100, 101] {
        assert!(fdb.lookup(V0, mac(kept)).is_some(), "{kept}");
    }
    assert_eq!((fdb.stats().current, fdb.stats().evicted), (10, 1));
}

#[test]
fn a_flood_of_sources_does_not_evict_the_hosts_of_other_ports() {
    let fdb = fdb(1000);
    (0..400).for_each(|n| assert_eq!(fdb.learn(V0, mac(n), port(1), 0), Learned::New));
    (0..200_000).for_each(|n| assert_eq!(fdb.learn(V0, mac(1000 + n), port(2), 5), Learned::New));
    assert!((0..400).all(|n| fdb.lookup(V0, mac(n)) == Some(port(1))));
    assert_eq!((fdb.stats().current, fdb.stats().evicted), (1000, 200_000 - 600));
}

#[test]
fn making_room_is_bounded_and_stays_exact() {
    let n_entries = 10 * MAX_RESTAMPS;
    let fdb = fdb(n_entries);
    let n = n_entries as u64;
    (0..n).for_each(|i| assert_eq!(fdb.learn(V0, mac(i), port(1), 1), Learned::New));
    // All but the last are used again, which the order does not know yet.
    (0..n - 1).for_each(|i| assert_eq!(fdb.learn(V0, mac(i), port(1), 2), Learned::Known));
    let mut n_later = 0;
    while fdb.learn(V0, mac(n), port(2), 3) == Learned::Later {
        n_later += 1;
    }
    assert_eq!(n_later, 9);
    assert_eq!(fdb.stats().deferred, 9);
    assert_eq!(fdb.lookup(V0, mac(n)), Some(port(2)));
    assert_eq!(fdb.lookup(V0, mac(n - 1)), None);
    assert!((0..n - 1).all(|i| fdb.lookup(V0, mac(i)) == Some(port(1))));
}

#[test]
fn static_entries_stand() {
    let fdb = fdb(10);
    fdb.learn(V0, mac(1), port(1), 1);
    fdb.add_static(V0, mac(1), port(2)).unwrap();
    assert_eq!(fdb.learn(V0, mac(1), port(1), 2), Learned::Static);
    assert_eq!(fdb.learn(V0, mac(1), port(2), 2), Learned::Static);
    (2..=10).for_each(|n| fdb.add_static(V0, mac(n), port(2)).unwrap());
    assert_eq!(fdb.learn(V0, mac(11), port(1), 2), Learned::Full);
    assert_eq!(fdb.add_static(V0, mac(11), port(1)), Err(FdbFull { max_entries: 10 }));
    fdb.add_static(V0, mac(1), port(3)).unwrap();
    assert_eq!(fdb.lookup(V0, mac(1)), Some(port(3)));
    assert_eq!((fdb.stats().current, fdb.stats().n_static, fdb.expire(10_000)), (10, 10, 0));
    assert!(fdb.remove(V0, mac(1)) && !fdb.remove(V0, mac(1)));
    assert_eq!(fdb.learn(V0, mac(11), port(1), 2), Learned::New);
    assert_eq!((fdb.stats().current, fdb.stats().n_static), (10, 9));
}

#[test]
fn flush_takes_what_fits_port_and_vlan() {
    let filled = || {
        let fdb = fdb(10_000);
        (0..2000).for_each(|n| {
            fdb.learn(vid(n % 2), mac(n), port(1 + n / 1000), 1);
        });
        fdb.add_static(vid(1), mac(5000), port(2)).unwrap();
        fdb
    };
    assert_eq!(filled().flush(None, None), 2001);
    assert_eq!(filled().flush_learned(), 2000);
    assert_eq!(filled().flush(Some(port(2)), None), 1001);
    assert_eq!(filled().flush(None, Some(vid(0))), 1000);
    let fdb = filled();
    assert_eq!(fdb.flush(Some(port(1)), Some(vid(1))), 500);
    assert_eq!(fdb.flush(Some(port(9)), None), 0);
    assert_eq!((fdb.stats().current, fdb.entries(1).len()), (1501, 1501));
}

#[test]
fn entries_come_least_recently_used_first() {
    let fdb = fdb(10);
    fdb.learn(V0, mac(1), port(2), 10);
    fdb.learn(V0, mac(2), port(1), 11);
    fdb.learn(V0, mac(3), port(2), 11);
    fdb.learn(V0, mac(1), port(2), 15);
    fdb.add_static(vid(9), mac(4), port(1)).unwrap();
    let entries = fdb.entries(20);
    let shown: Vec<_> = entries.iter().map(|e| (e.mac, e.age_s, e.is_static)).collect();
    let expected = [(mac(4), 0, true), (mac(2), 9, false), (mac(3), 9, false), (mac(1), 5, false)];
    assert_eq!(shown, expected);
}

#[test]
fn another_size_keeps_what_fits() {
    let old = fdb(100);
    (1..=50).zip(0..).for_each(|(now_s, n)| {
        old.learn(V0, mac(n), port(1), now_s);
    });
    old.learn(V0, mac(90), port(2), 1);
    old.add_static(V0, mac(99), port(3)).unwrap();
    let larger = old.resized(1000);
    assert_eq!(larger.entries(60), old.entries(60));
    assert_eq!(larger.stats(), FdbStats { max_entries: 1000, ..old.stats() });
    let smaller = old.resized(10);
    assert_eq!((smaller.stats().current, smaller.stats().evicted), (10, 42));
    assert_eq!(smaller.lookup(V0, mac(99)), Some(port(3)));
    assert_eq!(smaller.lookup(V0, mac(90)), Some(port(2)));
    assert!((42..50).all(|n| smaller.lookup(V0, mac(n)) == Some(port(1))));
}

#[test]
fn a_table_grows_with_its_entries_and_keeps_their_order() {
    let fdb = fdb(100_000);
    let empty = fdb.table.n_homes();
    let second = |n: u64| u32::try_from(n / 10).unwrap();
    for n in 0..5000 {
        assert_eq!(fdb.learn(V0, mac(n), port(n % 7), second(n)), Learned::New);
    }
    assert!((0..5000).all(|n| fdb.lookup(V0, mac(n)) == Some(port(n % 7))));
    assert!(empty <= 64 && (5000 - 64..=5000).contains(&fdb.table.n_homes()));
    let shown: Vec<_> = fdb.entries(500).into_iter().map(|entry| entry.mac).collect();
    assert_eq!(shown, (0..5000).map(mac).collect::<Vec<_>>());
    // To the second, whatever has moved.
    assert_eq!(fdb.expire(300 + second(2500)), 2510);
    assert!((0..5000).all(|n| fdb.lookup(V0, mac(n)).is_some() == (n >= 2510)));
    assert_eq!(fdb.flush(None, None), 2490);
    assert_eq!((fdb.stats().current, fdb.entries(500)), (0, Vec::new()));
}

#[test]
fn static_entries_move_with_a_growing_table() {
    let fdb = fdb(10_000);
    for n in 0..2000 {
        fdb.add_static(V0, mac(n), port(1)).unwrap();
        fdb.learn(V0, mac(10_000 + n), port(2), 1);
    }
    assert!((0..2000).all(|n| fdb.lookup(V0, mac(n)) == Some(port(1))));
    assert_eq!((fdb.stats().n_static, fdb.expire(1000)), (2000, 2000));
    assert!((0..2000).all(|n| fdb.get(V0, mac(n), 1000).unwrap().is_static));
}

#[test]
fn a_million_entries_fit_and_leave() {
    let n = 1_000_000;
    let fdb = fdb(n);
    for i in 0..n as u64 {
        assert_eq!(fdb.learn(V0, mac(i), port(i % 60), 1), Learned::New);
    }
    assert!((0..n as u64).all(|i| fdb.lookup(V0, mac(i)) == Some(port(i % 60))));
    assert_eq!(fdb.learn(V0, mac(n as u64), port(1), 1), Learned::New);
    assert_eq!((fdb.stats().current, fdb.expire(1000)), (n, n));
    assert!((0..n as u64).all(|i| fdb.lookup(V0, mac(i)).is_none()));
}

//! VLANs keep to themselves, also while they change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use datapath::netdev::dummy::DummyHandle;
use switch_tests::frame::{BROADCAST, Frame, mac};
use switch_tests::ledger::Ledger;
use switch_tests::wait_until;

use crate::rig::Rig;

/// For what poll threads are to do.
const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn a_port_that_changes_its_vlan_leaks_nothing_and_disturbs_nobody() {
    let mut rig = Rig::new();
    rig.run("add-br br0 -- add-port br0 a type=dummy tag=10 -- add-port br0 b type=dummy tag=10");
    rig.run("add-port br0 c type=dummy tag=20 -- add-port br0 t type=dummy");
    for round in 0..100 {
        let (tag, neighbour) = if round % 2 == 0 { (20, "c") } else { (10, "b") };
        rig.run(&format!("set port a tag={tag}"));
        rig.send("a", &Frame::new(BROADCAST, mac(1)).text("from a"));
        assert_eq!(rig.reached(&["a", "b", "c"]), [neighbour]);
        let tagged = rig.sent("t");
        let [frame] = tagged.as_slice() else { panic!("one tagged frame: {tagged:?}") };
        assert_eq!(frame[12..16], [0x81, 0, 0, u8::try_from(tag).expect("small")]);
        // What the other VLAN knew of the host is forgotten: it floods there, and not here.
        rig.send(neighbour, &Frame::new(mac(1), mac(3)).text("to a"));
        assert_eq!(rig.reached(&["a", "b", "c", "t"]), ["a"]);
    }
    rig.assert_conserved();
}

#[test]
fn frames_of_a_vlan_that_a_port_does_not_carry_are_dropped_and_told() {
    let mut rig = Rig::new();
    rig.run(
        "add-br br0 -- add-port br0 a type=dummy tag=10 -- add-port br0 t type=dummy trunks=20",
    );
    rig.send("a", &Frame::new(BROADCAST, mac(1)).vlan(10).text("tagged into an access port"));
    rig.send("t", &Frame::new(BROADCAST, mac(2)).text("untagged into a trunk without VLAN 0"));
    assert!(rig.reached(&["a", "t", "br0"]).is_empty());
    for port in ["a", "t"] {
        assert_eq!(rig.port(port)["statistics"]["drops"]["vlan_not_allowed"], 1, "{port}");
    }
    let text = rig.switch.show(&[]).expect("show works");
    assert!(text.contains("1 vlan_not_allowed: "), "{text}");
}

#[test]
fn protected_ports_reach_all_but_each_other() {
    let mut rig = Rig::new();
    rig.run("add-br br0 -- add-port br0 a type=dummy protected=true tag=10");
    rig.run("add-port br0 b type=dummy protected=true -- add-port br0 c type=dummy tag=10");
    rig.send("a", &Frame::new(BROADCAST, mac(1)).text("from a"));
    assert_eq!(rig.reached(&["a", "b", "c"]), ["c"]);
    rig.send("c", &Frame::new(BROADCAST, mac(3)).text("from c"));
    assert_eq!(rig.reached(&["a", "b", "c"]), ["a", "b"]);
    // Known or not, it does not get there.
    rig.send("b", &Frame::new(mac(1), mac(2)).vlan(10).text("to a"));
    assert!(rig.reached(&["a", "b", "c"]).is_empty());
    assert_eq!(rig.port("b")["statistics"]["drops"]["protected"], 1);
    rig.run("set port a protected=false");
    rig.send("b", &Frame::new(mac(1), mac(2)).vlan(10).text("to a"));
    assert_eq!(rig.reached(&["a", "b", "c"]), ["a"]);
    rig.assert_conserved();
}

/// Texts of frames and how often each was seen, by the VID of the tag if there is one.
type Seen = BTreeMap<(Option<u16>, String), usize>;

fn note(seen: &mut Seen, handle: &DummyHandle) {
    for frame in handle.take_sent() {
        let tagged = frame.bytes[12..14] == [0x81, 0];
        let vid = tagged.then(|| u16::from_be_bytes([frame.bytes[14], frame.bytes[15]]) & 0xfff);
        let text = &frame.bytes[if tagged { 18 } else { 14 }..];
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        let text = String::from_utf8_lossy(text).into_owned();
        *seen.entry((vid, text)).or_default() += 1;
    }
}

/// Broadcasts numbered frames until told to stop; how many.
fn load(handle: &DummyHandle, name: &str, source: u32, stop: &AtomicBool) -> usize {
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        // No more than the switch takes: it shall be busy, not drowned.
        if handle.n_waiting() < 256 {
            handle.inject(&Frame::new(BROADCAST, mac(source)).text(&format!("{name}{n}"))[..]);
            n += 1;
        } else {
            std::thread::yield_now();
        }
    }
    n
}

/// Port `a` is moved between VLANs 10 (`b`) and 20 (`c`) while it and `x`, which has `y` in VLAN 30,
/// send all they can; `t` is a trunk.
#[test]
fn vlans_change_under_load() {
    const N_CHANGES: usize = 100;
    let mut rig = Rig::threaded();
    rig.run("add-br br0 -- add-port br0 a type=dummy tag=10 -- add-port br0 b type=dummy tag=10");
    rig.run("add-port br0 c type=dummy tag=20 -- add-port br0 t type=dummy");
    rig.run("add-port br0 x type=dummy tag=30 -- add-port br0 y type=dummy tag=30");
    let handle = |name| rig.kernel.handle(name).expect("the port is open");
    let [a, b, c, t, x, y] = ["a", "b", "c", "t", "x", "y"].map(handle);
    let (mut at_b, mut at_c, mut at_t, mut at_y) = Default::default();
    let stop = AtomicBool::new(false);
    let (n_a, n_x) = std::thread::scope(|scope| {
        let sender_a = scope.spawn(|| load(&a, "a", 1, &stop));
        let sender_x = scope.spawn(|| load(&x, "x", 2, &stop));
        for round in 0..N_CHANGES {
            let vid = if round % 2 == 0 { 20 } else { 10 };
            rig.run(&format!("set port a tag={vid}"));
            // What is sent from now on is in the new VLAN.
            let text = format!("mark{round}");
            a.inject(&Frame::new(BROADCAST, mac(1)).text(&text)[..]);
            let mark = (Some(vid), text);
            wait_until("the mark on the trunk", DEADLINE, || {
                for (seen, handle) in
                    [(&mut at_b, &b), (&mut at_c, &c), (&mut at_t, &t), (&mut at_y, &y)]
                {
                    note(seen, handle);
                }
                at_t.contains_key(&mark)
            });
        }
        stop.store(true, Ordering::Relaxed);
        (sender_a.join().expect("a sends"), sender_x.join().expect("x sends"))
    });
    let n_sent = (n_a + N_CHANGES + n_x) as u64;
    wait_until("all frames to be through", DEADLINE, || {
        let ledger = Ledger::of(&rig.show());
        ledger.rx == n_sent && ledger.is_balanced()
    });
    for (seen, handle) in [(&mut at_b, &b), (&mut at_c, &c), (&mut at_t, &t), (&mut at_y, &y)] {
        note(seen, handle);
    }

    assert!(a.take_sent().is_empty() && x.take_sent().is_empty(), "nobody else sends in a VLAN");
    let once = |seen: &Seen| seen.values().all(|n| *n == 1);
    assert!([&at_b, &at_c, &at_t, &at_y].into_iter().all(once), "a frame came twice");
    let texts = |seen: &Seen, vid: Option<u16>| -> BTreeSet<String> {
        seen.keys().filter(|(tag, _)| *tag == vid).map(|(_, text)| text.clone()).collect()
    };
    let all = |name: &str, n| (0..n).map(|i| format!("{name}{i}")).collect::<BTreeSet<_>>();
    // The pair beside loses nothing and hears nobody else.
    assert_eq!(texts(&at_y, None), all("x", n_x));
    assert_eq!(at_y.len(), n_x);
    assert_eq!(texts(&at_t, Some(30)), all("x", n_x));
    // Each frame of the port that moves is in one VLAN, and whole there.
    let (in_10, in_20) = (texts(&at_b, None), texts(&at_c, None));
    assert_eq!((in_10.len(), in_20.len()), (at_b.len(), at_c.len()));
    assert!(in_10.is_disjoint(&in_20));
    assert_eq!(&in_10 | &in_20, &all("a", n_a) | &all("mark", N_CHANGES));
    assert_eq!((texts(&at_t, Some(10)), texts(&at_t, Some(20))), (in_10, in_20));
    assert_eq!(at_t.len() as u64, n_sent);
}

//! Many hosts, and one port that makes up more.

use switch_tests::frame::{BROADCAST, Frame, mac};

use crate::rig::Rig;

#[test]
fn a_flood_of_new_sources_evicts_nobody_elses_hosts() {
    let mut rig = Rig::new();
    rig.run("add-br br0 mac-table-size=2000 -- add-port br0 good type=dummy");
    rig.run("add-port br0 bad type=dummy -- add-port br0 other type=dummy");
    for host in 0..900 {
        rig.inject("good", &Frame::new(BROADCAST, mac(host)).text("hello"));
        rig.settle();
    }
    for source in 0..100_000 {
        rig.inject("bad", &Frame::new(mac(1), mac(1_000_000 + source)).text("flood"));
        if source % 512 == 0 {
            rig.settle();
        }
    }
    rig.settle();
    let fdb = rig.switch.bridge("br0").expect("it is there").fdb.stats();
    assert!(fdb.current <= 2000 && fdb.evicted > 90_000, "{fdb:?}");
    let _ = (rig.sent("good"), rig.sent("bad"), rig.sent("other"));
    for host in 0..900 {
        rig.send("other", &Frame::new(mac(host), mac(5_000_000)).text("still known?"));
        assert_eq!(rig.reached(&["good", "bad"]), ["good"], "host {host} was evicted");
    }
    rig.assert_conserved();
}

#[test]
fn hosts_age_and_move() {
    let mut rig = Rig::new();
    rig.run(
        "add-br br0 mac-aging-time=15 -- add-port br0 a type=dummy -- add-port br0 b type=dummy",
    );
    rig.run("add-port br0 c type=dummy");
    let ports = ["a", "b", "c"];
    let to_host = Frame::new(mac(1), mac(2)).text("to the host");
    rig.send("a", &Frame::new(BROADCAST, mac(1)).text("here"));
    assert_eq!(rig.reached(&ports), ["b", "c"]);
    rig.send("b", &to_host);
    assert_eq!(rig.reached(&ports), ["a"]);
    rig.send("c", &Frame::new(BROADCAST, mac(1)).text("moved"));
    assert_eq!(rig.reached(&ports), ["a", "b"]);
    rig.pass(10);
    rig.send("b", &to_host);
    assert_eq!(rig.reached(&ports), ["c"]);
    rig.pass(7);
    rig.send("b", &to_host);
    assert_eq!(rig.reached(&ports), ["a", "c"], "forgotten: it floods");
    rig.send("c", &Frame::new(BROADCAST, mac(1)).text("again"));
    rig.run("set bridge br0 mac-aging-time=3600");
    let _ = rig.reached(&ports);
    rig.pass(1000);
    rig.send("b", &to_host);
    assert_eq!(rig.reached(&ports), ["c"], "a longer age holds for what was known before");
}

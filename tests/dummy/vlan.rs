//! VLANs keep to themselves, also while they change.

use switch_tests::frame::{BROADCAST, Frame, mac};

use crate::rig::Rig;

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

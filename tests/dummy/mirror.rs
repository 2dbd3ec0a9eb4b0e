//! Mirrors of a switch in memory: what is copied, where to, and that every copy is accounted for.

use switch_tests::frame::{BROADCAST, Frame, mac};

use crate::rig::Rig;

/// An access port in VLAN 10, two trunks, and a port to watch by.
fn rig(mirrors: &str) -> Rig {
    let mut rig = Rig::new();
    rig.run("add-br br0 -- add-port br0 a type=dummy tag=10 -- add-port br0 t type=dummy");
    rig.run("add-port br0 u type=dummy -- add-port br0 span type=dummy");
    if !mirrors.is_empty() {
        rig.run(mirrors);
    }
    rig
}

fn with_tag(mut frame: Vec<u8>, vid: u16) -> Vec<u8> {
    frame.splice(12..12, [[0x81, 0], vid.to_be_bytes()].concat());
    frame
}

fn counts(rig: &Rig) -> Vec<(u64, u64)> {
    let show = rig.show();
    let mirrors = show["bridges"][0]["mirrors"].as_array().cloned().unwrap_or_default();
    let count = |mirror: &serde_json::Value, key: &str| mirror["statistics"][key].as_u64();
    let counts = mirrors.iter().map(|mirror| {
        (count(mirror, "tx_packets").expect("shown"), count(mirror, "tx_bytes").expect("shown"))
    });
    counts.collect()
}

/// Adds a flow.
fn flow(rig: &mut Rig, text: &str) {
    use openflow::flow::FlowCommand;
    use openflow::{Message, Version, text::parse_flow};
    use vswitchd::ofproto::notice::{Asker, ConnId};
    let by = Asker { conn: ConnId(1), version: Version::V13, xid: 1 };
    let flow = parse_flow(FlowCommand::Add, text).expect("a flow");
    rig.switch.openflow("br0", by, Message::FlowMod(Box::new(flow))).expect("it is taken");
    rig.switch.barrier();
}

#[test]
fn a_bridge_without_flows_copies_what_it_drops() {
    let mut rig = rig("add-mirror br0 m select-all=true output-port=span");
    rig.run("set bridge br0 fail_mode=secure");
    let hello = Frame::new(BROADCAST, mac(1)).text("hello");
    rig.send("a", &hello);
    assert_eq!(rig.sent("span"), [with_tag(hello, 10)]);
    assert!(rig.reached(&["t", "u"]).is_empty());
    rig.assert_conserved();
}

#[test]
fn what_flows_send_and_drop_is_copied_too() {
    let mut rig = rig("add-mirror br0 m select-all=true output-port=span");
    flow(&mut rig, "priority=9,dl_type=0x1234,actions=drop");
    let number = |rig: &Rig, port: &str| rig.port(port)["ofport"].to_string();
    let (a, u) = (number(&rig, "a"), number(&rig, "u"));
    let rewrite = "mod_dl_dst:02:00:00:00:00:09";
    flow(&mut rig, &format!("priority=8,in_port={a},actions={rewrite},output:{u}"));
    let hello = Frame::new(BROADCAST, mac(1)).text("hello");
    rig.send("a", &hello);
    // As it came, in the VLAN of its port; that it leaves is no news to the same output.
    assert_eq!(rig.sent("span"), [with_tag(hello.clone(), 10)]);
    let mut sent = hello.clone();
    sent[..6].copy_from_slice(&mac(9));
    assert_eq!(rig.sent("u"), [sent.clone()]);
    // By NORMAL, once.
    let tagged = Frame::new(BROADCAST, mac(2)).vlan(10).text("normal");
    rig.send("t", &tagged);
    assert_eq!(rig.sent("span"), std::slice::from_ref(&tagged));
    assert_eq!(rig.reached(&["a", "u"]), ["a", "u"]);
    // Only what leaves by a port, as it leaves.
    rig.run("del-mirror br0 m -- add-mirror br0 out select-dst-port=u output-port=span");
    rig.send("a", &hello);
    assert_eq!(rig.sent("span"), [sent]);
    rig.run(
        "del-mirror br0 out -- add-mirror br0 in select-src-port=a select-vlan=11 output-port=span",
    );
    rig.send("a", &hello);
    assert!(rig.sent("span").is_empty(), "of another VLAN");
    rig.run(
        "del-mirror br0 in -- add-mirror br0 in select-src-port=a select-vlan=10 output-port=span",
    );
    let mut dropped = Frame::new(mac(7), mac(1)).text("dropped");
    dropped[12..14].copy_from_slice(&[0x12, 0x34]);
    rig.send("a", &dropped);
    assert_eq!(rig.sent("span"), [with_tag(dropped, 10)]);
    assert_eq!(counts(&rig), [(1, 60)]);
    rig.assert_conserved();
}

#[test]
fn a_frame_is_copied_once_with_its_vlan_and_the_output_is_reserved() {
    let mut rig = rig("add-mirror br0 m select-all=true output-port=span");
    let hello = Frame::new(BROADCAST, mac(1)).text("hello");
    rig.send("a", &hello);
    assert_eq!(rig.sent("span"), [with_tag(hello.clone(), 10)]);
    assert_eq!(rig.sent("t"), [with_tag(hello.clone(), 10)]);
    // What the watcher says is dropped, and teaches nothing.
    rig.send("span", &Frame::new(BROADCAST, mac(1)).vlan(10).text("I am watching"));
    let drops = &rig.port("span")["statistics"]["drops"];
    assert_eq!(drops["mirror_output"], 1);
    let to_a = Frame::new(mac(1), mac(2)).vlan(10).text("answer");
    let _ = (rig.sent("a"), rig.sent("u"), rig.sent("t"));
    rig.send("t", &to_a);
    assert_eq!(rig.reached(&["a", "t", "u"]), ["a"]);
    assert_eq!(rig.sent("span"), std::slice::from_ref(&to_a));
    // A frame that is dropped after it was received; and one that the port does not admit.
    let pause = Frame::new([1, 0x80, 0xc2, 0, 0, 1], mac(1)).text("pause");
    rig.send("a", &pause);
    assert_eq!(rig.sent("span"), [with_tag(pause, 10)]);
    rig.send("a", &Frame::new(BROADCAST, mac(1)).vlan(10).text("not admitted"));
    assert_eq!(rig.reached(&["span"]), [""; 0]);
    assert_eq!(counts(&rig), [(3, 60 + u64::try_from(to_a.len()).expect("small") + 60)]);
    rig.assert_conserved();
    // Given back, the port is like any other.
    rig.run("del-mirror br0 m");
    rig.send("a", &hello);
    assert_eq!(rig.sent("span"), [with_tag(hello, 10)]);
    assert!(counts(&rig).is_empty());
    rig.assert_conserved();
}

#[test]
fn ports_and_vlans_select() {
    let from_a = |rig: &mut Rig| rig.send("a", &Frame::new(BROADCAST, mac(1)).text("from a"));
    let from_t = |rig: &mut Rig, vid| {
        rig.send("t", &Frame::new(BROADCAST, mac(2)).vlan(vid).text("from t"));
    };
    for (select, n_from_a, n_from_t, n_in_20) in [
        ("select-src-port=a", 1, 0, 0),
        ("select-dst-port=a", 0, 1, 0),
        ("select-dst-port=t,u", 1, 1, 1),
        ("select-all=true select-vlan=20-29", 0, 0, 1),
        ("select-src-port=a,t select-vlan=10", 1, 1, 0),
    ] {
        let mut rig = rig(&format!("add-mirror br0 m {select} output-port=span"));
        from_a(&mut rig);
        assert_eq!(rig.sent("span").len(), n_from_a, "{select}: from a");
        from_t(&mut rig, 10);
        assert_eq!(rig.sent("span").len(), n_from_t, "{select}: from t");
        from_t(&mut rig, 20);
        assert_eq!(rig.sent("span").len(), n_in_20, "{select}: in VLAN 20");
        rig.assert_conserved();
    }
}

#[test]
fn two_mirrors_with_one_output_copy_once_and_with_two_outputs_twice() {
    let mut rig = rig("add-mirror br0 m1 select-all=true output-port=span -- \
                       add-mirror br0 m2 select-src-port=a output-port=span");
    rig.run("add-port br0 other type=dummy tag=5");
    rig.run("add-mirror br0 m3 select-dst-port=t output-port=other snaplen=20");
    let hello = Frame::new(BROADCAST, mac(1)).text("hello");
    rig.send("a", &hello);
    assert_eq!(rig.sent("span").len(), 1);
    // As sent by t; this output takes the tag away, and all but 20 bytes.
    assert_eq!(rig.sent("other"), [hello[..20].to_vec()]);
    assert_eq!(counts(&rig), [(1, 60), (0, 0), (1, 64)]);
    rig.assert_conserved();
}

#[test]
fn a_mirror_vlan_is_flooded_with_its_tag_and_learns_nothing() {
    let mut rig = rig("add-port br0 r type=dummy trunks=900 -- add-port br0 s type=dummy tag=900");
    rig.run("add-mirror br0 m select-src-port=a output-vlan=900");
    let hello = Frame::new(BROADCAST, mac(1)).text("hello");
    rig.send("a", &hello);
    assert_eq!(rig.sent("r"), [with_tag(hello.clone(), 900)]);
    assert_eq!(rig.sent("s"), std::slice::from_ref(&hello));
    // Trunks that carry both have both.
    assert_eq!(rig.sent("t"), [with_tag(hello.clone(), 900), with_tag(hello.clone(), 10)]);
    rig.send("a", &Frame::new([1, 0x80, 0xc2, 0, 0, 1], mac(1)).text("pause"));
    assert_eq!(rig.reached(&["r", "s"]), [""; 0]);
    // Copies of another switch pass, and are not copied.
    rig.send("r", &Frame::new(mac(1), mac(7)).vlan(900).text("a copy"));
    assert_eq!(rig.sent("s").len(), 1);
    let fdb = rig.switch.bridge("br0").expect("it is there").fdb.stats();
    assert_eq!(fdb.current, 1, "only a's host, in VLAN 10");
    assert_eq!(counts(&rig), [(1, 60)]);
    rig.assert_conserved();
}

#[test]
fn a_patch_port_sends_and_its_bridge_has_mirrors_of_its_own() {
    let mut rig = rig("add-br br1 -- add-port br1 x type=dummy -- add-port br1 span1 type=dummy");
    rig.run("add-port br0 p0 type=patch peer=p1 -- add-port br1 p1 type=patch peer=p0");
    rig.run("add-mirror br0 m select-dst-port=p0 output-port=span");
    rig.run("add-mirror br1 m1 select-src-port=p1 output-port=span1");
    rig.send("t", &Frame::new(BROADCAST, mac(1)).vlan(30).text("across"));
    assert_eq!(rig.reached(&["span", "span1", "x"]), ["span", "span1", "x"]);
    rig.assert_conserved();
}

#[test]
fn mirrors_survive_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("conf.json");
    let kernel = vswitchd::switch::dummy::DummyKernel::new();
    let mut rig = Rig::at(&path, &kernel);
    rig.run("add-br br0 -- add-port br0 a type=dummy -- add-port br0 span type=dummy");
    rig.run("add-mirror br0 m select-src-port=a select-vlan=0,7 output-port=span snaplen=64");
    let mirrors = |rig: &Rig| rig.show()["bridges"][0]["mirrors"].clone();
    let before = mirrors(&rig);
    assert_eq!(before[0]["select_vlan"], serde_json::json!([0, 7]));
    drop(rig);
    assert_eq!(mirrors(&Rig::at(&path, &kernel)), before);
}

//! Every frame that comes in goes out, or is dropped for a reason that is counted.

use switch_tests::frame::{BROADCAST, Frame, mac};

use crate::rig::Rig;

/// A sequence without pattern that is the same each time (xorshift64, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 % u64::from(n)).expect("below a u32")
    }
}

const PORTS: [&str; 8] = ["a1", "a2", "t1", "t2", "n1", "u1", "br0", "s1"];

fn build() -> Rig {
    let mut rig = Rig::new();
    rig.run("add-br br0 mac-table-size=64 mac-aging-time=20 flood_vlans=30 -- add-br br1 fail_mode=secure");
    rig.run("add-port br0 a1 type=dummy tag=10 -- add-port br0 a2 type=dummy tag=20");
    rig.run(
        "add-port br0 t1 type=dummy -- add-port br0 t2 type=dummy trunks=10,20,30 mtu_request=200",
    );
    rig.run("add-port br0 n1 type=dummy vlan_mode=native-tagged tag=10");
    rig.run("add-port br0 u1 type=dummy vlan_mode=native-untagged tag=20 trunks=20-30");
    rig.run("add-port br1 s1 type=dummy -- add-port br0 n0 type=null");
    rig
}

/// Any frame that a neighbour may send, and some that it should not.
fn frame(random: &mut Random) -> Vec<u8> {
    let src = mac(random.below(100));
    let dst = match random.below(10) {
        0 => BROADCAST,
        1 => [0x01, 0x80, 0xc2, 0, 0, u8::try_from(random.below(17)).expect("small")],
        2 => src,
        _ => mac(random.below(120)),
    };
    let frame = Frame::new(dst, src);
    let frame = match random.below(4) {
        0 => frame,
        1 => frame.vlan(0),
        _ => frame.vlan(u16::try_from(random.below(5) * 10).expect("small")),
    };
    let text = "x".repeat(usize::try_from(random.below(300)).expect("small"));
    let mut bytes = frame.text(&text);
    if random.below(10) == 0 {
        bytes.truncate(usize::try_from(random.below(20)).expect("small"));
    }
    bytes
}

#[test]
fn ten_minutes_of_mixed_traffic_lose_no_frame_without_a_reason() {
    let mut rig = build();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for second in 0..600 {
        for _ in 0..40 {
            let port = PORTS[usize::try_from(random.below(8)).expect("small")];
            rig.inject(port, &frame(&mut random));
        }
        rig.settle();
        match second % 60 {
            10 => rig.run("set port a1 tag=20"),
            20 => rig.run("set port a1 tag=10 -- set bridge br0 mac-table-size=32"),
            30 => rig.run("set bridge br0 mac-table-size=64 forward-bpdu=true"),
            40 => rig.run("set bridge br0 fail_mode=secure"),
            42 => rig.run("clear bridge br0 fail_mode forward-bpdu"),
            _ => String::new(),
        };
        if second % 7 == 0 {
            let room = (second % 14 == 0).then_some(3);
            rig.kernel.handle("t1").expect("open").set_tx_room(room);
        }
        rig.pass(1);
    }
    let ledger = rig.assert_conserved();
    assert!(ledger.tx > 10_000 && ledger.drops > 1_000 && ledger.copies > 10_000, "{ledger:?}");
    let show = rig.show();
    let text = show.to_string();
    for reason in [
        "runt",
        "vlan_not_allowed",
        "reserved_multicast",
        "no_flow",
        "tx_queue_full",
        "mtu_exceeded",
    ] {
        assert!(
            text.contains(&format!("\"{reason}\":")),
            "no frame was dropped as {reason}: {text}"
        );
    }
}

#[test]
fn frames_under_way_while_ports_come_and_go_are_accounted_for() {
    let mut rig = Rig::new();
    rig.run("add-br br0 -- add-port br0 a type=dummy -- add-port br0 b type=dummy");
    let mut lost = 0;
    for round in 0..50u32 {
        rig.run("add-port br0 c type=dummy");
        for port in ["a", "b", "c"] {
            rig.inject(port, &Frame::new(BROADCAST, mac(round)).text("x"));
        }
        // Half of the time the port goes while its frame still waits in the device.
        if round % 2 == 0 {
            rig.settle();
        }
        let gone = rig.port("c");
        let count = |key: &str| gone["statistics"][key].as_u64().expect("a counter");
        lost += count("rx_packets") + count("copies") - count("tx_packets");
        rig.run("del-port c");
        rig.settle();
    }
    let ledger = switch_tests::ledger::Ledger::of(&rig.show());
    assert_eq!(ledger.rx + ledger.copies + lost, ledger.tx + ledger.drops, "{ledger:?}");
    assert_eq!(rig.port("a")["statistics"]["rx_packets"], 50);
}

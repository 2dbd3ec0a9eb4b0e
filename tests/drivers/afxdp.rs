//! The `afxdp` driver, on veth pairs.

use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use datapath::frame::{Checksum, Frame, FrameMemory, SizeClass};
use datapath::netdev::afpacket::Packet;
use datapath::netdev::afxdp::{AfXdp, AfXdpConfig, CsumRecover, XdpMode};
use datapath::netdev::null::Null;
use datapath::netdev::tap::{Tap, TapConfig};
use datapath::netdev::{Netdev, RecvStatus};
use datapath::{Batch, DropReason, FramePool, MAX_BURST};
use switch_tests::netns::Netns;
use switch_tests::wait::wait_until;

use crate::netns::{Ip, netns};
use crate::rig::{Memory, PATIENCE, Side, Wake, bytes, frame, tagged};
use crate::stream::{Path, forward_while, tcp};

fn open(name: &str, memory: &Memory) -> AfXdp {
    AfXdp::open(&AfXdpConfig::new(name), &memory.0).expect("an AF_XDP port")
}

/// Two ports at the two ends of a veth pair.
fn pair() -> (Netns, Memory, Side, Side) {
    let ns = netns();
    ns.ips(&[
        "link add va type veth peer name vb",
        "link set va up mtu 9000",
        "link set vb up mtu 9000",
    ]);
    let memory = Memory::new();
    let a = ns.enter(|| Side::new(open("va", &memory), &memory));
    let b = ns.enter(|| Side::new(open("vb", &memory), &memory));
    (ns, memory, a, b)
}

fn finish(sides: Vec<Side>, memory: &Memory) {
    sides.into_iter().for_each(Side::close);
    memory.assert_complete();
}

/// One of the driver's own facts.
fn fact(side: &Side, key: &str) -> String {
    let status = side.netdev.status();
    status.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value).expect("a fact")
}

#[test]
fn frames_of_every_size_cross_both_ways() {
    let (_ns, memory, mut a, mut b) = pair();
    let sizes = [14, 60, 61, 1514, 1791, 1792, 1793, 3584, 3585, 4000, 9014];
    let frames: Vec<_> = sizes.iter().zip(0..).map(|(len, seed)| frame(*len, seed)).collect();
    for _ in 0..3 {
        a.send(&frames);
        assert!(bytes(&b.recv_n(frames.len())) == frames);
        b.send(&frames);
        assert!(bytes(&a.recv_n(frames.len())) == frames);
    }
    let n_bytes = 3 * sizes.iter().sum::<usize>() as u64;
    for side in [&a, &b] {
        let counters = &side.counters;
        assert_eq!((counters.rx_packets.get(), counters.tx_packets.get()), (33, 33));
        assert_eq!((counters.rx_bytes.get(), counters.tx_bytes.get()), (n_bytes, n_bytes));
        side.assert_no_drops();
        assert_eq!((fact(side, "xdp_mode"), fact(side, "n_rxq")), ("native".into(), "1".into()));
        assert_eq!(fact(side, "bad_completions"), "0");
    }
    finish(vec![a, b], &memory);
}

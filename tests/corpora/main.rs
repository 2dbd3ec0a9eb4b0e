//! The seeds of the fuzz targets, replayed on the stable toolchain.

mod ovs;

use std::path::PathBuf;

use packet::flow::extract::{self, Depth, VlanLimit};

#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// The seeds of one target.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let read = |file: std::io::Result<std::fs::DirEntry>| std::fs::read(file?.path());
    files.map(|file| read(file).unwrap_or_else(|e| panic!("{target}: {e}"))).collect()
}

#[test]
fn seeds_do_no_harm_whole_or_cut_short() {
    for (name, target) in targets::TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in seeds {
            for len in 0..=seed.len() {
                target(&seed[..len]);
            }
        }
    }
}

/// Whether a seed is the packet of a tunnel. The target says so by what it does: the frame inside of
/// these is closed and opened again.
fn is_opened(seed: &[u8]) -> bool {
    use datapath::frame::{FrameMemory, FramePool};
    use datapath::tunnel::TunnelKind::{Geneve, Gre, Vxlan};
    use datapath::tunnel::open::{Opened, Source, open};
    use datapath::tunnel::{TunnelKey, Tunnels};
    let memory = FrameMemory::new(1, 1).unwrap_or_else(|e| panic!("{e}"));
    let mut pool = FramePool::new(memory);
    let mut tunnels = Tunnels::default();
    let Some(no) = datapath::PortNo::new(0) else { return false };
    for kind in [Vxlan, Gre, Geneve] {
        tunnels.add_port(&targets::from_anywhere(kind), no);
    }
    // Behind the Ethernet header, if there is one.
    let packet = if seed[0].is_multiple_of(2) { &seed[1..] } else { &seed[15..] };
    let Some(mut frame) = pool.from_bytes(packet) else { return false };
    open(&mut frame, Source::Carrier, &tunnels, &mut TunnelKey::new()) == Opened::By(no)
}

#[test]
fn seeds_reach_beyond_the_first_check() {
    let is_ip =
        |seed: &&Vec<u8>| packet::Layers::parse(seed).is_some_and(|layers| layers.ip.is_some());
    let is_accepted = |seed: &&Vec<u8>| {
        let parts = seed.split_first_chunk();
        parts.is_some_and(|(header, frame)| datapath::offload::vnet::parse(header, frame).is_ok())
    };
    let is_message = |seed: &&Vec<u8>| {
        let version = openflow::Version::from_wire(seed[0]);
        version.is_some_and(|version| openflow::Codec::new(version).decode(seed).is_ok())
    };
    let is_flow = |seed: &&Vec<u8>| {
        let text = std::str::from_utf8(seed).unwrap_or_default();
        openflow::text::parse_flow(openflow::flow::FlowCommand::Add, text).is_ok()
    };
    assert!(seeds("openflow_decode").iter().filter(is_message).count() >= 20);
    assert!(seeds("openflow_text").iter().filter(is_flow).count() >= 20);
    let has_l3 = |seed: &&Vec<u8>| {
        let mut key = packet::FlowKey::EMPTY;
        let (depth, limit) = (Depth::L4, VlanLimit::Two);
        let offsets = extract::headers(seed.get(8..).unwrap_or_default(), depth, limit, &mut key);
        offsets.l4.is_some() || key.nonzero().len() > 2
    };
    assert!(seeds("flow").iter().filter(has_l3).count() >= 12);
    assert!(seeds("layers").iter().filter(is_ip).count() >= 6);
    assert!(seeds("offload").iter().filter(is_accepted).count() >= 12);
    assert!(seeds("tunnel_open").iter().filter(|seed| is_opened(seed)).count() >= 9);
    let told: Vec<_> = seeds("uplink").iter().map(|seed| targets::told_by_uplink(seed)).collect();
    let count = |of: (bool, bool)| told.iter().filter(|told| **told == of).count();
    // Both, one alone, and none.
    assert_eq!([count((true, true)), count((true, false)), count((false, false))], [2, 3, 4]);
    let n_sending = seeds("translate").iter().filter(|s| targets::n_sent_by_flows(s) > 0).count();
    assert!(n_sending >= 8, "{n_sending}");
    let n_running = seeds("vhost_messages").iter().filter(|s| targets::has_ring_running(s)).count();
    assert!(n_running >= 5, "{n_running}");
    // The fifth byte of the features says which layout: bit 34.
    let is_packed = |seed: &Vec<u8>| seed.get(4).is_some_and(|byte| byte & 4 != 0);
    let seeds = seeds("vhost_ring");
    for packed in [false, true] {
        let rings = seeds.iter().filter(|seed| is_packed(seed) == packed);
        let n_passing = rings.filter(|seed| targets::n_frames_of_ring(seed) > 0).count();
        assert!(n_passing >= if packed { 7 } else { 4 }, "{packed}: {n_passing}");
    }
}

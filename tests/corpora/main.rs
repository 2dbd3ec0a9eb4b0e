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

#[test]
fn seeds_reach_beyond_the_first_check() {
    let is_ip =
        |seed: &&Vec<u8>| packet::Layers::parse(seed).is_some_and(|layers| layers.ip.is_some());
    let is_accepted = |seed: &&Vec<u8>| {
        let parts = seed.split_first_chunk();
        parts.is_some_and(|(header, frame)| datapath::offload::vnet::parse(header, frame).is_ok())
    };
    let has_l3 = |seed: &&Vec<u8>| {
        let mut key = packet::FlowKey::EMPTY;
        let (depth, limit) = (Depth::L4, VlanLimit::Two);
        let offsets = extract::headers(seed.get(8..).unwrap_or_default(), depth, limit, &mut key);
        offsets.l4.is_some() || key.nonzero().len() > 2
    };
    assert!(seeds("flow").iter().filter(has_l3).count() >= 12);
    assert!(seeds("layers").iter().filter(is_ip).count() >= 6);
    assert!(seeds("offload").iter().filter(is_accepted).count() >= 12);
}

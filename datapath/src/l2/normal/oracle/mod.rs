//! `NORMAL` against a model of the same rules, written for the eye: a map, one frame at a time.

use std::collections::HashMap;

use packet::MacAddr;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::lab::{Lab, port as number, vid};
use crate::drop_reason::DropReason;
use crate::ids::BridgeId;
use crate::view::VidSet;
use port::{Inside, ModelPort};

mod port;

const VIDS: [u16; 4] = [0, 10, 20, 4095];

#[derive(Clone, Debug)]
enum Step {
    Batch { in_port: usize, frames: Vec<Vec<u8>> },
    SetUp(usize, bool),
    Leave(usize),
    Static { mac: [u8; 6], vid: u16, port: usize },
}

/// What the model knows; `lost` counts as the receiving port's drops.
struct Model {
    ports: Vec<ModelPort>,
    forward_bpdu: bool,
    flood_vlans: Vec<u16>,
    fdb: HashMap<(u16, [u8; 6]), (usize, bool)>,
    lost: HashMap<(usize, DropReason), u64>,
}

impl Model {
    fn receive(&mut self, in_port: usize, frame: &[u8]) -> Vec<(u16, Vec<u8>)> {
        match self.targets(in_port, frame) {
            Ok((targets, inside)) => {
                let wire = |n: usize| (u16::try_from(n).unwrap(), self.ports[n].on_wire(&inside));
                targets.into_iter().map(wire).collect()
            }
            Err(reason) => {
                *self.lost.entry((in_port, reason)).or_default() += 1;
                Vec::new()
            }
        }
    }

    fn targets(
        &mut self,
        in_port: usize,
        frame: &[u8],
    ) -> Result<(Vec<usize>, Inside), DropReason> {
        if !self.ports[in_port].up {
            return Err(DropReason::RxPortDown);
        }
        if frame.len() < 14 {
            return Err(DropReason::Runt);
        }
        let inside = self.ports[in_port].admit(frame)?;
        let vlan = inside.vlan;
        let dst: [u8; 6] = frame[..6].try_into().unwrap();
        let src: [u8; 6] = frame[6..12].try_into().unwrap();
        if dst[..5] == [1, 0x80, 0xc2, 0, 0] && dst[5] < 16 && !self.forward_bpdu {
            return Err(DropReason::ReservedMulticast);
        }
        let floods = self.flood_vlans.contains(&vlan);
        if src[0] & 1 == 0 && !floods {
            let entry = self.fdb.entry((vlan, src)).or_insert((in_port, false));
            if !entry.1 {
                entry.0 = in_port;
            }
        }
        let known = self.fdb.get(&(vlan, dst)).filter(|_| dst[0] & 1 == 0 && !floods);
        match known.map(|(n, _)| (*n, &self.ports[*n])) {
            Some((n, _)) if n == in_port => Err(DropReason::SamePort),
            Some((_, p)) if p.here && !p.up => Err(DropReason::TxPortDown),
            Some((_, p)) if p.here && !p.carries(vlan) => Err(DropReason::VlanNotCarried),
            Some((n, p)) if p.here => match p.refuses(&inside) {
                Some(reason) => Err(reason),
                None => Ok((vec![n], inside)),
            },
            _ => {
                let fits = |n: &usize| {
                    let p = &self.ports[*n];
                    let takes = p.carries(vlan) && p.refuses(&inside).is_none();
                    *n != in_port && p.here && p.up && takes
                };
                let all: Vec<_> = (0..self.ports.len()).filter(fits).collect();
                if all.is_empty() { Err(DropReason::NoOutput) } else { Ok((all, inside)) }
            }
        }
    }
}

fn address() -> impl Strategy<Value = [u8; 6]> {
    prop_oneof![
        8 => (0..5u8).prop_map(|n| [2, 0, 0, 0, 0, n]),
        1 => Just([0xff; 6]),
        1 => (0..3u8).prop_map(|n| [0x33, 0x33, 0, 0, 0, n]),
        1 => (0..20u8).prop_map(|n| [1, 0x80, 0xc2, 0, 0, n]),
        1 => any::<[u8; 6]>(),
    ]
}

fn frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let tag = (select(vec![0x8100u16, 0x88a8]), any::<u16>(), select(&VIDS[..]));
    let tag = tag.prop_map(|(tpid, tci, vid)| (tpid, tci & 0xf000 | vid));
    let len = prop_oneof![4 => Just(60), 1 => 0..24usize, 1 => 60..200usize];
    let frame = (address(), address(), vec(tag, 0..4), len).prop_map(|(dst, src, tags, len)| {
        let mut bytes = [dst, src].concat();
        for (tpid, tci) in tags {
            bytes.extend([tpid.to_be_bytes(), tci.to_be_bytes()].concat());
        }
        bytes.extend([0x08, 0x00]);
        bytes.extend((0..200).map(|n: u8| n ^ dst[5]));
        bytes.truncate(len);
        bytes
    });
    vec(frame, 1..=32)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..6usize, frames()).prop_map(|(in_port, frames)| Step::Batch { in_port, frames }),
        1 => (0..6usize, any::<bool>()).prop_map(|(n, up)| Step::SetUp(n, up)),
        1 => (0..6usize).prop_map(Step::Leave),
        1 => (0..5u8, select(&VIDS[..]), 0..6usize)
            .prop_map(|(n, vid, port)| Step::Static { mac: [2, 0, 0, 0, 0, n], vid, port }),
    ];
    vec(step, 1..12)
}

fn lab(model: &Model) -> Lab {
    let mut lab = Lab::new(model.ports.iter().map(ModelPort::port_vlan));
    for (no, p) in (0..).zip(&model.ports) {
        lab.port(no).up = p.up;
    }
    lab.bridge().forward_bpdu = model.forward_bpdu;
    lab.bridge().flood_vlans = VidSet::from_iter(model.flood_vlans.iter().map(|n| vid(*n)));
    lab
}

fn apply(lab: &mut Lab, model: &mut Model, step: &Step) -> Result<(), TestCaseError> {
    let n_ports = model.ports.len();
    let no = |n: usize| u16::try_from(n % n_ports).unwrap();
    match step {
        Step::Batch { in_port, frames } => {
            let in_port = in_port % n_ports;
            if model.ports[in_port].here {
                let expected = frames.iter().flat_map(|f| model.receive(in_port, f));
                let expected: Vec<_> = expected.collect();
                prop_assert_eq!(lab.receive(no(in_port), frames), expected);
            }
        }
        Step::SetUp(n, up) => {
            lab.port(no(*n)).up = *up;
            model.ports[n % n_ports].up = *up;
        }
        Step::Leave(n) => {
            lab.bridge().ports.retain(|p| *p != number(no(*n)));
            lab.port(no(*n)).bridge = BridgeId(7);
            model.ports[n % n_ports].here = false;
        }
        Step::Static { mac, vid: v, port: n } => {
            lab.fdb().add_static(vid(*v), MacAddr(*mac), number(no(*n))).unwrap();
            model.fdb.insert((*v, *mac), (n % n_ports, true));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_stage_does_what_the_model_does(
        ports in vec(port::port(), 1..6),
        forward_bpdu in any::<bool>(),
        flood_vlans in subsequence(VIDS.to_vec(), 0..=1),
        steps in steps(),
    ) {
        let (fdb, lost) = (HashMap::new(), HashMap::new());
        let mut model = Model { ports, forward_bpdu, flood_vlans, fdb, lost };
        let mut lab = lab(&model);
        // The lab's table is smaller than the number of addresses could be.
        lab.bridge().fdb = std::sync::Arc::new(lab.fdb().resized(10_000));
        for step in &steps {
            apply(&mut lab, &mut model, step)?;
        }
        for n in 0..model.ports.len() {
            for reason in DropReason::ALL {
                let expected = model.lost.get(&(n, *reason)).copied().unwrap_or(0);
                let stats = lab.port(u16::try_from(n).unwrap()).stats.clone();
                prop_assert_eq!(stats.sum(|c| c.rx_drops(*reason)), expected, "{:?}", reason);
            }
        }
        prop_assert_eq!(lab.n_missing(), 0);
    }
}

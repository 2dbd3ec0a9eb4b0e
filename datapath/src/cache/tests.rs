//! The cache beside a list of what was claimed, and its bounds.

use std::collections::HashSet;

use packet::flow::{FieldId, WordSet, place};
use packet::{FlowKey, FlowMask, FlowMatch};
use proptest::prelude::*;

use super::*;
use crate::snapshot::Version;

const LIMITS: Limits = Limits { masks: 8, flows: 1000, port_flows: 1000 };

/// A key over few values of few fields, so that random keys meet random megaflows.
fn keys() -> impl Strategy<Value = FlowKey> {
    (0_u128..2, 0_u128..3, 0_u128..4, 0_u128..4).prop_map(|(port, ethertype, address, tp)| {
        let mut key = FlowKey::EMPTY;
        key.set(FieldId::InPortOxm, port);
        key.set(FieldId::EthType, 0x800 + ethertype);
        key.set(FieldId::Ipv4Src, address << 30 | 1);
        key.set(FieldId::TcpDst, tp << 14);
        key.set(FieldId::CtIpv6Dst, address);
        key
    })
}

fn masks() -> impl Strategy<Value = FlowMask> {
    let fields = [FieldId::EthType, FieldId::Ipv4Src, FieldId::TcpDst, FieldId::CtIpv6Dst];
    let bits = prop::sample::select(vec![0_u128, 1, 0xc000, 3 << 30, u128::MAX]);
    prop::array::uniform4(bits).prop_map(move |bits| {
        let mut mask = FlowMask::EMPTY;
        fields.iter().zip(bits).for_each(|(field, bits)| mask.add_bits(*field, bits));
        mask
    })
}

fn claim<'a>(key: &'a FlowKey, mask: &'a FlowMask) -> Claim<'a> {
    Claim { key, mask, version: Version(1), now_ns: 5 }
}

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a few in a test")]
enum Step {
    Insert(Box<(FlowKey, FlowMask)>),
    Look(Box<FlowKey>),
    Remove(usize),
    Rerank,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (keys(), masks()).prop_map(|claim| Step::Insert(claim.into())),
        6 => keys().prop_map(|key| Step::Look(key.into())),
        1 => (0_usize..20).prop_map(Step::Remove),
        1 => Just(Step::Rerank),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Beside a list of what was claimed: whatever is found was claimed for this packet, and what
    /// was claimed in full is found.
    #[test]
    fn the_cache_finds_what_was_claimed(steps in steps()) {
        let mut cache: FlowCache<usize> = FlowCache::new(LIMITS, 9);
        let mut claims: Vec<(u32, FlowMatch)> = Vec::new();
        let mut alive: Vec<(FlowId, FlowMatch, usize)> = Vec::new();
        let mut looked: Vec<FlowKey> = Vec::new();
        for step in steps {
            match step {
                Step::Insert(claimed) => {
                    let (key, mask) = *claimed;
                    let number = claims.len();
                    let installed = cache.megaflows.insert(claim(&key, &mask), number).unwrap();
                    claims.push((key.in_port(), FlowMatch::new(&key, mask.clone())));
                    let narrow = cache.megaflows.mask(installed.id()).unwrap();
                    prop_assert!(narrow.covers(&mask) && narrow.is_exact(FieldId::InPortOxm));
                    let is = FlowMatch::new(&key, narrow.clone());
                    prop_assert_eq!(&cache.megaflows.key(installed.id()).unwrap(), is.key());
                    alive.retain(|(id, ..)| *id != installed.id());
                    alive.push((installed.id(), is, number));
                }
                Step::Look(key) => {
                    let port = key.in_port();
                    looked.push(*key);
                    let batch: Vec<FlowKey> =
                        looked.iter().rev().filter(|key| key.in_port() == port).take(7).cloned().collect();
                    let found = cache.lookup_all(&batch);
                    prop_assert_eq!(found.len(), batch.len());
                    let alone = cache.lookup(&batch[0]);
                    for (key, id) in batch.iter().zip(found).chain([(&batch[0], alone)]) {
                        let expected: HashSet<usize> = alive.iter()
                            .filter(|(_, is, _)| is.matches(key))
                            .map(|(.., number)| *number)
                            .collect();
                        prop_assert_eq!(id.is_some(), !expected.is_empty());
                        if let Some(number) = id.map(|id| cache.megaflows.get(id).unwrap().actions) {
                            prop_assert!(expected.contains(&number));
                            let (port, of) = &claims[number];
                            prop_assert!(*port == key.in_port() && of.matches(key));
                        }
                    }
                }
                Step::Remove(n) if !alive.is_empty() => {
                    let (id, _, number) = alive.swap_remove(n % alive.len());
                    prop_assert_eq!(cache.megaflows.remove(id).unwrap().actions, number);
                }
                Step::Remove(_) => {}
                Step::Rerank => cache.megaflows.rerank(),
            }
            let table = &cache.megaflows;
            prop_assert_eq!(table.n_flows(), alive.len());
            for port in 0..2 {
                prop_assert!(table.n_masks(port) <= LIMITS.masks);
                let flows: usize = table.subtables(port).map(|subtable| subtable.n_flows()).sum();
                prop_assert_eq!(flows, alive.iter().filter(|(id, ..)| table.get(*id).unwrap().port() == port).count());
            }
            let depths = alive.iter().map(|(_, is, _)| Depth::of(is.mask().nonzero()));
            prop_assert_eq!(table.depth(), depths.max().unwrap_or(Depth::L2));
        }
    }
}

#[test]
fn an_explosion_of_masks_is_bounded_and_stays_behind() {
    let mut table: MegaflowTable<()> = MegaflowTable::new(LIMITS, 1);
    let honest = {
        let mut key = FlowKey::EMPTY;
        key.set(FieldId::Ipv4Src, 0x0a00_0001);
        let mut mask = FlowMask::EMPTY;
        mask.add_field(FieldId::Ipv4Src);
        table.insert(claim(&key, &mask), ()).unwrap();
        key
    };
    for n in (0..512_u32).rev() {
        let (address, src, dst) = (n % 32, n / 32 % 16, n % 16);
        let mut key = FlowKey::EMPTY;
        key.set(FieldId::Ipv4Src, (1_u128 << address) ^ 0x0a00_0002);
        key.set(FieldId::TcpSrc, 1 << src);
        key.set(FieldId::TcpDst, 1 << dst);
        let mut mask = FlowMask::EMPTY;
        mask.add_bits(FieldId::Ipv4Src, u128::MAX << address);
        mask.add_bits(FieldId::TcpSrc, u128::MAX << src);
        mask.add_bits(FieldId::TcpDst, u128::MAX << dst);
        let id = table.insert(claim(&key, &mask), ()).unwrap().id();
        assert!(table.n_masks(0) <= LIMITS.masks);
        assert!(table.matches(id, &key) && table.mask(id).unwrap().covers(&mask));
        assert!(table.lookup(&honest).is_some());
        table.rerank();
        assert!(table.subtables(0).next().unwrap().n_flows() == 1, "honest traffic ranks first");
    }
    let exact = table
        .subtables(0)
        .find(|subtable| subtable.mask().nonzero() == WordSet::range(0, place::HASH_MARK));
    assert!(exact.unwrap().n_flows() > 300);
}

#[test]
fn full_tables_refuse_and_keep_no_mask() {
    let limits = Limits { flows: 3, port_flows: 2, ..LIMITS };
    let mut table: MegaflowTable<u8> = MegaflowTable::new(limits, 1);
    let mut mask = FlowMask::EMPTY;
    mask.add_field(FieldId::Reg0);
    let key = |port: u128, reg: u128| {
        let mut key = FlowKey::EMPTY;
        key.set(FieldId::InPortOxm, port);
        key.set(FieldId::Reg0, reg);
        key
    };
    for reg in 0..2 {
        table.insert(claim(&key(1, reg), &mask), 1).unwrap();
    }
    let full = table.insert(claim(&key(1, 2), &mask), 1);
    assert_eq!(full, Err(TableFull::PortFlows(1, 2)));
    let again = table.insert(claim(&key(1, 1), &mask), 9).unwrap();
    assert!(matches!(again, Installed::Replaced(id) if table.get(id).unwrap().actions == 9));
    table.insert(claim(&key(2, 0), &mask), 1).unwrap();
    assert_eq!(table.insert(claim(&key(3, 0), &mask), 1), Err(TableFull::Flows(3)));
    assert_eq!((table.n_masks(3), table.n_flows()), (0, 3));
    let nowhere = table.insert(claim(&key(70_000, 0), &mask), 1);
    assert_eq!(nowhere, Err(TableFull::NoPort(70_000)));
    table.clear_port(1);
    assert_eq!((table.n_masks(1), table.n_flows()), (0, 1));
}

#[test]
fn a_renewed_flow_keeps_its_count() {
    let mut table: MegaflowTable<&str> = MegaflowTable::new(LIMITS, 1);
    let (key, mask) = (FlowKey::EMPTY, FlowMask::EMPTY);
    let id = table.insert(claim(&key, &mask), "drop").unwrap().id();
    table.get_mut(id).unwrap().stats.add(2, 120, 0x12, 77);
    assert!(!table.get(id).unwrap().is_current(Version(2)));
    let newer = Claim { version: Version(2), ..claim(&key, &mask) };
    assert_eq!(table.insert(newer, "output"), Ok(Installed::Replaced(id)));
    let flow = table.get(id).unwrap();
    assert!(flow.is_current(Version(2)) && flow.actions == "output");
    assert_eq!((flow.stats.packets, flow.stats.bytes, flow.stats.tcp_flags), (2, 120, 0x12));
    assert_eq!(flow.last_ns(), 77);
}

#[test]
fn a_sweep_sees_each_flow_once_in_bounded_steps() {
    let mut table: MegaflowTable<u128> = MegaflowTable::new(LIMITS, 1);
    let mut mask = FlowMask::EMPTY;
    mask.add_field(FieldId::Reg0);
    for reg in 0..100 {
        let mut key = FlowKey::EMPTY;
        key.set(FieldId::Reg0, reg);
        table.insert(claim(&key, &mask), reg).unwrap();
    }
    let (mut sweep, mut seen, mut n_steps) = (Sweep::default(), Vec::new(), 0);
    loop {
        n_steps += 1;
        let before = seen.len();
        let done = sweep.step(&mut table, 7, |_, flow| {
            seen.push(flow.actions);
            if flow.actions % 2 == 0 { Verdict::Remove } else { Verdict::Keep }
        });
        assert!(seen.len() - before <= 7);
        if done {
            break;
        }
    }
    assert_eq!(n_steps, 15);
    seen.sort_unstable();
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
    assert_eq!(table.n_flows(), 50);
}

#[test]
fn names_of_flows_follow_from_what_they_match() {
    let (key, mut mask) = (FlowKey::EMPTY, FlowMask::EMPTY);
    let any = Ufid::of(&key, &mask, 1);
    mask.add_field(FieldId::TunId);
    let zero = Ufid::of(&key, &mask, 1);
    let mut other = key.clone();
    other.set(FieldId::TunId, 1);
    let names = HashSet::from([any, zero, Ufid::of(&other, &mask, 1), Ufid::of(&key, &mask, 2)]);
    assert_eq!(names.len(), 4);
    assert_eq!(Ufid(0xab << 120 | 0x12).to_string(), "ab000000-0000-0000-0000-000000000012");
}

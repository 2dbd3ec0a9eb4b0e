//! The classifier beside a list that is searched from end to end.

use std::collections::BTreeSet;

use packet::FlowKey;
use packet::flow::FieldId;
use proptest::prelude::*;

use super::*;

/// Fields of every stage, tracked and not, with masks that are prefixes and masks that are not.
const FIELDS: [(FieldId, &[u128], &[u128]); 8] = [
    (FieldId::Reg0, &[0, 1, 2], &[0, 0, 3]),
    (FieldId::TunMetadata9, &[0, 1], &[0, 0, 0, 1]),
    (FieldId::EthType, &[0x800, 0x86dd], &[0, 0xffff]),
    (FieldId::IpProto, &[6, 17], &[0, 0xff]),
    (
        FieldId::Ipv4Src,
        &[0x0a00_0001, 0x0a00_0002, 0x0a01_0001, 0xc0a8_0001],
        &[0, 0xffff_ffff, 0xffff_ff00, 0xff00_0000, 0xfffc_0000, 0x8000_0000, 0x0000_0001],
    ),
    (
        FieldId::Ipv6Dst,
        &[1, 2, 0xfe80 << 112, 0xfe80 << 112 | 1],
        &[0, 0, u128::MAX, u128::MAX << 64, u128::MAX << 118],
    ),
    (FieldId::TcpSrc, &[1, 80, 0x8050], &[0, 0, 0xffff, 0xff00, 0xfff0]),
    (FieldId::TcpDst, &[1, 80, 0x8050], &[0, 0xffff, 0x8000]),
];

fn keys() -> impl Strategy<Value = FlowKey> {
    prop::array::uniform8(0_usize..100).prop_map(|picks| {
        let mut key = FlowKey::EMPTY;
        for ((field, values, _), pick) in FIELDS.iter().zip(picks) {
            key.set(*field, values[pick % values.len()]);
        }
        key
    })
}

fn matches() -> impl Strategy<Value = FlowMatch> {
    (keys(), prop::array::uniform8(0_usize..100)).prop_map(|(key, picks)| {
        let mut mask = FlowMask::EMPTY;
        for ((field, _, masks), pick) in FIELDS.iter().zip(picks) {
            mask.add_bits(*field, masks[pick % masks.len()]);
        }
        FlowMatch::new(&key, mask)
    })
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Box<FlowMatch>, Priority),
    Retire(usize),
    Restore(usize),
    Discard(usize),
    Publish,
    Purge,
    AskPrefixes(Option<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (matches(), 0_u32..6).prop_map(|(of, priority)| Step::Insert(of.into(), priority)),
        3 => (0_usize..100).prop_map(Step::Retire),
        1 => (0_usize..100).prop_map(Step::Restore),
        1 => (0_usize..100).prop_map(Step::Discard),
        2 => Just(Step::Publish),
        1 => Just(Step::Purge),
        1 => any::<Option<u8>>().prop_map(Step::AskPrefixes),
    ];
    prop::collection::vec(step, 1..60)
}

#[derive(Clone, Debug)]
struct Naive {
    id: RuleId,
    of: FlowMatch,
    priority: Priority,
    added: u64,
    retired: u64,
}

/// A classifier, and beside it a list that is searched from end to end.
struct Pair {
    classifier: Classifier<usize>,
    list: Vec<Naive>,
    version: u64,
    n_inserted: usize,
}

impl Pair {
    fn after(steps: Vec<Step>) -> Pair {
        let mut pair =
            Pair { classifier: Classifier::new(3), list: Vec::new(), version: 1, n_inserted: 0 };
        for step in steps {
            pair.take(step);
        }
        assert_eq!(pair.classifier.n_rules(), pair.list.len());
        let masks: Vec<&FlowMask> = pair.list.iter().map(|rule| rule.of.mask()).collect();
        let n_masks = masks.iter().enumerate().filter(|(at, mask)| !masks[..*at].contains(mask));
        assert_eq!(pair.classifier.n_masks(), n_masks.count());
        pair
    }

    /// Changes are made for the version after the published one.
    fn take(&mut self, step: Step) {
        let next = Version(self.version + 1);
        let pick = |n: usize| (!self.list.is_empty()).then(|| n % self.list.len());
        match step {
            Step::Insert(of, priority) => {
                let id = self.classifier.insert(&of, priority, next, self.n_inserted);
                self.n_inserted += 1;
                let (added, retired) = (next.0, u64::MAX);
                self.list.push(Naive { id, of: *of, priority, added, retired });
            }
            Step::Retire(n) => {
                let Some(at) = pick(n).filter(|at| self.list[*at].retired == u64::MAX) else {
                    return;
                };
                self.classifier.retire(self.list[at].id, next);
                self.list[at].retired = next.0;
            }
            Step::Restore(n) => {
                let Some(at) = pick(n).filter(|at| self.list[*at].retired == next.0) else {
                    return;
                };
                self.classifier.restore(self.list[at].id);
                self.list[at].retired = u64::MAX;
            }
            Step::Discard(n) => {
                let Some(at) = pick(n).filter(|at| self.list[*at].added == next.0) else { return };
                let rule = self.list.swap_remove(at);
                assert!(self.classifier.discard(rule.id).is_some());
            }
            Step::Publish => self.version += 1,
            Step::AskPrefixes(picks) => {
                let picked = |picks: u8| {
                    let fields = FIELDS.iter().enumerate();
                    let picked = fields.filter(move |(at, _)| picks >> at & 1 != 0);
                    picked.map(|(_, (field, ..))| *field).collect::<Vec<_>>()
                };
                self.classifier.ask_prefixes(picks.map(picked).as_deref());
            }
            Step::Purge => {
                let before = self.list.len();
                self.list.retain(|rule| rule.retired > self.version);
                let gone = self.classifier.purge(Version(self.version));
                assert_eq!(gone.len(), before - self.list.len());
            }
        }
    }

    fn seen(&self, version: u64) -> impl Iterator<Item = &Naive> {
        self.list.iter().filter(move |rule| rule.added <= version && version < rule.retired)
    }

    fn lookup(&self, key: &FlowKey, version: u64) -> (Option<RuleId>, FlowMask) {
        let mut mask = FlowMask::EMPTY;
        let found = self.classifier.lookup(key, Version(version), &mut mask);
        (found, mask)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn finds_what_a_list_finds_in_every_version(steps in steps(), keys in prop::collection::vec(keys(), 8)) {
        let pair = Pair::after(steps);
        for key in &keys {
            for version in [pair.version, pair.version + 1] {
                let all: Vec<&Naive> = pair.seen(version).filter(|rule| rule.of.matches(key)).collect();
                let top = all.iter().map(|rule| rule.priority).max();
                let best: Vec<RuleId> =
                    all.iter().filter(|rule| Some(rule.priority) == top).map(|rule| rule.id).collect();
                let (found, _) = pair.lookup(key, version);
                prop_assert_eq!(found.is_some(), !best.is_empty());
                prop_assert!(found.is_none_or(|id| best.contains(&id)));
            }
        }
    }

    /// The claim that a megaflow makes: who looks the same through the mask finds the same rule.
    #[test]
    fn masks_are_sound(steps in steps(), key in keys(), others in prop::collection::vec(keys(), 4), noise: u64) {
        let pair = Pair::after(steps);
        let (found, mask) = pair.lookup(&key, pair.version);
        for mut other in others {
            other.overwrite(&key, &mask);
            for at in 0..packet::flow::place::N_WORDS {
                let strange = other.word(at) ^ noise.rotate_left(u32::try_from(at).unwrap());
                for word in [other.word(at), strange] {
                    other.put_word(at, key.word(at) & mask.word(at) | word & !mask.word(at));
                    prop_assert!(mask.equal(&key, &other));
                    prop_assert_eq!(pair.lookup(&other, pair.version).0, found);
                }
            }
        }
    }

    #[test]
    fn finds_rules_by_their_match_as_a_list_does(steps in steps(), of in matches(), priority in 0_u32..6) {
        let pair = Pair::after(steps);
        let version = Version(pair.version);
        let naive = |is: &dyn Fn(&Naive) -> bool| -> BTreeSet<RuleId> {
            pair.seen(pair.version).filter(|rule| is(rule)).map(|rule| rule.id).collect()
        };
        let loose: BTreeSet<RuleId> = pair.classifier.select(&of, version).collect();
        prop_assert_eq!(loose, naive(&|rule| rule.of.is_within(&of)));
        let overlapping = naive(&|rule| rule.priority == priority && rule.of.overlaps(&of));
        let found = pair.classifier.overlapping(&of, priority, version);
        prop_assert_eq!(found.is_some(), !overlapping.is_empty());
        prop_assert!(found.is_none_or(|id| overlapping.contains(&id)));
        for rule in pair.seen(pair.version) {
            let strict = pair.classifier.find(&rule.of, rule.priority, version).unwrap();
            prop_assert_eq!(pair.classifier.flow_match(strict), Some(rule.of.clone()));
            prop_assert_eq!(pair.classifier.get(strict).unwrap().priority(), rule.priority);
        }
        let exact = naive(&|rule| rule.of == of && rule.priority == priority);
        prop_assert_eq!(pair.classifier.find(&of, priority, version).is_some(), !exact.is_empty());
        let all: BTreeSet<RuleId> = pair.classifier.iter(version).map(|(id, _)| id).collect();
        prop_assert_eq!(all, naive(&|_| true));
    }
}

fn rule(fields: &[(FieldId, u128, u128)]) -> FlowMatch {
    let mut of = FlowMatch::ANY;
    for (field, value, mask) in fields {
        of.set_masked(*field, *value, *mask);
    }
    of
}

fn looked_at(classifier: &Classifier<u8>, key: &FlowKey) -> FlowMask {
    let mut mask = FlowMask::EMPTY;
    classifier.lookup(key, Version(1), &mut mask);
    mask
}

#[test]
fn a_bundle_is_seen_whole_or_not_at_all() {
    let mut classifier = Classifier::new(1);
    let of = |n: u128| rule(&[(FieldId::Reg0, n, u128::MAX)]);
    let old: Vec<RuleId> =
        (0..1000).map(|n| classifier.insert(&of(n), 1, Version(1), "old")).collect();
    for (n, id) in (0..).zip(&old) {
        classifier.retire(*id, Version(2));
        classifier.insert(&of(n), 1, Version(2), "new");
    }
    let what = |classifier: &Classifier<&'static str>, n: u128, version| {
        let id = classifier.lookup(of(n).key(), Version(version), &mut FlowMask::EMPTY.clone());
        classifier.get(id.unwrap()).unwrap().what
    };
    for n in 0..1000 {
        assert_eq!((what(&classifier, n, 1), what(&classifier, n, 2)), ("old", "new"));
    }
    assert_eq!(classifier.purge(Version(1)), Vec::<&str>::new());
    assert_eq!(classifier.purge(Version(2)), vec!["old"; 1000]);
    assert_eq!((classifier.n_rules(), what(&classifier, 7, 2)), (1000, "new"));
}

#[test]
fn shallow_stages_spare_deep_ones() {
    let mut classifier = Classifier::new(1);
    let deep = [
        (FieldId::Metadata, 5, u128::MAX),
        (FieldId::EthType, 0x800, 0xffff),
        (FieldId::Ipv4Src, 0x0a00_0001, 0xffff_ffff),
        (FieldId::TcpDst, 80, 0xffff),
    ];
    classifier.insert(&rule(&deep), 1, Version(1), 0);
    let mut key = rule(&deep).key().clone();
    assert_eq!(&looked_at(&classifier, &key), rule(&deep).mask());
    key.set(FieldId::Metadata, 6);
    assert_eq!(&looked_at(&classifier, &key), rule(&deep[..1]).mask());
    key.set(FieldId::Metadata, 5);
    key.set(FieldId::EthType, 0x806);
    assert_eq!(&looked_at(&classifier, &key), rule(&deep[..2]).mask());
}

#[test]
fn prefixes_spare_the_rest_of_an_address() {
    let mut classifier = Classifier::new(1);
    let host = |address, bits| rule(&[(FieldId::Ipv4Dst, address, bits)]);
    for n in 1..5 {
        classifier.insert(&host(0x0a00_0000 | n, 0xffff_ffff), 1, Version(1), 0);
    }
    classifier.insert(&host(0xac10_0000, 0xfff0_0000), 1, Version(1), 0);
    let bits = |address: u128| {
        let mask =
            looked_at(&classifier, &rule(&[(FieldId::Ipv4Dst, address, u128::MAX)]).key().clone());
        mask.get(FieldId::Ipv4Dst)
    };
    assert_eq!(bits(0xc0a8_0101), 0xff00_0000, "the first byte is nobody's");
    assert_eq!(bits(0x0a01_0000), 0xffff_0000, "the second byte is nobody's");
    assert_eq!(bits(0xac20_0000), 0xffff_0000, "no host, and not the network");
    assert_eq!(bits(0x0a00_0001), 0xffff_ffff);
}

#[test]
fn tracked_fields_are_asked_for_in_the_stage_that_they_lie_in() {
    for tracked in prefix::TRACKED {
        let mask = rule(&[(tracked.field, 0, tracked.field.info().ones())]).mask().clone();
        let stage = packet::flow::place::STAGES[tracked.stage];
        assert!(mask.iter().all(|(word, _)| stage.has(word)), "{tracked:?}");
    }
}

#[test]
fn prefixes_are_asked_for_as_the_administrator_says() {
    let mut classifier = Classifier::new(1);
    for field in [FieldId::Ipv4Dst, FieldId::Ipv6Src, FieldId::TunId, FieldId::TcpDst] {
        classifier.insert(&rule(&[(field, 1, field.info().ones())]), 1, Version(1), 0);
    }
    let mut bits = |fields: Option<&[FieldId]>| {
        classifier.ask_prefixes(fields);
        let all = [FieldId::Ipv4Dst, FieldId::Ipv6Src, FieldId::TunId, FieldId::TcpDst];
        let mut key = FlowKey::EMPTY;
        all.iter().for_each(|field| key.set(*field, field.info().ones()));
        let mask = looked_at(&classifier, &key);
        all.map(|field| mask.get(field).count_ones())
    };
    assert_eq!(bits(None), [8, 16, 64, 8]);
    assert_eq!(bits(Some(&[])), [32, 128, 64, 8]);
    assert_eq!(bits(Some(&[FieldId::TunId, FieldId::Ipv6Src])), [32, 16, 16, 8]);
}

#[test]
fn attackers_get_few_masks() {
    let mut classifier = Classifier::new(1);
    let acl = [FieldId::Ipv4Src, FieldId::TcpSrc, FieldId::TcpDst];
    let allowed = [0x0a00_0001, 4711, 80];
    for (field, value) in acl.into_iter().zip(allowed) {
        let ones = field.info().ones();
        let fields = [(FieldId::EthType, 0x800, 0xffff), (field, value, ones)];
        classifier.insert(&rule(&fields), 10, Version(1), 0);
    }
    classifier.insert(&FlowMatch::ANY, 0, Version(1), 1);
    let mut masks: Vec<FlowMask> = Vec::new();
    for n in 0..32 * 16 * 16_u32 {
        let mut key = FlowKey::EMPTY;
        key.set(FieldId::EthType, 0x800);
        let flips = [n % 32, n / 32 % 16, n / 512];
        for ((field, value), flip) in acl.into_iter().zip(allowed).zip(flips) {
            key.set(field, value ^ 1 << flip);
        }
        let mask = looked_at(&classifier, &key);
        if !masks.contains(&mask) {
            masks.push(mask);
        }
    }
    assert!(masks.len() <= 4 * 2 * 2, "{} masks", masks.len());
}

#[test]
fn who_passes_a_rule_gets_the_next_best() {
    let mut classifier = Classifier::new(1);
    let http = rule(&[(FieldId::TcpDst, 80, 0xffff)]);
    let web = classifier.insert(&http, 5, Version(1), "conjunction");
    let low = classifier.insert(&http, 3, Version(1), "http");
    let any = classifier.insert(&FlowMatch::ANY, 4, Version(1), "any");
    let mut asked = Vec::new();
    let mut mask = FlowMask::EMPTY;
    let found = classifier.lookup_by(http.key(), Version(1), &mut mask, |id, rule| {
        asked.push(id);
        if rule.what == "conjunction" { Verdict::Pass } else { Verdict::Take }
    });
    assert_eq!(found, Some(any));
    assert_eq!(asked, [web, low, any]);
    assert_eq!(&mask, http.mask());
}

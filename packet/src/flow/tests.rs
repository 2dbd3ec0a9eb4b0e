//! Keys, masks and matches beside plain arrays; prerequisites; tunnel options.

use proptest::prelude::*;

use super::place::N_WORDS;
use super::tunnel::{
    ArrayOption, MAX_OPTION_LEN, OptionMatch, OptionTable, SlotError, bits_of, ones_at, put_bits,
};
use super::*;
use crate::vlan::TAG_PRESENT;

fn words() -> impl Strategy<Value = Vec<u64>> {
    let word = prop_oneof![Just(0), Just(u64::MAX), 0_u64..4];
    prop::collection::vec(word, N_WORDS)
}

fn key_of(words: &[u64]) -> FlowKey {
    let mut key = FlowKey::EMPTY;
    words.iter().enumerate().for_each(|(at, word)| key.put_word(at, *word));
    key
}

fn mask_of(words: &[u64]) -> FlowMask {
    let mut mask = FlowMask::EMPTY;
    words.iter().enumerate().for_each(|(at, word)| mask.put_word(at, *word));
    mask
}

proptest! {
    #[test]
    fn words_agree_with_an_array(a in words(), b in words(), bits in words()) {
        let (key, other, mask) = (key_of(&a), key_of(&b), mask_of(&bits));
        let nonzero: Vec<usize> = (0..N_WORDS).filter(|at| a[*at] != 0).collect();
        prop_assert_eq!(key.nonzero().into_iter().collect::<Vec<_>>(), nonzero.clone());
        prop_assert_eq!(key.nonzero().len(), nonzero.len());
        prop_assert_eq!(key == other, a == b);
        prop_assert_eq!(mask.equal(&key, &other), (0..N_WORDS).all(|at| (a[at] ^ b[at]) & bits[at] == 0));
        let masked = key.masked(&mask);
        prop_assert!((0..N_WORDS).all(|at| masked.word(at) == a[at] & bits[at]));
        prop_assert!(mask.equal(&key, &masked));
        let (wide, narrow) = (mask_of(&b), mask_of(&bits));
        prop_assert_eq!(narrow.covers(&wide), (0..N_WORDS).all(|at| b[at] & !bits[at] == 0));
        let common = wide.common(&narrow);
        prop_assert!((0..N_WORDS).all(|at| common.word(at) == b[at] & bits[at]));
        let mut both = wide.clone();
        both.add(&narrow);
        prop_assert!(both.covers(&wide) && both.covers(&narrow));
        let mut written = key.clone();
        written.overwrite(&other, &mask);
        prop_assert!((0..N_WORDS).all(|at| written.word(at) == a[at] & !bits[at] | b[at] & bits[at]));
        written.clear();
        prop_assert_eq!(written, FlowKey::EMPTY);
    }

    #[test]
    fn matches_are_sets_of_keys(a in words(), b in words(), x in words(), y in words()) {
        let (wide, narrow) = (FlowMatch::new(&key_of(&a), mask_of(&x)), FlowMatch::new(&key_of(&b), mask_of(&y)));
        prop_assert!(wide.matches(&key_of(&a)) && narrow.matches(&key_of(&b)));
        prop_assert!(narrow.is_within(&narrow) && narrow.is_within(&FlowMatch::ANY));
        if narrow.is_within(&wide) {
            prop_assert!(wide.matches(narrow.key()) && wide.overlaps(&narrow));
        }
        if wide.overlaps(&narrow) {
            let mut shared = wide.key().clone();
            shared.overwrite(narrow.key(), narrow.mask());
            prop_assert!(wide.matches(&shared) && narrow.matches(&shared));
        } else {
            prop_assert!(!wide.matches(narrow.key()) || !narrow.matches(wide.key()));
        }
    }
}

#[test]
fn old_views_of_a_tag_demand_that_there_is_one() {
    let mut tagged = FlowMatch::ANY;
    tagged.set(FieldId::DlVlan, 5);
    assert_eq!(tagged.key().outer_vlan().tci, TAG_PRESENT | 5);
    assert_eq!(tagged.mask().get(FieldId::VlanTci), 0x1fff);
    tagged.set(FieldId::DlVlanPcp, 3);
    assert_eq!(tagged.key().outer_vlan().tci, 0x7005);
    assert_eq!(tagged.mask().get(FieldId::VlanTci), 0xffff);
    let mut untagged = FlowMatch::ANY;
    untagged.set(FieldId::VlanTci, 0);
    assert!(untagged.matches(&FlowKey::EMPTY) && !tagged.overlaps(&untagged));
    let mut vid = FlowMatch::ANY;
    vid.set(FieldId::VlanVid, 0x1005);
    assert!(tagged.is_within(&vid) && tagged.allows(FieldId::VlanPcp));
    vid.clear(FieldId::VlanVid);
    assert_eq!(vid, FlowMatch::ANY);
}

#[test]
fn parts_of_a_field_are_demanded_one_by_one() {
    let part = |offset, n| Subfield::new(FieldId::Reg3, offset, n).unwrap();
    let mut of = FlowMatch::ANY;
    of.set_part(part(0, 4), 9);
    of.set_part(part(16, 8), 0x1ab);
    assert_eq!((of.key().get(FieldId::Reg3), of.mask().get(FieldId::Reg3)), (0xab_0009, 0xff_000f));
}

#[test]
fn prerequisites_look_at_the_fields_that_they_name() {
    let with = |fields: &[(FieldId, u128)]| {
        let mut key = FlowKey::EMPTY;
        fields.iter().for_each(|(field, value)| key.set(*field, *value));
        key
    };
    let (ethertype, proto, kind) = (FieldId::EthType, FieldId::IpProto, FieldId::Icmpv6Type);
    let solicit = with(&[(ethertype, 0x86dd), (proto, 58), (kind, 135)]);
    let holding: Vec<FieldId> =
        FieldId::all().filter(|field| field.info().prereq.holds(&solicit)).collect();
    assert!(holding.contains(&FieldId::NdSll) && holding.contains(&FieldId::NdTarget));
    assert!(!holding.contains(&FieldId::NdTll) && !holding.contains(&FieldId::TcpSrc));
    let tcp = [(ethertype, 0x800), (proto, 6)];
    assert!(Prereq::Tcp.holds(&with(&tcp)) && !Prereq::Icmpv4.holds(&with(&tcp)));
    let later = [tcp[0], tcp[1], (FieldId::IpFrag, 3)];
    assert!(!Prereq::Tcp.holds(&with(&later)) && Prereq::Ipv4.holds(&with(&later)));
    assert!(!Prereq::Icmpv6.holds(&with(&[(ethertype, 0x800), (proto, 58)])));
    assert!(!Prereq::Ethernet.holds(&with(&[(FieldId::PacketType, 0x1_0800)])));
}

#[test]
fn a_connection_is_demanded_by_its_state() {
    let allows = |state, mask| {
        let mut of = FlowMatch::ANY;
        of.set_masked(FieldId::CtState, state, mask);
        of.allows(FieldId::CtNwSrc)
    };
    assert!(!allows(0, 0) && allows(2, 2) && allows(4, 4) && !allows(0, 2));
    assert!(allows(0x20, 0x30) && !allows(0x20, 0x20) && !allows(0x30, 0x30));
    let mut key = FlowKey::EMPTY;
    key.set(FieldId::CtState, 0x24);
    assert!(!Prereq::Ct.holds(&key));
    key.set(FieldId::CtState, 0x22);
    assert!(Prereq::Ct.holds(&key));
}

proptest! {
    /// Whoever adds a prerequisite's fields to his mask may rely on the answer.
    #[test]
    fn answers_follow_from_the_fields_that_are_named(
        a in prop::array::uniform5(0_usize..6), noise in words(), field in prop::sample::select(FieldId::all().collect::<Vec<_>>()),
    ) {
        let values: [(FieldId, [u128; 6]); 5] = [
            (FieldId::EthType, [0x800, 0x86dd, 0x806, 0x8847, 0x894f, 1]),
            (FieldId::IpProto, [6, 17, 132, 1, 58, 0]),
            (FieldId::IpFrag, [0, 0, 0, 1, 3, 2]),
            (FieldId::Icmpv6Type, [135, 136, 0, 135, 136, 8]),
            (FieldId::Icmpv6Code, [0, 0, 0, 0, 0, 1]),
        ];
        let mut key = FlowKey::EMPTY;
        values.iter().zip(a).for_each(|((field, values), pick)| key.set(*field, values[pick]));
        let prereq = field.info().prereq;
        let mut mask = FlowMask::EMPTY;
        mask.add_prereq(prereq);
        let mut other = key_of(&noise);
        other.overwrite(&key, &mask);
        prop_assert_eq!(prereq.holds(&key), prereq.holds(&other));
    }
}

/// Bytes at the end of a value.
fn last(bytes: &[u8]) -> ArrayOption {
    let mut value = [0; MAX_OPTION_LEN];
    value[MAX_OPTION_LEN - bytes.len()..].copy_from_slice(bytes);
    value
}

#[test]
fn options_keep_their_bytes_and_their_place() {
    let mut table = OptionTable::EMPTY;
    for (index, len) in [(0, 4), (63, 124), (7, 12)] {
        table.insert(index, (1, u8::try_from(index).unwrap()), len).unwrap();
    }
    let slots = [0, 63, 7].map(|index| *table.slot(index).unwrap());
    let mut key = FlowKey::EMPTY;
    for (n, slot) in (1..).zip(&slots) {
        key.set_option(slot, &[n; MAX_OPTION_LEN]);
    }
    for (n, slot) in (1..).zip(&slots) {
        assert_eq!(key.option(slot), last(&[n; MAX_OPTION_LEN][..slot.len()]));
        assert_eq!(key.get(slot.field()), 1);
    }
    key.receive_option(&slots[0], &[0xaa, 0xbb, 0, 0]);
    assert_eq!(key.word(place::TUN_OPTIONS) >> 32, 0xaabb_0000);
    key.set_option_masked(&slots[0], &last(&[0x12, 0x34]), &last(&[0x0f, 0xff]));
    assert_eq!(key.option(&slots[0]), last(&[0xaa, 0xbb, 0x02, 0x34]));
    assert_eq!(key.option(&slots[2]), last(&[3; 12]));
}

#[test]
fn a_match_of_options_is_asked_when_a_table_says_where_they_are() {
    let mut table = OptionTable::EMPTY;
    table.insert(9, (2, 3), 8).unwrap();
    table.insert(0, (0x102, 0x80), 4).unwrap();
    let slot = table.slot(0).unwrap();
    let mut of = FlowMatch::ANY;
    let (value, mask) = (last(&[0xff, 0xaa, 0xff]), last(&[0xff, 0x0f]));
    of.set_option(OptionMatch { index: 0, value, mask, len: None });
    assert_eq!((of.options()[0].n_bytes(), of.options()[0].value), (2, last(&[0xaa, 0x0f])));
    assert_eq!(of.clone().resolve(&OptionTable::EMPTY), Err(0));
    of.resolve(&table).unwrap();
    assert!(!of.matches(&FlowKey::EMPTY) && of.mask().is_exact(FieldId::TunMetadata0));
    let mut key = FlowKey::EMPTY;
    key.receive_option(slot, &[9, 9, 0xaa, 0x1f]);
    assert!(of.matches(&key));
    key.receive_option(slot, &[9, 9, 0xaa, 0x1e]);
    assert!(!of.matches(&key));
    assert_eq!(of.options()[0].n_bytes(), 4);
    // All bits of its length: the whole.
    let mut whole = FlowMatch::ANY;
    whole.set_option_part(Subfield::new(FieldId::TunMetadata9, 0, 64).unwrap(), 5);
    whole.resolve(&table).unwrap();
    assert!(whole.options()[0].is_whole());
    assert_eq!(FlowMatch::new(whole.key(), whole.mask().clone()).with_options(&table), whole);
}

#[test]
fn parts_of_an_option_are_bits_from_its_end() {
    let mut value = last(&[0x12, 0x34, 0x56, 0x78]);
    assert_eq!((bits_of(&value, 4, 12), bits_of(&value, 24, 128)), (0x567, 0x12));
    put_bits(&mut value, 12, 8, 0xabc);
    assert_eq!(value, last(&[0x12, 0x3b, 0xc6, 0x78]));
    assert_eq!(ones_at(0, 992), tunnel::WHOLE);
    assert_eq!(
        ones_at(3, 140)[MAX_OPTION_LEN - 18..].iter().map(|b| b.count_ones()).sum::<u32>(),
        140
    );
    assert_eq!(bits_of(&value, 985, 30), 0);
    put_bits(&mut value, 985, 30, u128::MAX);
    assert_eq!(value[0], 0xfe);
}

#[test]
fn options_get_room_as_long_as_there_is_some() {
    let mut table = OptionTable::EMPTY;
    assert_eq!(table.insert(64, (0, 0), 4), Err(SlotError::NoOption(64)));
    for len in [3, 126, 128, 1000] {
        assert_eq!(table.insert(0, (0, 0), len), Err(SlotError::BadLength(len)));
    }
    for index in 0..64 {
        table.insert(index, (u16::try_from(index).unwrap(), 0), 4).unwrap();
    }
    assert_eq!(table.insert(3, (99, 0), 4), Err(SlotError::Taken(3)));
    table.remove(3);
    assert_eq!(table.insert(3, (5, 0), 4), Err(SlotError::Twice((5, 0))));
    assert_eq!(table.insert(3, (3, 1), 8), Err(SlotError::Full(8)));
    table.remove(60);
    // The two gaps are no neighbours.
    table.insert(3, (3, 1), 8).unwrap();
    let slot = table.find((3, 1)).unwrap();
    assert_eq!((slot.index(), slot.len()), (3, 8));
    let mut key = FlowKey::EMPTY;
    key.receive_option(slot, &[1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(key.option(slot), last(&[1, 2, 3, 4, 5, 6, 7, 8]));
    assert_eq!(table.insert(60, (60, 0), 4), Err(SlotError::Full(4)));
    assert_eq!(table.insert(60, (60, 0), 0), Ok(()));
    table.remove(3);
    assert_eq!(table.iter().count(), 63);
    assert!(!table.is_empty() && OptionTable::EMPTY.is_empty());
}

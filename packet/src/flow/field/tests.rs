//! The table of fields holds together, and fields are read where they are written.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::flow::place::{N_WORDS, STAGES, TUN_OPTIONS};
use crate::flow::{FlowKey, FlowMask, WordSet, Words};

fn fields() -> impl Strategy<Value = FieldId> {
    prop::sample::select(FieldId::all().collect::<Vec<_>>())
}

fn bits_of(field: FieldId) -> impl Iterator<Item = (usize, u32)> {
    let place = field.info().place;
    let high = usize::from(place.word);
    (0..u32::from(place.bits)).map(move |bit| match place.bits {
        128 => (high + usize::from(bit < 64), bit % 64),
        _ => (high, u32::from(place.shift) + bit),
    })
}

/// Fields that are views of the same bits, by design.
fn family(field: FieldId) -> &'static str {
    use FieldId::*;
    match field {
        field if field.is_register() => "register",
        VlanTci | DlVlan | VlanVid | DlVlanPcp | VlanPcp => "VLAN",
        IpTos | IpDscp | IpEcn => "TOS",
        InPort | InPortOxm => "port",
        IpProto | ArpOp => "protocol",
        Ipv4Src | ArpSpa => "source",
        Ipv4Dst | ArpTpa => "destination",
        ArpSha | NdSll => "source link",
        ArpTha | NdTll => "target link",
        TcpSrc | UdpSrc | SctpSrc | Icmpv4Type | Icmpv6Type => "layer 4 source",
        TcpDst | UdpDst | SctpDst | Icmpv4Code | Icmpv6Code => "layer 4 destination",
        _ => field.info().name,
    }
}

#[test]
fn fields_share_bits_only_with_their_family() {
    let mut owners: BTreeMap<(usize, u32), &str> = BTreeMap::new();
    for field in FieldId::all() {
        for bit in bits_of(field) {
            assert!(bit.0 < N_WORDS && bit.1 < 64, "{field:?} {bit:?}");
            assert!(bit.0 < TUN_OPTIONS, "{field:?} lies in the bytes of options");
            let owner = *owners.entry(bit).or_insert(family(field));
            assert_eq!(owner, family(field), "{field:?} {bit:?}");
        }
    }
}

#[test]
fn rows_are_consistent() {
    for (row, field) in FieldId::all().enumerate() {
        let info = field.info();
        assert_eq!((field.index(), info.id), (row, field));
        assert!(u16::from(info.n_bytes) * 8 >= info.n_bits, "{field:?}");
        let known = info.is_option() || info.n_bits == u16::from(info.place.bits);
        let odd = matches!(field, FieldId::VlanVid | FieldId::ArpOp);
        assert!(known != odd, "{field:?}");
        assert!(info.codes.windows(2).all(|pair| pair[0].since <= pair[1].since), "{field:?}");
    }
}

#[test]
fn names_and_numbers_are_unique() {
    for field in FieldId::all() {
        let info = field.info();
        for name in core::iter::once(info.name).chain(info.aka) {
            assert_eq!(FieldId::by_name(name), Some(field), "{name}");
        }
        for code in info.codes {
            assert_eq!(FieldId::by_name(code.name), Some(field), "{}", code.name);
            assert!(code.number < 128);
        }
    }
    assert_eq!(FieldId::by_name("eth_srcs"), None);
}

#[test]
fn arrays_of_fields_are_in_order() {
    assert_eq!(FieldId::reg(15), Some(FieldId::Reg15));
    assert_eq!((FieldId::reg(16), FieldId::xreg(8), FieldId::xxreg(4)), (None, None, None));
    assert_eq!(FieldId::tun_metadata(63), Some(FieldId::TunMetadata63));
    assert_eq!(FieldId::TunMetadata63.option(), Some(63));
    assert_eq!((FieldId::TunGbpFlags.option(), FieldId::Metadata.option()), (None, None));
    let names = |field: Option<FieldId>| field.map_or("", |field| field.info().name).to_owned();
    for n in 0..N_OPTIONS {
        assert_eq!(names(FieldId::tun_metadata(n)), format!("tun_metadata{n}"));
    }
    assert!(FieldId::Xxreg3.is_register() && !FieldId::EthSrc.is_register());
    assert!(!FieldId::CtTpDst.is_register());
}

#[test]
fn stages_are_a_partition() {
    let all = STAGES.iter().fold(WordSet::EMPTY, |all, stage| {
        assert!(all.and(*stage).is_empty());
        all.or(*stage)
    });
    assert_eq!(all, WordSet::range(0, N_WORDS));
}

#[test]
fn registers_are_views_of_the_same_bits() {
    let mut key = FlowKey::EMPTY;
    key.set(FieldId::Xxreg1, 0x1111_1111_2222_2222_3333_3333_4444_4444);
    assert_eq!(key.get(FieldId::Xreg2), 0x1111_1111_2222_2222);
    let regs: Vec<u128> = (4..8).filter_map(FieldId::reg).map(|reg| key.get(reg)).collect();
    assert_eq!(regs, [0x1111_1111, 0x2222_2222, 0x3333_3333, 0x4444_4444]);
}

#[test]
fn the_old_view_of_a_port_keeps_reserved_ports() {
    let mut key = FlowKey::EMPTY;
    for (old, new) in [(1, 1), (0xfeff, 0xfeff), (0xff00, 0xffff_ff00), (0xfffe, 0xffff_fffe)] {
        key.set(FieldId::InPort, old);
        assert_eq!((key.get(FieldId::InPort), key.get(FieldId::InPortOxm)), (old, new));
    }
    let mut mask = FlowMask::EMPTY;
    mask.add_field(FieldId::InPort);
    assert!(mask.is_exact(FieldId::InPortOxm));
}

proptest! {
    #[test]
    fn what_is_set_is_read_and_nothing_else_changes(
        noise in prop::collection::vec(any::<u64>(), N_WORDS),
        field in fields(),
        value: u128,
    ) {
        let mut words = Words::ZERO;
        for (at, word) in noise.iter().enumerate() {
            words.put_word(at, *word);
        }
        let before = words.clone();
        let value = if field == FieldId::InPort { value & 0x7fff } else { value };
        words.set(field, value);
        prop_assert_eq!(words.get(field), value & field.info().place.ones());
        let mut changed = WordSet::EMPTY;
        for at in 0..N_WORDS {
            if words.word(at) != before.word(at) {
                changed = changed.with(at);
            }
        }
        prop_assert!(changed.is_within(field.info().place.words()));
        for other in FieldId::all().filter(|other| family(*other) != family(field)) {
            prop_assert_eq!(words.get(other), before.get(other));
        }
    }

    #[test]
    fn parts_are_bits_of_the_whole(field in fields(), value: u128, offset in 0_u16..128, n in 1_u16..=128) {
        let Some(part) = Subfield::new(field, offset, n) else { return Ok(()) };
        let mut words = Words::ZERO;
        words.write(part, value);
        if field.info().is_option() {
            prop_assert_eq!(&words, &Words::ZERO);
            return Ok(());
        }
        prop_assume!(field != FieldId::InPort);
        let seen = (offset..offset + n).filter(|bit| *bit < field.info().place.bits.into());
        for bit in seen {
            prop_assert_eq!(words.get(field) >> bit & 1, value >> (bit - offset) & 1);
        }
        prop_assert_eq!(words.get(field) & !part.mask(), 0);
        prop_assert_eq!(words.read(part) << offset, words.get(field));
    }
}

#[test]
fn parts_outside_of_the_field_are_none() {
    let part = |offset, n| Subfield::new(FieldId::Reg0, offset, n).is_some();
    assert!(part(0, 32) && part(31, 1) && !part(0, 0) && !part(0, 33) && !part(32, 1));
    assert!(!part(u16::MAX, u16::MAX));
    assert_eq!(Subfield::whole(FieldId::VlanVid).mask(), 0xfff);
}

//! Edits beside a packet that is built anew.

use packet::flow::FieldId;
use packet::{EtherType, FlowKey, FlowMask, VlanTag};
use proptest::prelude::*;

use super::model::{Net, Packet, Sums, Upper, packets};
use super::ttl::{Ttl, decrement};
use super::{SetField, labels};
use crate::frame::{FrameMemory, FramePool, HEADROOM, Offload};

fn pool() -> FramePool {
    FramePool::new(FrameMemory::new(4, 1).unwrap())
}

/// Key and mask that write these fields.
fn set_field(fields: &[(FieldId, u128, u128)]) -> Option<SetField> {
    let (mut key, mut mask) = (FlowKey::EMPTY, FlowMask::EMPTY);
    for (field, value, bits) in fields {
        let ones = field.info().place.ones();
        let rest = mask.get(*field) & !ones;
        mask.set(*field, rest | bits & ones);
        key.set(*field, value & bits & ones);
    }
    SetField::new(&key, &mask)
}

fn sums() -> impl Strategy<Value = Sums> {
    prop::sample::select(vec![Sums::Finished, Sums::Unfinished])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Whole fields and parts of them, one to all at once.
    #[test]
    fn a_rewritten_packet_is_the_packet_built_anew(
        packet in packets(),
        sums in sums(),
        which in any::<u16>(),
        values in prop::collection::vec((any::<u128>(), prop_oneof![Just(u128::MAX), any::<u128>()]), 16),
    ) {
        let mut pool = pool();
        let mut frame = packet.frame(&mut pool, sums);
        let (offload, before) = (*frame.offload(), frame.data().to_vec());
        // Later rows of the same bits win in the key; the model gets what the key has.
        let mut seen: Vec<FieldId> = Vec::new();
        let mut writes = Vec::new();
        for (n, field) in packet.fields().into_iter().enumerate().filter(|(n, _)| which >> n & 1 == 1) {
            let tos = [FieldId::IpTos, FieldId::IpDscp, FieldId::IpEcn];
            if tos.contains(&field) && seen.iter().any(|other| tos.contains(other)) {
                continue;
            }
            seen.push(field);
            let (value, mut mask) = values[n];
            if field == FieldId::VlanVid {
                mask &= 0xfff; // whether there is a tag is not written
            }
            writes.push((field, value, mask));
        }
        let mut model = packet.clone();
        writes.iter().for_each(|(field, value, mask)| model.set(*field, *value, *mask));
        if let Some(set) = set_field(&writes) {
            set.apply(&mut frame);
        }
        prop_assert_eq!(frame.data(), &model.build(sums)[..], "{:?}\n{:?}\n{:x?}", writes, packet, before);
        prop_assert_eq!(*frame.offload(), offload);
        pool.put(frame);
    }

    /// What a packet does not have stays as it is: other protocols, and headers that are cut short.
    #[test]
    fn nothing_is_written_that_is_not_there(packet in packets(), cut in 0..120_usize, value in any::<u128>()) {
        let mut pool = pool();
        let bytes = packet.build(Sums::Finished);
        let mut frame = pool.from_bytes(&bytes).unwrap();
        let foreign: &[FieldId] = match packet.net {
            _ if !packet.labels.is_empty() => &[FieldId::Ipv4Src, FieldId::Ipv6Dst, FieldId::TcpDst, FieldId::IpTtl],
            Net::V4 => &[FieldId::Ipv6Src, FieldId::NdTarget, FieldId::ArpSha, FieldId::MplsLabel, FieldId::NshSpi],
            Net::V6 => &[FieldId::Ipv4Src, FieldId::MplsTtl, FieldId::NshC1],
            Net::Arp => &[FieldId::Ipv6Src, FieldId::IpTtl, FieldId::TcpSrc, FieldId::NdReserved],
        };
        let writes: Vec<_> = foreign.iter().map(|field| (*field, value, u128::MAX)).collect();
        set_field(&writes).unwrap().apply(&mut frame);
        prop_assert_eq!(frame.data(), &bytes[..]);
        // Any cut: no panic, and no more or fewer bytes.
        let len = bytes.len().min(cut);
        prop_assert!(frame.set_len(len));
        let all: Vec<_> = packet.fields().into_iter().map(|field| (field, value, u128::MAX)).collect();
        set_field(&all).unwrap().apply(&mut frame);
        prop_assert_eq!(frame.len(), len);
        pool.put(frame);
    }

    #[test]
    fn a_time_to_live_goes_down_to_one(packet in packets(), sums in sums()) {
        let mut pool = pool();
        let mut frame = packet.frame(&mut pool, sums);
        let is_ip = packet.net != Net::Arp && packet.labels.is_empty();
        let mut model = packet.clone();
        let expected = if is_ip && packet.ttl <= 1 { Ttl::Expired } else { Ttl::Left };
        if is_ip && packet.ttl > 1 {
            model.ttl -= 1;
        }
        prop_assert_eq!(decrement(&mut frame), expected);
        prop_assert_eq!(frame.data(), &model.build(sums)[..]);
        pool.put(frame);
    }

    #[test]
    fn labels_are_pushed_and_popped_behind_the_tags(packet in packets(), lse in any::<u32>()) {
        let mut pool = pool();
        let mut frame = packet.frame(&mut pool, Sums::Finished);
        let mut tagged = packet.clone();
        tagged.tags.truncate(2);
        prop_assume!(tagged.tags.len() == packet.tags.len());
        let before = frame.data().to_vec();
        prop_assert!(labels::push(&mut frame, EtherType::MPLS, lse));
        let bottom = if packet.labels.is_empty() { lse | 0x100 } else { lse & !0x100 };
        let mut model = packet.clone();
        model.labels.insert(0, lse);
        prop_assert_eq!(frame.data(), &model.build(Sums::Finished)[..]);
        let set = set_field(&[(FieldId::MplsLabel, u128::from(bottom >> 12), u128::MAX)]).unwrap();
        set.apply(&mut frame);
        let ethertype = match (packet.labels.is_empty(), packet.net) {
            (false, _) => EtherType::MPLS,
            (_, Net::V4) => EtherType::IPV4,
            (_, Net::V6) => EtherType::IPV6,
            (_, Net::Arp) => EtherType::ARP,
        };
        labels::pop(&mut frame, ethertype);
        prop_assert_eq!(frame.data(), &before[..]);
        pool.put(frame);
    }
}

#[test]
fn a_damaged_packet_stays_damaged() {
    for upper in [Upper::Tcp, Upper::Udp, Upper::Sctp, Upper::Icmp] {
        let mut pool = pool();
        let packet = Packet { upper, ..Packet::plain() };
        let at = packet.build(Sums::Finished).len() - 1;
        let mut frame = packet.frame(&mut pool, Sums::Finished);
        frame.data_mut()[at] ^= 0x10;
        let writes: Vec<_> =
            packet.fields().into_iter().map(|field| (field, 0x0123_4567_89ab, u128::MAX)).collect();
        set_field(&writes).unwrap().apply(&mut frame);
        let mut model = packet.clone();
        writes.iter().for_each(|(field, value, mask)| model.set(*field, *value, *mask));
        let mut expected = model.build(Sums::Finished);
        expected[at] ^= 0x10;
        assert_eq!(frame.data(), expected, "{upper:?}");
    }
}

#[test]
fn a_crc_that_the_device_finishes_is_left_to_it() {
    let mut pool = pool();
    let packet = Packet { upper: Upper::Sctp, ..Packet::plain() };
    let mut frame = packet.frame(&mut pool, Sums::Finished);
    let checksum = crate::frame::Checksum::Partial { start: 34, offset: 8 };
    frame.set_offload(Offload { checksum, gso: None });
    set_field(&[(FieldId::SctpSrc, 7, u128::MAX)]).unwrap().apply(&mut frame);
    assert_eq!(frame.data()[34..36], [0, 7]);
    assert_eq!(frame.data()[42..46], packet.build(Sums::Finished)[42..46]);
}

#[test]
fn a_set_says_what_it_writes() {
    let set = set_field(&[(FieldId::Ipv4Dst, 0x0a00_0009, u128::MAX)]).unwrap();
    let fields = set.fields();
    assert_eq!(fields.key().ipv4_dst().octets(), [10, 0, 0, 9]);
    assert!(fields.mask().is_exact(FieldId::Ipv4Dst) && fields.mask().is_wild(FieldId::Ipv4Src));
    for field in [FieldId::EthType, FieldId::IpProto, FieldId::Reg3, FieldId::InPort] {
        let written = set_field(&[(field, 1, u128::MAX)]);
        assert_eq!(written.is_some(), field == FieldId::IpProto, "{field:?}");
    }
}

#[test]
fn frames_without_headroom_are_left_to_the_caller() {
    let mut pool = pool();
    let bytes = Packet::plain().build(Sums::Finished);
    let mut frame = pool.from_bytes(&bytes).unwrap();
    assert!(frame.extend_front(HEADROOM));
    assert!(!labels::push(&mut frame, EtherType::MPLS, 1));
    assert!(!frame.push_vlan(0x8100, VlanTag(1)));
}

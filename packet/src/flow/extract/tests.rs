//! Frames beside etherparse's reading of them, and what it has no word for.

use etherparse::{
    ArpPacketSlice, Ethernet2HeaderSlice, IpAuthHeaderSlice, Ipv4HeaderSlice,
    Ipv6FragmentHeaderSlice, Ipv6HeaderSlice, Ipv6RawExtHeaderSlice, PacketBuilder,
    SingleVlanHeaderSlice, TcpHeaderSlice, UdpHeaderSlice,
};
use proptest::prelude::*;

use super::*;
use crate::flow::place::{N_WORDS, STAGE_L2};
use crate::flow::{FRAG_ANY, FRAG_LATER, Prereq};
use crate::ip::IpProto;

fn key_of(frame: &[u8], depth: Depth) -> FlowKey {
    let mut key = FlowKey::EMPTY;
    headers(frame, depth, VlanLimit::Two, &mut key);
    key
}

/// Frames of every kind that the extractor knows, built by etherparse where it can.
fn templates() -> Vec<Vec<u8>> {
    let eth = || PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let v4 = || eth().ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
    let v6 = || eth().ipv6([0xfd; 16], [0xfe; 16], 63);
    let mut frames = vec![
        built(|out| v4().tcp(1000, 80, 7, 500).syn().ns().write(out, &[1, 2, 3])),
        built(|out| v6().tcp(1001, 443, 7, 500).fin().ack(9).write(out, &[])),
        built(|out| v4().udp(53, 5353).write(out, &[0; 60])),
        built(|out| v6().udp(53, 5353).write(out, &[1])),
        built(|out| v4().icmpv4_echo_request(1, 2).write(out, &[])),
        built(|out| v6().icmpv6_echo_reply(1, 2).write(out, &[])),
        built(|out| {
            eth()
                .single_vlan(7u16.try_into().unwrap())
                .ipv4([1; 4], [2; 4], 1)
                .udp(1, 2)
                .write(out, &[])
        }),
        built(|out| {
            eth()
                .double_vlan(9u16.try_into().unwrap(), 10u16.try_into().unwrap())
                .ipv6([1; 16], [2; 16], 1)
                .udp(1, 2)
                .write(out, &[])
        }),
    ];
    let arp =
        [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2];
    frames.push(ethernet(0x0806, &arp));
    frames.push(ethernet(
        0x0040,
        &[0xaa, 0xaa, 3, 0, 0, 0, 8, 6].iter().chain(&arp).copied().collect::<Vec<_>>(),
    ));
    frames.push(ethernet(0x0040, &[0x42, 0x42, 3, 0, 0, 0, 8, 6, 1]));
    frames.push(ethernet(0x8847, &[0, 1, 0x10, 64, 0, 2, 0x21, 63, 0x45]));
    frames.push(ethernet(0x8848, &[0, 1, 0, 1, 0, 2, 0, 2, 0, 3, 0, 3, 0, 4, 0, 4, 0, 5, 1, 5]));
    frames.push(ethernet(0x86dd, &extended(&[0, 60, 43, 51, 44], 6)));
    frames.push(ethernet(0x86dd, &solicitation()));
    frames
}

fn built(
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), etherparse::err::packet::BuildWriteError>,
) -> Vec<u8> {
    let mut frame = Vec::new();
    write(&mut frame).unwrap();
    frame
}

fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

/// IPv6 with extension headers of 8 bytes and 20 bytes above them.
fn extended(kinds: &[u8], proto: u8) -> Vec<u8> {
    let len = kinds.len() * 8 + 20;
    let mut packet = vec![0x60, 0, 0, 0, 0, u8::try_from(len).unwrap(), kinds[0], 64];
    packet.extend([0x20; 32]);
    for next in kinds[1..].iter().chain([&proto]) {
        packet.extend([*next, 0, 0, 0, 0, 0, 0, 0]);
    }
    packet.extend((0..20).map(|n| 0x50 + n));
    packet
}

fn solicitation() -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 32, 58, 255];
    packet.extend([0xfe; 32]);
    packet.extend([135, 0, 0, 0, 0xa0, 0, 0, 0]);
    packet.extend([0x11; 16]);
    packet.extend([1, 1, 2, 0, 0, 0, 0, 9]);
    packet
}

/// A template with some bytes changed, cut short or padded.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((0_usize..90, any::<u8>()), 0..4);
    (prop::sample::select(templates()), edits, 0_usize..140, 0_usize..300).prop_map(
        |(mut frame, edits, cut, pad)| {
            for (at, byte) in edits {
                if let Some(slot) = frame.get_mut(at) {
                    *slot = byte;
                }
            }
            match cut {
                0..100 => frame.truncate(frame.len().saturating_sub(cut / 2)),
                _ => frame.resize(frame.len() + pad, 0),
            }
            frame
        },
    )
}

/// The key as etherparse's own slices give it, with the rules of the module's essay on top.
fn oracle(frame: &[u8]) -> FlowKey {
    let mut key = FlowKey::EMPTY;
    let Ok(eth) = Ethernet2HeaderSlice::from_slice(frame) else { return key };
    key.set(FieldId::EthDst, MacAddr(eth.destination()).to_u64().into());
    key.set(FieldId::EthSrc, MacAddr(eth.source()).to_u64().into());
    let (mut ethertype, mut rest) = (eth.ether_type().0, &frame[14..]);
    for n in 0..2 {
        let Ok(tag) = SingleVlanHeaderSlice::from_slice(rest) else { break };
        if !matches!(ethertype, 0x8100 | 0x88a8) {
            break;
        }
        let tci =
            u16::from(tag.priority_code_point().value()) << 13 | tag.vlan_identifier().value();
        let vlan = KeyVlan { tpid: ethertype, tci: tci | 0x1000 };
        if n == 0 {
            key.set_outer_vlan(vlan)
        } else {
            key.set_inner_vlan(vlan)
        }
        (ethertype, rest) = (tag.ether_type().0, &rest[4..]);
    }
    if ethertype < 0x600 {
        let snap = rest.len() >= 8 && rest[..6] == [0xaa, 0xaa, 3, 0, 0, 0];
        let named = if snap { u16::from_be_bytes([rest[6], rest[7]]) } else { 0 };
        rest = if snap { &rest[8..] } else { rest };
        ethertype = if named < 0x600 { 0x5ff } else { named };
    }
    key.set(FieldId::EthType, ethertype.into());
    match ethertype {
        0x0800 => oracle_v4(rest, &mut key),
        0x86dd => drop(oracle_v6(rest, &mut key)),
        0x0806 | 0x8035 => oracle_arp(rest, &mut key),
        0x8847 | 0x8848 => {
            let mut at_bottom = false;
            for (n, lse) in rest.chunks_exact(4).take(3).enumerate() {
                if !at_bottom {
                    key.set_mpls_lse(n, u32::from_be_bytes([lse[0], lse[1], lse[2], lse[3]]));
                }
                at_bottom |= lse[2] & 1 != 0;
            }
        }
        _ => {}
    }
    key
}

fn oracle_v4(packet: &[u8], key: &mut FlowKey) {
    let mut patched = packet.to_vec();
    patched.iter_mut().take(1).for_each(|byte| *byte = *byte & 0xf | 0x40);
    let Ok(ip) = Ipv4HeaderSlice::from_slice(&patched) else { return };
    let end = usize::from(ip.total_len());
    if end < ip.slice().len() || end > packet.len() {
        return;
    }
    key.set(FieldId::Ipv4Src, u32::from_be_bytes(ip.source()).into());
    key.set(FieldId::Ipv4Dst, u32::from_be_bytes(ip.destination()).into());
    key.set(FieldId::IpDscp, ip.dcp().value().into());
    key.set(FieldId::IpEcn, ip.ecn().value().into());
    key.set(FieldId::IpTtl, ip.ttl().into());
    key.set(FieldId::IpProto, ip.protocol().0.into());
    let later = ip.fragments_offset().value() != 0;
    if later || ip.more_fragments() {
        key.set(FieldId::IpFrag, if later { 3 } else { 1 });
    }
    if !later {
        oracle_l4(ip.protocol().0, &packet[ip.slice().len()..end], key);
    }
}

fn oracle_v6(packet: &[u8], key: &mut FlowKey) -> Option<()> {
    let mut patched = packet.to_vec();
    patched.iter_mut().take(1).for_each(|byte| *byte = *byte & 0xf | 0x60);
    let ip = Ipv6HeaderSlice::from_slice(&patched).ok()?;
    let end = 40 + usize::from(ip.payload_length());
    if end > packet.len() {
        return None;
    }
    key.set(FieldId::Ipv6Src, u128::from_be_bytes(ip.source()));
    key.set(FieldId::Ipv6Dst, u128::from_be_bytes(ip.destination()));
    key.set(FieldId::Ipv6Label, ip.flow_label().value().into());
    let (mut next, mut rest, mut frag) = (ip.next_header().0, &packet[40..end], 0);
    let mut n = 0;
    while matches!(next, 0 | 43 | 44 | 51 | 60) && frag & FRAG_LATER == 0 {
        n += 1;
        if n > MAX_EXTENSIONS {
            return None;
        }
        let (following, len) = match next {
            44 => {
                let fragment = Ipv6FragmentHeaderSlice::from_slice(rest).ok()?;
                let offset = fragment.fragment_offset().value();
                if rest[2..4] != [0, 0] {
                    frag = FRAG_ANY | if offset == 0 { 0 } else { FRAG_LATER };
                }
                let later = frag & FRAG_LATER != 0;
                (if later { 44 } else { fragment.next_header().0 }, 8)
            }
            51 if rest.get(1) != Some(&0) => {
                let auth = IpAuthHeaderSlice::from_slice(rest).ok()?;
                (auth.next_header().0, auth.slice().len())
            }
            51 => (*rest.get(..8)?.first()?, 8),
            _ => {
                let extension = Ipv6RawExtHeaderSlice::from_slice(rest).ok()?;
                (extension.next_header().0, extension.slice().len())
            }
        };
        (next, rest) = (following, &rest[len..]);
    }
    key.set(FieldId::IpTos, ip.traffic_class().into());
    key.set(FieldId::IpTtl, ip.hop_limit().into());
    key.set(FieldId::IpProto, next.into());
    key.set(FieldId::IpFrag, frag.into());
    if frag & FRAG_LATER == 0 {
        oracle_l4(next, rest, key);
    }
    Some(())
}

fn oracle_arp(packet: &[u8], key: &mut FlowKey) {
    let Ok(arp) = ArpPacketSlice::from_slice(packet) else { return };
    let ours = (arp.hw_addr_type().0, arp.proto_addr_type().0) == (1, 0x800)
        && (arp.hw_addr_size(), arp.proto_addr_size()) == (6, 4);
    if !ours {
        return;
    }
    let number = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| n << 8 | u128::from(*byte));
    if arp.operation().0 <= 255 {
        key.set(FieldId::ArpOp, arp.operation().0.into());
    }
    key.set(FieldId::ArpSha, number(arp.sender_hw_addr()));
    key.set(FieldId::ArpTha, number(arp.target_hw_addr()));
    key.set(FieldId::ArpSpa, number(arp.sender_protocol_addr()));
    key.set(FieldId::ArpTpa, number(arp.target_protocol_addr()));
}

fn oracle_l4(proto: u8, segment: &[u8], key: &mut FlowKey) {
    let (src, dst) = match proto {
        6 => {
            let Ok(tcp) = TcpHeaderSlice::from_slice(segment) else { return };
            let flags = [
                tcp.fin(),
                tcp.syn(),
                tcp.rst(),
                tcp.psh(),
                tcp.ack(),
                tcp.urg(),
                tcp.ece(),
                tcp.cwr(),
                tcp.ns(),
            ];
            let reserved = u128::from(segment[12] & 0xe) << 8;
            let bits = flags.iter().enumerate().map(|(n, set)| u128::from(*set) << n);
            key.set(FieldId::TcpFlags, bits.sum::<u128>() | reserved);
            (tcp.source_port(), tcp.destination_port())
        }
        17 => {
            let Ok(udp) = UdpHeaderSlice::from_slice(segment) else { return };
            (udp.source_port(), udp.destination_port())
        }
        132 if segment.len() >= 12 => {
            let port = |at| u16::from_be_bytes([segment[at], segment[at + 1]]);
            (port(0), port(2))
        }
        1 | 2 | 58 if segment.len() >= 8 => (segment[0].into(), segment[1].into()),
        _ => return,
    };
    key.set(FieldId::TcpSrc, src.into());
    key.set(FieldId::TcpDst, dst.into());
}

/// What etherparse has no word for, checked elsewhere.
fn without_discovery(mut key: FlowKey) -> FlowKey {
    if Prereq::Nd.holds(&key) {
        for field in [
            FieldId::NdTarget,
            FieldId::NdSll,
            FieldId::NdTll,
            FieldId::NdReserved,
            FieldId::NdOptionsType,
        ] {
            key.set(field, 0);
        }
    }
    key
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn agrees_with_etherparse(frame in frames()) {
        prop_assert_eq!(without_discovery(key_of(&frame, Depth::L4)), oracle(&frame));
    }

    #[test]
    fn a_shallow_look_is_part_of_a_deep_one(frame in frames()) {
        let deep = key_of(&frame, Depth::L4);
        for depth in [Depth::L2, Depth::L3] {
            let key = key_of(&frame, depth);
            prop_assert!(Depth::of(key.nonzero()) <= depth || Prereq::Arp.holds(&key));
            for (at, word) in key.iter() {
                prop_assert_eq!(word, deep.word(at));
            }
            for at in (0..N_WORDS).filter(|at| Depth::of(WordSet::EMPTY.with(*at)) <= depth) {
                prop_assert_eq!(key.word(at), deep.word(at));
            }
        }
    }

    #[test]
    fn any_bytes_give_a_key_that_makes_sense(
        bytes in prop::collection::vec(any::<u8>(), 0..200), ethertype in prop::sample::select(vec![0x800_u16, 0x86dd, 0x806, 0x8100, 0x894f, 0x8847]),
    ) {
        let key = key_of(&ethernet(ethertype, &bytes), Depth::L4);
        let l4 = [Prereq::Tcp, Prereq::Udp, Prereq::Sctp, Prereq::Icmpv4, Prereq::Icmpv6];
        if key.word(place::L4) != 0 {
            let igmp = key.ip_proto() == IpProto::IGMP && !key.is_later_fragment();
            prop_assert!(igmp || l4.iter().any(|prereq| prereq.holds(&key)));
        }
        prop_assert!(key.word(place::IPV6_SRC) == 0 || Prereq::Ipv6.holds(&key));
        prop_assert!(key.word(place::ND_TARGET) == 0 || Prereq::Nd.holds(&key));
        prop_assert!(key.word(place::MPLS) == 0 || Prereq::Mpls.holds(&key));
        prop_assert!(key.word(place::NSH) == 0 || Prereq::Nsh.holds(&key));
    }
}

#[test]
fn every_truncation_keeps_what_is_left() {
    for frame in templates() {
        let whole = key_of(&frame, Depth::L4);
        for len in 0..frame.len() {
            let key = key_of(&frame[..len], Depth::L4);
            let types = [place::ETH_DST];
            for (at, word) in key.iter().filter(|(at, _)| !types.contains(at)) {
                assert!(STAGE_L2.has(at) || word == whole.word(at), "{frame:x?} {len} {at}");
            }
        }
    }
}

#[test]
fn neighbour_discovery_is_read_to_the_first_contradiction() {
    let target = 0x1111_1111_1111_1111_1111_1111_1111_1111;
    let mut frame = ethernet(0x86dd, &solicitation());
    let fields = |frame: &[u8]| {
        let key = key_of(frame, Depth::L4);
        let ids = [FieldId::NdTarget, FieldId::NdSll, FieldId::NdReserved, FieldId::NdOptionsType];
        ids.map(|field| key.get(field))
    };
    assert_eq!(fields(&frame), [target, 0x0200_0000_0009, 0xa000_0000, 1]);
    let option = frame[frame.len() - 8..].to_vec();
    frame.extend(&option);
    frame[14 + 5] += 8;
    assert_eq!(fields(&frame), [0, 0, 0xa000_0000, 1], "given twice");
    let at = frame.len() - 7;
    frame[at] = 0;
    assert_eq!(fields(&frame), [target, 0x0200_0000_0009, 0xa000_0000, 1], "no length");
    frame[at] = 9;
    assert_eq!(fields(&frame), [target, 0x0200_0000_0009, 0xa000_0000, 1], "beyond the end");
}

#[test]
fn the_limit_of_tags_makes_a_tag_the_payload() {
    let frame = ethernet(0x88a8, &[0x20, 5, 0x81, 0, 0, 6, 8, 0, 0x45]);
    let mut one = FlowKey::EMPTY;
    headers(&frame, Depth::L4, VlanLimit::One, &mut one);
    assert_eq!(one.outer_vlan(), KeyVlan { tpid: 0x88a8, tci: 0x3005 });
    assert_eq!((one.eth_type(), one.inner_vlan()), (EtherType::CTAG, KeyVlan::default()));
    let two = key_of(&frame, Depth::L4);
    assert_eq!(two.inner_vlan(), KeyVlan { tpid: 0x8100, tci: 0x1006 });
    assert_eq!(two.eth_type(), EtherType::IPV4);
}

#[test]
fn offsets_name_the_headers() {
    let mut key = FlowKey::EMPTY;
    let frame = ethernet(0x86dd, &extended(&[0, 60], 17));
    let offsets = headers(&frame, Depth::L4, VlanLimit::One, &mut key);
    assert_eq!(offsets, Offsets { mpls: None, l3: Some(14), l4: Some(14 + 40 + 16) });
    let frame = ethernet(0x8847, &[0, 1, 0, 64, 0, 2, 1, 64, 0x45]);
    key.clear();
    let offsets = headers(&frame, Depth::L4, VlanLimit::One, &mut key);
    assert_eq!(offsets, Offsets { mpls: Some(14), l3: Some(22), l4: None });
}

#[test]
fn a_service_header_is_read_by_its_type() {
    let mut header = vec![0x2f, 0xc6, 1, 3, 0, 0, 9, 255];
    header.extend(1..=16);
    let key = key_of(&ethernet(0x894f, &header), Depth::L4);
    let ids = [
        FieldId::NshFlags,
        FieldId::NshTtl,
        FieldId::NshMdtype,
        FieldId::NshNp,
        FieldId::NshSpi,
        FieldId::NshSi,
        FieldId::NshC4,
    ];
    assert_eq!(ids.map(|field| key.get(field)), [2, 63, 1, 3, 9, 255, 0x0d0e_0f10]);
    header[1] = 0xc5;
    assert_eq!(key_of(&ethernet(0x894f, &header), Depth::L4).word(place::NSH), 0);
}

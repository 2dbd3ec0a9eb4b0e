//! Frames built and cut by etherparse, the oracle.

use etherparse::{
    IpFragOffset, IpHeaders, IpNumber, Ipv4Header, Ipv4Options, Ipv6Extensions, Ipv6FragmentHeader,
    Ipv6Header, Ipv6RawExtHeader, LaxNetSlice, LaxSlicedPacket, PacketBuilder, VlanId,
};
use proptest::prelude::*;

use super::*;

/// What to build.
#[derive(Clone, Debug)]
struct Recipe {
    n_tags: usize,
    v6: bool,
    options_words: usize,
    hop_by_hop: bool,
    fragment: Option<(u16, bool)>,
    payload: Vec<u8>,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let fragment = prop::option::of((0..3_u16, any::<bool>()));
    let payload = prop::collection::vec(any::<u8>(), 0..50);
    (0..=2_usize, any::<bool>(), 0..=10_usize, any::<bool>(), fragment, payload).prop_map(
        |(n_tags, v6, options_words, hop_by_hop, fragment, payload)| Recipe {
            n_tags,
            v6,
            options_words,
            hop_by_hop,
            fragment,
            payload,
        },
    )
}

fn ip_headers(r: &Recipe) -> IpHeaders {
    let udp = IpNumber::UDP;
    if r.v6 {
        let mut extensions = Ipv6Extensions::default();
        if r.hop_by_hop {
            let raw = Ipv6RawExtHeader::new_raw(udp, &[0; 6 + 16]).unwrap();
            extensions.hop_by_hop_options = Some(raw);
        }
        extensions.fragment = r.fragment.map(|(offset, more)| {
            Ipv6FragmentHeader::new(udp, IpFragOffset::try_new(offset).unwrap(), more, 7)
        });
        let header = Ipv6Header { hop_limit: 9, ..Ipv6Header::default() };
        IpHeaders::Ipv6(header, extensions)
    } else {
        let mut header = Ipv4Header::new(0, 9, udp, [10, 0, 0, 1], [10, 0, 0, 2]).unwrap();
        header.options = Ipv4Options::try_from(&vec![1; r.options_words * 4][..]).unwrap();
        if let Some((offset, more)) = r.fragment {
            header.fragment_offset = IpFragOffset::try_new(offset).unwrap();
            header.more_fragments = more;
        }
        IpHeaders::Ipv4(header, etherparse::Ipv4Extensions::default())
    }
}

fn build(r: &Recipe) -> Vec<u8> {
    let id = |n| VlanId::try_new(n).unwrap();
    let ethernet = PacketBuilder::ethernet2([2; 6], [4; 6]);
    let ip = match r.n_tags {
        0 => ethernet.ip(ip_headers(r)),
        1 => ethernet.single_vlan(id(5)).ip(ip_headers(r)),
        _ => ethernet.double_vlan(id(6), id(7)).ip(ip_headers(r)),
    };
    let udp = ip.udp(1, 2);
    let mut bytes = Vec::with_capacity(udp.size(r.payload.len()));
    udp.write(&mut bytes, &r.payload).unwrap();
    bytes
}

/// Protocol, offset of the upper header, whether fragmented.
type OracleIp = (u8, usize, bool);

/// The same question, put to etherparse: number of tags, and the IP packet.
fn oracle(frame: &[u8]) -> Option<(usize, Option<OracleIp>)> {
    let sliced = LaxSlicedPacket::from_ethernet(frame).ok()?;
    let ip = match sliced.net.as_ref() {
        Some(LaxNetSlice::Ipv4(ip)) => Some(ip.payload()),
        Some(LaxNetSlice::Ipv6(ip)) => Some(ip.payload()),
        _ => None,
    };
    let ip = ip.map(|payload| {
        let offset = payload.payload.as_ptr() as usize - frame.as_ptr() as usize;
        (payload.ip_number.0, offset, payload.fragmented)
    });
    Some((sliced.vlan_ids().len(), ip))
}

proptest! {
    #[test]
    fn whole_frames_agree_with_etherparse(r in recipe()) {
        let frame = build(&r);
        let ours = Layers::parse(&frame).unwrap();
        let (n_tags, ip) = oracle(&frame).unwrap();
        let (proto, l4, fragmented) = ip.unwrap();
        let our_ip = ours.ip.unwrap();
        prop_assert_eq!((ours.n_tags, our_ip.proto.0, our_ip.l4), (n_tags, proto, l4));
        prop_assert_eq!(our_ip.fragment != Fragment::No, fragmented);
        prop_assert_eq!(ours.l3, 14 + 4 * n_tags);
    }

    #[test]
    fn every_truncation_finds_less_and_nothing_else(r in recipe()) {
        let frame = build(&r);
        let whole = Layers::parse(&frame).unwrap();
        let l4 = whole.ip.unwrap().l4;
        for len in 0..=frame.len() {
            match Layers::parse(&frame[..len]) {
                None => prop_assert!(len < whole.l3),
                Some(cut) if len >= l4 => prop_assert_eq!(cut, whole),
                Some(cut) => prop_assert_eq!(cut, Layers { ip: None, ..whole }),
            }
        }
    }

    #[test]
    fn any_bytes_are_read_within_bounds(
        mut frame in prop::collection::vec(any::<u8>(), 0..200),
        ethertypes in prop::collection::vec(
            prop::sample::select(vec![0x8100_u16, 0x88a8, 0x0800, 0x86dd, 0x0806]), 0..4),
    ) {
        for (i, ethertype) in ethertypes.iter().enumerate() {
            if let Some(field) = frame.get_mut(12 + 4 * i..14 + 4 * i) {
                field.copy_from_slice(&ethertype.to_be_bytes());
            }
        }
        match Layers::parse(&frame) {
            Some(layers) => {
                prop_assert!(layers.l3 <= frame.len() && layers.n_tags <= MAX_TAGS);
                if let Some(ip) = layers.ip {
                    prop_assert!(layers.l3 < ip.l4 && ip.l4 <= frame.len());
                }
            }
            None => prop_assert!(frame.len() < 14 + 4 * MAX_TAGS),
        }
    }
}

#[test]
fn a_third_tag_is_looked_through_and_a_fourth_is_payload() {
    let mut frame = vec![0; 60];
    for at in [12, 16, 20] {
        frame[at..at + 2].copy_from_slice(&0x8100_u16.to_be_bytes());
    }
    frame[24..26].copy_from_slice(&0x0806_u16.to_be_bytes());
    let layers = Layers::parse(&frame).unwrap();
    assert_eq!((layers.n_tags, layers.ethertype, layers.l3), (3, EtherType::ARP, 26));
    frame[24..26].copy_from_slice(&0x8100_u16.to_be_bytes());
    let layers = Layers::parse(&frame).unwrap();
    assert_eq!((layers.n_tags, layers.ethertype, layers.l3), (3, EtherType::CTAG, 26));
    assert_eq!(layers.ip, None);
}

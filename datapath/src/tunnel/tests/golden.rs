//! Outer headers, byte by byte, beside those that etherparse and Open vSwitch make.

use etherparse::{IpHeaders, IpNumber, Ipv4Extensions, Ipv4Header, Ipv6Extensions, Ipv6Header};
use etherparse::{PacketBuilder, UdpHeader};
use packet::tunnel::{TunnelKey, TunnelKind};

use super::*;
use crate::frame::{FrameMemory, FramePool};
use crate::l2::normal::lab::frame;
use crate::tunnel::encapsulate::{Ends, Outer, Unwritten};

fn pool() -> FramePool {
    FramePool::new(FrameMemory::new(4, 2).unwrap())
}

/// A frame with its outer headers.
fn encapsulated(
    config: &TunnelConfig,
    key: Option<&TunnelKey>,
    ends: &Ends,
    inner: &[u8],
) -> Vec<u8> {
    let mut pool = pool();
    let mut frame = pool.from_bytes(inner).unwrap();
    let state = TunnelState::default();
    let outer = Outer::new((config, &state), key, ends).unwrap();
    if outer.write(&mut frame) == Err(Unwritten::Headroom) {
        frame = pool.move_back(&frame, outer.len()).unwrap();
        outer.write(&mut frame).unwrap();
    }
    assert_eq!(frame.len(), outer.len() + inner.len());
    frame.data().to_vec()
}

fn v4() -> Ends {
    Ends { src: ip("1.1.2.88"), dst: ip("1.1.2.92"), link: None }
}

fn v6() -> Ends {
    Ends { src: ip("2001:cafe::88"), dst: ip("2001:cafe::92"), link: None }
}

/// What etherparse writes around `payload`; UDP if there is a source port.
fn expected(ends: &Ends, (tos, ttl): (u8, u8), udp: Option<(u16, u16)>, payload: &[u8]) -> Vec<u8> {
    let udp_len = if udp.is_some() { UdpHeader::LEN } else { 0 };
    let len = u16::try_from(udp_len + payload.len()).unwrap();
    let proto = if udp.is_some() { IpNumber::UDP } else { IpNumber(47) };
    let headers = match (ends.src, ends.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let mut header = Ipv4Header::new(len, ttl, proto, src.octets(), dst.octets()).unwrap();
            header.dscp = (tos >> 2).try_into().unwrap();
            header.ecn = (tos & 3).try_into().unwrap();
            header.identification = 0;
            header.dont_fragment = true;
            IpHeaders::Ipv4(header, Ipv4Extensions::default())
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let header = Ipv6Header {
                traffic_class: tos,
                flow_label: 0.try_into().unwrap(),
                payload_length: len,
                next_header: proto,
                hop_limit: ttl,
                source: src.octets(),
                destination: dst.octets(),
            };
            IpHeaders::Ipv6(header, Ipv6Extensions::default())
        }
        _ => unreachable!(),
    };
    let mut bytes = Vec::new();
    let builder = PacketBuilder::ip(headers);
    match udp {
        Some((src, dst)) => builder.udp(src, dst).write(&mut bytes, payload).unwrap(),
        None => builder.write(&mut bytes, IpNumber(47), payload).unwrap(),
    }
    bytes
}

fn udp_frame(tos: u8) -> Vec<u8> {
    let mut bytes = crate::action::model::udp([host(1), host(2)], [1000, 53]);
    bytes[15] = tos;
    let sum =
        packet::checksum::Sum::default().add_bytes(&[&bytes[14..24], &bytes[26..34]].concat());
    bytes[24..26].copy_from_slice(&sum.finish().to_be_bytes());
    bytes
}

#[test]
fn the_headers_of_open_vswitch() {
    // tests/tunnel-push-pop.at: tnl_push(tnl_port(4789),header(size=50,type=4,
    //   eth(dst=f8:bc:12:44:34:b6,src=aa:55:aa:55:00:00,dl_type=0x0800),
    //   ipv4(src=1.1.2.88,dst=1.1.2.92,proto=17,tos=0,ttl=64,frag=0x4000),
    //   udp(src=0,dst=4789,csum=0x0),vxlan(flags=0x8000000,vni=0x7b)),out_port(100))
    let src = MacAddr([0xaa, 0x55, 0xaa, 0x55, 0, 0]);
    let dst = MacAddr([0xf8, 0xbc, 0x12, 0x44, 0x34, 0xb6]);
    let ends = Ends { link: Some(Link { port: port(0), src, dst }), ..v4() };
    let mut config = config(TunnelKind::Vxlan);
    config.out_key = Key::Is(0x7b);
    let inner = frame(host(1), host(2));
    let bytes = encapsulated(&config, None, &ends, &inner);
    let ethernet_and_ip = [
        0xf8, 0xbc, 0x12, 0x44, 0x34, 0xb6, 0xaa, 0x55, 0xaa, 0x55, 0, 0, 8, 0, 0x45, 0, 0, 96, 0,
        0, 0x40, 0, 64, 17, 0x33, 0xd8, 1, 1, 2, 88, 1, 1, 2, 92,
    ];
    assert_eq!(bytes[..34], ethernet_and_ip);
    let port = u16::from_be_bytes([bytes[34], bytes[35]]);
    assert!((32_768..61_000).contains(&port));
    assert_eq!(bytes[36..50], [0x12, 0xb5, 0, 76, 0, 0, 8, 0, 0, 0, 0, 0, 0x7b, 0]);
    assert_eq!(bytes[50..], inner);
    // header(size=42,type=3,…,ipv4(…,proto=47,…),gre((flags=0x2000,proto=0x6558),key=0x1c8))
    let mut config = super::config(TunnelKind::Gre);
    config.out_key = Key::Is(0x1c8);
    let bytes = encapsulated(&config, None, &ends, &inner);
    assert_eq!(bytes[34..42], [0x20, 0, 0x65, 0x58, 0, 0, 1, 0xc8]);
    assert_eq!(bytes[42..], inner);
    // geneve(crit,vni=0x7b,options({class=0xffff,type=0x80,len=4,0xa}))
    let mut config = super::config(TunnelKind::Geneve);
    config.out_key = Key::Is(0x7b);
    let option = [0xff, 0xff, 0x80, 1, 0, 0, 0, 0xa];
    let options = option.into_iter().collect();
    let key = TunnelKey { options, ..TunnelKey::new() };
    let bytes = encapsulated(&config, Some(&key), &ends, &inner);
    assert_eq!(bytes[42..50], [2, 0x40, 0x65, 0x58, 0, 0, 0x7b, 0]);
    assert_eq!((&bytes[50..58], &bytes[58..]), (&option[..], &inner[..]));
}

#[test]
fn every_combination_of_switches_is_what_etherparse_writes() {
    for ends in [v4(), v6()] {
        for csum in [Switch::Off, Switch::On] {
            for (kind, header) in [
                (TunnelKind::Vxlan, vec![8, 0, 0, 0, 0, 0, 7, 0]),
                (TunnelKind::Geneve, vec![0, 0, 0x65, 0x58, 0, 0, 7, 0]),
            ] {
                let mut config = config(kind);
                config.csum = csum;
                let inner = udp_frame(0);
                let bytes = encapsulated(&config, None, &ends, &inner);
                let l4 = if ends == v4() { 20 } else { 40 };
                let src_port = u16::from_be_bytes([bytes[l4], bytes[l4 + 1]]);
                let ports = Some((src_port, config.dst_port));
                let mut outer = expected(&ends, (0, 64), ports, &[header, inner].concat());
                if csum == Switch::Off && ends == v4() {
                    outer[l4 + 6..l4 + 8].fill(0);
                }
                assert_eq!(bytes, outer, "{kind:?} {csum:?}");
            }
        }
    }
}

#[test]
fn gre_with_key_checksum_and_sequence_number() {
    let inner = udp_frame(0);
    for (n, ends) in (0..8).flat_map(|n| [(n, v4()), (n, v6())]) {
        let mut config = config(TunnelKind::Gre);
        let on = |bit: u8| if n & bit != 0 { Switch::On } else { Switch::Off };
        (config.csum, config.seq) = (on(1), on(4));
        config.out_key = if n & 2 != 0 { Key::Is(0xdead_beef) } else { Key::None };
        let mut gre = vec![(n & 1) << 7 | (n & 2) << 4 | (n & 4) << 2, 0, 0x65, 0x58];
        gre.extend(if n & 1 != 0 { &[0, 0, 0, 0][..] } else { &[] });
        gre.extend(if n & 2 != 0 { &[0xde, 0xad, 0xbe, 0xef][..] } else { &[] });
        gre.extend(if n & 4 != 0 { &[0, 0, 0, 0][..] } else { &[] });
        gre.extend(&inner);
        if n & 1 != 0 {
            let words = gre
                .chunks(2)
                .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
            let sum = words.fold(0_u32, |sum, word| (sum + word) % 0xffff);
            gre[4..6].copy_from_slice(&(!u16::try_from(sum).unwrap()).to_be_bytes());
        }
        let outer = expected(&ends, (0, 64), None, &gre);
        assert_eq!(encapsulated(&config, None, &ends, &inner), outer, "{n}");
    }
}

#[test]
fn sequence_numbers_count() {
    let mut pool = pool();
    let mut config = config(TunnelKind::Gre);
    config.seq = Switch::On;
    let state = TunnelState::default();
    for n in 0..3 {
        let mut frame = pool.from_bytes(&udp_frame(0)).unwrap();
        let outer = Outer::new((&config, &state), None, &v4()).unwrap();
        outer.write(&mut frame).unwrap();
        assert_eq!(frame.data()[28..32], [0, 0, 0, n]);
        pool.put(frame);
    }
}

#[test]
fn a_group_policy_is_written_where_it_is_switched_on() {
    let mut config = config(TunnelKind::Vxlan);
    let key = TunnelKey { gbp_id: 0x1234, gbp_flags: 0x48, ..TunnelKey::new() };
    let none = TunnelKey::new();
    let header = |config: &TunnelConfig, key: Option<&TunnelKey>| {
        encapsulated(config, key, &v4(), &udp_frame(0))[28..36].to_vec()
    };
    assert_eq!(header(&config, Some(&key)), [8, 0, 0, 0, 0, 0, 7, 0]);
    config.gbp = Switch::On;
    assert_eq!(header(&config, Some(&key)), [0x88, 0x48, 0x12, 0x34, 0, 0, 7, 0]);
    assert_eq!(header(&config, Some(&none)), [8, 0, 0, 0, 0, 0, 7, 0]);
    assert_eq!(header(&config, None), [8, 0, 0, 0, 0, 0, 7, 0]);
}

#[test]
fn type_of_service_and_time_to_live_are_fixed_or_inherited() {
    for (tos, ttl, inner_tos, expected_tos, expected_ttl) in [
        (Byte::Is(0), Byte::Is(64), 0xb8, 0, 64),
        (Byte::Is(0x2b), Byte::Is(1), 0xb8, 0x28, 1), // the mark is the inner one
        (Byte::Is(0), Byte::Is(255), 0x03, 3, 255),
        (Byte::Inherit, Byte::Inherit, 0xba, 0xba, 0),
    ] {
        for ends in [v4(), v6()] {
            let mut config = config(TunnelKind::Vxlan);
            (config.tos, config.ttl) = (tos, ttl);
            let inner = udp_frame(inner_tos);
            let ttl = if expected_ttl == 0 { inner[22] } else { expected_ttl };
            let bytes = encapsulated(&config, None, &ends, &inner);
            let l4 = if ends == v4() { 20 } else { 40 };
            let ports = Some((u16::from_be_bytes([bytes[l4], bytes[l4 + 1]]), 4789));
            let payload = [vec![8, 0, 0, 0, 0, 0, 7, 0], inner].concat();
            let mut outer = expected(&ends, (expected_tos, ttl), ports, &payload);
            if ends == v4() {
                outer[l4 + 6..l4 + 8].fill(0);
            }
            assert_eq!(bytes, outer);
        }
    }
}

#[test]
fn nothing_is_inherited_from_what_is_no_ip_packet_and_no_zero_is_sent() {
    let mut config = config(TunnelKind::Vxlan);
    (config.tos, config.ttl) = (Byte::Inherit, Byte::Inherit);
    let mut arp = frame(host(1), host(2));
    arp[12..14].copy_from_slice(&[8, 6]);
    let bytes = encapsulated(&config, None, &v4(), &arp);
    assert_eq!((bytes[1], bytes[8]), (0, 64));
    let mut ended = udp_frame(0);
    ended[22] = 0;
    let mut pool = pool();
    let mut frame = pool.from_bytes(&ended).unwrap();
    let state = TunnelState::default();
    let outer = Outer::new((&config, &state), None, &v4()).unwrap();
    assert_eq!(outer.write(&mut frame), Err(Unwritten::Ttl));
    assert_eq!(frame.data(), ended);
}

#[test]
fn identifications_differ_where_packets_may_be_cut() {
    let mut pool = pool();
    let mut config = config(TunnelKind::Vxlan);
    config.df = Switch::Off;
    let state = TunnelState::default();
    let outer = Outer::new((&config, &state), None, &v4()).unwrap();
    for n in 0..3 {
        let mut frame = pool.from_bytes(&udp_frame(0)).unwrap();
        outer.write(&mut frame).unwrap();
        assert_eq!(frame.data()[4..8], [0, n, 0, 0]);
        let sum = packet::checksum::Sum::default().add_bytes(&frame.data()[..20]);
        assert_eq!(sum.finish(), 0);
        pool.put(frame);
    }
}

#[test]
fn flows_spread_over_all_source_ports_and_packets_of_one_keep_theirs() {
    let config = config(TunnelKind::Vxlan);
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..2000 {
        let inner = crate::action::model::udp([host(1), host(2)], [n, 53]);
        let bytes = encapsulated(&config, None, &v4(), &inner);
        assert_eq!(bytes[20..22], encapsulated(&config, None, &v4(), &inner)[20..22]);
        seen.insert(u16::from_be_bytes([bytes[20], bytes[21]]));
    }
    assert!(seen.len() > 1900, "{}", seen.len());
    assert!(*seen.first().unwrap() >= 32_768 && *seen.last().unwrap() < 61_000);
    assert!(*seen.first().unwrap() < 33_000 && *seen.last().unwrap() > 60_700);
}

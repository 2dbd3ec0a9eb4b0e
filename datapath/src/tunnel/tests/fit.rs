//! What does not fit a path: cut, refused with an answer, or sent in fragments.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use packet::tunnel::TunnelKind;

use super::*;
use crate::drop_reason::DropReason;
use crate::l2::normal::lab::Lab;
use crate::offload::tests::{Recipe, Upper, receive};

/// A device, a tunnel port, and the wire, which the tunnel's packets leave by.
fn lab(config: TunnelConfig, mtu: u32) -> Lab {
    let mut lab = Lab::trunks(2).with_frames(512);
    lab.add_bridge([PortVlan::trunk_all()]);
    let path = Path { mtu, ..path(Way::Port(link(2))) };
    lab.tunnel(1, config, (9, Some(path)));
    lab
}

fn sent_bytes(lab: &Lab, n: usize, reason: DropReason) -> u64 {
    lab.snapshot.ports[n].as_ref().unwrap().stats.sum(|c| c.tx_drops(reason))
}

fn tcp(v6: bool, payload_len: usize) -> Recipe {
    let upper = Upper::Tcp { options_words: 0, fin: false, cwr: false };
    let payload = (0..payload_len).map(|n| (n % 251).to_le_bytes()[0]).collect();
    Recipe { upper, v6, payload, ..Recipe::plain(1) }
}

#[test]
fn large_segments_are_cut_into_what_fits() {
    for (v6, csum) in [(false, Switch::Off), (true, Switch::On)] {
        let config = TunnelConfig { csum, ..config(TunnelKind::Vxlan) };
        let mut lab = lab(config, 1500);
        let recipe = tcp(v6, 9000);
        // Segments that fit a wire, but not the tunnel.
        let large = recipe.large(1440, &mut lab.pool);
        let sent = lab.receive_frames(0, vec![large]);
        let headers = recipe.headers_len();
        let room = 1500 - 36 - headers;
        assert_eq!(sent.len(), 9000_usize.div_ceil(room));
        let mut payload = Vec::new();
        for (no, outer) in &sent {
            assert!(*no == 2 && outer.len() <= 1514);
            let mut inner = outer[50..].to_vec();
            // What is inside is left to the device to finish; the one outside is right already.
            let finished = finish(&mut lab, &mut inner, &recipe);
            payload.extend(receive(&finished).payload);
        }
        assert_eq!(payload, recipe.payload);
        let stats = lab.snapshot.ports[1].as_ref().unwrap().stats.clone();
        assert_eq!(stats.sum(|c| c.tx_packets.get()), sent.len() as u64);
        assert_eq!(stats.sum(|c| c.segments.get()), sent.len() as u64 - 1);
        assert_eq!(lab.n_missing(), 0);
    }
}

/// Finishes the checksum of a frame whose headers lie as those of the recipe.
fn finish(lab: &mut Lab, bytes: &mut [u8], recipe: &Recipe) -> Vec<u8> {
    let mut frame = lab.pool.from_bytes(bytes).unwrap();
    let checksum = recipe.checksum();
    frame.set_offload(crate::frame::Offload { checksum, gso: None });
    assert!(crate::offload::checksum::complete(&mut frame));
    let finished = frame.data().to_vec();
    lab.pool.put(frame);
    finished
}

#[test]
fn the_sender_of_what_does_not_fit_is_told() {
    for (v6, n_tags) in [(false, 0), (false, 1), (true, 0), (true, 2)] {
        let mut lab = lab(config(TunnelKind::Vxlan), 1400);
        let mut recipe = Recipe { n_tags, v6, ..tcp(v6, 1380) };
        recipe.upper = Upper::Udp;
        let mut bytes = recipe.build();
        let l3 = 14 + 4 * n_tags;
        if !v6 {
            bytes[l3 + 6] = 0x40;
            bytes[l3 + 10..l3 + 12].fill(0);
            let sum = packet::checksum::Sum::default().add_bytes(&bytes[l3..l3 + 20]);
            bytes[l3 + 10..l3 + 12].copy_from_slice(&sum.finish().to_be_bytes());
        }
        let sent = lab.receive(0, [&bytes]);
        let [(0, answer)] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!(answer[..6], bytes[6..12]);
        assert_eq!(answer[6..12], bytes[..6]);
        assert_eq!(answer[12..l3], bytes[12..l3]);
        let mtu = u16::try_from(1400 - 36 - l3).unwrap();
        let sliced = SlicedPacket::from_ethernet(answer).unwrap();
        match (sliced.net.unwrap(), sliced.transport.unwrap()) {
            (NetSlice::Ipv4(ip), TransportSlice::Icmpv4(icmp)) => {
                let header = ip.header().to_header();
                assert_eq!(header.header_checksum, header.calc_header_checksum());
                assert_eq!(
                    (header.source[..].to_vec(), header.destination[..].to_vec()),
                    (bytes[l3 + 16..l3 + 20].to_vec(), bytes[l3 + 12..l3 + 16].to_vec())
                );
                assert_eq!(usize::from(header.total_len), answer.len() - l3);
                assert!(answer.len() - l3 <= 576);
                assert_eq!((icmp.slice()[0], icmp.slice()[1]), (3, 4));
                assert_eq!(icmp.slice()[6..8], mtu.to_be_bytes());
                assert_eq!(icmp.slice()[8..], bytes[l3..][..icmp.slice().len() - 8]);
                assert_eq!(packet::checksum::Sum::default().add_bytes(icmp.slice()).finish(), 0);
            }
            (NetSlice::Ipv6(ip), TransportSlice::Icmpv6(icmp)) => {
                let header = ip.header().to_header();
                assert_eq!(
                    (header.source, header.hop_limit),
                    (bytes[l3 + 24..l3 + 40].try_into().unwrap(), 255)
                );
                assert_eq!(header.destination[..], bytes[l3 + 8..l3 + 24]);
                assert!(answer.len() - l3 <= 1280);
                assert_eq!((icmp.slice()[0], icmp.slice()[1]), (2, 0));
                assert_eq!(icmp.slice()[6..8], mtu.to_be_bytes());
                assert!(icmp.is_checksum_valid(header.source, header.destination));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(sent_bytes(&lab, 1, DropReason::MtuExceeded), 1);
        // So many and no more, until time passes.
        let n = (0..30).map(|_| lab.receive(0, [&bytes]).len()).sum::<usize>();
        assert!((1..30).contains(&n), "{n}");
        lab.now_s += 1;
        assert_eq!(lab.receive(0, [&bytes]).len(), 1);
        assert_eq!(lab.n_missing(), 0);
    }
}

#[test]
fn who_cannot_use_an_answer_gets_none() {
    let answered = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut lab = lab(config(TunnelKind::Vxlan), 1400);
        let mut recipe = tcp(false, 1400);
        recipe.upper = Upper::Udp;
        let mut bytes = recipe.build();
        bytes[20..22].copy_from_slice(&[0x40, 0]);
        edit(&mut bytes);
        let n = lab.receive(0, [bytes]).len();
        assert_eq!(sent_bytes(&lab, 1, DropReason::MtuExceeded), 1);
        assert_eq!(lab.n_missing(), 0);
        n
    };
    assert_eq!(answered(&|_| {}), 1);
    assert_eq!(answered(&|bytes| bytes[20] = 0), 0, "routers may cut it");
    assert_eq!(answered(&|bytes| bytes[20..22].copy_from_slice(&[0x40, 1])), 0, "a fragment");
    assert_eq!(answered(&|bytes| bytes[0] = 3), 0, "for a group");
    assert_eq!(answered(&|bytes| bytes[30] = 224), 0, "for a group of IP");
    assert_eq!(answered(&|bytes| bytes[26..30].fill(0)), 0, "from nobody");
    assert_eq!(answered(&|bytes| bytes[12] = 0x99), 0, "no IP packet");
    assert_eq!(answered(&|bytes| (bytes[23], bytes[34]) = (1, 3)), 0, "an error itself");
    assert_eq!(answered(&|bytes| (bytes[23], bytes[34]) = (1, 8)), 1, "an echo request");
}

#[test]
fn without_df_the_outer_packet_goes_in_fragments() {
    let mut config = config(TunnelKind::Vxlan);
    (config.df, config.csum) = (Switch::Off, Switch::On);
    let mut lab = lab(config.clone(), 1400);
    let recipe = tcp(false, 1500);
    let unfinished = recipe.unfinished(&mut lab.pool);
    let inner = recipe.build();
    let sent = lab.receive_frames(0, vec![unfinished]);
    assert_eq!(sent.len(), 2);
    let mut datagram = Vec::new();
    let mut ids = Vec::new();
    for (n, (no, bytes)) in sent.iter().enumerate() {
        assert!(*no == 2 && bytes.len() <= 1414);
        assert_eq!(packet::checksum::Sum::default().add_bytes(&bytes[14..34]).finish(), 0);
        assert_eq!(usize::from(u16::from_be_bytes([bytes[16], bytes[17]])), bytes.len() - 14);
        let offset = u16::from_be_bytes([bytes[20], bytes[21]]);
        assert_eq!(usize::from(offset & 0x1fff) * 8, datagram.len());
        assert_eq!(offset >> 13, if n == 0 { 1 } else { 0 });
        ids.push([bytes[18], bytes[19]]);
        datagram.extend(&bytes[34..]);
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(datagram[16..], inner);
    let pseudo = packet::checksum::Sum::pseudo_v4(
        "10.0.0.1".parse().unwrap(),
        "10.0.0.2".parse().unwrap(),
        packet::IpProto::UDP,
        u16::try_from(datagram.len()).unwrap(),
    );
    assert_eq!(pseudo.add_bytes(&datagram).finish(), 0);
    assert_eq!(lab.n_missing(), 0);
    // Through the host it goes whole: the kernel cuts it.
    let mut lab = Lab::trunks(2);
    let carrier = lab.carrier();
    lab.tunnel(1, config, (carrier, Some(Path { mtu: 1400, ..path(Way::Host) })));
    let unfinished = recipe.unfinished(&mut lab.pool);
    let sent = lab.receive_frames(0, vec![unfinished]);
    assert_eq!(
        sent.iter().map(|(no, bytes)| (*no, bytes.len())).collect::<Vec<_>>(),
        [(carrier, 36 + inner.len())]
    );
    assert_eq!(lab.n_missing(), 0);
}

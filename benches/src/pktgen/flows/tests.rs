//! Frames and schedules: headers beside another parser, every byte judged, shares of flows and sizes.

use super::*;

fn traffic(n_flows: u32) -> Traffic {
    Traffic {
        n_flows,
        n_macs: 1,
        vlans: Vec::new(),
        rx_vlans: Vec::new(),
        choice: Choice::RoundRobin,
        sizes: Sizes::fixed(64),
        seed: 1,
    }
}

fn vids(vids: &[u16]) -> Vec<Vid> {
    vids.iter().map(|vid| Vid::new(*vid).unwrap()).collect()
}

fn stamp(flow: u32, stream: u8) -> Stamp {
    Stamp { epoch: 3, stream, flow, sequence: 77, time_ns: 1 << 40 }
}

fn write(flows: &Flows, stamp: Stamp, len: usize) -> Vec<u8> {
    let mut frame = vec![0xff; len + flows.tag_len()];
    flows.write(stamp, &mut frame);
    frame
}

#[test]
fn frames_have_right_headers_at_every_length() {
    let traffic = traffic(40_000);
    for vlans in [vids(&[]), vids(&[10, 4094])] {
        let flows = Flows::new(&traffic, 0, &vlans);
        for (flow, len) in [(0, 60), (1, 61), (39_999, 590), (16_384, 1514), (20_000, 9216)] {
            let frame = write(&flows, stamp(flow, 0), len);
            let tag_len = flows.tag_len();
            assert!(header_sum_is_right(&frame, tag_len), "flow {flow}, {len} bytes");
            let ip = &frame[14 + tag_len..];
            assert_eq!(usize::from(u16::from_be_bytes([ip[2], ip[3]])), len - 14);
            assert_eq!(usize::from(u16::from_be_bytes([ip[24], ip[25]])), len - 34);
            assert_eq!(flows.judge(&frame), Verdict::Ours(stamp(flow, 0)));
        }
    }
}

#[test]
fn headers_are_read_alike_by_etherparse() {
    let flows = Flows::new(&traffic(20_000), 1, &vids(&[7]));
    let frame = write(&flows, stamp(17_000, 1), 594);
    let parsed = etherparse::SlicedPacket::from_ethernet(&frame).unwrap();
    let Some(etherparse::NetSlice::Ipv4(ip)) = parsed.net else { panic!("{parsed:?}") };
    let Some(etherparse::TransportSlice::Udp(udp)) = parsed.transport else { panic!() };
    assert_eq!(ip.header().source(), [10, 200, 0, 1]);
    assert_eq!(ip.header().destination(), [10, 0, 0, 2]);
    assert_eq!((udp.source_port(), udp.destination_port()), (80, 1024 + 616));
    assert_eq!(usize::from(udp.length()), 594 - 34);
}

#[test]
fn flows_differ_and_share_what_they_are_told_to() {
    let traffic = Traffic { n_macs: 3, ..traffic(50_000) };
    let vlans = vids(&[10, 20]);
    let flows = Flows::new(&traffic, 0, &vlans);
    let mut all: Vec<_> = (0..50_000).map(|flow| flows.expected(flow, 64).unwrap()).collect();
    assert_eq!(all[4][..12], [2, 1, 0, 0, 0, 2, 2, 0, 0, 0, 0, 2]);
    assert_eq!((all[4][15], all[5][15]), (10, 20));
    all.iter_mut().for_each(|headers| headers[..18].fill(0));
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 50_000, "5-tuples repeat");
}

#[test]
fn the_hosts_of_every_vlan_are_counted() {
    let with = |n_flows, n_macs, vlans: &[u16]| {
        Traffic { n_macs, vlans: vids(vlans), ..traffic(n_flows) }.n_hosts()
    };
    assert_eq!(with(1000, 10, &[]), 10);
    assert_eq!(with(1000, 10, &[1, 2, 3]), 30);
    assert_eq!(with(1000, 10, &[1, 2]), 10);
    assert_eq!(with(20, 10, &[1, 2, 3]), 20);
}

#[test]
fn whatever_is_not_as_it_was_sent_is_told() {
    let traffic = traffic(10);
    let vlans = vids(&[10]);
    let (plain, tagged) = (Flows::new(&traffic, 0, &[]), Flows::new(&traffic, 0, &vlans));
    let other_vlan = Flows::new(&traffic, 0, &vids(&[11]));
    let back = Flows::new(&traffic, 1, &[]);
    let stamp = stamp(4, 0);
    let frame = write(&plain, stamp, 100);
    assert_eq!(tagged.judge(&frame), Verdict::Elsewhere(stamp));
    assert_eq!(back.judge(&frame), Verdict::Elsewhere(stamp));
    assert_eq!(plain.judge(&write(&tagged, stamp, 100)), Verdict::Elsewhere(stamp));
    assert_eq!(other_vlan.judge(&write(&tagged, stamp, 100)), Verdict::Elsewhere(stamp));
    for at in 0..frame.len() {
        let mut bad = frame.clone();
        bad[at] ^= 1;
        // Without its magic, or with another EtherType, nobody can tell whose it was.
        let foreign = (42..44).contains(&at);
        let expected = if foreign { Verdict::Foreign } else { Verdict::Corrupt };
        assert_eq!(plain.judge(&bad), expected, "byte {at}");
    }
    assert_eq!(plain.judge(&frame[..99]), Verdict::Corrupt);
    assert_eq!(plain.judge(&frame[..59]), Verdict::Foreign);
    assert_eq!(plain.judge(&[]), Verdict::Foreign);
    let few = Flows::new(&Traffic { n_flows: 4, ..traffic }, 0, &[]);
    assert_eq!(few.judge(&frame), Verdict::Corrupt);
}

#[test]
fn an_imix_is_seven_to_four_to_one_and_repeats() {
    let traffic = Traffic { sizes: Sizes::imix(), ..traffic(7) };
    let draw = |n| {
        let mut schedule = Schedule::new(&traffic);
        (0..n).map(|_| schedule.draw().1).collect::<Vec<_>>()
    };
    let lens = draw(12 * 1000);
    let count = |len| lens.iter().filter(|drawn| **drawn == len).count();
    assert_eq!([count(60), count(590), count(1514)], [7000, 4000, 1000]);
    assert_eq!(lens, draw(12 * 1000));
    let other = Traffic { seed: 2, ..traffic.clone() };
    assert_ne!(Schedule::new(&other).lens, Schedule::new(&traffic).lens);
}

#[test]
fn an_even_choice_takes_every_flow_as_often() {
    for choice in [Choice::RoundRobin, Choice::Uniform] {
        let mut schedule = Schedule::new(&Traffic { choice, ..traffic(1000) });
        let mut n = [0; 1000];
        (0..3000).for_each(|_| n[schedule.draw().0 as usize] += 1);
        assert_eq!(n, [3; 1000], "{choice:?}");
    }
}

#[test]
fn zipf_takes_the_kth_flow_k_times_less_often() {
    let choice = Choice::Zipf { exponent: 1.0 };
    let traffic = Traffic { choice, ..traffic(1000) };
    let schedule = Schedule::new(&traffic);
    let count = |flow| schedule.flows.iter().filter(|drawn| **drawn == flow).count() as f64;
    let harmonic: f64 = (1..=1000).map(|k| 1.0 / f64::from(k)).sum();
    for k in [1_u32, 2, 3, 10, 100] {
        let share = count(k - 1) / N_DRAWS as f64;
        let wanted = 1.0 / f64::from(k) / harmonic;
        assert!((share / wanted - 1.0).abs() < 0.1, "rank {k}: {share} for {wanted}");
    }
    assert_eq!(schedule.flows, Schedule::new(&traffic).flows);
    assert!(schedule.flows.iter().all(|flow| *flow < 1000));
}

//! Each term against real packets, errors, and bytes of any kind.

use etherparse::PacketBuilder;
use proptest::prelude::*;

use super::*;

fn filter(text: &str) -> Filter {
    Filter::parse(text.split(' ')).unwrap_or_else(|error| panic!("{error}"))
}

fn mac(n: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, n]
}

/// TCP from 10.0.0.1:1000 to 10.0.0.2:80, in VLAN 100, with SYN.
fn syn() -> Vec<u8> {
    let vlan = etherparse::VlanId::try_new(100).unwrap();
    let builder = PacketBuilder::ethernet2(mac(1), mac(2)).single_vlan(vlan);
    let builder = builder.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(1000, 80, 1, 100).syn();
    let mut frame = Vec::new();
    builder.write(&mut frame, b"hello").unwrap();
    frame
}

fn udp6() -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(mac(3), mac(4));
    let (src, dst) = ("fd00::1", "fd00::2");
    let octets = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
    let mut frame = Vec::new();
    builder.ipv6(octets(src), octets(dst), 64).udp(53, 5353).write(&mut frame, b"x").unwrap();
    frame
}

/// Who has 10.0.0.2? Tell 10.0.0.1.
fn arp() -> Vec<u8> {
    let mut frame = [[0xff; 6], mac(1)].concat();
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend([&mac(1)[..], &[10, 0, 0, 1], &[0; 6], &[10, 0, 0, 2]].concat());
    frame.resize(60, 0);
    frame
}

#[test]
fn each_term_says_yes_and_no() {
    let frames = [syn(), udp6(), arp()];
    for (text, expected) in [
        ("", [true, true, true]),
        ("arp", [false, false, true]),
        ("ip", [true, false, false]),
        ("ip6", [false, true, false]),
        ("tcp", [true, false, false]),
        ("udp", [false, true, false]),
        ("icmp", [false, false, false]),
        ("dl_type=0x0806", [false, false, true]),
        ("nw_proto=17", [false, true, false]),
        ("mac=02:00:00:00:00:01", [true, false, true]),
        ("mac=02:00:00:00:00:02", [true, false, false]),
        ("dl_src=02:00:00:00:00:02", [false, false, false]),
        ("dl_dst=ff:ff:ff:ff:ff:ff", [false, false, true]),
        ("host=10.0.0.1", [true, false, true]),
        ("host=10.0.0.0/24", [true, false, true]),
        ("host=0.0.0.0/0", [true, false, true]),
        ("host=fd00::/16", [false, true, false]),
        ("nw_src=10.0.0.2", [false, false, false]),
        ("nw_dst=10.0.0.2", [true, false, true]),
        ("ipv6_dst=fd00::2", [false, true, false]),
        ("host=10.0.0.1 host=10.0.0.2", [true, false, true]),
        ("host=10.0.0.1,host=10.0.0.3", [false, false, false]),
        ("vlan=100", [true, false, false]),
        ("vlan=101", [false, false, false]),
        ("vlan=none", [false, true, true]),
        ("vlan=any", [true, false, false]),
        ("port=80", [true, false, false]),
        ("tp_src=80", [false, false, false]),
        ("port=53", [false, true, false]),
        ("tcp_flags=syn", [true, false, false]),
        ("tcp_flags=+syn-ack", [true, false, false]),
        ("tcp_flags=+syn+ack", [false, false, false]),
        ("tcp_flags=-syn", [false, false, false]),
        ("vlan=100 tcp port=80 tcp_flags=+syn-ack", [true, false, false]),
    ] {
        let filter = filter(text);
        assert_eq!(frames.each_ref().map(|frame| filter.matches(frame)), expected, "{text}");
    }
}

#[test]
fn errors_name_the_term_and_what_is_allowed() {
    for (text, part) in [
        ("tpc", "filter term \"tpc\": no such word (allowed: arp, ip,"),
        ("hots=10.0.0.1", "filter term \"hots=10.0.0.1\": no such key (allowed: arp,"),
        ("mac=02:00", "not a MAC address (allowed: as in 02:"),
        ("host=10.0.0", "not an IP address"),
        ("host=10.0.0.1/33", "not an IP address"),
        ("vlan=4096", "not a VLAN (allowed: 0 to 4095, none, any)"),
        ("vlan=-1", "not a VLAN"),
        ("port=65536", "not a port (allowed: 0 to 65535)"),
        ("port=+1", "not a port"),
        ("port=", "not a port"),
        ("nw_proto=256", "not an IP protocol"),
        ("dl_type=0x", "not an EtherType"),
        ("tcp_flags=", "not TCP flags"),
        ("tcp_flags=+syn-syn", "not TCP flags"),
        ("tcp_flags=syn|ack", "as in +syn-ack"),
    ] {
        let error = Filter::parse([text]).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let long = ["arp"; MAX_TERMS + 1];
    assert!(Filter::parse(long).unwrap_err().to_string().contains("too many terms"));
}

#[test]
fn a_frame_cut_short_meets_no_term_behind_the_cut() {
    let frame = syn();
    let all = filter("tcp_flags=syn");
    for len in 0..frame.len() - 5 {
        assert!(!all.matches(&frame[..len]), "{len}");
        assert!(filter("").matches(&frame[..len]));
    }
}

/// Frames that look like something: headers of a kind, then bytes of any kind.
fn some_frame() -> impl Strategy<Value = Vec<u8>> {
    let headers = prop_oneof![
        Just(vec![8, 0, 0x45]),
        Just(vec![8, 0, 0x46]),
        Just(vec![8, 0]),
        Just(vec![0x86, 0xdd, 0x60]),
        Just(vec![8, 6, 0, 1, 8, 0, 6, 4]),
        Just(vec![0x81, 0, 0, 100, 8, 0, 0x45]),
        Just(vec![0x81, 0, 0, 100]),
        Just(vec![]),
    ];
    // Few values, so that terms are met now and then.
    let any_bytes = prop::collection::vec(prop_oneof![Just(0), Just(6), Just(17), Just(2)], 0..70);
    let addresses = prop::collection::vec(prop_oneof![Just(0), Just(2)], 12);
    (addresses, headers, any_bytes).prop_map(|parts| [parts.0, parts.1, parts.2].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_quick_look_never_misses_a_frame_that_meets_the_terms(
        frame in some_frame(),
        term in prop::sample::select(vec![
            "arp", "ip", "ip6", "icmp", "tcp", "udp", "mac=02:00:00:00:00:02", "vlan=100", "vlan=none",
            "vlan=any", "vlan=0", "dl_src=00:00:00:00:00:00", "dl_dst=00:00:02:02:00:02",
            "host=0.0.0.0/0", "host=0.6.0.0/14", "nw_src=2.0.0.0/8", "nw_dst=17.0.0.0/8", "host=::/0",
            "port=0", "tp_src=6", "tp_dst=512", "tcp_flags=-syn", "tcp_flags=+syn-ack", "tcp_flags=ack",
        ]),
    ) {
        let filter = filter(term);
        prop_assert!(!(filter.is_surely_missed(&frame) && filter.meets_all(&frame)), "{}", term);
    }
}

proptest! {
    #[test]
    fn nothing_panics(text in ".{0,40}", frame in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(filter) = Filter::parse(text.split(' ')) {
            prop_assert!(!filter.matches(&frame) || filter.is_empty() || frame.len() >= 14);
        }
        for text in ["vlan=any", "host=::1", "port=1", "tcp_flags=-syn", "mac=0:0:0:0:0:0"] {
            prop_assert!(!filter(text).matches(&frame) || frame.len() >= 14);
        }
    }
}

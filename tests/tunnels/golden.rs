//! The headers that this switch writes, beside those of Open vSwitch's userspace datapath for the same
//! configuration: both in the datapath, with the uplink as a port.
//!
//! # Design
//! Each switch has a namespace, a wire to a namespace of its own that only looks, and the same addresses as
//! the other one. The same frame enters both, and the outer packets are compared. What differs in every
//! pair is taken out: MAC addresses, the UDP source port (another hash), and what covers it.

use switch_tests::frame::{EXPERIMENT, mac};
use switch_tests::inject::inject;
use switch_tests::lab::{DEV, Host};
use switch_tests::ovs::Ovs;
use switch_tests::wait::wait_until;
use switch_tests::{Daemon, Netns, Sink};

use crate::rig::{PATIENCE, enable_ipv6, wired};

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// Where a switch is, and who sees what it sends.
struct Bench {
    ns: Netns,
    far: Netns,
    host: Host,
}

impl Bench {
    fn new(n: u8) -> Bench {
        let (ns, far) = (Netns::new(&format!("g{n}")), Netns::new(&format!("f{n}")));
        enable_ipv6(&ns);
        enable_ipv6(&far);
        ns.add_veth("wan", &far, "wan");
        ns.ip(&["link", "set", "wan", "up"]);
        far.ip(&["link", "set", "wan", "up"]);
        far.ip(&["addr", "add", "192.0.2.2/24", "dev", "wan"]);
        far.ip(&["addr", "add", "fd09::2/64", "dev", "wan", "nodad"]);
        let host = wired(&ns, 1);
        Bench { ns, far, host }
    }

    /// Gives the bridge `phy` the addresses.
    fn address(&self) {
        self.ns.ip(&["link", "set", "phy", "up"]);
        self.ns.ip(&["addr", "add", "192.0.2.1/24", "dev", "phy"]);
        self.ns.ip(&["addr", "add", "fd09::1/64", "dev", "phy", "nodad"]);
        self.ns.must(&["ping", "-c", "1", "-w", "20", "192.0.2.2"]);
        self.ns.must(&["ping", "-c", "1", "-w", "20", "fd09::2"]);
    }

    /// The outer packet of a frame, from its IP header on.
    fn outer(&self, sink: &Sink, inner: &[u8], text: &str) -> Vec<u8> {
        let mut found = Vec::new();
        // The first may be lost while the next hop is asked for.
        wait_until("an outer packet", PATIENCE, || {
            inject(&self.host.ns, DEV, [inner.to_vec()]);
            found = sink.with_text(text);
            !found.is_empty()
        });
        found.swap_remove(0).split_off(ETHERNET)
    }
}

/// A packet of IPv4 with this type of service and time to live.
fn ip_frame(tos: u8, ttl: u8, text: &str) -> Vec<u8> {
    // What a sink knows texts by.
    let text = [&EXPERIMENT.to_be_bytes()[..], text.as_bytes()].concat();
    let len = u16::try_from(20 + text.len()).unwrap().to_be_bytes();
    let mut header =
        [0x45, tos, len[0], len[1], 0, 0, 0, 0, ttl, 253, 0, 0, 10, 0, 0, 1, 10, 0, 0, 99];
    let sum: u32 = header.chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    let sum = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    header[10..12].copy_from_slice(&(!sum).to_be_bytes());
    [&mac(0x99)[..], &mac(0x98), &[8, 0], &header, &text].concat()
}

/// An outer packet without what differs by right.
fn comparable(mut packet: Vec<u8>, inner_len: usize) -> (Vec<u8>, bool) {
    let is_v4 = packet[0] >> 4 == 4;
    let (l4, proto) = if is_v4 { (20, packet[9]) } else { (40, packet[6]) };
    packet.truncate(packet.len().min(if is_v4 {
        usize::from(u16::from_be_bytes([packet[2], packet[3]]))
    } else {
        40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]))
    }));
    assert!(packet.len() > inner_len);
    if is_v4 && packet[6] & 0x40 == 0 {
        packet[4..6].fill(0); // numbered here, which RFC 6864 wants of what may be fragmented
        packet[10..12].fill(0);
    }
    let mut has_checksum = false;
    if proto == 17 {
        has_checksum = packet[l4 + 6..l4 + 8] != [0, 0];
        packet[l4..l4 + 2].fill(0);
        packet[l4 + 6..l4 + 8].fill(0);
    }
    if proto == 47 {
        mask_number(&mut packet[l4..]);
    }
    (packet, has_checksum)
}

/// Takes the sequence number out of a header of GRE: how many frames came before is not the same. With
/// it goes the checksum that covers it.
fn mask_number(gre: &mut [u8]) {
    let [has_checksum, has_key, has_number] = [0x80, 0x20, 0x10].map(|bit| gre[0] & bit != 0);
    if has_number {
        let at = 4 + if has_checksum { 4 } else { 0 } + if has_key { 4 } else { 0 };
        gre[at..at + 4].fill(0);
        if has_checksum {
            gre[4..6].fill(0);
        }
    }
}

/// Takes the congestion mark out of an outer packet, and the checksum that covers it.
fn take_mark((packet, _): &mut (Vec<u8>, bool)) -> u8 {
    if packet[0] >> 4 == 4 {
        let mark = packet[1] & 3;
        packet[1] &= !3;
        packet[10..12].fill(0);
        return mark;
    }
    let mark = packet[1] >> 4 & 3;
    packet[1] &= !0x30;
    mark
}

#[test]
fn headers_are_those_of_open_vswitch() {
    let (ours, theirs) = (Bench::new(1), Bench::new(2));
    let daemon = Daemon::start(&ours.ns, &[]);
    daemon.ofctl(&["add-br", "phy", "--", "add-port", "phy", "wan"]);
    daemon.ofctl(&["add-br", "br0", "--", "add-port", "br0", &ours.host.name]);
    ours.address();
    let ovs = Ovs::start(&theirs.ns, &[]);
    ovs.add_bridge("phy");
    ovs.vsctl(&["add-port", "phy", "wan"]);
    ovs.add_bridge("int");
    ovs.vsctl(&["add-port", "int", &theirs.host.name]);
    theirs.address();
    let sinks = [&ours, &theirs].map(|bench| (bench, Sink::open(&bench.far, "wan")));
    for (kind, keys) in CASES {
        for remote in ["192.0.2.2", "fd09::2"] {
            // Named in the frame: one of the case before may come late.
            let to = format!("{kind} {keys} to {remote}");
            let (port_type, remote) = (format!("type={kind}"), format!("remote_ip={remote}"));
            let keys: Vec<&str> = keys.split_whitespace().collect();
            daemon.ofctl(&[&["add-port", "br0", "t", &port_type, &remote], &keys[..]].concat());
            let options = keys.iter().map(|key| format!("options:{key}"));
            let options: Vec<String> = options.chain([format!("options:{remote}")]).collect();
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            let add = ["add-port", "int", "t", "--", "set", "interface", "t", &port_type];
            ovs.vsctl(&[&add[..], &options].concat());
            // EF, with ECT(1) and with CE.
            for tos in [0xb9, 0xbb] {
                let what = format!("{to}, {tos:#x}.");
                let inner = ip_frame(tos, 17, &what);
                let [mut mine, mut other] = sinks
                    .each_ref()
                    .map(|(bench, sink)| comparable(bench.outer(sink, &inner, &what), inner.len()));
                if tos == 0xbb {
                    // RFC 6040 §4.1 copies the mark; Open vSwitch writes ECT(0), as RFC 3168 had it.
                    assert_eq!([&mut mine, &mut other].map(take_mark), [3, 2], "{what}");
                }
                assert_eq!(mine, other, "{what}");
            }
            daemon.ofctl(&["del-port", "br0", "t"]);
            ovs.vsctl(&["del-port", "int", "t"]);
        }
    }
}

/// Every option that changes a header, alone and with others.
const CASES: [(&str, &str); 18] = [
    ("vxlan", ""),
    ("vxlan", "key=16777215"),
    ("vxlan", "key=7 csum=true"),
    ("vxlan", "tos=inherit ttl=inherit"),
    ("vxlan", "tos=0x28 ttl=9 dst_port=8472"),
    ("vxlan", "df_default=false key=7"),
    ("gre", ""),
    ("gre", "key=4294967295"),
    ("gre", "csum=true"),
    ("gre", "csum=true key=5 tos=inherit"),
    ("gre", "ttl=inherit df_default=false"),
    ("gre", "seq=true"),
    ("gre", "seq=true csum=true key=5"),
    ("geneve", ""),
    ("geneve", "key=9"),
    ("geneve", "key=9 csum=true"),
    ("geneve", "tos=inherit ttl=200"),
    ("geneve", "df_default=false dst_port=6082"),
];

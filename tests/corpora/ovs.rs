//! Frames as the extractor reads them, beside Open vSwitch: `ovs-ofctl parse-pcap` prints what its
//! `flow_extract` finds, and the same line must follow from our key.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::Command;

use packet::flow::extract::{self, Depth, VlanLimit};
use packet::flow::{FieldId, KeyVlan, place};
use packet::vlan::TAG_PRESENT;
use packet::{FlowKey, MacAddr};

/// Seeds, whole, cut at every length, and with each of their bytes changed.
fn frames() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for seed in super::seeds("flow") {
        let frame = seed.get(8..).unwrap_or_default().to_vec();
        frames.extend((14..=frame.len()).map(|len| frame[..len].to_vec()));
        for at in 12..frame.len() {
            for change in [1, 0x10, 0x80, 0xff] {
                let mut changed = frame.clone();
                changed[at] ^= change;
                frames.push(changed);
            }
        }
    }
    frames
}

fn capture(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0xffff, 1] {
        file.extend(word.to_le_bytes());
    }
    for frame in frames {
        let len = u32::try_from(frame.len()).unwrap_or(u32::MAX).to_le_bytes();
        file.extend([[0; 4], [0; 4], len, len].concat());
        file.extend(frame);
    }
    file
}

fn number(text: &str) -> u128 {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u128::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.unwrap_or_else(|e| panic!("{text:?}: {e}"))
}

fn small<T: TryFrom<u128>>(text: &str) -> T {
    T::try_from(number(text)).unwrap_or_else(|_| panic!("{text:?} is too large"))
}

fn field(name: &str) -> FieldId {
    FieldId::by_name(name).unwrap_or_else(|| panic!("{name:?} is no field"))
}

fn value(text: &str) -> u128 {
    if let Ok(mac) = text.parse::<MacAddr>() {
        return mac.to_u64().into();
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return address.to_bits().into();
    }
    text.parse::<Ipv6Addr>().map_or_else(|_| number(text), Ipv6Addr::to_bits)
}

fn tcp_flags(text: &str) -> u128 {
    const NAMES: [&str; 9] = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns"];
    let flag = |name: &str| match NAMES.iter().position(|known| *known == name) {
        Some(bit) => 1 << bit,
        None => {
            let bits = name.trim_matches(['[', ']']);
            u128::from_str_radix(bits, 16).unwrap_or_else(|e| panic!("{text:?}: {e}"))
        }
    };
    text.split('|').map(flag).sum()
}

/// What one word of a line without `=` says: EtherType and IP protocol.
fn protocol(word: &str) -> (u128, u128) {
    match word {
        "ip" => (0x800, 0),
        "ipv6" => (0x86dd, 0),
        "arp" => (0x806, 0),
        "rarp" => (0x8035, 0),
        "mpls" => (0x8847, 0),
        "mplsm" => (0x8848, 0),
        "icmp" => (0x800, 1),
        "icmp6" => (0x86dd, 58),
        _ => {
            let (ethertype, name) =
                word.strip_suffix('6').map_or((0x800, word), |name| (0x86dd, name));
            let protos = [("tcp", 6), ("udp", 17), ("sctp", 132)];
            let known = protos.iter().find(|(known, _)| *known == name);
            (ethertype, known.unwrap_or_else(|| panic!("{word:?} is no protocol")).1)
        }
    }
}

/// The key that a line of `parse-pcap` speaks of.
fn key_of(line: &str) -> FlowKey {
    let mut key = FlowKey::EMPTY;
    let mut inner = KeyVlan::default();
    for word in line.trim().split(',') {
        let Some((name, text)) = word.split_once('=') else {
            let (ethertype, proto) = protocol(word);
            key.set(FieldId::EthType, ethertype);
            key.set(FieldId::IpProto, proto);
            continue;
        };
        match name {
            "in_port" => {}
            "dl_vlan" | "dl_vlan_pcp" => {
                key.set(field(name), number(text));
                key.or_word(place::ETH_SRC, TAG_PRESENT.into());
            }
            "dl_vlan1" => inner.tci |= TAG_PRESENT | small::<u16>(text),
            "dl_vlan_pcp1" => inner.tci |= small::<u16>(text) << 13,
            "vlan_tci1" => inner.tci = small::<u16>(text),
            "mpls_lse1" => key.set_mpls_lse(1, small(text)),
            "mpls_lse2" => key.set_mpls_lse(2, small(text)),
            "tcp_flags" if text != "0" => key.set(FieldId::TcpFlags, tcp_flags(text)),
            "nw_frag" => {
                let bits = ["no", "first", "later"].iter().position(|kind| *kind == text);
                key.set(FieldId::IpFrag, [0, 1, 3][bits.unwrap_or_else(|| panic!("{text}"))]);
            }
            // Both are there: their sum is what IP says.
            "nw_ecn" => key.set(FieldId::IpEcn, number(text)),
            "nw_tos" => key.set(FieldId::IpTos, number(text)),
            "icmp_type" | "icmp_code" => {
                key.set(field(&format!("icmpv6_{}", &name[5..])), number(text));
            }
            _ => key.set(field(name), value(text)),
        }
    }
    key.set_inner_vlan(inner);
    key
}

/// Our key, without what `parse-pcap` does not print.
fn printed(frame: &[u8]) -> FlowKey {
    let mut key = FlowKey::EMPTY;
    extract::headers(frame, Depth::L4, VlanLimit::Two, &mut key);
    key.set_outer_vlan(KeyVlan { tpid: 0, ..key.outer_vlan() });
    key.set_inner_vlan(KeyVlan { tpid: 0, ..key.inner_vlan() });
    key.set(FieldId::NdReserved, 0);
    key.set(FieldId::NdOptionsType, 0);
    key
}

#[test]
fn frames_are_read_as_open_vswitch_reads_them() {
    let frames = frames();
    assert!(frames.len() > 5000, "only {} frames", frames.len());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("frames.pcap");
    std::fs::write(&path, capture(&frames)).expect("a capture");
    let out = Command::new("ovs-ofctl").arg("parse-pcap").arg(&path).output();
    let out = out.expect("ovs-ofctl (dist/install-deps test) runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), frames.len());
    for (line, frame) in lines.iter().zip(&frames) {
        assert_eq!(printed(frame), key_of(line), "{line}\n{frame:02x?}");
    }
}

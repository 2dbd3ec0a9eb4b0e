//! A line per frame: when, where, which way, and its headers in short.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use packet::arp::{self, ArpMessage};
use packet::capture::RecordHeader;
use packet::ethernet::ADDRS_LEN;
use packet::icmp::IcmpHeader;
use packet::ip::{Fragment, IpProto};
use packet::ipv4::Ipv4Header;
use packet::ipv6::Ipv6Header;
use packet::layers::IpLayers;
use packet::tcp::{self, TcpHeader};
use packet::vlan::TAG_LEN;
use packet::{EtherType, Layers, MacAddr, VlanTag};
use serde_json::json;

use super::Form;
use crate::error::{Error, one_line};

const NS_PER_US: u64 = 1000;
const US_PER_S: u64 = 1_000_000;

/// Prints frames.
pub struct Lines<'a> {
    out: &'a mut dyn Write,
    form: Form,
    names: BTreeMap<u16, String>,
}

impl<'a> Lines<'a> {
    pub fn new(out: &'a mut dyn Write, form: Form) -> Lines<'a> {
        Lines { out, form, names: BTreeMap::new() }
    }

    pub fn name(&mut self, port: u16, name: &str) {
        self.names.insert(port, one_line(name));
    }

    pub fn frame(&mut self, header: &RecordHeader, data: &[u8]) -> Result<(), Error> {
        let name = self.names.get(&header.port).map_or("?", String::as_str);
        let (way, len) = (header.direction.word(), header.original_len);
        let line = match self.form {
            Form::Text => {
                let time = clock_time(header.time_ns);
                format!("{time} {name} {way:<3} {}, length {len}", describe(data))
            }
            Form::Json => json!({ "time_ns": header.time_ns, "port": name, "direction": way,
                "length": len, "frame": describe(data) })
            .to_string(),
        };
        writeln!(self.out, "{line}").map_err(Error::Output)
    }

    pub fn flush(&mut self) -> Result<(), Error> {
        self.out.flush().map_err(Error::Output)
    }
}

/// The time of day, UTC, with microseconds.
fn clock_time(time_ns: u64) -> String {
    let us = time_ns / NS_PER_US;
    let s = us / US_PER_S;
    let (h, m) = (s / 3600 % 24, s / 60 % 60);
    format!("{h:02}:{m:02}:{:02}.{:06}", s % 60, us % US_PER_S)
}

/// A frame's headers in short.
pub fn describe(frame: &[u8]) -> String {
    let macs = || -> Option<_> {
        let (dst, rest) = frame.split_first_chunk()?;
        Some((MacAddr(*rest.first_chunk()?), MacAddr(*dst)))
    };
    let (Some(layers), Some((src, dst))) = (Layers::parse(frame), macs()) else {
        return "cut short".to_owned();
    };
    let mut text = format!("{src} > {dst}");
    for at in 0..layers.n_tags {
        if let Some([_, _, a, b]) =
            frame.get(ADDRS_LEN + at * TAG_LEN..).and_then(<[u8]>::first_chunk)
        {
            let tag = VlanTag(u16::from_be_bytes([*a, *b]));
            // Writing to a string does not fail.
            let _ = write!(text, " vlan {}", tag.vid());
        }
    }
    text.push(' ');
    let packet = frame.get(layers.l3..).unwrap_or_default();
    text.push_str(&network(&layers, packet, frame));
    text
}

fn network(layers: &Layers, packet: &[u8], frame: &[u8]) -> String {
    let hosts = match layers.ethertype {
        EtherType::ARP => return arp_words(packet),
        EtherType::IPV4 => {
            Ipv4Header::parse(packet).map(|ip| (ip.src().to_string(), ip.dst().to_string()))
        }
        EtherType::IPV6 => {
            Ipv6Header::parse(packet).map(|ip| (ip.src().to_string(), ip.dst().to_string()))
        }
        EtherType(other) => return format!("type 0x{other:04x}"),
    };
    let (Some((src, dst)), Some(ip)) = (hosts, layers.ip) else {
        return "IP cut short".to_owned();
    };
    let upper = frame.get(ip.l4..).filter(|_| ip.fragment != Fragment::Later);
    let ports = upper.and_then(|upper| ports(ip, upper));
    match ports {
        Some((from, to)) => format!("{src}.{from} > {dst}.{to} {}", transport(ip, upper)),
        None => format!("{src} > {dst} {}", transport(ip, upper)),
    }
}

fn arp_words(packet: &[u8]) -> String {
    match ArpMessage::parse(packet) {
        Some(message) if message.operation() == arp::REQUEST => {
            format!("ARP who-has {} tell {}", message.target_ip(), message.sender_ip())
        }
        Some(message) if message.operation() == arp::REPLY => {
            format!("ARP {} is-at {}", message.sender_ip(), message.sender_mac)
        }
        _ => "ARP".to_owned(),
    }
}

fn ports(ip: IpLayers, upper: &[u8]) -> Option<(u16, u16)> {
    let has_ports = matches!(ip.proto, IpProto::TCP | IpProto::UDP | IpProto::SCTP);
    let [a, b, c, d] = *upper.first_chunk().filter(|_| has_ports)?;
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

fn transport(ip: IpLayers, upper: Option<&[u8]>) -> String {
    let Some(upper) = upper else { return format!("fragment of protocol {:?}", ip.proto) };
    let first = if ip.fragment == Fragment::First { ", first fragment" } else { "" };
    let words = match ip.proto {
        IpProto::TCP => match TcpHeader::parse(upper) {
            Some(header) => format!("TCP [{}]", flag_letters(header.flags)),
            None => "TCP cut short".to_owned(),
        },
        IpProto::UDP => "UDP".to_owned(),
        IpProto::SCTP => "SCTP".to_owned(),
        IpProto::ICMP | IpProto::ICMPV6 => match IcmpHeader::parse(upper) {
            Some((header, _)) => {
                let version = if ip.proto == IpProto::ICMP { "ICMP" } else { "ICMPv6" };
                format!("{version} {}", icmp_words(version, header))
            }
            None => "ICMP cut short".to_owned(),
        },
        IpProto(other) => format!("protocol {other}"),
    };
    words + first
}

/// Types that a ping shows, by their names (RFC 792, RFC 4443 §4).
fn icmp_words(version: &str, header: &IcmpHeader) -> String {
    match (version, header.kind) {
        ("ICMP", 8) | ("ICMPv6", 128) => "echo request".to_owned(),
        ("ICMP", 0) | ("ICMPv6", 129) => "echo reply".to_owned(),
        (_, kind) => format!("type {kind} code {}", header.code),
    }
}

/// As tcpdump writes them: `S`, `S.`, `F.`, `P.`; `.` is ACK.
fn flag_letters(flags: u8) -> String {
    let table = [
        (tcp::SYN, 'S'),
        (tcp::FIN, 'F'),
        (tcp::RST, 'R'),
        (tcp::PSH, 'P'),
        (tcp::URG, 'U'),
        (tcp::ECE, 'E'),
        (tcp::CWR, 'W'),
        (tcp::ACK, '.'),
    ];
    table.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, letter)| letter).collect()
}

#[cfg(test)]
mod tests {
    use packet::capture::{Direction, Kind};

    use super::*;

    /// 02::1 to 02::2, then these bytes.
    fn frame(rest: &[u8]) -> Vec<u8> {
        [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1], rest].concat()
    }

    const IP: [u8; 20] = [0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    const TCP: [u8; 20] = [3, 232, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x12, 0, 0, 0, 0, 0, 0];

    #[test]
    fn frames_in_short() {
        let macs = "02:00:00:00:00:01 > 02:00:00:00:00:02";
        let tcp = frame(&[&[0x81, 0, 0, 100, 8, 0], &IP[..], &TCP].concat());
        let arp =
            [&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1][..], &[2; 6], &[10, 0, 0, 1], &[0; 6], &[10, 0, 0, 2]];
        let mut icmp = IP;
        icmp[9] = 1;
        let mut later = IP;
        later[7] = 5;
        for (frame, expected) in [
            (tcp.clone(), "vlan 100 10.0.0.1.1000 > 10.0.0.2.80 TCP [S.]"),
            (frame(&arp.concat()), "ARP who-has 10.0.0.2 tell 10.0.0.1"),
            (
                frame(&[&[8, 0], &icmp[..], &[8, 0, 0, 0]].concat()),
                "10.0.0.1 > 10.0.0.2 ICMP echo request",
            ),
            (
                frame(&[&[8, 0], &later[..], &TCP].concat()),
                "10.0.0.1 > 10.0.0.2 fragment of protocol 6",
            ),
            (frame(&[0x88, 0xb5, 1]), "type 0x88b5"),
            (frame(&[8, 0, 0x45]), "IP cut short"),
        ] {
            assert_eq!(describe(&frame), format!("{macs} {expected}"));
        }
        for len in 0..tcp.len() {
            let _ = describe(&tcp[..len]);
        }
        assert_eq!(describe(&tcp[..13]), "cut short");
    }

    #[test]
    fn lines_for_people_and_for_programs() {
        let header = RecordHeader {
            kind: Kind::Frame,
            direction: Direction::Out,
            port: 7,
            captured_len: 15,
            original_len: 99,
            time_ns: 86_400_000_000_000 + 3_661_000_002_000,
        };
        let data = frame(&[0x88, 0xb5, 1]);
        let print = |form| {
            let mut out = Vec::new();
            let mut lines = Lines::new(&mut out, form);
            lines.name(7, "p7");
            lines.frame(&header, &data).unwrap();
            String::from_utf8(out).unwrap()
        };
        let text = print(Form::Text);
        assert!(text.starts_with("01:01:01.000002 p7 out 02:00:00:00:00:01 > "), "{text}");
        assert!(text.ends_with("type 0x88b5, length 99\n"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&print(Form::Json)).unwrap();
        assert_eq!((json["port"].as_str(), json["length"].as_u64()), (Some("p7"), Some(99)));
    }
}

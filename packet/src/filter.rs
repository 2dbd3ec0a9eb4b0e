//! Which frames a person wants to see: `arp`, `host=10.0.0.1 tcp port=80`, `vlan=100 tcp_flags=+syn-ack`.
//!
//! # Design
//! A filter is a list of terms, of which a frame must meet every one. Terms are separated by blanks or
//! commas. Words and keys are those of Open vSwitch's flows where it has them (`dl_src`, `nw_dst`,
//! `tp_dst`, `tcp_flags`), and shorter ones for "either end": `mac`, `host`, `port`.
//! A frame that is cut short before the field of a term does not meet it.
//!
//! Most frames are not wanted, and forwarding waits while that is found out. So each term has a quick
//! look at first ([`glance`]), which shows of nearly every frame without tags and IP options that it
//! does *not* meet the term. Only what passes is read header by header ([`Seen`]), which alone says
//! that a frame does.
//!
//! # References
//! ovs-fields(7); the words of tcpdump's pcap-filter(7) for protocols.

mod glance;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::arp::ArpMessage;
use crate::ethernet::{ADDRS_LEN, EtherType};
use crate::ip::{Fragment, IpProto};
use crate::ipv4::Ipv4Header;
use crate::ipv6::Ipv6Header;
use crate::layers::{IpLayers, L2};
use crate::mac::MacAddr;
use crate::tcp::{self, TcpHeader};
use crate::vlan::{TAG_LEN, Vid, VlanTag};
use glance::Glance;

/// The terms, for people.
pub const TERMS: &str = "arp, ip, ip6, icmp, icmp6, tcp, udp, sctp, mac=, dl_src=, dl_dst=, host=, \
     nw_src=, nw_dst=, vlan=, dl_type=, nw_proto=, port=, tp_src=, tp_dst=, tcp_flags=";

/// Most terms of a filter: each costs time per frame.
pub const MAX_TERMS: usize = 32;

/// A term that is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("filter term \"{term}\": {why} (allowed: {allowed})")]
pub struct FilterError {
    /// The term as given.
    pub term: String,
    /// What is wrong with it.
    pub why: &'static str,
    /// What may stand there.
    pub allowed: &'static str,
}

/// Which of a frame's two ends a term is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Src,
    Dst,
    Either,
}

impl End {
    fn any<T>(self, (src, dst): (T, T), is_it: impl Fn(T) -> bool) -> bool {
        match self {
            End::Src => is_it(src),
            End::Dst => is_it(dst),
            End::Either => is_it(src) || is_it(dst),
        }
    }
}

/// Addresses with a common prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Network {
    address: IpAddr,
    prefix_len: u32,
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(host)) => {
                (net.to_bits() ^ host.to_bits()).leading_zeros() >= self.prefix_len
            }
            (IpAddr::V6(net), IpAddr::V6(host)) => {
                (net.to_bits() ^ host.to_bits()).leading_zeros() >= self.prefix_len
            }
            _ => false,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Term {
    Mac(End, MacAddr),
    Untagged,
    Tagged,
    Vlan(Vid),
    Type(EtherType),
    Proto(IpProto),
    Host(End, Network),
    Port(End, u16),
    TcpFlags { set: u8, clear: u8 },
}

/// What a frame must be to be seen. The default lets every frame through.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    terms: Vec<Term>,
    glances: Vec<Glance>,
}

impl Filter {
    /// Reads terms; no term lets every frame through.
    ///
    /// # Errors
    /// A term that is none, with what may stand there.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Filter, FilterError> {
        let mut terms = Vec::new();
        for text in words.into_iter().flat_map(|word| word.split([',', ' '])) {
            if text.is_empty() {
                continue;
            }
            let fail = |(why, allowed)| FilterError { term: text.to_owned(), why, allowed };
            if terms.len() == MAX_TERMS {
                return Err(fail(("too many terms", "32 terms")));
            }
            terms.push(term(text).map_err(fail)?);
        }
        let glances = terms.iter().flat_map(Glance::of).collect();
        Ok(Filter { terms, glances })
    }

    /// Whether every frame is let through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a frame meets every term.
    #[must_use]
    #[inline]
    pub fn matches(&self, frame: &[u8]) -> bool {
        self.terms.is_empty() || !self.is_surely_missed(frame) && self.meets_all(frame)
    }

    /// Whether a quick look shows that a frame does not meet every term.
    #[inline]
    fn is_surely_missed(&self, frame: &[u8]) -> bool {
        let head = frame.first_chunk();
        head.is_some_and(|head| self.glances.iter().any(|glance| glance.misses(head)))
    }

    fn meets_all(&self, frame: &[u8]) -> bool {
        let Some(seen) = Seen::of(frame) else { return false };
        self.terms.iter().all(|term| seen.meets(*term))
    }
}

/// Why a term is none, and what may stand there.
type Bad = (&'static str, &'static str);

fn term(text: &str) -> Result<Term, Bad> {
    let Some((key, value)) = text.split_once('=') else { return word(text) };
    let end = match key {
        "dl_src" | "nw_src" | "ipv6_src" | "tp_src" => End::Src,
        "dl_dst" | "nw_dst" | "ipv6_dst" | "tp_dst" => End::Dst,
        _ => End::Either,
    };
    match key {
        "mac" | "dl_src" | "dl_dst" => {
            let mac = value.parse();
            let mac = mac.map_err(|_| ("not a MAC address", "as in 02:00:00:00:00:01"))?;
            Ok(Term::Mac(end, mac))
        }
        "host" | "nw_src" | "nw_dst" | "ipv6_src" | "ipv6_dst" => {
            let bad = ("not an IP address", "an IPv4 or IPv6 address, with /LENGTH for a network");
            Ok(Term::Host(end, network(value).ok_or(bad)?))
        }
        "port" | "tp_src" | "tp_dst" => {
            let port = number(value, 0xffff).ok_or(("not a port", "0 to 65535"))?;
            Ok(Term::Port(end, port))
        }
        "vlan" | "dl_vlan" => match value {
            "none" => Ok(Term::Untagged),
            "any" => Ok(Term::Tagged),
            _ => {
                let vid = number(value, 0xfff).and_then(Vid::new);
                Ok(Term::Vlan(vid.ok_or(("not a VLAN", "0 to 4095, none, any"))?))
            }
        },
        "dl_type" => {
            let ethertype = number(value, 0xffff).ok_or(("not an EtherType", "0x0 to 0xffff"))?;
            Ok(Term::Type(EtherType(ethertype)))
        }
        "nw_proto" => {
            let proto = number(value, 0xff).and_then(|n| u8::try_from(n).ok());
            Ok(Term::Proto(IpProto(proto.ok_or(("not an IP protocol", "0 to 255"))?)))
        }
        "tcp_flags" => flags(value),
        _ => Err(("no such key", TERMS)),
    }
}

fn word(text: &str) -> Result<Term, Bad> {
    Ok(match text {
        "arp" => Term::Type(EtherType::ARP),
        "ip" | "ip4" => Term::Type(EtherType::IPV4),
        "ip6" | "ipv6" => Term::Type(EtherType::IPV6),
        "icmp" => Term::Proto(IpProto::ICMP),
        "icmp6" => Term::Proto(IpProto::ICMPV6),
        "tcp" => Term::Proto(IpProto::TCP),
        "udp" => Term::Proto(IpProto::UDP),
        "sctp" => Term::Proto(IpProto::SCTP),
        _ => return Err(("no such word", TERMS)),
    })
}

/// A decimal number, or a hexadecimal one behind `0x`.
fn number(text: &str, max: u16) -> Option<u16> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let number = u16::from_str_radix(digits, radix).ok().filter(|_| plain)?;
    (number <= max).then_some(number)
}

fn network(text: &str) -> Option<Network> {
    let (address, len) = match text.split_once('/') {
        Some((address, len)) => (address, Some(len)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let full = if address.is_ipv4() { 32 } else { 128 };
    let prefix_len = match len {
        Some(len) => number(len, full)?,
        None => full,
    };
    Some(Network { address, prefix_len: prefix_len.into() })
}

/// `syn`, or `+syn-ack`: flags that must be set, and flags that must not.
fn flags(text: &str) -> Result<Term, Bad> {
    const ALLOWED: &str =
        "+FLAG and -FLAG of fin, syn, rst, psh, ack, urg, ece, cwr, as in +syn-ack";
    let bad = ("not TCP flags", ALLOWED);
    let (mut set, mut clear) = (0, 0);
    let text = if text.starts_with(['+', '-']) { text.to_owned() } else { format!("+{text}") };
    let mut rest = text.as_str();
    while let Some(sign) = rest.chars().next() {
        let body = &rest[1..];
        let len = body.find(['+', '-']).unwrap_or(body.len());
        let bit = match &body[..len] {
            "fin" => tcp::FIN,
            "syn" => tcp::SYN,
            "rst" => tcp::RST,
            "psh" => tcp::PSH,
            "ack" => tcp::ACK,
            "urg" => tcp::URG,
            "ece" => tcp::ECE,
            "cwr" => tcp::CWR,
            _ => return Err(bad),
        };
        if sign == '+' {
            set |= bit
        } else {
            clear |= bit
        }
        rest = &body[len..];
    }
    if set & clear != 0 { Err(bad) } else { Ok(Term::TcpFlags { set, clear }) }
}

/// What a frame shows to the terms; each reads no deeper than it must.
struct Seen<'a> {
    frame: &'a [u8],
    l2: L2,
}

impl<'a> Seen<'a> {
    fn of(frame: &'a [u8]) -> Option<Seen<'a>> {
        Some(Seen { frame, l2: L2::parse(frame)? })
    }

    fn meets(&self, term: Term) -> bool {
        match term {
            Term::Mac(end, mac) => self.macs().is_some_and(|macs| end.any(macs, |m| m == mac)),
            Term::Untagged => self.l2.n_tags == 0,
            Term::Tagged => self.l2.n_tags > 0,
            Term::Vlan(vid) => self.vid() == Some(vid),
            Term::Type(ethertype) => self.l2.ethertype == ethertype,
            Term::Proto(proto) => self.ip().is_some_and(|ip| ip.proto == proto),
            Term::Host(end, net) => {
                self.hosts().is_some_and(|hosts| end.any(hosts, |host| net.contains(host)))
            }
            Term::Port(end, port) => {
                self.ports().is_some_and(|ports| end.any(ports, |p| p == port))
            }
            Term::TcpFlags { set, clear } => {
                self.tcp_flags().is_some_and(|flags| flags & set == set && flags & clear == 0)
            }
        }
    }

    fn macs(&self) -> Option<(MacAddr, MacAddr)> {
        let (dst, rest) = self.frame.split_first_chunk()?;
        Some((MacAddr(*rest.first_chunk()?), MacAddr(*dst)))
    }

    /// Of the outer tag.
    fn vid(&self) -> Option<Vid> {
        let tag = self.frame.get(ADDRS_LEN..)?.first_chunk::<TAG_LEN>()?;
        let vid = VlanTag(u16::from_be_bytes([tag[2], tag[3]])).vid();
        (self.l2.n_tags > 0).then_some(vid)
    }

    fn hosts(&self) -> Option<(IpAddr, IpAddr)> {
        let v4 = |src: Ipv4Addr, dst: Ipv4Addr| (IpAddr::V4(src), IpAddr::V4(dst));
        let v6 = |src: Ipv6Addr, dst: Ipv6Addr| (IpAddr::V6(src), IpAddr::V6(dst));
        let packet = self.frame.get(self.l2.l3..)?;
        match self.l2.ethertype {
            EtherType::IPV4 => Ipv4Header::parse(packet).map(|ip| v4(ip.src(), ip.dst())),
            EtherType::IPV6 => Ipv6Header::parse(packet).map(|ip| v6(ip.src(), ip.dst())),
            EtherType::ARP => {
                ArpMessage::parse(packet).map(|arp| v4(arp.sender_ip(), arp.target_ip()))
            }
            _ => None,
        }
    }

    fn ip(&self) -> Option<IpLayers> {
        IpLayers::parse(self.frame, &self.l2)
    }

    /// The packet above IP, unless this is a later piece of a datagram.
    fn upper(&self) -> Option<(IpLayers, &'a [u8])> {
        let ip = self.ip().filter(|ip| ip.fragment != Fragment::Later)?;
        Some((ip, self.frame.get(ip.l4..)?))
    }

    fn ports(&self) -> Option<(u16, u16)> {
        let (ip, upper) = self.upper()?;
        let has_ports = matches!(ip.proto, IpProto::TCP | IpProto::UDP | IpProto::SCTP);
        let [a, b, c, d] = *upper.first_chunk()?;
        has_ports.then_some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    fn tcp_flags(&self) -> Option<u8> {
        let (ip, upper) = self.upper()?;
        let header = TcpHeader::parse(upper).filter(|_| ip.proto == IpProto::TCP)?;
        Some(header.flags)
    }
}

#[cfg(test)]
mod tests;

//! Packets of tests, written out field by field, with checksums computed from nothing.
//!
//! A test changes a field of the model and builds it again; whoever patched the bytes of the old
//! packet must have come to the same. Neither the code under test nor a library has a part in it.

use packet::crc32c::crc32c;
use packet::flow::FieldId;
use proptest::prelude::*;

use crate::frame::{Checksum, Frame, FramePool, Offload};

/// The last address of a routing header: what checksums cover while it has addresses left.
const FINAL: [u8; 16] = [0x77; 16];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Upper {
    Tcp,
    Udp,
    /// Without a checksum.
    UdpBare,
    Sctp,
    /// ICMP of the version of IP.
    Icmp,
    /// Neighbour solicitation (135) or advertisement (136), over IPv6.
    Nd(u8),
    /// A protocol that nobody knows.
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Net {
    V4,
    V6,
    Arp,
}

/// An IPv6 extension header of 8 or 24 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extension {
    HopByHop,
    Destination,
    /// With so many addresses left of one.
    Routing(u8),
}

/// A packet.
#[derive(Clone, Debug)]
pub struct Packet {
    pub eth: [[u8; 6]; 2],
    pub tags: Vec<(u16, u16)>,
    pub labels: Vec<u32>,
    pub net: Net,
    pub options_words: usize,
    pub extensions: Vec<Extension>,
    pub tos: u8,
    pub ttl: u8,
    pub label: u32,
    /// Flags and offset of IPv4.
    pub fragment: u16,
    pub v4: [[u8; 4]; 2],
    pub v6: [[u8; 16]; 2],
    /// Hardware addresses of ARP, or of the options of neighbour discovery.
    pub links: [[u8; 6]; 2],
    pub arp_op: u16,
    pub upper: Upper,
    pub ports: [u16; 2],
    pub icmp: [u8; 2],
    pub target: [u8; 16],
    pub reserved: u32,
    pub payload: Vec<u8>,
    pub padding: usize,
}

/// Whether checksums of layer 4 are finished.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sums {
    Finished,
    Unfinished,
}

/// The ones-complement sum, word by word.
fn sum(parts: &[&[u8]]) -> u16 {
    let bytes = parts.concat();
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) * 256 + u32::from(*pair.get(1).unwrap_or(&0));
        if sum > 0xffff {
            sum -= 0xffff;
        }
    }
    u16::try_from(sum).unwrap()
}

/// A UDP packet of IPv4 between two Ethernet addresses.
pub fn udp([src, dst]: [[u8; 6]; 2], ports: [u16; 2]) -> Vec<u8> {
    Packet { eth: [dst, src], ports, upper: Upper::Udp, ..Packet::plain() }.build(Sums::Finished)
}

impl Packet {
    /// TCP over IPv4.
    pub fn plain() -> Packet {
        Packet {
            eth: [[2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1]],
            tags: vec![],
            labels: vec![],
            net: Net::V4,
            options_words: 0,
            extensions: vec![],
            tos: 0,
            ttl: 64,
            label: 0,
            fragment: 0,
            v4: [[10, 0, 0, 1], [10, 0, 0, 2]],
            v6: [[0x20; 16], [0x30; 16]],
            links: [[2, 0, 0, 0, 0, 3], [2, 0, 0, 0, 0, 4]],
            arp_op: 1,
            upper: Upper::Tcp,
            ports: [1000, 80],
            icmp: [8, 0],
            target: [0x40; 16],
            reserved: 0,
            payload: vec![0x5a; 10],
            padding: 0,
        }
    }

    fn proto(&self) -> u8 {
        match (self.upper, self.net) {
            (Upper::Tcp, _) => 6,
            (Upper::Udp | Upper::UdpBare, _) => 17,
            (Upper::Sctp, _) => 132,
            (Upper::Icmp, Net::V4) => 1,
            (Upper::Icmp | Upper::Nd(_), _) => 58,
            (Upper::Other, _) => 200,
        }
    }

    /// The header above IP with a checksum of zero, and where the checksum is.
    fn upper_bytes(&self) -> (Vec<u8>, Option<usize>) {
        let ports = self.ports.map(u16::to_be_bytes).concat();
        let len = u16::try_from(8 + self.payload.len()).unwrap().to_be_bytes();
        let (header, at) = match self.upper {
            Upper::Tcp => (
                [&ports[..], &[1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x18, 1, 0, 0, 0, 0, 0]].concat(),
                Some(16),
            ),
            Upper::Udp => ([&ports[..], &len, &[0, 0]].concat(), Some(6)),
            Upper::UdpBare => ([&ports[..], &len, &[0, 0]].concat(), None),
            Upper::Sctp => ([&ports[..], &[9, 9, 9, 9, 0, 0, 0, 0]].concat(), None),
            Upper::Icmp => ([&self.icmp[..], &[0, 0, 0, 7, 0, 9]].concat(), Some(2)),
            Upper::Nd(kind) => {
                let link = |kind, link: [u8; 6]| [&[kind, 1][..], &link].concat();
                let head =
                    [&[kind, 0, 0, 0][..], &self.reserved.to_be_bytes(), &self.target].concat();
                ([head, link(1, self.links[0]), link(2, self.links[1])].concat(), Some(2))
            }
            Upper::Other => (vec![1, 2, 3, 4, 5, 6, 7, 8], None),
        };
        ([header, self.payload.clone()].concat(), at)
    }

    fn pseudo(&self, len: usize) -> Vec<u8> {
        let len = u32::try_from(len).unwrap().to_be_bytes();
        let proto = [0, 0, 0, self.proto()];
        let is_routed = self.extensions.iter().any(|e| matches!(e, Extension::Routing(1..)));
        match self.net {
            Net::V4 if self.proto() == 1 => vec![],
            Net::V4 => [&self.v4.concat()[..], &proto, &len].concat(),
            _ if is_routed => [&self.v6[0][..], &FINAL, &len, &proto].concat(),
            _ => [&self.v6.concat()[..], &len, &proto].concat(),
        }
    }

    fn upper_done(&self, sums: Sums) -> Vec<u8> {
        let (mut upper, at) = self.upper_bytes();
        if self.fragment & 0x1fff != 0 {
            return upper; // no header there: whatever is in it stays
        }
        // No sender leaves a fragment unfinished.
        let sums = if self.fragment & 0x3fff == 0 { sums } else { Sums::Finished };
        if self.upper == Upper::Sctp {
            let crc = crc32c(&upper);
            upper[8..12].copy_from_slice(&crc.to_le_bytes());
        }
        if let Some(at) = at {
            let pseudo = self.pseudo(upper.len());
            let field = match sums {
                Sums::Unfinished => sum(&[&pseudo]),
                Sums::Finished => match !sum(&[&pseudo, &upper]) {
                    0 if self.proto() == 17 => 0xffff,
                    sum => sum,
                },
            };
            upper[at..at + 2].copy_from_slice(&field.to_be_bytes());
        }
        upper
    }

    fn v4_bytes(&self, sums: Sums) -> Vec<u8> {
        let upper = self.upper_done(sums);
        let header_len = 20 + self.options_words * 4;
        let total = u16::try_from(header_len + upper.len()).unwrap().to_be_bytes();
        let [f0, f1] = self.fragment.to_be_bytes();
        let ihl = 0x40 | u8::try_from(header_len / 4).unwrap();
        let mut header = vec![
            ihl,
            self.tos,
            total[0],
            total[1],
            0x12,
            0x34,
            f0,
            f1,
            self.ttl,
            self.proto(),
            0,
            0,
        ];
        header.extend(self.v4.concat());
        header.resize(header_len, 1);
        let checksum = !sum(&[&header]);
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        [header, upper].concat()
    }

    fn v6_bytes(&self, sums: Sums) -> Vec<u8> {
        let upper = self.upper_done(sums);
        let kind = |extension: &Extension| match extension {
            Extension::HopByHop => 0,
            Extension::Destination => 60,
            Extension::Routing(_) => 43,
        };
        let mut kinds: Vec<u8> = self.extensions.iter().map(kind).collect();
        kinds.push(self.proto());
        let mut chain = Vec::new();
        for (extension, next) in self.extensions.iter().zip(&kinds[1..]) {
            chain.extend(match extension {
                Extension::Routing(left) => {
                    [&[*next, 2, 0, *left, 0, 0, 0, 0][..], &FINAL].concat()
                }
                _ => vec![*next, 0, 1, 4, 0, 0, 0, 0],
            });
        }
        let len = u16::try_from(chain.len() + upper.len()).unwrap().to_be_bytes();
        let first = 6 << 28 | u32::from(self.tos) << 20 | self.label;
        let header = [&first.to_be_bytes()[..], &len, &[kinds[0], self.ttl], &self.v6.concat()];
        [header.concat(), chain, upper].concat()
    }

    /// The bytes of a frame.
    pub fn build(&self, sums: Sums) -> Vec<u8> {
        let (mut ethertype, packet) = match self.net {
            Net::V4 => (0x0800_u16, self.v4_bytes(sums)),
            Net::V6 => (0x86dd, self.v6_bytes(sums)),
            Net::Arp => {
                let [sender, target] = [0, 1].map(|n| [&self.links[n][..], &self.v4[n]].concat());
                let head =
                    [0, 1, 8, 0, 6, 4, self.arp_op.to_be_bytes()[0], self.arp_op.to_be_bytes()[1]];
                (0x0806, [&head[..], &sender, &target].concat())
            }
        };
        let mut frame = self.eth.concat();
        for (tpid, tci) in &self.tags {
            frame.extend([tpid.to_be_bytes(), tci.to_be_bytes()].concat());
        }
        if !self.labels.is_empty() {
            ethertype = 0x8847;
        }
        frame.extend(ethertype.to_be_bytes());
        frame.extend(self.labels.iter().flat_map(|lse| lse.to_be_bytes()));
        frame.extend(packet);
        frame.resize(frame.len() + self.padding, 0xee);
        frame
    }

    /// Where the sum of layer 4 starts, and its field from there, if there is one.
    pub fn checksum(&self) -> Option<Checksum> {
        let offset =
            self.upper_bytes().1.filter(|_| self.net != Net::Arp && self.fragment & 0x3fff == 0)?;
        let (upper, frame) = (self.upper_bytes().0, self.build(Sums::Finished));
        let start = frame.len() - self.padding - upper.len();
        Some(Checksum::Partial {
            start: u16::try_from(start).ok()?,
            offset: u16::try_from(offset).ok()?,
        })
    }

    /// A frame, whose checksum is unfinished if `sums` says so and the packet has one.
    pub fn frame(&self, pool: &mut FramePool, sums: Sums) -> Frame {
        let mut frame = pool.from_bytes(&self.build(sums)).unwrap();
        if let (Sums::Unfinished, Some(checksum)) = (sums, self.checksum()) {
            frame.set_offload(Offload { checksum, gso: None });
        }
        frame
    }

    /// The fields that can be written into this packet.
    pub fn fields(&self) -> Vec<FieldId> {
        use FieldId::*;
        let mut fields = vec![EthDst, EthSrc];
        if !self.tags.is_empty() {
            fields.extend([VlanVid, DlVlanPcp]);
        }
        if !self.labels.is_empty() {
            fields.extend([MplsLabel, MplsTc, MplsTtl]);
            return fields;
        }
        match self.net {
            Net::V4 => fields.extend([Ipv4Src, Ipv4Dst, IpTos, IpDscp, IpEcn, IpTtl]),
            Net::V6 => fields.extend([Ipv6Src, Ipv6Dst, Ipv6Label, IpTos, IpDscp, IpEcn, IpTtl]),
            Net::Arp => {
                fields.extend([ArpOp, ArpSpa, ArpTpa, ArpSha, ArpTha]);
                return fields;
            }
        }
        if self.fragment & 0x1fff != 0 {
            return fields;
        }
        match self.upper {
            Upper::Tcp => fields.extend([TcpSrc, TcpDst]),
            Upper::Udp | Upper::UdpBare => fields.extend([UdpSrc, UdpDst]),
            Upper::Sctp => fields.extend([SctpSrc, SctpDst]),
            Upper::Icmp if self.net == Net::V4 => fields.extend([Icmpv4Type, Icmpv4Code]),
            Upper::Icmp => fields.extend([Icmpv6Type, Icmpv6Code]),
            Upper::Nd(_) => fields.extend([NdTarget, NdSll, NdTll, NdReserved]),
            Upper::Other => {}
        }
        fields
    }

    /// Overwrites the bits of `mask` in a field that the packet has.
    pub fn set(&mut self, field: FieldId, value: u128, mask: u128) {
        use FieldId::*;
        fn bytes<const N: usize>(old: &mut [u8; N], value: u128, mask: u128) {
            for (n, byte) in old.iter_mut().rev().enumerate() {
                let [bits, of] = [value, mask].map(|word| (word >> (n * 8)).to_le_bytes()[0]);
                *byte = *byte & !of | bits & of;
            }
        }
        let mix = |old: u128, shift: u32, bits: u32| {
            let ones = ((1_u128 << bits) - 1) & mask;
            old & !(ones << shift) | (value & ones) << shift
        };
        let word = |old: u16| u16::try_from(mix(old.into(), 0, 16)).unwrap();
        let byte = |old: u8, shift, bits| u8::try_from(mix(old.into(), shift, bits)).unwrap();
        match field {
            EthDst => bytes(&mut self.eth[0], value, mask),
            EthSrc => bytes(&mut self.eth[1], value, mask),
            VlanVid => self.tags[0].1 = u16::try_from(mix(self.tags[0].1.into(), 0, 12)).unwrap(),
            DlVlanPcp => self.tags[0].1 = u16::try_from(mix(self.tags[0].1.into(), 13, 3)).unwrap(),
            MplsLabel => {
                self.labels[0] = u32::try_from(mix(self.labels[0].into(), 12, 20)).unwrap()
            }
            MplsTc => self.labels[0] = u32::try_from(mix(self.labels[0].into(), 9, 3)).unwrap(),
            MplsTtl => self.labels[0] = u32::try_from(mix(self.labels[0].into(), 0, 8)).unwrap(),
            Ipv4Src | ArpSpa => bytes(&mut self.v4[0], value, mask),
            Ipv4Dst | ArpTpa => bytes(&mut self.v4[1], value, mask),
            Ipv6Src => bytes(&mut self.v6[0], value, mask),
            Ipv6Dst => bytes(&mut self.v6[1], value, mask),
            Ipv6Label => self.label = u32::try_from(mix(self.label.into(), 0, 20)).unwrap(),
            IpTos => self.tos = byte(self.tos, 0, 8),
            IpDscp => self.tos = byte(self.tos, 2, 6),
            IpEcn => self.tos = byte(self.tos, 0, 2),
            IpTtl => self.ttl = byte(self.ttl, 0, 8),
            ArpOp => self.arp_op = u16::from(byte(self.arp_op.to_be_bytes()[1], 0, 8)),
            ArpSha | NdSll => bytes(&mut self.links[0], value, mask),
            ArpTha | NdTll => bytes(&mut self.links[1], value, mask),
            TcpSrc | UdpSrc | SctpSrc => self.ports[0] = word(self.ports[0]),
            TcpDst | UdpDst | SctpDst => self.ports[1] = word(self.ports[1]),
            Icmpv4Type | Icmpv6Type => self.icmp[0] = byte(self.icmp[0], 0, 8),
            Icmpv4Code | Icmpv6Code => self.icmp[1] = byte(self.icmp[1], 0, 8),
            NdTarget => bytes(&mut self.target, value, mask),
            NdReserved => self.reserved = u32::try_from(mix(self.reserved.into(), 0, 32)).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

/// What may stand above IP.
const UPPERS: [Upper; 8] = [
    Upper::Tcp,
    Upper::Udp,
    Upper::UdpBare,
    Upper::Sctp,
    Upper::Icmp,
    Upper::Nd(135),
    Upper::Nd(136),
    Upper::Other,
];

/// Any packet.
pub fn packets() -> impl Strategy<Value = Packet> {
    let links = (any::<[[u8; 6]; 2]>(), any::<[[u8; 6]; 2]>());
    let tag = (prop::sample::select(vec![0x8100_u16, 0x88a8]), any::<u16>());
    let label = any::<u32>().prop_map(|lse| lse & !0x100);
    let outer = (
        prop::collection::vec(tag, 0..3),
        prop::option::weighted(0.1, prop::collection::vec(label, 0..3)),
        prop::sample::select(vec![Net::V4, Net::V4, Net::V6, Net::V6, Net::Arp]),
    );
    let extension = prop::sample::select(vec![
        Extension::HopByHop,
        Extension::Destination,
        Extension::Routing(0),
        Extension::Routing(1),
    ]);
    let ip = (
        0..=10_usize,
        prop::collection::vec(extension, 0..4),
        any::<(u8, u8, u32)>(),
        prop::sample::select(vec![0_u16, 0, 0, 0x4000, 0x2000, 0x2001, 0x0105]),
        any::<([[u8; 4]; 2], [[u8; 16]; 2])>(),
    );
    let upper =
        (prop::sample::select(UPPERS.to_vec()), any::<([u16; 2], [u8; 2], [u8; 16], u32)>());
    let payload = (prop::collection::vec(any::<u8>(), 0..70), 0..30_usize);
    (links, outer, ip, upper, payload).prop_map(
        |(
            (eth, links),
            (tags, labels, net),
            ip,
            (upper, (ports, icmp, target, reserved)),
            payload,
        )| {
            let (options_words, extensions, (tos, ttl, label), fragment, (v4, v6)) = ip;
            let mut labels = labels.unwrap_or_default();
            labels.last_mut().into_iter().for_each(|lse| *lse |= 0x100);
            let upper = match (upper, net) {
                (Upper::Nd(_), Net::V4) => Upper::Icmp,
                (Upper::Sctp, _) if fragment & 0x3fff != 0 => Upper::Tcp,
                // Without a checksum is for IPv4 alone.
                (Upper::UdpBare, Net::V6) => Upper::Udp,
                (upper, _) => upper,
            };
            // Neighbour discovery is not what the test's own ICMP should look like.
            let icmp = if matches!(icmp[0], 135 | 136) { [128, icmp[1]] } else { icmp };
            let (fragment, label) = (if net == Net::V4 { fragment } else { 0 }, label & 0xf_ffff);
            let (payload, padding) = payload;
            let links = if links[0] == links[1] { [[1; 6], [2; 6]] } else { links };
            Packet {
                eth,
                tags,
                labels,
                net,
                options_words,
                extensions,
                tos,
                ttl,
                label,
                fragment,
                v4,
                v6,
                links,
                arp_op: 1,
                upper,
                ports,
                icmp,
                target,
                reserved,
                payload,
                padding,
            }
        },
    )
}

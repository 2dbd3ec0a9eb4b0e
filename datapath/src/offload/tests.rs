//! Frames for the tests of this folder, built and judged by etherparse.

use core::num::NonZeroU16;

use etherparse::{
    IpHeaders, IpNumber, Ipv4Extensions, Ipv4Header, Ipv4Options, Ipv6Extensions, Ipv6Header,
    Ipv6RawExtHeader, NetSlice, PacketBuilder, SlicedPacket, TcpHeader, TransportSlice, UdpHeader,
    VlanId,
};
use proptest::prelude::*;

use crate::frame::{Checksum, Frame, FramePool, Gso, GsoKind, Offload};

/// The protocol above IP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Upper {
    Tcp { options_words: usize, fin: bool, cwr: bool },
    Udp,
}

/// What to build.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub n_tags: usize,
    pub v6: bool,
    /// Words of IPv4 options; not zero means a hop-by-hop header of IPv6.
    pub options_words: usize,
    pub id: u16,
    pub seq: u32,
    pub upper: Upper,
    pub payload: Vec<u8>,
}

/// Any frame with up to `max_payload` bytes of payload.
pub(crate) fn any_recipe(max_payload: usize) -> impl Strategy<Value = Recipe> {
    let tcp = (0..=10_usize, any::<bool>(), any::<bool>())
        .prop_map(|(options_words, fin, cwr)| Upper::Tcp { options_words, fin, cwr });
    let upper = prop_oneof![tcp, Just(Upper::Udp)];
    let payload = (1..=max_payload, any::<u8>()).prop_map(|(len, seed)| {
        (0..len)
            .map(|i| ((i * 7 + i / 251) % 256) ^ usize::from(seed))
            .map(|n| n.to_le_bytes()[0])
            .collect()
    });
    let ip = (0..=2_usize, any::<bool>(), 0..=10_usize);
    (ip, any::<u16>(), any::<u32>(), upper, payload).prop_map(
        |((n_tags, v6, options_words), id, seq, upper, payload)| Recipe {
            n_tags,
            v6,
            options_words,
            id,
            seq,
            upper,
            payload,
        },
    )
}

impl Recipe {
    /// TCP over IPv4 without tags and options.
    pub fn plain(payload_len: usize) -> Recipe {
        let upper = Upper::Tcp { options_words: 0, fin: false, cwr: false };
        let payload = vec![0x5a; payload_len];
        Recipe { n_tags: 0, v6: false, options_words: 0, id: 1, seq: 1, upper, payload }
    }

    fn ip(&self) -> IpHeaders {
        let upper = match self.upper {
            Upper::Tcp { .. } => IpNumber::TCP,
            Upper::Udp => IpNumber::UDP,
        };
        if self.v6 {
            let mut extensions = Ipv6Extensions::default();
            if self.options_words > 0 {
                let raw = Ipv6RawExtHeader::new_raw(upper, &[0; 14]).unwrap();
                extensions.hop_by_hop_options = Some(raw);
            }
            let (source, destination) = ([0x20; 16], [0xfd; 16]);
            let header = Ipv6Header { hop_limit: 9, source, destination, ..Default::default() };
            return IpHeaders::Ipv6(header, extensions);
        }
        let mut header = Ipv4Header::new(0, 9, upper, [10, 0, 0, 1], [10, 0, 0, 2]).unwrap();
        header.identification = self.id;
        header.options = Ipv4Options::try_from(&vec![1; self.options_words * 4][..]).unwrap();
        IpHeaders::Ipv4(header, Ipv4Extensions::default())
    }

    fn tcp(&self, options_words: usize) -> TcpHeader {
        let mut header = TcpHeader::new(1000, 2000, self.seq, 500);
        header.acknowledgment_number = 77;
        header.ack = true;
        header.psh = true;
        header.set_options_raw(&vec![1; options_words * 4]).unwrap();
        header
    }

    /// The frame with everything finished.
    pub fn build(&self) -> Vec<u8> {
        let vlan = |n| VlanId::try_new(n).unwrap();
        let ethernet = PacketBuilder::ethernet2([2; 6], [4; 6]);
        let ip = match self.n_tags {
            0 => ethernet.ip(self.ip()),
            1 => ethernet.single_vlan(vlan(5)).ip(self.ip()),
            _ => ethernet.double_vlan(vlan(6), vlan(7)).ip(self.ip()),
        };
        let mut bytes = Vec::new();
        match self.upper {
            Upper::Tcp { options_words, fin, cwr } => {
                let header = TcpHeader { fin, cwr, ..self.tcp(options_words) };
                ip.tcp_header(header).write(&mut bytes, &self.payload).unwrap();
            }
            Upper::Udp => ip.udp(1000, 2000).write(&mut bytes, &self.payload).unwrap(),
        }
        bytes
    }

    /// Byte offset of the upper header.
    pub fn start(&self) -> usize {
        let ip = match (self.v6, self.options_words) {
            (false, words) => 20 + words * 4,
            (true, 0) => 40,
            (true, _) => 56,
        };
        14 + self.n_tags * 4 + ip
    }

    /// Byte offset of the checksum from there.
    pub fn offset(&self) -> usize {
        if self.upper == Upper::Udp { 6 } else { 16 }
    }

    /// Bytes of all headers.
    pub fn headers_len(&self) -> usize {
        self.start()
            + match self.upper {
                Upper::Tcp { options_words, .. } => 20 + options_words * 4,
                Upper::Udp => 8,
            }
    }

    /// The frame's bytes with the pseudo-header sum in the checksum field.
    pub fn unfinished_bytes(&self) -> Vec<u8> {
        let mut bytes = self.build();
        let upper_len = u16::try_from(bytes.len() - self.start()).unwrap();
        let addresses = match self.ip() {
            IpHeaders::Ipv4(ip, _) => [ip.source, ip.destination].concat(),
            IpHeaders::Ipv6(ip, _) => [ip.source, ip.destination].concat(),
        };
        let proto = if self.upper == Upper::Udp { 17 } else { 6 };
        let words = addresses.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        let mut sum: u32 = words.chain([proto, upper_len]).map(u32::from).sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        let field = self.start() + self.offset();
        bytes[field..field + 2].copy_from_slice(&u16::try_from(sum).unwrap().to_be_bytes());
        bytes
    }

    /// What is left undone of [`Recipe::unfinished_bytes`].
    pub fn checksum(&self) -> Checksum {
        let small = |n| u16::try_from(n).unwrap();
        Checksum::Partial { start: small(self.start()), offset: small(self.offset()) }
    }

    /// A frame whose checksum is unfinished.
    pub fn unfinished(&self, pool: &mut FramePool) -> Frame {
        let mut frame = pool.from_bytes(&self.unfinished_bytes()).unwrap();
        frame.set_offload(Offload { checksum: self.checksum(), gso: None });
        frame
    }

    pub fn gso(&self, size: u16) -> Gso {
        let kind = match (self.upper, self.v6) {
            (Upper::Udp, _) => GsoKind::Udp,
            (_, false) => GsoKind::TcpV4,
            (_, true) => GsoKind::TcpV6,
        };
        Gso { kind, size: NonZeroU16::new(size).unwrap(), ecn: false, inner: 0 }
    }

    /// A frame that is to be cut into segments of `size` bytes of payload.
    pub fn large(&self, size: u16, pool: &mut FramePool) -> Frame {
        let mut frame = self.unfinished(pool);
        frame.set_offload(Offload { checksum: self.checksum(), gso: Some(self.gso(size)) });
        frame
    }
}

/// What a finished frame says, its checksums and lengths verified.
#[derive(Debug)]
pub(crate) struct Seen {
    pub id: u16,
    pub tcp: Option<TcpHeader>,
    pub payload: Vec<u8>,
}

/// Reads a finished frame as a strict receiver would.
pub(crate) fn receive(frame: &[u8]) -> Seen {
    let sliced = SlicedPacket::from_ethernet(frame).unwrap();
    let net = sliced.net.as_ref().unwrap();
    let mut id = 0;
    if let NetSlice::Ipv4(ip) = net {
        let header = ip.header().to_header();
        assert_eq!(header.header_checksum, header.calc_header_checksum());
        id = header.identification;
    }
    let total_len = net.ip_payload_ref().unwrap().payload.as_ptr_range().end;
    assert_eq!(total_len, frame.as_ptr_range().end, "the IP length is the frame's");
    match sliced.transport.unwrap() {
        TransportSlice::Tcp(tcp) => {
            let header = tcp.to_header();
            let sum = match net {
                NetSlice::Ipv4(ip) => {
                    header.calc_checksum_ipv4(&ip.header().to_header(), tcp.payload())
                }
                NetSlice::Ipv6(ip) => {
                    header.calc_checksum_ipv6(&ip.header().to_header(), tcp.payload())
                }
                NetSlice::Arp(_) => unreachable!(),
            };
            assert_eq!(header.checksum, sum.unwrap());
            Seen { id, tcp: Some(header), payload: tcp.payload().to_vec() }
        }
        TransportSlice::Udp(udp) => {
            let header: UdpHeader = udp.to_header();
            assert_eq!(usize::from(header.length), 8 + udp.payload().len());
            let sum = match net {
                NetSlice::Ipv4(ip) => {
                    header.calc_checksum_ipv4(&ip.header().to_header(), udp.payload())
                }
                NetSlice::Ipv6(ip) => {
                    header.calc_checksum_ipv6(&ip.header().to_header(), udp.payload())
                }
                NetSlice::Arp(_) => unreachable!(),
            };
            assert_eq!(header.checksum, sum.unwrap());
            Seen { id, tcp: None, payload: udp.payload().to_vec() }
        }
        other => panic!("{other:?}"),
    }
}

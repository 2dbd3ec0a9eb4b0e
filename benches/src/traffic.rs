//! Traffic between pairs of hosts, as capture files that every switch under test can play.
//!
//! Frame *i* of the forward file goes from MAC `02:00:<i+1>` to `02:01:<i+1>`, of the reverse file
//! back, in an order shuffled by a seeded generator, so that neither hardware nor hash tables profit
//! from a run of neighbours. IPv4 and UDP, [`FRAME_LEN`] bytes, checksums of IPv4 right and of UDP
//! absent (RFC 768).

use std::io::{self, BufWriter, Write};
use std::net::Ipv4Addr;
use std::path::Path;

use packet::vlan::TPID_CTAG;
use packet::{MacAddr, Vid};

use crate::rng::SplitMix64;

/// Bytes of an untagged frame, without FCS: the shortest that Ethernet allows.
pub const FRAME_LEN: usize = 60;
const ETHERNET_LEN: usize = 14;
const IPV4_LEN: usize = 20;
const UDP_LEN: usize = 8;
const N_PAIRS_MAX: u32 = 1 << 24;

/// Which way a frame goes between the hosts of a pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From `02:00:…` to `02:01:…`.
    Forward,
    /// Back.
    Reverse,
}

/// The frames of one file.
#[derive(Clone, Copy, Debug)]
pub struct Pairs {
    /// How many pairs of hosts, a frame each; at most 2²⁴.
    pub n: u32,
    /// Which way.
    pub direction: Direction,
    /// The VLAN tag that each frame bears.
    pub tag: Option<Vid>,
    /// Of the shuffle.
    pub seed: u64,
}

impl Pairs {
    /// Untagged frames.
    #[must_use]
    pub fn new(n: u32, direction: Direction) -> Pairs {
        Pairs { n: n.clamp(1, N_PAIRS_MAX), direction, tag: None, seed: 1 }
    }

    /// With a VLAN tag.
    #[must_use]
    pub fn tagged(self, vid: Vid) -> Pairs {
        Pairs { tag: Some(vid), ..self }
    }

    /// Frame `i` before the shuffle.
    #[must_use]
    pub fn frame(&self, i: u32) -> Vec<u8> {
        let [a, b] = [0, 1].map(|side| host(side, i));
        let (ip_a, ip_b) = ([10, 0, 0, 1], [10, 200, 0, 1]);
        let (src, dst, ip_src, ip_dst, ports) = match self.direction {
            Direction::Forward => (a, b, ip_a, ip_b, [1024, 80]),
            Direction::Reverse => (b, a, ip_b, ip_a, [80, 1024]),
        };
        let mut frame = Vec::with_capacity(FRAME_LEN + packet::vlan::TAG_LEN);
        frame.extend(dst.0);
        frame.extend(src.0);
        if let Some(vid) = self.tag {
            frame.extend(TPID_CTAG.to_be_bytes());
            frame.extend(vid.get().to_be_bytes());
        }
        frame.extend([0x08, 0x00]);
        frame.extend(ipv4(ip_src, ip_dst, FRAME_LEN - ETHERNET_LEN));
        for field in [ports[0], ports[1], len_u16(FRAME_LEN - ETHERNET_LEN - IPV4_LEN), 0] {
            frame.extend(field.to_be_bytes());
        }
        frame.resize(frame.len() + FRAME_LEN - ETHERNET_LEN - IPV4_LEN - UDP_LEN, 0);
        frame
    }

    /// Writes the frames as a capture file (draft-ietf-opsawg-pcap).
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        self.write_as(path, |frame| frame)
    }

    /// Writes what becomes of the frames.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_as(&self, path: &Path, wrap: impl Fn(Vec<u8>) -> Vec<u8>) -> io::Result<()> {
        write(path, order(self.n, self.seed).into_iter().map(|i| wrap(self.frame(i))))
    }
}

/// Flows of layer 4 between two hosts' networks, a frame each.
#[derive(Clone, Copy, Debug)]
pub struct Streams {
    /// How many; at most 2²³.
    pub n: u32,
    /// How many networks the sources are in, at most 256: flow *i* comes from that of `i % n_groups`.
    pub n_groups: u32,
    /// Which way.
    pub direction: Direction,
    /// Of the shuffle.
    pub seed: u64,
}

impl Streams {
    /// The destination's UDP port.
    pub const PORT: u16 = 80;
    /// Where all go to.
    pub const DESTINATION: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);

    /// Where flow `i` comes from: 10.*g*.0.*x*, 11.*g*.0.*x* on the way back, of its group *g*.
    #[must_use]
    pub fn source(&self, i: u32) -> Ipv4Addr {
        let [.., group] = (i % self.n_groups).to_be_bytes();
        let [.., host] = (i / self.n_groups).to_be_bytes();
        let side = if self.direction == Direction::Forward { 10 } else { 11 };
        Ipv4Addr::new(side, group, 0, host)
    }

    /// The source's UDP port of flow `i`.
    #[must_use]
    pub fn source_port(&self, i: u32) -> u16 {
        let [_, high, low, _] = (i / self.n_groups).to_be_bytes();
        u16::from_be_bytes([high, low]).saturating_add(1024)
    }

    /// Frame `i` before the shuffle.
    fn frame(&self, i: u32) -> Vec<u8> {
        udp(self.direction, self.source(i), [self.source_port(i), Self::PORT])
    }

    /// Writes the frames as a capture file (draft-ietf-opsawg-pcap).
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        write(path, order(self.n, self.seed).into_iter().map(|i| self.frame(i)))
    }
}

/// A frame between the first hosts of each side, to [`Streams::DESTINATION`].
fn udp(direction: Direction, source: Ipv4Addr, ports: [u16; 2]) -> Vec<u8> {
    let (src, dst) = match direction {
        Direction::Forward => (host(0, 0), host(1, 0)),
        Direction::Reverse => (host(1, 0), host(0, 0)),
    };
    let mut frame = Vec::with_capacity(FRAME_LEN);
    frame.extend([dst.0, src.0].concat());
    frame.extend([0x08, 0x00]);
    frame.extend(ipv4(source.octets(), Streams::DESTINATION.octets(), FRAME_LEN - ETHERNET_LEN));
    let len = len_u16(FRAME_LEN - ETHERNET_LEN - IPV4_LEN);
    for field in [ports[0], ports[1], len, 0] {
        frame.extend(field.to_be_bytes());
    }
    frame.resize(FRAME_LEN, 0);
    frame
}

/// Packets that make a switch look at its list of who may pass in as many ways as there are: each
/// differs from what the list names at another bit of its source, source port and destination port.
/// Between them, those of honest hosts.
///
/// # References
/// Csikor et al., "Tuple Space Explosion: A Denial-of-Service Attack Against a Software Packet
/// Classifier", CoNEXT 2019.
#[derive(Clone, Copy, Debug)]
pub struct Explosion {
    /// Whether the attacker sends; honest hosts send in his place else.
    pub attacks: bool,
}

impl Explosion {
    /// The source that may pass.
    pub const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    /// The source port that may pass.
    pub const SOURCE_PORT: u16 = 12_345;
    /// Ways to look: each bit of an address with each of a port, and some of another port.
    const N_WAYS: u32 = 32 * 16;
    /// Honest packets for each of the attacker's, who then sends some 10,000 a second.
    const HONEST: u32 = 399;
    /// Honest flows.
    const N_HONEST: u32 = 1_000;

    fn honest(n: u32) -> Vec<u8> {
        let [.., high, low] = (n % Self::N_HONEST).to_be_bytes();
        let port = 1024 + u16::from_be_bytes([high, low]);
        udp(Direction::Forward, Self::SOURCE, [port, Streams::PORT])
    }

    fn attack(way: u32) -> Vec<u8> {
        let (a, b) = (way % 32, way / 32 % 16);
        let source = Ipv4Addr::from(Self::SOURCE.to_bits() ^ 1 << a);
        let ports = [Self::SOURCE_PORT ^ 1 << b, Streams::PORT ^ 1 << ((a + b) % 16)];
        udp(Direction::Forward, source, ports)
    }

    /// Writes the frames as a capture file (draft-ietf-opsawg-pcap).
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let n = Self::N_WAYS * (Self::HONEST + 1);
        let frames = (0..n).map(|n| match n % (Self::HONEST + 1) {
            0 if self.attacks => Self::attack(n / (Self::HONEST + 1)),
            _ => Self::honest(n),
        });
        write(path, frames)
    }
}

fn write(path: &Path, frames: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
    let mut out = BufWriter::new(std::fs::File::create(path)?);
    for word in [0xa1b2_c3d4_u32, 2 | 4 << 16, 0, 0, 65535, 1] {
        out.write_all(&word.to_le_bytes())?;
    }
    for frame in frames {
        let len = u32::from(len_u16(frame.len())).to_le_bytes();
        out.write_all(&[[0; 4], [0; 4], len, len].concat())?;
        out.write_all(&frame)?;
    }
    out.flush()
}

fn order(n: u32, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n).collect();
    SplitMix64(seed).shuffle(&mut order);
    order
}

/// Host `i` of one side.
pub(crate) fn host(side: u8, i: u32) -> MacAddr {
    let [b2, b3, b4, b5] = (i + 1).to_be_bytes();
    MacAddr([2, side, b2, b3, b4, b5])
}

/// A header without options, UDP behind it; `len` is that of the packet.
pub(crate) fn ipv4(src: [u8; 4], dst: [u8; 4], len: usize) -> [u8; IPV4_LEN] {
    let mut header = [0; IPV4_LEN];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&len_u16(len).to_be_bytes());
    header[8..10].copy_from_slice(&[64, 17]);
    header[12..16].copy_from_slice(&src);
    header[16..20].copy_from_slice(&dst);
    let sum = internet_checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

/// RFC 1071, over an even number of bytes.
pub(crate) fn internet_checksum(bytes: &[u8]) -> u16 {
    let fold = |sum: u16, word: &[u8]| {
        let (sum, carry) = sum.overflowing_add(u16::from_be_bytes([word[0], word[1]]));
        sum + u16::from(carry)
    };
    !bytes.chunks_exact(2).fold(0, fold)
}

fn len_u16(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_shortest_with_right_headers() {
        let frame = Pairs::new(10, Direction::Forward).frame(0x1_0203);
        assert_eq!(frame.len(), FRAME_LEN);
        assert_eq!(frame[..12], [2, 1, 0, 1, 2, 4, 2, 0, 0, 1, 2, 4]);
        assert_eq!(internet_checksum(&frame[14..34]), 0);
        assert_eq!(frame[38..40], [0, 26]);
        let tagged = Pairs::new(10, Direction::Reverse).tagged(Vid::new(10).unwrap()).frame(0);
        assert_eq!(tagged.len(), FRAME_LEN + 4);
        assert_eq!(tagged[..18], [2, 0, 0, 0, 0, 1, 2, 1, 0, 0, 0, 1, 0x81, 0, 0, 10, 8, 0]);
    }

    #[test]
    fn the_order_is_a_repeatable_permutation() {
        let pairs = Pairs::new(1000, Direction::Forward);
        let mut order = order(pairs.n, pairs.seed);
        assert_eq!(order, super::order(pairs.n, pairs.seed));
        assert!(order.windows(2).filter(|w| w[0] + 1 == w[1]).count() < 20);
        order.sort_unstable();
        assert!(order.into_iter().eq(0..1000));
    }

    #[test]
    fn no_two_streams_are_alike_and_groups_alternate() {
        let streams = Streams { n: 100_000, n_groups: 10, direction: Direction::Forward, seed: 1 };
        let mut all: Vec<_> =
            (0..streams.n).map(|i| (streams.source(i), streams.source_port(i))).collect();
        assert_eq!(all[12].0.octets(), [10, 2, 0, 1]);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 100_000);
        assert_eq!(internet_checksum(&streams.frame(99_999)[14..34]), 0);
    }

    #[test]
    fn an_explosion_looks_in_every_way_once() {
        let mut all: Vec<_> = (0..Explosion::N_WAYS).map(Explosion::attack).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 512);
        assert!(
            all.iter().all(|frame| frame.len() == FRAME_LEN && frame[14..20] == all[0][14..20])
        );
    }

    #[test]
    fn a_file_is_read_by_the_pcap_port() {
        use datapath::netdev::pcap::{Pcap, PcapConfig, Play};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.pcap");
        Pairs::new(7, Direction::Forward).write(&path).unwrap();
        let pcap = Pcap::open(&PcapConfig { path, play: Play::Loop, rate: None }).unwrap();
        use datapath::netdev::Netdev;
        assert_eq!(pcap.status(), [("n_frames", "7".to_string())]);
    }
}

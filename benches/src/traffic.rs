//! Traffic between pairs of hosts, as capture files that every switch under test can play.
//!
//! Frame *i* of the forward file goes from MAC `02:00:<i+1>` to `02:01:<i+1>`, of the reverse file
//! back, in an order shuffled by a seeded generator, so that neither hardware nor hash tables profit
//! from a run of neighbours. IPv4 and UDP, [`FRAME_LEN`] bytes, checksums of IPv4 right and of UDP
//! absent (RFC 768).

use std::io::{self, BufWriter, Write};
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
        let mut out = BufWriter::new(std::fs::File::create(path)?);
        for word in [0xa1b2_c3d4_u32, 2 | 4 << 16, 0, 0, 65535, 1] {
            out.write_all(&word.to_le_bytes())?;
        }
        for i in self.order() {
            let frame = wrap(self.frame(i));
            let len = u32::from(len_u16(frame.len())).to_le_bytes();
            out.write_all(&[[0; 4], [0; 4], len, len].concat())?;
            out.write_all(&frame)?;
        }
        out.flush()
    }

    fn order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.n).collect();
        SplitMix64(self.seed).shuffle(&mut order);
        order
    }
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
        let mut order = pairs.order();
        assert_eq!(order, pairs.order());
        assert!(order.windows(2).filter(|w| w[0] + 1 == w[1]).count() < 20);
        order.sort_unstable();
        assert!(order.into_iter().eq(0..1000));
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

//! Packets whose outer headers are those of the packet before.
//!
//! # Design
//! Packets come in runs from one remote host through one tunnel. Their outer headers differ in lengths,
//! identification, header checksum and UDP source port, and in nothing else. So the headers of the
//! packet opened last are kept, with a mask over what may differ; a packet that agrees under the mask
//! belongs to the same tunnel port and says the same, and only what differs is looked at. That costs a
//! tenth of reading each header by itself.
//!
//! Only headers over IPv4 without options and without a checksum over the frame inside are kept: the
//! others have more to look at than what differs.
//!
//! # Invariants
//! What is found here is what reading each header would find: the two are compared by a test.

use packet::checksum::Sum;
use packet::tunnel::TunnelKind;
use packet::{ipv4, udp};

use super::open::Source;
use crate::ids::PortNo;

/// Bytes that are compared: all outer headers that are kept are shorter.
const KEPT_LEN: usize = 64;
const N_WORDS: usize = KEPT_LEN / 8;

/// The outer headers of the packet before, if they can be known again.
pub(super) struct Again {
    words: [u64; N_WORDS],
    /// What of the words must agree; nothing is ever found under a mask of zeros.
    mask: [u64; N_WORDS],
    /// Byte offset of the IP header, and of the frame inside.
    l3: usize,
    inner: usize,
    is_udp: bool,
    /// Whether the checksum of the IP header is looked at.
    verifies: bool,
    /// Of the IP header without what differs.
    sum: Sum,
    port: Option<PortNo>,
}

/// A packet that was known again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Known {
    /// The tunnel port.
    pub port: PortNo,
    /// Byte offset of the frame inside, and of its end.
    pub inner: (usize, usize),
    /// UDP source port; 0 without UDP.
    pub tp_src: u16,
}

impl Default for Again {
    fn default() -> Self {
        let (words, mask) = ([0; N_WORDS], [0; N_WORDS]);
        let (is_udp, verifies, sum) = (false, false, Sum::default());
        Again { words, mask, l3: 0, inner: 0, is_udp, verifies, sum, port: None }
    }
}

impl Again {
    /// Nothing is known any more.
    #[inline]
    pub fn forget(&mut self) {
        self.port = None;
    }

    /// Keeps the headers of a packet of a tunnel port, in which the frame inside begins at `inner`, if
    /// they can be known again.
    pub fn keep(
        &mut self,
        packet: &[u8],
        (source, kind): (Source<'_>, TunnelKind),
        inner: usize,
        port: PortNo,
    ) {
        self.port = None;
        let (l3, verifies) = match source {
            Source::Carrier => (0, false),
            Source::Port(_) => (packet::ethernet::HEADER_LEN, true),
        };
        let l4 = l3 + ipv4::MIN_HEADER_LEN;
        let Some(kept) = packet.first_chunk::<KEPT_LEN>() else { return };
        if inner > KEPT_LEN || kept[l3] != 0x45 {
            return;
        }
        let is_udp = kind != TunnelKind::Gre;
        let mut mask = [0_u8; KEPT_LEN];
        mask[..inner].fill(0xff);
        // Total length and identification; checksum.
        mask[l3 + 2..l3 + 6].fill(0);
        mask[l3 + 10..l3 + 12].fill(0);
        if is_udp {
            if kept[l4 + 6..l4 + 8] != [0, 0] {
                return;
            }
            mask[l4..l4 + 2].fill(0); // source port
            mask[l4 + 4..l4 + 6].fill(0); // length
        } else if kept[l4] & !packet::tunnel::gre::KEY != 0 {
            return; // a checksum, a sequence number
        }
        let mut header = [0; ipv4::MIN_HEADER_LEN];
        let masked = kept[l3..l4].iter().zip(&mask[l3..l4]).map(|(byte, mask)| byte & mask);
        header.iter_mut().zip(masked).for_each(|(to, byte)| *to = byte);
        self.sum = Sum::default().add_bytes(&header);
        (self.words, self.mask) = (words(kept), words(&mask));
        (self.l3, self.inner, self.is_udp, self.verifies) = (l3, inner, is_udp, verifies);
        self.port = Some(port);
    }

    /// The packet, if its headers are those that are kept and right. Of any other nothing is said.
    #[inline]
    pub fn find(&self, packet: &[u8]) -> Option<Known> {
        let port = self.port?;
        let kept = packet.first_chunk::<KEPT_LEN>()?;
        let found = words(kept);
        let mut differ = 0;
        for ((found, word), mask) in found.iter().zip(&self.words).zip(&self.mask) {
            differ |= (found ^ word) & mask;
        }
        if differ != 0 {
            return None;
        }
        let field = |at: usize| -> Option<u16> {
            Some(u16::from_be_bytes(*kept.get(at..)?.first_chunk()?))
        };
        let total_len = field(self.l3 + 2)?;
        if self.verifies {
            let (id, checksum) = (field(self.l3 + 4)?, field(self.l3 + 10)?);
            let sum = self.sum.add_u16(total_len).add_u16(id).add_u16(checksum);
            if sum.finish() != 0 {
                return None;
            }
        }
        let ip_end = self.l3 + usize::from(total_len);
        let l4 = self.l3 + ipv4::MIN_HEADER_LEN;
        let (end, tp_src) =
            if self.is_udp { (l4 + usize::from(field(l4 + 4)?), field(l4)?) } else { (ip_end, 0) };
        let is_right = end <= ip_end && ip_end <= packet.len() && self.inner <= end;
        is_right.then_some(Known { port, inner: (self.inner, end), tp_src })
    }
}

#[inline]
fn words(bytes: &[u8; KEPT_LEN]) -> [u64; N_WORDS] {
    let mut words = [0; N_WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    words
}

const _: () = assert!(14 + ipv4::MIN_HEADER_LEN + udp::HEADER_LEN + 8 <= KEPT_LEN);

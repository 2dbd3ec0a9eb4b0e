//! Overwriting header fields, checksums included.
//!
//! # Design
//! A [`SetField`] holds words and masks of a [`FlowKey`], packed. To apply it, the frame is read the way
//! that flows are read ([`extract`]): what the key of the frame does not have is not there to be
//! written, so a rewrite can touch nothing that a rule could not have seen. Each protocol then writes
//! what differs ([`ip`], [`l4`], [`link`]). A rewrite of Ethernet addresses alone needs no reading.
//!
//! **Checksums** are patched by what has changed (RFC 1624), in the IPv4 header, and in TCP, UDP and
//! ICMPv6, whose sum covers the addresses too. What the sender left undone stays so: the field of an
//! unfinished checksum holds the sum of the pseudo-header, not complemented, so that addresses change it
//! and ports do not. A UDP checksum of zero, which is none, stays zero. The destination address of
//! an IPv6 packet on its way through a routing header is not the one that the checksum covers.
//! SCTP's checksum is a CRC of the whole packet: it is computed before and after, and the difference
//! applied, so that a packet that came damaged leaves damaged. In the first of several fragments it
//! cannot be, and is left.
//!
//! # Invariants
//! - No byte changes but those of the fields under the mask, and checksums that cover them.
//! - The length of the frame stays.
//!
//! # References
//! RFC 1624, RFC 768, RFC 8200 §8.1, RFC 4861 §4; `lib/packets.c` of Open vSwitch, `packet_set_*`.

mod ip;
mod l4;
mod link;

use packet::flow::extract::{self, Depth, Offsets, VlanLimit};
use packet::flow::place;
use packet::{FlowKey, FlowMask, FlowMatch};

use crate::frame::Frame;

/// What of each word can be written into a frame.
const WRITABLE: [(usize, u64); 17] = [
    (place::ETH_DST, 0xffff_ffff_ffff << 16),
    (place::ETH_SRC, !0x1000),
    (place::IP, 0x000f_ffff_ffff_ff00),
    (place::IPV4, u64::MAX),
    (place::IPV6_SRC, u64::MAX),
    (place::IPV6_SRC + 1, u64::MAX),
    (place::IPV6_DST, u64::MAX),
    (place::IPV6_DST + 1, u64::MAX),
    (place::L4, 0xffff_ffff << 32),
    (place::ARP_SHA, 0xffff_ffff_ffff << 16),
    (place::ARP_THA, 0xffff_ffff_ffff << 16),
    (place::ND_TARGET, u64::MAX),
    (place::ND_TARGET + 1, u64::MAX),
    (place::ND_MORE, 0xffff_ffff << 32 | 0xff),
    (place::MPLS, 0xffff_ffff << 32),
    (place::NSH, 0xffff_0000_ffff_ffff),
    (place::NSH_CONTEXT, u64::MAX),
];

/// Ethernet addresses, in the words that hold them.
const ADDRESS: u64 = 0xffff_ffff_ffff << 16;

/// One word to overwrite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Word {
    at: u8,
    value: u64,
    mask: u64,
}

/// Header fields, and what they become.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetField {
    words: Box<[Word]>,
    reach: Reach,
}

/// How much of a frame must be read to write it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    Addresses,
    Headers,
}

/// A frame that is being written.
struct Edit<'a> {
    data: &'a mut [u8],
    /// What the frame says.
    old: &'a FlowKey,
    /// What it is to say.
    new: &'a FlowKey,
    offsets: Offsets,
    /// Where an unfinished sum starts, and how much further on its field is.
    unfinished: Option<(usize, usize)>,
}

impl SetField {
    /// The bits of `value` that `mask` has. `None` if none of them lies in a header that can be written.
    #[must_use]
    pub fn new(value: &FlowKey, mask: &FlowMask) -> Option<SetField> {
        // The second word of the context is written like the first.
        let writable = WRITABLE.into_iter().chain([(place::NSH_CONTEXT + 1, u64::MAX)]);
        let words: Box<[Word]> = writable
            .filter_map(|(at, bits)| {
                let mask = mask.word(at) & bits;
                let value = value.word(at) & mask;
                (mask != 0).then_some(Word { at: u8::try_from(at).ok()?, value, mask })
            })
            .collect();
        let only_addresses = words.iter().all(|word| {
            matches!(usize::from(word.at), place::ETH_DST | place::ETH_SRC)
                && word.mask & !ADDRESS == 0
        });
        let reach = if only_addresses { Reach::Addresses } else { Reach::Headers };
        (!words.is_empty()).then_some(SetField { words, reach })
    }

    /// What is written: key and mask.
    #[must_use]
    pub fn fields(&self) -> FlowMatch {
        let (mut key, mut mask) = (FlowKey::EMPTY, FlowMask::EMPTY);
        for word in &self.words {
            key.put_word(word.at.into(), word.value);
            mask.put_word(word.at.into(), word.mask);
        }
        FlowMatch::new(&key, mask)
    }

    /// Overwrites the fields that the frame has.
    pub fn apply(&self, frame: &mut Frame) {
        if self.reach == Reach::Addresses {
            return self.apply_addresses(frame.data_mut());
        }
        let mut old = FlowKey::EMPTY;
        let offsets = extract::headers(frame.data(), Depth::L4, VlanLimit::Two, &mut old);
        let mut new = old.clone();
        for word in &self.words {
            let at = word.at.into();
            new.put_word(at, old.word(at) & !word.mask | word.value);
        }
        let unfinished = match frame.offload().checksum {
            crate::frame::Checksum::Partial { start, offset } => {
                Some((start.into(), offset.into()))
            }
            _ => None,
        };
        let (old, new, data) = (&old, &new, frame.data_mut());
        let mut edit = Edit { data, old, new, offsets, unfinished };
        edit.write();
    }

    fn apply_addresses(&self, data: &mut [u8]) {
        for word in &self.words {
            let at = if usize::from(word.at) == place::ETH_DST { 0 } else { 6 };
            // Eight bytes, of which the last two are another field's and stay.
            let Some(bytes) = data.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) else {
                return;
            };
            *bytes = (u64::from_be_bytes(*bytes) & !word.mask | word.value).to_be_bytes();
        }
    }
}

impl Edit<'_> {
    fn write(&mut self) {
        self.ethernet();
        self.mpls();
        if self.offsets.mpls.is_none() {
            self.network();
        }
    }

    /// Whether a word is to change.
    fn differs(&self, at: usize) -> bool {
        self.old.word(at) != self.new.word(at)
    }

    /// Overwrites bytes, if the frame has them.
    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(field) = self.data.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) {
            field.copy_from_slice(bytes);
        }
    }
}

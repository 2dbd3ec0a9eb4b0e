//! What shows at once of nearly every frame that it does not meet a term.
//!
//! # Design
//! Forwarding waits while a capture looks at a frame, so that a look must cost next to nothing. A
//! [`Glance`] is three comparisons of eight bytes at fixed places, without a branch between them: if
//! the frame is of the kind that the places are right for, and neither of the two looks succeeds, it
//! does not meet the term. Of a frame of another kind it says nothing.
//!
//! # Invariants
//! A glance never misses a frame that meets its term; the test of that is
//! `a_quick_look_never_misses_a_frame_that_meets_the_terms`.

use core::net::IpAddr;

use super::{End, Network, Term};
use crate::ethernet::EtherType;

/// What of a frame is looked at: Ethernet, IPv4 without options, and TCP up to its flags.
pub(super) const HEAD_LEN: usize = 48;
/// The start of a frame.
pub(super) type Head = [u8; HEAD_LEN];

const TYPE_AT: usize = 12;
const IPV4_AT: usize = 14;
const PROTO_AT: usize = IPV4_AT + 9;
const SRC_AT: usize = IPV4_AT + 12;
const DST_AT: usize = SRC_AT + 4;
const UPPER_AT: usize = IPV4_AT + 20;
const FLAGS_AT: usize = UPPER_AT + 13;
/// Version and header length of IPv4 without options.
const PLAIN: u64 = 0x45;

/// Bits of the eight bytes at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Look {
    at: usize,
    mask: u64,
    value: u64,
}

impl Look {
    const ALWAYS: Look = Look { at: 0, mask: 0, value: 0 };
    const NEVER: Look = Look { at: 0, mask: 0, value: 1 };

    /// The first `n_bits` at a place, which are the last of `value`.
    const fn first(at: usize, n_bits: u32, value: u64) -> Look {
        match u64::BITS - n_bits {
            u64::BITS => Look::ALWAYS,
            shift => Look { at, mask: u64::MAX << shift, value: value << shift },
        }
    }

    const fn ethertype(ethertype: EtherType) -> Look {
        Look::first(TYPE_AT, 16, ethertype.0 as u64)
    }

    #[inline]
    fn is(self, head: &Head) -> bool {
        let word = head.get(self.at..).and_then(|rest| rest.first_chunk());
        word.is_some_and(|word| u64::from_be_bytes(*word) & self.mask == self.value)
    }
}

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Glance {
    kind: Look,
    either: [Look; 2],
}

impl Glance {
    /// Whether the frame surely does not meet the term.
    #[inline]
    pub fn misses(&self, head: &Head) -> bool {
        let [a, b] = self.either;
        self.kind.is(head) & !a.is(head) & !b.is(head)
    }

    /// No frame of a type meets the term.
    const fn none_of(ethertype: EtherType) -> Glance {
        Glance { kind: Look::ethertype(ethertype), either: [Look::NEVER; 2] }
    }

    const fn ends(kind: Look, end: End, [src, dst]: [Look; 2]) -> Glance {
        let either = match end {
            End::Src => [src, Look::NEVER],
            End::Dst => [Look::NEVER, dst],
            End::Either => [src, dst],
        };
        Glance { kind, either }
    }

    /// What shows that a frame does not meet a term.
    pub fn of(term: &Term) -> Vec<Glance> {
        const TAGS: [EtherType; 2] = [EtherType::CTAG, EtherType::STAG];
        const UNTAGGED: [EtherType; 3] = [EtherType::IPV4, EtherType::IPV6, EtherType::ARP];
        let ipv4 = Look::ethertype(EtherType::IPV4);
        let plain = Look::first(TYPE_AT, 24, (EtherType::IPV4.0 as u64) << 8 | PLAIN);
        match *term {
            Term::Mac(end, mac) => {
                let [a, b, c, d, e, f] = mac.0;
                let mac = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
                let looks = [6, 0].map(|at| Look::first(at, 48, mac));
                vec![Glance::ends(Look::ALWAYS, end, looks)]
            }
            Term::Untagged => TAGS.map(Glance::none_of).into(),
            Term::Tagged => UNTAGGED.map(Glance::none_of).into(),
            Term::Vlan(vid) => {
                let vid =
                    Look { at: TYPE_AT, mask: 0xfff << 32, value: u64::from(vid.get()) << 32 };
                let other = |tag| Glance { kind: Look::ethertype(tag), either: [vid, Look::NEVER] };
                UNTAGGED.map(Glance::none_of).into_iter().chain(TAGS.map(other)).collect()
            }
            Term::Type(wanted) => {
                let others = UNTAGGED.into_iter().filter(|ethertype| *ethertype != wanted);
                others.map(Glance::none_of).collect()
            }
            Term::Proto(proto) => {
                let proto = Look::first(PROTO_AT, 8, proto.0.into());
                let other = Glance { kind: ipv4, either: [proto, Look::NEVER] };
                vec![other, Glance::none_of(EtherType::ARP)]
            }
            Term::Host(end, Network { address: IpAddr::V4(net), prefix_len }) => {
                let net = u64::from(net.to_bits()) >> (32 - prefix_len);
                let looks = [SRC_AT, DST_AT].map(|at| Look::first(at, prefix_len, net));
                vec![Glance::ends(ipv4, end, looks)]
            }
            Term::Host(..) => vec![Glance::none_of(EtherType::IPV4)],
            Term::Port(end, port) => {
                let looks = [UPPER_AT, UPPER_AT + 2].map(|at| Look::first(at, 16, port.into()));
                vec![Glance::ends(plain, end, looks)]
            }
            Term::TcpFlags { set, clear } => {
                // The last of the eight bytes.
                let flags =
                    Look { at: FLAGS_AT - 7, mask: (set | clear).into(), value: set.into() };
                vec![Glance { kind: plain, either: [flags, Look::NEVER] }]
            }
        }
    }
}

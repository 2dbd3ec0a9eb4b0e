//! Tunnels that carry Ethernet frames over IP: VXLAN, GRE and Geneve.
//!
//! # Design
//! A [`TunnelKey`] is what the outer headers of one packet say, or are to say, in one form for all
//! kinds: who sends to whom, in which virtual network, with which options. One file per protocol reads
//! and writes its header; outer IP and UDP are those of [`ipv4`](crate::ipv4), [`ipv6`](crate::ipv6)
//! and [`udp`](crate::udp).
//!
//! # References
//! RFC 7348 (VXLAN), draft-smith-vxlan-group-policy-05 (its group policy), RFC 2784 and RFC 2890
//! (GRE, key and sequence number), RFC 8926 (Geneve).

pub mod geneve;
pub mod gre;
pub mod vxlan;

use core::net::{IpAddr, Ipv4Addr};

use crate::flow::tunnel::OptionKind;
use crate::flow::{FieldId, FlowKey, OptionTable, place};

/// The protocol type of an Ethernet frame inside of GRE and Geneve ("Transparent Ethernet Bridging",
/// RFC 1701).
pub const TRANSPARENT_ETHERNET: u16 = 0x6558;

/// A tunnel protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TunnelKind {
    /// VXLAN, over UDP.
    Vxlan,
    /// GRE with transparent Ethernet bridging ("gretap"), over IP.
    Gre,
    /// Geneve, over UDP.
    Geneve,
}

impl TunnelKind {
    /// The UDP port that IANA gave it; `None` for GRE, which has none.
    #[must_use]
    pub const fn default_port(self) -> Option<u16> {
        match self {
            TunnelKind::Vxlan => Some(4789),
            TunnelKind::Geneve => Some(6081),
            TunnelKind::Gre => None,
        }
    }

    /// The highest key: 24 bits of a VNI, 32 bits of GRE.
    #[must_use]
    pub const fn max_key(self) -> u64 {
        match self {
            TunnelKind::Vxlan | TunnelKind::Geneve => 0xff_ffff,
            TunnelKind::Gre => 0xffff_ffff,
        }
    }
}

/// Bytes of Geneve options at most (RFC 8926 §3.4: six bits count steps of four).
pub const MAX_OPTIONS_LEN: usize = 252;

/// What the outer headers of a packet say.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TunnelKey {
    /// VNI, or key of GRE; 0 also if there is none.
    pub id: u64,
    /// Outer source.
    pub src: IpAddr,
    /// Outer destination.
    pub dst: IpAddr,
    /// Outer type of service, or traffic class.
    pub tos: u8,
    /// Outer time to live, or hop limit.
    pub ttl: u8,
    /// Outer UDP source port; 0 without UDP.
    pub tp_src: u16,
    /// Outer UDP destination port; 0 without UDP.
    pub tp_dst: u16,
    /// Group policy of VXLAN: the group.
    pub gbp_id: u16,
    /// Group policy of VXLAN: flags, in the places of the header's second byte.
    pub gbp_flags: u8,
    /// Whether the packet is for operations and management (`tun_flags=oam` of Geneve).
    pub oam: bool,
    /// Whether it has a key: always, but for GRE without one.
    pub has_key: bool,
    /// Whether routers may not fragment the outer packet.
    pub df: bool,
    /// Whether the outer packet has a checksum over what is inside.
    pub csum: bool,
    /// Geneve options as they stand in the header.
    pub options: arrayvec::ArrayVec<u8, MAX_OPTIONS_LEN>,
}

impl TunnelKey {
    /// Nothing.
    #[must_use]
    pub const fn new() -> TunnelKey {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        TunnelKey {
            id: 0,
            src: nowhere,
            dst: nowhere,
            tos: 0,
            ttl: 0,
            tp_src: 0,
            tp_dst: 0,
            gbp_id: 0,
            gbp_flags: 0,
            oam: false,
            has_key: false,
            df: false,
            csum: false,
            options: arrayvec::ArrayVec::new_const(),
        }
    }
}

impl TunnelKey {
    /// Whether two packets are the same to flows: all but the source port, which differs by what is
    /// inside.
    #[must_use]
    pub fn is_like(&self, other: &TunnelKey) -> bool {
        let of = |key: &TunnelKey| {
            let flags = (key.oam, key.has_key, key.df, key.csum);
            (
                (key.id, key.src, key.dst, key.tp_dst),
                (key.tos, key.ttl),
                (key.gbp_id, key.gbp_flags),
                flags,
            )
        };
        of(self) == of(other) && self.options == other.options
    }

    /// Writes it into a flow key.
    pub fn write(&self, key: &mut FlowKey) {
        key.put_word(place::TUN_ID, self.id);
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let words = u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits());
                key.put_word(place::TUN_IPV4, words);
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                key.set(FieldId::TunIpv6Src, src.to_bits());
                key.set(FieldId::TunIpv6Dst, dst.to_bits());
            }
            _ => {}
        }
        let flag = |is_set: bool, bit: u64| if is_set { bit } else { 0 };
        let flags = flag(self.oam, place::TUN_OAM)
            | flag(self.df, place::TUN_DF)
            | flag(self.csum, place::TUN_CSUM)
            | flag(self.has_key, place::TUN_KEY);
        let policy = u64::from(self.gbp_id) << 16 | u64::from(self.gbp_flags) << 8;
        let hops = u64::from(self.tos) << 40 | u64::from(self.ttl) << 32;
        key.put_word(place::TUN_FLAGS, flags | hops | policy);
    }
}

impl TunnelKey {
    /// Writes its options into a flow key, where a table says that they are fields. One that comes
    /// twice counts as it came last.
    pub fn write_options(&self, table: &OptionTable, key: &mut FlowKey) {
        for option in geneve::options(&self.options) {
            if let Some(slot) = table.find((option.class, option.kind)) {
                key.receive_option(slot, option.data);
            }
        }
    }

    /// Whether a table lets its options pass: those that it knows have the length that it says, and
    /// those that it does not know are not critical (RFC 8926 §3.5).
    #[must_use]
    pub fn is_allowed_by(&self, table: Option<&OptionTable>) -> bool {
        geneve::options(&self.options).all(|option| {
            match table.and_then(|table| table.find((option.class, option.kind))) {
                Some(slot) => slot.len() == option.data.len(),
                None => !option.is_critical(),
            }
        })
    }

    /// Puts an option behind those that it has; whether there was room.
    pub fn push_option(&mut self, (class, kind): OptionKind, data: &[u8]) -> bool {
        let [c0, c1] = class.to_be_bytes();
        let n_words = u8::try_from(data.len() / 4).unwrap_or(u8::MAX);
        if self.options.remaining_capacity() < geneve::OPTION_HEADER_LEN + data.len() {
            return false;
        }
        self.options.extend([c0, c1, kind, n_words]);
        self.options.extend(data.iter().copied());
        true
    }
}

impl Default for TunnelKey {
    fn default() -> Self {
        TunnelKey::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::tunnel::MAX_OPTION_LEN;

    fn table() -> OptionTable {
        let mut table = OptionTable::EMPTY;
        table.insert(3, (0x102, 0x80), 4).unwrap();
        table.insert(0, (7, 1), 8).unwrap();
        table
    }

    #[test]
    fn options_are_fields_where_the_table_says_so() {
        let (table, mut tunnel) = (table(), TunnelKey::new());
        for (kind, data) in [
            ((7, 1), &[1; 8][..]),
            ((9, 0x7f), &[2; 4]),
            ((0x102, 0x80), &[3; 4]),
            ((7, 1), &[4; 8]),
        ] {
            assert!(tunnel.push_option(kind, data));
        }
        let mut key = FlowKey::EMPTY;
        tunnel.write_options(&table, &mut key);
        let value = |index| key.option(table.slot(index).unwrap());
        assert_eq!(value(3)[MAX_OPTION_LEN - 4..], [3; 4]);
        assert_eq!(value(0)[MAX_OPTION_LEN - 8..], [4; 8]);
        let is_there = |field| key.get(field) == 1;
        assert!(is_there(FieldId::TunMetadata3) && is_there(FieldId::TunMetadata0));
        assert!(!is_there(FieldId::TunMetadata1));
        assert!(tunnel.is_allowed_by(Some(&table)));
        assert!(!tunnel.is_allowed_by(None));
    }

    #[test]
    fn what_is_critical_and_unknown_or_of_another_length_is_not_allowed() {
        let allowed = |kind, len: usize| {
            let mut key = TunnelKey::new();
            assert!(key.push_option(kind, &[0; 32][..len]));
            (key.is_allowed_by(Some(&table())), key.is_allowed_by(None))
        };
        assert_eq!(allowed((7, 1), 8), (true, true));
        assert_eq!(allowed((7, 1), 4), (false, true));
        assert_eq!(allowed((0x102, 0x80), 4), (true, false));
        assert_eq!(allowed((0x102, 0x81), 4), (false, false));
        assert_eq!(allowed((0x102, 0x01), 4), (true, true));
    }

    #[test]
    fn options_end_where_the_room_does() {
        let mut key = TunnelKey::new();
        assert!(key.push_option((1, 1), &[0; 124]) && key.push_option((1, 2), &[0; 116]));
        assert!(!key.push_option((1, 3), &[0; 4]) && key.push_option((1, 3), &[]));
        assert!(geneve::are_whole(&key.options) && key.options.is_full());
    }
}

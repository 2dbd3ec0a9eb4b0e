//! Where each field lies in the words of a key.
//!
//! # Design
//! Words that most packets fill come first, so that a key's hot part is two cache lines: ports and
//! recirculation, Ethernet and VLAN, IP, addresses, layer 4. Then what fewer packets have, then what
//! the switch itself adds: connection tracking, tunnels, registers.
//! As in Open vSwitch, ARP shares the places of IPv4 (addresses, opcode in the protocol), neighbour
//! discovery those of ARP (link-layer addresses), and ICMP those of the ports: which protocol a place
//! speaks of follows from the EtherType and the IP protocol, and these are in every mask that looks
//! at it.
//!
//! ```text
//!          63            48 47            32 31            16 15             0
//!  PORT    |              in_port            |           recirc_id           |
//!  ETH_DST |                    destination                  |   EtherType   |
//!  ETH_SRC |                       source                    |   outer TCI   |
//!  VLAN    |  outer TPID   |   inner TPID    |   inner TCI   |               |
//!  IP      |           IPv6 flow label       | proto |  TOS  |  TTL  |  frag |
//!  IPV4    |     source (sender of ARP)      |   destination (target)        |
//!  IPV6_*  |                    128 bits, the high half first                |
//!  L4      |  source port  |   dest. port    |   TCP flags   |               |
//! ```

use super::words::WordSet;

/// Words of a key.
pub const N_WORDS: usize = TUN_OPTIONS + TUN_OPTIONS_LEN / 8;

/// Ingress port and recirculation.
pub const PORT: usize = 0;
/// Ethernet destination and EtherType.
pub const ETH_DST: usize = 1;
/// Ethernet source and outer TCI.
pub const ETH_SRC: usize = 2;
/// TPIDs, and the inner TCI.
pub const VLAN: usize = 3;
/// Flow label, protocol, TOS, TTL and fragment bits.
pub const IP: usize = 4;
/// IPv4 addresses.
pub const IPV4: usize = 5;
/// IPv6 source, two words.
pub const IPV6_SRC: usize = 6;
/// IPv6 destination, two words.
pub const IPV6_DST: usize = 8;
/// Ports and TCP flags.
pub const L4: usize = 10;
/// ARP sender's hardware address; source link-layer address of a solicitation.
pub const ARP_SHA: usize = 11;
/// ARP target's hardware address; target link-layer address of an advertisement.
pub const ARP_THA: usize = 12;
/// Target of neighbour discovery, two words.
pub const ND_TARGET: usize = 13;
/// Reserved bits and option type of neighbour discovery.
pub const ND_MORE: usize = 15;
/// The two outer MPLS label stack entries.
pub const MPLS: usize = 16;
/// The third MPLS label stack entry.
pub const MPLS2: usize = 17;
/// Datapath hash and packet mark.
pub const HASH_MARK: usize = 18;
/// Queue and packet type.
pub const PRIO_TYPE: usize = 19;
/// State and zone of connection tracking, and protocol of the original direction.
pub const CT: usize = 20;
/// Mark of connection tracking and ports of the original direction.
pub const CT_MARK: usize = 21;
/// Label of connection tracking, two words.
pub const CT_LABEL: usize = 22;
/// IPv4 addresses of the original direction.
pub const CT_IPV4: usize = 24;
/// IPv6 source of the original direction, two words.
pub const CT_IPV6_SRC: usize = 25;
/// IPv6 destination of the original direction, two words.
pub const CT_IPV6_DST: usize = 27;
/// Tunnel key.
pub const TUN_ID: usize = 29;
/// Outer IPv4 addresses.
pub const TUN_IPV4: usize = 30;
/// Outer IPv6 source, two words.
pub const TUN_IPV6_SRC: usize = 31;
/// Outer IPv6 destination, two words.
pub const TUN_IPV6_DST: usize = 33;
/// Outer flags, TOS, TTL, and group policy.
pub const TUN_FLAGS: usize = 35;
/// In [`TUN_FLAGS`]: for operations and management (`tun_flags=oam`).
pub const TUN_OAM: u64 = 1 << 48;
/// In [`TUN_FLAGS`], and in no field of OpenFlow: the outer packet may not be fragmented.
pub const TUN_DF: u64 = 1 << 49;
/// In [`TUN_FLAGS`], and in no field of OpenFlow: there is a checksum over what is inside.
pub const TUN_CSUM: u64 = 1 << 50;
/// In [`TUN_FLAGS`], and in no field of OpenFlow: there is a key.
pub const TUN_KEY: u64 = 1 << 51;
/// Outer ports, and GTP-U.
pub const TUN_L4: usize = 36;
/// ERSPAN.
pub const TUN_ERSPAN: usize = 37;
/// OpenFlow metadata.
pub const METADATA: usize = 38;
/// Registers, two a word, the even one high: eight words.
pub const REGS: usize = 39;
/// Conjunction and the port of the action set's output.
pub const CONJ_OUTPUT: usize = 47;
/// Network service header (RFC 8300): flags, TTL, types, path.
pub const NSH: usize = 48;
/// Context of the network service header, two words.
pub const NSH_CONTEXT: usize = 49;
/// Which tunnel options are present, one bit each.
pub const TUN_PRESENT: usize = 51;
/// Bytes of tunnel options.
pub const TUN_OPTIONS: usize = 52;

/// Bytes that the options of one tunnel header take together.
pub const TUN_OPTIONS_LEN: usize = 256;

/// What the datapath's port, tunnels and the switch itself say of a packet.
pub const STAGE_METADATA: WordSet =
    WordSet::range(PORT, PORT + 1).or(WordSet::range(HASH_MARK, N_WORDS).minus(STAGE_NSH));
/// Ethernet, VLAN and MPLS.
pub const STAGE_L2: WordSet = WordSet::range(ETH_DST, IP).or(WordSet::range(MPLS, HASH_MARK));
/// IP, ARP and network services.
pub const STAGE_L3: WordSet =
    WordSet::range(IP, L4).or(WordSet::range(ARP_SHA, ND_TARGET)).or(STAGE_NSH);
/// Transport, ICMP and neighbour discovery.
pub const STAGE_L4: WordSet = WordSet::range(L4, ARP_SHA).or(WordSet::range(ND_TARGET, MPLS));
const STAGE_NSH: WordSet = WordSet::range(NSH, TUN_PRESENT);

/// The words in the order in which a look-up asks for them: what is cheap to know comes first. Each
/// word is in exactly one.
pub const STAGES: [WordSet; 4] = [STAGE_METADATA, STAGE_L2, STAGE_L3, STAGE_L4];

/// Where a field lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The word; of a field of 128 bits, that of the high half, and the next has the low one.
    pub word: u8,
    /// Bits below the field.
    pub shift: u8,
    /// Bits of the field: at most 64 within a word, or 128.
    pub bits: u8,
}

impl Place {
    /// Ones in the low [`Place::bits`].
    #[must_use]
    pub const fn ones(self) -> u128 {
        ones(self.bits as u32)
    }

    /// The words that it touches.
    #[must_use]
    pub const fn words(self) -> WordSet {
        let word = self.word as usize;
        WordSet::range(word, word + if self.bits > 64 { 2 } else { 1 })
    }
}

/// Ones in the low `bits` of 128.
#[must_use]
pub const fn ones(bits: u32) -> u128 {
    if bits >= 128 { u128::MAX } else { (1 << bits) - 1 }
}

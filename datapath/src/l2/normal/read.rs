//! The first pass: what `NORMAL` needs to know of a frame.

use packet::vlan::{TAG_LEN, TPID_CTAG, TPID_STAG};
use packet::{Vid, VlanTag};

use crate::drop_reason::DropReason;
use crate::l2::fdb::{Fdb, Home, Key};
use crate::view::{Bridge, Port};

/// Bytes of an Ethernet header: two addresses and the EtherType.
pub const ETHERNET_LEN: usize = 14;

/// I/G bit of an address in the high 48 bits of a word.
const GROUP: u64 = 1 << 56;
/// 01:80:c2:00:00:00 to 0f in the high 48 bits of a word (IEEE 802.1Q-2018 table 8-1).
const RESERVED: u64 = 0x0180_c200_0000 << 16;
const RESERVED_MASK: u64 = !0xf_ffff;

/// How a frame's ports are found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Not at all.
    Drop(DropReason),
    /// By its destination in the forwarding database; all of them if it is unknown.
    Lookup,
    /// All of them.
    Flood,
}

/// A frame's addresses and VLAN. In a frame that is dropped they have no meaning.
#[derive(Clone, Copy)]
pub struct Heading {
    /// The source.
    pub src: Key,
    /// Where the source's search begins.
    pub src_home: Home,
    /// The destination.
    pub dst: Key,
    /// Where the destination's search begins.
    pub dst_home: Home,
    /// The VLAN.
    pub vlan: Vid,
    /// The outer tag on the frame.
    pub tag: Option<VlanTag>,
    /// Whether the source is to be learned.
    pub learns: bool,
    /// What comes next.
    pub way: Way,
}

impl Heading {
    /// Whether the destination is a group address.
    pub fn is_multicast(&self) -> bool {
        self.dst.0 & GROUP != 0
    }
}

/// What is known before a frame is seen: the port's and the bridge's part of the decision.
pub struct Reader<'a> {
    port: &'a Port,
    bridge: &'a Bridge,
    fdb: &'a Fdb,
    /// What becomes of untagged frames: nearly all.
    untagged: Result<Vid, DropReason>,
    /// Whether the VLAN of untagged frames is in `flood_vlans`.
    untagged_floods: bool,
}

impl<'a> Reader<'a> {
    /// Decides what the port and the bridge decide.
    pub fn new(port: &'a Port, bridge: &'a Bridge) -> Reader<'a> {
        let untagged = port.vlan.admit(None);
        let untagged_floods = untagged.is_ok_and(|vlan| bridge.flood_vlans.contains(vlan));
        Reader { port, bridge, fdb: &bridge.fdb, untagged, untagged_floods }
    }

    /// Reads a frame.
    #[inline]
    pub fn read(&self, data: &[u8]) -> Heading {
        let Some(header) = data.first_chunk::<ETHERNET_LEN>() else {
            return self.heading((0, 0), None, (Err(DropReason::Runt), false));
        };
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *header;
        let dst = u64::from_be_bytes([d0, d1, d2, d3, d4, d5, s0, s1]);
        let src = u64::from_be_bytes([s0, s1, s2, s3, s4, s5, t0, t1]);
        match u16::from_be_bytes([t0, t1]) {
            TPID_CTAG | TPID_STAG => self.read_tagged((dst, src), data),
            _ => self.heading((dst, src), None, (self.untagged, self.untagged_floods)),
        }
    }

    fn read_tagged(&self, addresses: (u64, u64), data: &[u8]) -> Heading {
        // A whole tag is followed by the EtherType of what it tags.
        let tag = match data.get(ETHERNET_LEN..ETHERNET_LEN + TAG_LEN) {
            Some([tci0, tci1, _, _]) => VlanTag(u16::from_be_bytes([*tci0, *tci1])),
            _ => return self.heading(addresses, None, (Err(DropReason::PartialVlanTag), false)),
        };
        let vlan = self.port.vlan.admit(Some(tag));
        let floods = vlan.is_ok_and(|vlan| self.bridge.flood_vlans.contains(vlan));
        self.heading(addresses, Some(tag), (vlan, floods))
    }

    #[inline]
    fn heading(
        &self,
        (dst, src): (u64, u64),
        tag: Option<VlanTag>,
        (vlan, floods): (Result<Vid, DropReason>, bool),
    ) -> Heading {
        let way = match vlan {
            Err(reason) => Way::Drop(reason),
            Ok(_) if dst & RESERVED_MASK == RESERVED && !self.bridge.forward_bpdu => {
                Way::Drop(DropReason::ReservedMulticast)
            }
            Ok(_) if dst & GROUP != 0 || floods => Way::Flood,
            Ok(_) => Way::Lookup,
        };
        let learns = src & GROUP == 0 && !floods;
        let vlan = vlan.unwrap_or(Vid::NONE);
        let (src, dst) = (Key::from_wire(vlan, src), Key::from_wire(vlan, dst));
        let (src_home, dst_home) = (self.fdb.home(src), self.fdb.home(dst));
        Heading { src, src_home, dst, dst_home, vlan, tag, learns, way }
    }
}

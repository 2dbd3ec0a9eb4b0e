//! The first pass: what `NORMAL` needs to know of a frame.

use packet::vlan::{TAG_LEN, TPID_CTAG, TPID_STAG};
use packet::{Vid, VlanTag};

use crate::drop_reason::DropReason;
use crate::l2::fdb::{FdbReader, Home, Key};
use crate::l2::storm::Flooded;
use crate::l2::vlan::{Tags, VlanLimit};
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
    /// What its tags say, if it has any.
    pub tags: Option<Tags>,
    /// Whether the source is to be learned.
    pub learns: bool,
    /// What comes next.
    pub way: Way,
}

impl Heading {
    /// Room for a heading.
    pub const EMPTY: Heading = Heading {
        src: Key(0),
        src_home: Home::NONE,
        dst: Key(0),
        dst_home: Home::NONE,
        vlan: Vid::NONE,
        tags: None,
        learns: false,
        way: Way::Flood,
    };

    /// What its destination is, if it floods.
    pub fn flooded(&self) -> Flooded {
        match self.dst.0 >> 16 {
            0xffff_ffff_ffff => Flooded::Broadcast,
            _ if self.is_multicast() => Flooded::Multicast,
            _ => Flooded::Unknown,
        }
    }

    /// Whether bridges keep the destination to themselves.
    pub fn is_reserved(&self) -> bool {
        self.dst.0 & RESERVED_MASK == RESERVED
    }

    /// Whether the destination is a group address.
    pub fn is_multicast(&self) -> bool {
        self.dst.0 & GROUP != 0
    }
}

/// What is known before a frame is seen: the port's and the bridge's part of the decision.
pub struct Reader<'a> {
    port: &'a Port,
    bridge: &'a Bridge,
    fdb: &'a FdbReader<'a>,
    /// What becomes of untagged frames: nearly all.
    untagged: Result<Vid, DropReason>,
    /// Whether the VLAN of untagged frames is in `flood_vlans`.
    untagged_floods: bool,
}

impl<'a> Reader<'a> {
    /// Decides what the port and the bridge decide.
    pub fn new(port: &'a Port, bridge: &'a Bridge, fdb: &'a FdbReader<'a>) -> Reader<'a> {
        let untagged = port.vlan.admit(None);
        let untagged_floods = untagged.is_ok_and(|vlan| bridge.flood_vlans.contains(vlan));
        Reader { port, bridge, fdb, untagged, untagged_floods }
    }

    /// Reads a frame into `heading`: in place, since copying what was just written stalls.
    #[inline]
    pub fn read(&self, data: &[u8], heading: &mut Heading) {
        let header = data.first_chunk::<ETHERNET_LEN>();
        // Eight bytes from each address on: two loads.
        let words = header.and_then(|h| Some((h.first_chunk()?, h.last_chunk()?)));
        let Some((dst, src)) = words else {
            return self.fill(heading, ((0, 0), None), (Err(DropReason::Runt), false));
        };
        let (dst, src) = (u64::from_be_bytes(*dst), u64::from_be_bytes(*src));
        match (src & 0xffff) as u16 {
            TPID_CTAG | TPID_STAG => self.read_tagged((dst, src), data, heading),
            _ => self.fill(heading, ((dst, src), None), (self.untagged, self.untagged_floods)),
        }
    }

    fn read_tagged(&self, addresses: (u64, u64), data: &[u8], heading: &mut Heading) {
        // A whole tag is followed by the EtherType of what it tags.
        let tag = match data.get(ETHERNET_LEN..ETHERNET_LEN + TAG_LEN) {
            Some([tci0, tci1, _, _]) => VlanTag(u16::from_be_bytes([*tci0, *tci1])),
            _ => {
                let lost = (Err(DropReason::PartialVlanTag), false);
                return self.fill(heading, (addresses, None), lost);
            }
        };
        let port = &self.port.vlan;
        let vlan = port.admit(Some(tag));
        let floods = vlan.is_ok_and(|vlan| self.bridge.flood_vlans.contains(vlan));
        let inner = match port.limit {
            VlanLimit::One => Vid::NONE,
            VlanLimit::Two => inner_vid(data),
        };
        let tags = Tags { outer: tag, customer: port.customer(tag.vid(), inner) };
        self.fill(heading, (addresses, Some(tags)), (vlan, floods));
    }

    #[inline]
    fn fill(
        &self,
        heading: &mut Heading,
        ((dst, src), tags): ((u64, u64), Option<Tags>),
        (vlan, floods): (Result<Vid, DropReason>, bool),
    ) {
        heading.way = match vlan {
            Err(reason) => Way::Drop(reason),
            Ok(_) if dst & RESERVED_MASK == RESERVED && !self.bridge.forward_bpdu => {
                Way::Drop(DropReason::ReservedMulticast)
            }
            Ok(_) if dst & GROUP != 0 || floods => Way::Flood,
            Ok(_) => Way::Lookup,
        };
        heading.learns = src & GROUP == 0 && !floods;
        let vlan = vlan.unwrap_or(Vid::NONE);
        (heading.vlan, heading.tags) = (vlan, tags);
        (heading.src, heading.dst) = (Key::from_wire(vlan, src), Key::from_wire(vlan, dst));
        heading.src_home = self.fdb.home(heading.src);
        heading.dst_home = self.fdb.home(heading.dst);
    }
}

/// VID of the second tag of a frame that has a first; none if it is cut short.
fn inner_vid(data: &[u8]) -> Vid {
    // TPID and TCI, and the EtherType of what the tag tags.
    let bytes = data.get(ETHERNET_LEN + 2..).and_then(|rest| rest.first_chunk::<{ TAG_LEN + 2 }>());
    match bytes {
        Some([t0, t1, tci0, tci1, _, _])
            if matches!(u16::from_be_bytes([*t0, *t1]), TPID_CTAG | TPID_STAG) =>
        {
            VlanTag(u16::from_be_bytes([*tci0, *tci1])).vid()
        }
        _ => Vid::NONE,
    }
}

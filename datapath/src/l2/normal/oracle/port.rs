//! The model's ports: VLAN rules on lists of tags, a frame taken apart and built anew.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::super::lab::vid;
use super::VIDS;
use crate::drop_reason::DropReason;
use crate::l2::vlan::{PortVlan, PriorityTags, Protection, QinqEthertype, VlanLimit, VlanMode};

/// A tag: TPID and control information.
type Tag = (u16, u16);

#[derive(Clone, Debug)]
pub struct ModelPort {
    mode: VlanMode,
    tag: u16,
    trunks: Vec<u16>,
    cvlans: Option<Vec<u16>>,
    qinq: QinqEthertype,
    priority_tags: PriorityTags,
    protection: Protection,
    limit: VlanLimit,
    pub up: bool,
    pub here: bool,
}

/// A frame inside the bridge.
#[derive(Clone, Debug)]
pub struct Inside {
    pub vlan: u16,
    customer: u16,
    from: ModelPort,
    addresses: Vec<u8>,
    /// As received.
    tags: Vec<Tag>,
    rest: Vec<u8>,
}

fn vid_of(tag: Option<&Tag>) -> u16 {
    tag.map_or(0, |tag| tag.1 & 0xfff)
}

impl Inside {
    /// Takes a frame apart that has a whole header; `None` if it ends inside its outer tag.
    fn parse(from: &ModelPort, frame: &[u8]) -> Option<Inside> {
        let (mut tags, mut rest) = (Vec::new(), &frame[12..]);
        while let [t0 @ (0x81 | 0x88), t1, tci @ ..] = rest {
            if !matches!((t0, t1), (0x81, 0) | (0x88, 0xa8)) {
                break;
            }
            match tci {
                [c0, c1, _, _, ..] => {
                    tags.push((u16::from_be_bytes([*t0, *t1]), u16::from_be_bytes([*c0, *c1])));
                    rest = &tci[2..];
                }
                _ if tags.is_empty() => return None,
                _ => break,
            }
        }
        let (addresses, rest) = (frame[..12].to_vec(), rest.to_vec());
        Some(Inside { vlan: 0, customer: 0, from: from.clone(), addresses, tags, rest })
    }

    fn emit(&self, tags: &[Tag]) -> Vec<u8> {
        let tags = tags.iter().flat_map(|(tpid, tci)| [tpid.to_be_bytes(), tci.to_be_bytes()]);
        [&self.addresses[..], &tags.flatten().collect::<Vec<_>>(), &self.rest].concat()
    }
}

impl ModelPort {
    pub fn carries(&self, vlan: u16) -> bool {
        match self.mode {
            VlanMode::Access | VlanMode::Dot1qTunnel => vlan == self.tag,
            VlanMode::Trunk => self.trunks.contains(&vlan),
            _ => vlan == self.tag || vlan != 0 && self.trunks.contains(&vlan),
        }
    }

    fn has_customer(&self, vid: u16) -> bool {
        self.cvlans.as_ref().is_none_or(|cvlans| cvlans.contains(&vid))
    }

    /// What becomes of a received frame.
    pub fn admit(&self, frame: &[u8]) -> Result<Inside, DropReason> {
        let inside = Inside::parse(self, frame).ok_or(DropReason::PartialVlanTag)?;
        let outer = vid_of(inside.tags.first());
        let inner = match self.limit {
            VlanLimit::One => 0,
            VlanLimit::Two => vid_of(inside.tags.get(1)),
        };
        let (vlan, customer, fits) = match self.mode {
            VlanMode::Access => (self.tag, 0, outer == 0),
            VlanMode::Trunk => (outer, inner, true),
            VlanMode::Dot1qTunnel => (self.tag, outer, self.has_customer(outer)),
            _ if outer == 0 => (self.tag, inner, true),
            _ => (outer, inner, true),
        };
        if fits && self.carries(vlan) {
            Ok(Inside { vlan, customer, ..inside })
        } else {
            Err(DropReason::VlanNotAllowed)
        }
    }

    /// Why the port does not send a frame of a VLAN that it carries.
    pub fn refuses(&self, inside: &Inside) -> Option<DropReason> {
        let apart = [self, &inside.from].iter().all(|p| p.protection == Protection::Protected);
        let takes = match self.mode {
            VlanMode::Access => inside.customer == 0,
            VlanMode::Dot1qTunnel => self.has_customer(inside.customer),
            _ => true,
        };
        match (apart, takes) {
            (true, _) => Some(DropReason::Protected),
            (_, false) => Some(DropReason::VlanNotCarried),
            _ => None,
        }
    }

    /// The frame as it leaves.
    pub fn on_wire(&self, inside: &Inside) -> Vec<u8> {
        let from_tunnel = inside.from.mode == VlanMode::Dot1qTunnel;
        let strips = match self.mode {
            VlanMode::Access | VlanMode::Dot1qTunnel => true,
            VlanMode::NativeUntagged => inside.vlan == self.tag,
            _ => false,
        };
        let mut tags = inside.tags.clone();
        if from_tunnel && !strips {
            let tpid = if inside.from.qinq == QinqEthertype::Dot1q { 0x8100 } else { 0x88a8 };
            tags.insert(0, (tpid, inside.vlan));
            return inside.emit(&tags);
        }
        let is_customers =
            from_tunnel && (self.mode == VlanMode::Dot1qTunnel || vid_of(inside.tags.first()) != 0);
        if is_customers {
            return inside.emit(&tags);
        }
        let outer = if tags.is_empty() { None } else { Some(tags.remove(0)) };
        let (tpid, bits) = outer.map_or((0x8100, 0), |(tpid, tci)| (tpid, tci & 0xf000));
        let keeps = outer.is_some()
            && match self.priority_tags {
                PriorityTags::Never => false,
                PriorityTags::IfNonzero => bits & 0xe000 != 0,
                PriorityTags::Always => true,
            };
        match (strips, inside.vlan) {
            (true, _) if keeps && self.mode != VlanMode::Dot1qTunnel => {
                tags.insert(0, (0x8100, bits));
            }
            (true, _) => {}
            (false, 0) if keeps => tags.insert(0, (tpid, bits)),
            (false, 0) => {}
            (false, vlan) => tags.insert(0, (tpid, bits | vlan)),
        }
        inside.emit(&tags)
    }

    /// The configuration of the port that it is the model of.
    pub fn port_vlan(&self) -> PortVlan {
        let vids = |vids: &Vec<u16>| vids.iter().map(|n| vid(*n)).collect();
        PortVlan {
            cvlans: self.cvlans.as_ref().map(vids),
            qinq: self.qinq,
            priority_tags: self.priority_tags,
            protection: self.protection,
            limit: self.limit,
            ..PortVlan::new(self.mode, vid(self.tag), vids(&self.trunks))
        }
    }
}

prop_compose! {
    /// A port. A tunnel has a service VLAN, and customer VLANs only a tunnel, as configuration has it.
    pub fn port()(
        mode in {
            use VlanMode::{Access, Dot1qTunnel, NativeTagged, NativeUntagged, Trunk};
            select(vec![Access, Trunk, Trunk, NativeTagged, NativeUntagged, Dot1qTunnel])
        },
        tag in select(&VIDS[..]),
        trunks in subsequence(VIDS.to_vec(), 0..=4),
        cvlans in prop::option::of(subsequence(VIDS.to_vec(), 0..=4)),
        qinq in select(vec![QinqEthertype::Dot1ad, QinqEthertype::Dot1q]),
        priority_tags in select(vec![
            PriorityTags::Never, PriorityTags::IfNonzero, PriorityTags::Always,
        ]),
        protection in select(vec![Protection::Open, Protection::Protected]),
        limit in select(vec![VlanLimit::One, VlanLimit::Two]),
        up in prop::bool::weighted(0.9),
    ) -> ModelPort {
        let is_tunnel = mode == VlanMode::Dot1qTunnel;
        let tag = if is_tunnel && tag == 0 { 10 } else { tag };
        let cvlans = cvlans.filter(|_| is_tunnel);
        ModelPort {
            mode, tag, trunks, cvlans, qinq, priority_tags, protection, limit, up, here: true,
        }
    }
}

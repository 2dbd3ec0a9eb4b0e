//! What leaves, by IEEE 802.1Q and ovs-vswitchd.conf.db(5): in the words of the manual.

use super::{C, Case, Kind, Mode, Priority, Tag};

/// A frame within the bridge.
struct Inside {
    vlan: u16,
    /// The tag that the frame came with for that VLAN, or with VID 0.
    own: Option<Tag>,
    /// TPID of a tag that it gets for want of one.
    tpid: u16,
    /// What stands below.
    below: Vec<Tag>,
    /// The customer VLAN that is seen.
    customer: u16,
}

fn vid(tag: Option<&Tag>) -> u16 {
    tag.map_or(0, |tag| tag.1 & 0xfff)
}

fn among(vids: Option<&[u16]>, vid: u16) -> bool {
    vids.is_none_or(|vids| vids.contains(&vid))
}

/// "A trunk port carries packets on one or more specified VLANs"; "a native port always trunks its
/// native VLAN", and untagged packets are no other's.
fn trunks(kind: &Kind, vlan: u16) -> bool {
    match kind.mode {
        Mode::Trunk => among(kind.trunks, vlan),
        _ if vlan == kind.tag => true,
        _ => vlan != 0 && among(kind.trunks, vlan),
    }
}

fn enter(case: Case) -> Option<Inside> {
    let from = case.from;
    let outer = vid(case.tags.first());
    if from.mode == Mode::Tunnel {
        // "treats these as double-tagged with the outer service VLAN tag"
        let below = case.tags.to_vec();
        let inside = Inside { vlan: from.tag, own: None, tpid: from.qinq, below, customer: outer };
        return among(from.cvlans, outer).then_some(inside);
    }
    let own = case.tags.first().copied();
    let below = case.tags.get(1..).unwrap_or_default().to_vec();
    let seen = if case.limit == 2 { vid(below.first()) } else { 0 };
    let inside = |vlan, customer| Inside { vlan, own, tpid: C, below, customer };
    match from.mode {
        // "with an 802.1Q header with a nonzero VLAN ID ... is dropped"
        Mode::Access => (outer == 0).then(|| inside(from.tag, 0)),
        Mode::Trunk => trunks(from, outer).then(|| inside(outer, seen)),
        _ if outer == 0 => Some(inside(from.tag, seen)),
        _ => trunks(from, outer).then(|| inside(outer, seen)),
    }
}

/// The tags with which a frame leaves by a port, if it does.
#[must_use]
pub fn leaves(case: Case, to: &Kind) -> Option<Vec<Tag>> {
    if case.from.protected && to.protected {
        return None;
    }
    let Inside { vlan, mut own, tpid, mut below, customer } = enter(case)?;
    let tagged = match to.mode {
        Mode::Access if vlan == to.tag && customer == 0 => false,
        Mode::Tunnel if vlan == to.tag && among(to.cvlans, customer) => {
            return Some(below);
        }
        Mode::Access | Mode::Tunnel => return None,
        _ if !trunks(to, vlan) => return None,
        Mode::NativeUntagged => vlan != to.tag,
        _ => true,
    };
    if tagged && vlan != 0 {
        let (tpid, bits) = own.map_or((tpid, 0), |(tpid, tci)| (tpid, tci & 0xf000));
        below.insert(0, (tpid, bits | vlan));
        return Some(below);
    }
    // Outside the tunnel, a customer's tag with VID 0 is no more than a priority.
    if case.from.mode == Mode::Tunnel && !below.is_empty() && vid(below.first()) == 0 {
        own = Some(below.remove(0));
    }
    if let Some((tpid, tci)) = own {
        let stays = match to.priority {
            Priority::Never => false,
            Priority::IfNonzero => tci >> 13 != 0,
            Priority::Always => true,
        };
        if stays {
            below.insert(0, (if tagged { tpid } else { C }, tci & 0xf000));
        }
    }
    Some(below)
}

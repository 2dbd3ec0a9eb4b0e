//! What Open vSwitch 3.1 does: it keeps at most two tags apart from the packet, rewrites those, and
//! writes them back. Drop eligibility is not among what it keeps.

use super::{C, Case, Kind, Mode, Priority, Tag};

/// A tag as it is kept: one without VID and priority is no tag, unless the port asks for it.
#[derive(Clone, Copy, Default)]
struct Kept {
    tpid: u16,
    vid: u16,
    /// In its place.
    priority: u16,
}

const PRIORITY: u16 = 0xe000;

fn among(vids: Option<&[u16]>, vid: u16) -> bool {
    vids.is_none_or(|vids| vids.contains(&vid))
}

fn trunks(kind: &Kind, vid: u16) -> bool {
    match kind.mode {
        Mode::Trunk => among(kind.trunks, vid),
        _ if kind.tag == 0 => among(kind.trunks, vid),
        _ => vid == kind.tag || vid != 0 && among(kind.trunks, vid),
    }
}

fn enter(from: &Kind, seen: [Kept; 2]) -> Option<[Kept; 2]> {
    let [outer, inner] = seen;
    let tpid = if outer.tpid == 0 { C } else { outer.tpid };
    let own = Kept { tpid, vid: from.tag, priority: outer.priority };
    match from.mode {
        Mode::Access => (outer.vid == 0).then_some([own, Kept::default()]),
        Mode::Trunk => trunks(from, outer.vid).then_some(seen),
        Mode::NativeTagged | Mode::NativeUntagged if outer.vid == 0 => Some([own, inner]),
        Mode::NativeTagged | Mode::NativeUntagged => trunks(from, outer.vid).then_some(seen),
        Mode::Tunnel => {
            let service = Kept { tpid: from.qinq, vid: from.tag, priority: 0 };
            among(from.cvlans, outer.vid).then_some([service, outer])
        }
    }
}

fn exit(to: &Kind, [outer, inner]: [Kept; 2]) -> Option<[Kept; 2]> {
    let popped = [inner, Kept::default()];
    let alone = outer.vid == to.tag && inner.vid == 0;
    match to.mode {
        Mode::Access => alone.then_some([Kept::default(); 2]),
        Mode::Tunnel => (outer.vid == to.tag && among(to.cvlans, inner.vid)).then_some(popped),
        _ if !trunks(to, outer.vid) => None,
        Mode::NativeUntagged if outer.vid == to.tag => Some(popped),
        _ => Some([outer, inner]),
    }
}

/// The tags with which a frame leaves by a port, if it does.
#[must_use]
pub fn leaves(case: Case, to: &Kind) -> Option<Vec<Tag>> {
    if case.from.protected && to.protected {
        return None;
    }
    let n_seen = case.tags.len().min(case.limit);
    let (seen, hidden) = case.tags.split_at(n_seen);
    let mut kept = [Kept::default(); 2];
    for (kept, (tpid, tci)) in kept.iter_mut().zip(seen) {
        *kept = Kept { tpid: *tpid, vid: tci & 0xfff, priority: tci & PRIORITY };
    }
    let received = kept[0];
    let mut left = exit(to, enter(case.from, kept)?)?;
    if to.priority != Priority::Never {
        left[0].priority = received.priority;
    }
    let is_tag = |tag: &Kept| {
        let forced = to.priority == Priority::Always && tag.tpid != 0;
        tag.vid | tag.priority != 0 || forced
    };
    let tags = left.iter().take_while(|tag| is_tag(tag)).map(|tag| {
        let tpid = if tag.tpid == 0 { C } else { tag.tpid };
        (tpid, tag.vid | tag.priority)
    });
    let hidden = hidden.iter().map(|(tpid, tci)| (*tpid, tci & !super::DEI));
    Some(tags.chain(hidden).collect())
}

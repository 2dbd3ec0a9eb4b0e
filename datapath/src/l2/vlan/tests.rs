//! Admission, edits and refusals, by mode.

use super::*;
use DropReason::{Protected, VlanNotAllowed, VlanNotCarried};
use VlanMode::{Access, Dot1qTunnel, NativeTagged, NativeUntagged, Trunk};

fn vid(n: u16) -> Vid {
    Vid::new(n).unwrap()
}

fn vids(vids: &[u16]) -> VidSet {
    vids.iter().map(|n| vid(*n)).collect()
}

/// Priority 5, drop eligible.
fn tag(n: u16) -> Option<VlanTag> {
    Some(VlanTag(0xb000 | n))
}

/// Priority 0.
fn plain(n: u16) -> Option<VlanTag> {
    Some(VlanTag(n))
}

fn port(mode: VlanMode, trunks: &[u16]) -> PortVlan {
    PortVlan::new(mode, vid(10), vids(trunks))
}

fn push(n: u16) -> Edit {
    Edit::Push(0x8100, VlanTag(n))
}

#[test]
fn admission_follows_the_mode() {
    let (ten, drop) = (Ok(vid(10)), Err(VlanNotAllowed));
    // mode, trunks, then: untagged, VID 0, VID 10, VID 20, VID 30
    for (mode, trunks, expected) in [
        (Access, &[20][..], [ten, ten, drop, drop, drop]),
        (Trunk, &[10, 20], [drop, drop, ten, Ok(vid(20)), drop]),
        (Trunk, &[0, 20], [Ok(vid(0)), Ok(vid(0)), drop, Ok(vid(20)), drop]),
        (NativeTagged, &[20], [ten, ten, ten, Ok(vid(20)), drop]),
        (NativeUntagged, &[20], [ten, ten, ten, Ok(vid(20)), drop]),
        (Dot1qTunnel, &[20], [ten; 5]),
    ] {
        let port = port(mode, trunks);
        let admitted = [None, tag(0), tag(10), tag(20), tag(30)].map(|tag| port.admit(tag));
        assert_eq!(admitted, expected, "{mode:?} {trunks:?}");
    }
    assert_eq!(PortVlan::trunk_all().admit(tag(4095)), Ok(vid(4095)));
    assert!(!port(Access, &[20]).carries(vid(20)) && port(NativeTagged, &[]).carries(vid(10)));
    let tunnel = PortVlan { cvlans: Some(vids(&[0, 20])), ..port(Dot1qTunnel, &[]) };
    let admitted = [None, tag(0), tag(10), tag(20)].map(|tag| tunnel.admit(tag));
    assert_eq!(admitted, [ten, ten, drop, ten]);
}

#[test]
fn a_native_vlan_takes_the_place_of_vlan_0() {
    for mode in [NativeTagged, NativeUntagged] {
        assert!(!port(mode, &[0, 20]).carries(vid(0)));
        assert!(PortVlan::new(mode, vid(0), vids(&[20])).carries(vid(0)));
    }
}

#[test]
fn edits_follow_the_mode() {
    let set = |n: u16| Edit::Set(VlanTag(0xb000 | n));
    // mode, then: VLAN 10 untagged, priority-tagged, tagged; VLAN 20 untagged, tagged
    for (mode, expected) in [
        (Access, [Edit::Keep, Edit::Pop, Edit::Pop, Edit::Keep, Edit::Pop]),
        (Dot1qTunnel, [Edit::Keep, Edit::Pop, Edit::Pop, Edit::Keep, Edit::Pop]),
        (Trunk, [push(10), set(10), Edit::Keep, push(20), Edit::Keep]),
        (NativeTagged, [push(10), set(10), Edit::Keep, push(20), Edit::Keep]),
        (NativeUntagged, [Edit::Keep, Edit::Pop, Edit::Pop, push(20), Edit::Keep]),
    ] {
        let (from, port) = (PortVlan::trunk_all(), port(mode, &[20]));
        let frames = [(10, None), (10, tag(0)), (10, tag(10)), (20, None), (20, tag(20))];
        let edits = frames.map(|(vlan, tag)| port.edit(&from, vid(vlan), tag));
        assert_eq!(edits, expected, "{mode:?}");
    }
}

#[test]
fn a_tunnels_frames_get_a_service_tag_or_stay_as_they_are() {
    for (qinq, tpid) in [(QinqEthertype::Dot1ad, 0x88a8), (QinqEthertype::Dot1q, 0x8100)] {
        let from = PortVlan { qinq, ..port(Dot1qTunnel, &[]) };
        let service = Edit::Push(tpid, VlanTag(10));
        // mode, then: untagged, priority-tagged, tagged by the customer
        for (mode, expected) in [
            (Access, [Edit::Keep, Edit::Pop, Edit::Keep]),
            (Dot1qTunnel, [Edit::Keep; 3]),
            (Trunk, [service; 3]),
            (NativeTagged, [service; 3]),
            (NativeUntagged, [Edit::Keep, Edit::Pop, Edit::Keep]),
        ] {
            let port = port(mode, &[10]);
            let edits = [None, tag(0), tag(20)].map(|tag| port.edit(&from, vid(10), tag));
            assert_eq!(edits, expected, "{mode:?}");
        }
    }
}

#[test]
fn priority_tags_leave_as_asked_for() {
    use PriorityTags::{Always, IfNonzero, Never};
    let left = Edit::Replace(0x8100, VlanTag(0xb000));
    let bare = Edit::Replace(0x8100, VlanTag(0));
    let trunk = PortVlan::trunk_all();
    assert_eq!(trunk.edit(&trunk, Vid::NONE, None), Edit::Keep);
    for (priority_tags, access, vlan_0) in [
        (Never, [Edit::Pop; 2], [Edit::Pop; 2]),
        (IfNonzero, [left, Edit::Pop], [Edit::Keep, Edit::Pop]),
        (Always, [left, bare], [Edit::Keep; 2]),
    ] {
        for mode in [Access, NativeUntagged] {
            let port = PortVlan { priority_tags, ..port(mode, &[]) };
            let edits = [tag(10), plain(10)].map(|tag| port.edit(&trunk, vid(10), tag));
            assert_eq!(edits, access, "{mode:?} {priority_tags:?}");
        }
        let out = PortVlan { priority_tags, ..PortVlan::trunk_all() };
        let edits = [tag(0), plain(0)].map(|tag| out.edit(&trunk, Vid::NONE, tag));
        assert_eq!(edits, vlan_0, "trunk {priority_tags:?}");
        // What leaves a tunnel is the customer's.
        let tunnel = PortVlan { priority_tags, ..port(Dot1qTunnel, &[]) };
        assert_eq!(tunnel.edit(&trunk, vid(10), tag(10)), Edit::Pop);
    }
}

#[test]
fn customers_and_protected_ports_are_kept_apart() {
    let trunk = PortVlan::trunk_all();
    let tunnel = PortVlan { cvlans: Some(vids(&[0, 20])), ..port(Dot1qTunnel, &[]) };
    let refusals = |port: &PortVlan| [0, 20, 30].map(|n| port.refuses(&trunk, vid(n)));
    assert_eq!(refusals(&trunk), [None; 3]);
    assert_eq!(refusals(&port(Access, &[])), [None, Some(VlanNotCarried), Some(VlanNotCarried)]);
    assert_eq!(refusals(&tunnel), [None, None, Some(VlanNotCarried)]);
    assert_eq!(refusals(&port(Dot1qTunnel, &[])), [None; 3]);
    assert!(tunnel.is_choosy() && !trunk.is_choosy());

    let guarded = PortVlan { protection: Protection::Protected, ..PortVlan::trunk_all() };
    assert!(guarded.is_choosy());
    assert_eq!(guarded.refuses(&guarded, vid(0)), Some(Protected));
    assert_eq!((guarded.refuses(&trunk, vid(0)), trunk.refuses(&guarded, vid(0))), (None, None));
}

#[test]
fn the_customer_vlan_is_below_the_one_admitted_to() {
    let customer = |mode| port(mode, &[]).customer(vid(10), vid(20)).get();
    assert_eq!([Access, Trunk, NativeTagged, Dot1qTunnel].map(customer), [0, 20, 20, 10]);
}

//! What groups can do, and the names of actions that a switch lists by number.
//!
//! # References
//! OpenFlow 1.0.2 §5.2.4 (action types), 1.3.5 §7.2.4, §7.3.5.10.

use core::fmt::Write;

use crate::group::GroupFeatures;
use crate::version::Version;

/// Action types by number: in OpenFlow 1.0, later, and the name; in Open vSwitch's order.
const ACTIONS: [(Option<u16>, Option<u16>, &str); 23] = [
    (Some(0), Some(0), "output"),
    (None, Some(22), "group"),
    (Some(11), None, "enqueue"),
    (None, Some(25), "set_field"),
    (Some(1), None, "set_vlan_vid"),
    (Some(2), None, "set_vlan_pcp"),
    (Some(3), Some(18), "strip_vlan"),
    (None, Some(17), "push_vlan"),
    (Some(4), None, "mod_dl_src"),
    (Some(5), None, "mod_dl_dst"),
    (Some(6), None, "mod_nw_src"),
    (Some(7), None, "mod_nw_dst"),
    (Some(8), None, "mod_nw_tos"),
    (None, Some(23), "mod_nw_ttl"),
    (None, Some(24), "dec_ttl"),
    (Some(9), None, "mod_tp_src"),
    (Some(10), None, "mod_tp_dst"),
    (None, Some(15), "set_mpls_ttl"),
    (None, Some(16), "dec_mpls_ttl"),
    (None, Some(19), "push_mpls"),
    (None, Some(20), "pop_mpls"),
    (None, Some(21), "set_queue"),
    (None, Some(29), "meter"),
];

/// The names of those actions of a list.
pub(super) fn action_list_text(version: Version, has: impl Fn(u16) -> bool) -> String {
    let number = |row: &(Option<u16>, Option<u16>, &'static str)| match version {
        Version::V10 => row.0,
        _ => row.1,
    };
    let known = ACTIONS.iter().filter(|row| number(row).is_some_and(&has));
    let words: Vec<&str> = known.map(|(_, _, name)| *name).collect();
    words.join(" ")
}

/// The names of actions, one bit each.
pub(super) fn actions_text(version: Version, bits: u32) -> String {
    action_list_text(version, |number| number < 32 && bits & 1 << number != 0)
}

pub(super) fn put(text: &mut String, version: Version, features: &GroupFeatures) {
    let GroupFeatures { types, capabilities, max_groups, actions } = features;
    let _ = write!(text, "\n Group table:\n    Types:  {types:#x}\n");
    let _ = writeln!(text, "    Capabilities:  {capabilities:#x}");
    let names = ["all", "select", "indirect", "fast failover"];
    for (kind, name) in names.iter().enumerate().filter(|(kind, _)| types & 1 << kind != 0) {
        let _ = write!(text, "    {name} group:\n       max_groups={:#x}\n", max_groups[kind]);
        let _ = writeln!(text, "       actions: {}", actions_text(version, actions[kind]));
    }
}

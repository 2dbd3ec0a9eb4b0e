//! The action set: what is done at the end of the walk, in an order of its own.
//!
//! # References
//! OpenFlow 1.5.1 §5.6; `lib/ofp-actions.c` of Open vSwitch, `ofpacts_execute_action_set`.

use openflow::text::actions_text;
use openflow::{OfAction, Version};

use super::report::Kind;
use super::state::{Place, Xlate};

/// When an action of a set is done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Slot {
    StripVlan,
    PopMpls,
    PushMpls,
    PushVlan,
    DecTtl,
    DecMplsTtl,
    /// All of them, in order; of the others only the last.
    Set,
    SetQueue,
    /// One of these ends the set, and without one nothing is done at all: the greatest.
    Resubmit,
    Output,
    Group,
    /// Not allowed in a set.
    None,
}

fn slot(action: &OfAction) -> Slot {
    match action {
        OfAction::StripVlan => Slot::StripVlan,
        OfAction::PopMpls(_) => Slot::PopMpls,
        OfAction::PushMpls(_) => Slot::PushMpls,
        OfAction::PushVlan(_) => Slot::PushVlan,
        OfAction::DecTtl(_) => Slot::DecTtl,
        OfAction::DecMplsTtl => Slot::DecMplsTtl,
        OfAction::SetQueue(_) => Slot::SetQueue,
        OfAction::Resubmit { .. } => Slot::Resubmit,
        OfAction::Output { .. }
        | OfAction::OutputReg { .. }
        | OfAction::OutputTrunc { .. }
        | OfAction::Enqueue { .. }
        | OfAction::Controller(_)
        | OfAction::Bundle(_) => Slot::Output,
        OfAction::Group(_) => Slot::Group,
        OfAction::SetField(_)
        | OfAction::SetOption(_)
        | OfAction::Load { .. }
        | OfAction::Move { .. }
        | OfAction::SetVlanVid(_)
        | OfAction::SetVlanPcp(_)
        | OfAction::SetEthSrc(_)
        | OfAction::SetEthDst(_)
        | OfAction::SetIpv4Src(_)
        | OfAction::SetIpv4Dst(_)
        | OfAction::SetIpTos(_)
        | OfAction::SetIpEcn(_)
        | OfAction::SetIpTtl(_)
        | OfAction::SetTpSrc(_)
        | OfAction::SetTpDst(_)
        | OfAction::SetMplsLabel(_)
        | OfAction::SetMplsTc(_)
        | OfAction::SetMplsTtl(_)
        | OfAction::SetTunnel(_)
        | OfAction::SetTunnel64(_) => Slot::Set,
        _ => Slot::None,
    }
}

/// The actions of a set in the order in which they are done.
#[must_use]
pub fn in_order(set: &[OfAction]) -> Vec<OfAction> {
    let mut chosen: Vec<(Slot, &OfAction)> = Vec::new();
    for action in set {
        let slot = slot(action);
        if slot != Slot::Set {
            chosen.retain(|(other, _)| *other != slot);
        }
        chosen.push((slot, action));
    }
    chosen.retain(|(slot, _)| *slot != Slot::None);
    let last = chosen.iter().map(|(slot, _)| *slot).max();
    let Some(last) = last.filter(|slot| *slot >= Slot::Resubmit) else { return Vec::new() };
    chosen.retain(|(slot, _)| *slot < Slot::Resubmit || *slot == last);
    chosen.sort_by_key(|(slot, _)| *slot);
    chosen.into_iter().map(|(_, action)| action.clone()).collect()
}

impl Xlate<'_> {
    /// Does what the action set says, unless the walk goes on later.
    pub(super) fn run_action_set(&mut self) {
        if self.is_frozen() || self.action_set.is_empty() || self.has_failed() {
            return;
        }
        let actions = in_order(&std::mem::take(&mut self.action_set));
        if actions.is_empty() {
            return;
        }
        // As Open vSwitch prints it: within the table that the packet came to first.
        let is_below = self.report.stands_at(Kind::Table);
        if is_below {
            self.report.enter();
        }
        self.report.say(Kind::Table, || "--. Executing action set:".to_owned());
        self.report.enter();
        self.place = Place::ActionSet;
        self.is_exited = false;
        self.is_last = true;
        self.run_list(&actions);
        self.report.leave();
        if is_below {
            self.report.leave();
        }
    }

    /// `write_actions`.
    pub(super) fn write_actions(&mut self, actions: &[OfAction]) {
        self.action_set.extend_from_slice(actions);
        self.say_action_set("is");
    }

    /// `clear_actions`.
    pub(super) fn clear_actions(&mut self) {
        self.say_action_set("was");
        self.action_set.clear();
    }

    fn say_action_set(&mut self, verb: &str) {
        let set = &self.action_set;
        self.report.say(Kind::Detail, || {
            format!("action set {verb}: {}", actions_text(Version::V10, &in_order(set)))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openflow::text::parse_actions;

    fn ordered(text: &str) -> String {
        let actions = in_order(&parse_actions(text).unwrap());
        if actions.is_empty() {
            return String::new();
        }
        actions_text(Version::V10, &actions)
    }

    #[test]
    fn the_order_is_that_of_the_set() {
        let text = "output:1,mod_dl_src:02:00:00:00:00:01,push_vlan:0x8100,strip_vlan,output:2";
        assert_eq!(
            ordered(text),
            "strip_vlan,push_vlan:0x8100,mod_dl_src:02:00:00:00:00:01,output:2"
        );
        assert_eq!(ordered("output:1,group:5"), "group:5");
        assert_eq!(ordered("mod_dl_src:02:00:00:00:00:01"), "");
    }
}

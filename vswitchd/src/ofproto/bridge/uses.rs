//! What actions refer to: ports, groups and meters, also inside of other actions.

use openflow::OfPort;
use openflow::action::{LearnFlags, OfAction};

/// Something that flows use, and go with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Use {
    /// A group.
    Group(u32),
    /// A meter.
    Meter(u32),
}

/// Visits actions, and those inside of them.
fn each(actions: &[OfAction], visit: &mut dyn FnMut(&OfAction)) {
    for action in actions {
        visit(action);
        if let OfAction::Clone(inner) | OfAction::WriteActions(inner) = action {
            each(inner, visit);
        }
    }
}

/// Visits the groups and meters that actions use; one that is used twice may be visited twice.
pub(super) fn each_use(actions: &[OfAction], visit: &mut dyn FnMut(Use)) {
    each(actions, &mut |action| match action {
        OfAction::Group(group) => visit(Use::Group(*group)),
        OfAction::Meter(meter) => visit(Use::Meter(*meter)),
        _ => {}
    });
}

/// Visits the cookies and tables of the flows that go with a flow that has learned them.
pub(super) fn each_learned(actions: &[OfAction], visit: &mut dyn FnMut((u64, u8))) {
    each(actions, &mut |action| match action {
        OfAction::Learn(learn) if learn.flags.contains(LearnFlags::DELETE_LEARNED) => {
            visit((learn.cookie, learn.table));
        }
        _ => {}
    });
}

/// The groups and meters that actions use.
pub(super) fn all(actions: &[OfAction]) -> Vec<Use> {
    let mut uses = Vec::new();
    each_use(actions, &mut |of| uses.push(of));
    uses
}

/// Whether actions send to a port, by its number: what `out_port` asks for.
pub(super) fn outputs_to(actions: &[OfAction], port: OfPort) -> bool {
    let mut found = false;
    each(actions, &mut |action| {
        found |= match action {
            OfAction::Output { port: to, .. } | OfAction::Enqueue { port: to, .. } => *to == port,
            OfAction::Controller(_) => port == OfPort::CONTROLLER,
            _ => false,
        };
    });
    found
}

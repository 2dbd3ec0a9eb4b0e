//! `learn`: a flow made of the packet.
//!
//! # Design
//! What is taken from the packet is looked at, so a cached flow teaches one flow. It is added by the
//! control thread, once for the translation, and refreshed as packets hit the cached flow.
//!
//! # References
//! ovs-actions(7), `learn`; `lib/learn.c` of Open vSwitch, `learn_execute`.

use std::sync::Arc;

use openflow::action::SetField;
use openflow::action::{Learn, LearnDst, LearnFlags, LearnSpec, LearnSrc};
use openflow::flow::{FlowCommand, FlowFlags, FlowMod};
use openflow::{OfAction, OfPort};
use packet::FlowMatch;
use packet::flow::OptionMatch;
use packet::flow::tunnel::{MAX_OPTION_LEN, ones_at, put_bits};

use super::Learned;
use super::report::Kind;
use super::state::Xlate;

impl Xlate<'_> {
    /// `learn`.
    pub(super) fn learn(&mut self, learn: &Learn) {
        let mut flow = FlowMod {
            table: learn.table,
            priority: learn.priority,
            cookie: learn.cookie,
            idle_s: learn.idle_s,
            hard_s: learn.hard_s,
            matching: FlowMatch::ANY,
            ..FlowMod::new(FlowCommand::Add)
        };
        if learn.flags.contains(LearnFlags::SEND_FLOW_REM) {
            flow.flags = FlowFlags::SEND_FLOW_REM;
        }
        for spec in &learn.specs {
            self.learn_part(spec, &mut flow);
        }
        if learn.fin_idle_s != 0 || learn.fin_hard_s != 0 {
            let (idle_s, hard_s) = (learn.fin_idle_s, learn.fin_hard_s);
            flow.actions.push(OfAction::FinTimeout { idle_s, hard_s });
        }
        self.report
            .say(Kind::Detail, || openflow::text::flow_mod_text(openflow::Version::V10, &flow));
        if let Some(dst) = learn.result_dst {
            self.write(dst, 1);
        }
        let bridge = Arc::clone(&self.bridge.name);
        let learned = Learned { bridge, flow, limit: learn.limit };
        self.lessons.push(Arc::new(learned));
    }

    fn learn_part(&mut self, spec: &LearnSpec, flow: &mut FlowMod) {
        let value = match &spec.src {
            LearnSrc::Field(part) => self.read(*part),
            LearnSrc::Value(value) => value.number().unwrap_or(0),
        };
        match spec.dst {
            LearnDst::Match(part) => flow.matching.set_part(part, value),
            LearnDst::Load(part) if let Some(index) = part.field.option() => {
                let (mut bytes, mask) = ([0; MAX_OPTION_LEN], ones_at(part.offset, part.n_bits));
                put_bits(&mut bytes, part.offset, part.n_bits, value);
                let index = u8::try_from(index).unwrap_or(0);
                let option = OptionMatch { index, value: bytes, mask, len: None };
                flow.actions.push(OfAction::SetOption(Box::new(option)));
            }
            LearnDst::Load(part) => {
                let (value, mask) = (value << part.offset & part.mask(), part.mask());
                let set = SetField { field: part.field, value, mask };
                flow.actions.push(OfAction::SetField(set));
            }
            LearnDst::Output => {
                let port = u16::try_from(value).map_or(OfPort::NONE, OfPort);
                let is_port = port < OfPort::MAX
                    || matches!(
                        port,
                        OfPort::IN_PORT
                            | OfPort::FLOOD
                            | OfPort::LOCAL
                            | OfPort::ALL
                            | OfPort::CONTROLLER
                    );
                if is_port {
                    flow.actions.push(OfAction::output(port));
                }
            }
        }
    }
}

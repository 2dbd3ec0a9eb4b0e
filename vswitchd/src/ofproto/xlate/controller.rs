//! Packets for controllers.
//!
//! # Design
//! The datapath hands the packet over with a token; what is said of it (which flow, registers, for
//! whom) is a [`Sending`], kept under that token.

use std::sync::Arc;

use datapath::Action;
use datapath::BridgeId;
use datapath::action::Userspace;
use openflow::OfPort;
use openflow::action::{ControllerReason, ToController};
use packet::flow::FieldId;
use packet::flow::field::N_REGS;
use packet::flow::tunnel::WHOLE;
use packet::{FlowKey, FlowMask, FlowMatch};

use super::freeze::Frozen;
use super::state::Xlate;

/// What is said of a packet to controllers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sending {
    /// The bridge.
    pub bridge: BridgeId,
    /// The port that it seems to have come by.
    pub in_port: OfPort,
    /// Why it is sent.
    pub reason: ControllerReason,
    /// The flow's table.
    pub table: u8,
    /// The flow's cookie; all ones: none.
    pub cookie: u64,
    /// Which controllers.
    pub controller_id: u16,
    /// Bytes of it that are wanted; `None`: as each connection has configured.
    pub max_len: Option<u16>,
    /// Bytes that come along.
    pub userdata: Vec<u8>,
    /// Port, registers, metadata.
    pub metadata: FlowMatch,
    /// The rest of the walk, if the packet waits until the controller gives it back.
    pub paused: Option<Arc<Frozen>>,
}

impl Xlate<'_> {
    /// `controller(…)`.
    pub(super) fn send(&mut self, to: &ToController) {
        let sending = Sending {
            controller_id: to.id,
            max_len: Some(to.max_len),
            userdata: to.userdata.clone(),
            ..self.sending(to.reason)
        };
        let meter = to.meter_id.and_then(|meter| self.bridge.meters.get(&meter)).copied();
        if to.pause {
            // Nothing follows that a meter should not hold back.
            self.commit();
            self.list.extend(meter.map(Action::Meter));
            self.pause = Some(sending);
            return self.freeze();
        }
        let Some(meter) = meter else { return self.hand_over(sending) };
        let list = self.aside(|xlate| {
            xlate.list = vec![Action::Meter(meter)];
            xlate.hand_over(sending);
        });
        self.put_aside(list);
    }

    /// To controllers, at most so many bytes of it.
    pub(super) fn send_some(&mut self, max_len: u16, reason: ControllerReason) {
        let sending = Sending { max_len: Some(max_len), ..self.sending(reason) };
        self.hand_over(sending);
    }

    /// To the controllers of a number, whole.
    pub(super) fn send_for(&mut self, controller_id: u16, reason: ControllerReason) {
        let sending = Sending { controller_id, max_len: Some(u16::MAX), ..self.sending(reason) };
        self.hand_over(sending);
    }

    /// What no flow matches, as each controller has configured.
    pub(super) fn send_miss(&mut self) {
        let sending = self.sending(ControllerReason::NoMatch);
        self.hand_over(Sending { cookie: u64::MAX, ..sending });
    }

    fn sending(&self, reason: ControllerReason) -> Sending {
        let mut told = nonzero_fields(&self.key);
        for (_, slot) in self.bridge.options.iter() {
            if self.key.get(slot.field()) != 0 {
                told.set_option(slot, &WHOLE);
            }
        }
        let mut metadata = FlowMatch::new(&self.key, told).with_options(&self.bridge.options);
        metadata.set(FieldId::InPort, self.in_port().0.into());
        Sending {
            bridge: self.bridge.id,
            in_port: self.in_port(),
            reason,
            table: self.table,
            cookie: self.cookie,
            controller_id: 0,
            max_len: None,
            userdata: Vec::new(),
            metadata,
            paused: None,
        }
    }

    pub(super) fn hand_over(&mut self, sending: Sending) {
        self.commit();
        let max_len = sending.max_len.map_or(u32::MAX, u32::from);
        let max_len = if sending.max_len == Some(u16::MAX) { u32::MAX } else { max_len };
        let (token, kept) = self.input.keeper.keep_sending(sending);
        self.kept.push(kept);
        self.list.push(Action::Userspace(Userspace { token, max_len }));
    }
}

/// The registers and the like that are not zero, each whole.
fn nonzero_fields(key: &FlowKey) -> FlowMask {
    let mut mask = FlowMask::EMPTY;
    let registers = (0..N_REGS).filter_map(FieldId::reg);
    let told = registers.chain([FieldId::Metadata, FieldId::PktMark, FieldId::TunId]);
    told.filter(|field| key.get(*field) != 0).for_each(|field| mask.add_field(field));
    mask
}

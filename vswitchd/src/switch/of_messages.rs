//! OpenFlow messages to bridges, as connections bring them.
//!
//! # Design
//! Messages about flows, groups and meters are the [`Ofproto`](crate::ofproto::bridge::Ofproto)'s,
//! those about ports are [`of_ports`](super::of_ports)', and packets go to the engine. What messages
//! change is published at once for all messages that a connection brought together
//! ([`Switch::flush_openflow`]); a barrier ([`Switch::barrier`]) returns when no packet is handled by
//! anything older.
//!
//! # Thread-safety
//! For the control thread.

use std::sync::Arc;

use openflow::{Message, OfpError, StatsRequest, options};
use packet::flow::OptionTable;

use super::Switch;
use crate::ofproto::notice::{Asker, Notice};

impl Switch {
    /// Does what a message to a bridge asks, and answers. Messages about the connection itself do not
    /// come here: HELLO, ECHO, BARRIER, roles, asynchronous configuration, bundles, monitors,
    /// SET_CONFIG and Nicira's formats are the connection's.
    ///
    /// # Errors
    /// What the message deserves.
    pub fn openflow(
        &mut self,
        bridge: &str,
        by: Asker,
        mut message: Message,
    ) -> Result<Vec<Message>, OfpError> {
        if let Some(state) = self.bridges.get(bridge) {
            options::resolve(&mut message, state.openflow.ofproto.options())?;
        }
        if let Some(answer) = self.of_port_request(bridge, by, &message) {
            return answer;
        }
        match message {
            Message::FlowMod(_)
            | Message::GroupMod(_)
            | Message::MeterMod(_)
            | Message::TableMod(_) => {
                let changed = self.with_flows(bridge, Some(by), |o, cx| o.change(cx, &message));
                changed.unwrap_or(Err(OfpError::BrEperm)).map(|()| Vec::new())
            }
            Message::TlvTableMod(change) => {
                let changed = self.with_flows(bridge, Some(by), |o, _| o.tlv_table_mod(&change));
                changed.unwrap_or(Err(OfpError::BrEperm)).map(|()| Vec::new())
            }
            Message::TlvTableRequest => {
                let state = self.bridges.get(bridge).ok_or(OfpError::BrEperm)?;
                Ok(vec![Message::TlvTableReply(state.openflow.ofproto.tlv_table())])
            }
            Message::PacketOut(packet) => self.packet_out(bridge, &packet).map(|()| Vec::new()),
            Message::Resume(packet) => self.resume(bridge, &packet).map(|()| Vec::new()),
            Message::StatsRequest(request) => {
                self.flush_openflow();
                self.settle_ledgers();
                let now_ns = self.engine.clock().now_ns();
                let state = self.bridges.get_mut(bridge).ok_or(OfpError::BrEperm)?;
                if let StatsRequest::TableFeatures(changes) = &request {
                    state.openflow.ofproto.name_tables(changes)?;
                }
                let reply = state.openflow.ofproto.stats(&self.of.meters, now_ns, &request)?;
                Ok(vec![Message::StatsReply(reply)])
            }
            _ => Err(OfpError::BrBadType),
        }
    }

    /// Does what all messages of a bundle ask, or nothing. Each has its transaction number.
    ///
    /// # Errors
    /// Which one was refused, and what it deserves.
    pub fn openflow_bundle(
        &mut self,
        bridge: &str,
        by: Asker,
        mut messages: Vec<(u32, Message)>,
    ) -> Result<(), (usize, OfpError)> {
        let known = self.options(bridge);
        for (at, (_, message)) in messages.iter_mut().enumerate() {
            options::resolve(message, &known).map_err(|error| (at, error))?;
        }
        let changed = self.with_flows(bridge, Some(by), |o, cx| o.change_all(cx, &messages));
        changed.unwrap_or(Err((0, OfpError::BrEperm)))
    }

    /// Which options of tunnel headers are fields in a bridge.
    #[must_use]
    pub fn options(&self, bridge: &str) -> Arc<OptionTable> {
        let state = self.bridges.get(bridge);
        state.map(|state| Arc::clone(state.openflow.ofproto.options())).unwrap_or_default()
    }

    /// Publishes what messages have changed.
    pub fn flush_openflow(&mut self) {
        let is_dirty = self.bridges.values_mut().any(|state| state.openflow.ofproto.is_dirty());
        if is_dirty && self.publish_view() {
            self.publish_snapshot();
        }
    }

    /// Publishes what messages have changed; when it returns, no packet is handled by anything older.
    pub fn barrier(&mut self) {
        self.flush_openflow();
        self.engine.sync();
    }

    /// What bridges have to tell their connections since this was last asked, in order.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        let ports = self.take_port_notices();
        self.of.notices.extend(ports);
        std::mem::take(&mut self.of.notices)
    }
}

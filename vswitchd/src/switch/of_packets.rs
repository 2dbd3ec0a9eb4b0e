//! Packets between controllers and the datapath, and what packets teach.
//!
//! # Design
//! A packet that flows hand over bears a token, under which is kept what is said of it. A packet that a
//! controller sends is translated here, as if it had come by the port that the controller names, and
//! injected with its actions.
//!
//! # Thread-safety
//! For the control thread.

use std::sync::Arc;

use datapath::action::Handed;
use datapath::engine::Injected;
use datapath::frame::FramePool;
use datapath::view::CONTROL_THREAD;
use datapath::{DropReason, PortNo};
use openflow::flow::NO_BUFFER;
use openflow::packet_io::{PacketIn, PacketOut};
use openflow::{OfPort, OfpError};
use packet::FlowKey;
use packet::flow::FieldId;
use packet::flow::extract::{self, Depth, VlanLimit};

use super::Switch;
use crate::ofproto::handler::settle_in;
use crate::ofproto::notice::{Event, ToControllers};
use crate::ofproto::view::{View, XBridge};
use crate::ofproto::xlate::freeze::Frozen;
use crate::ofproto::xlate::{Learned, Start, Told, XlateIn, translate};

impl Switch {
    /// Takes what flows have handed over, and what packets have taught.
    pub(super) fn take_handed(&mut self) {
        let handed = self.engine.take_handed();
        if !handed.is_empty() {
            let mut pool = FramePool::new(Arc::clone(self.engine.memory()));
            for handed in handed {
                if self.take_packet(&handed).is_none() {
                    self.lose(handed.in_port, DropReason::UserspaceError);
                }
                pool.put(handed.frame);
            }
        }
    }

    /// Has connections told of a packet; `None` if what is said of it is gone.
    fn take_packet(&mut self, handed: &Handed) -> Option<()> {
        let sending = self.of.shared.keeper.sending(handed.token)?;
        let bridge = self.bridges.iter().find(|(_, state)| state.id == sending.bridge);
        let (bridge, _) = bridge?;
        let paused = sending.paused.as_deref();
        let continuation = paused.map(|frozen| frozen.continuation(self.continuation_id(bridge)));
        let packet_in = PacketIn {
            packet: handed.frame.data().to_vec(),
            total_len: u32::try_from(handed.len).unwrap_or(u32::MAX),
            buffer_id: NO_BUFFER,
            reason: sending.reason,
            table: sending.table,
            cookie: sending.cookie,
            metadata: sending.metadata.clone(),
            userdata: sending.userdata.clone(),
            continuation: continuation.map(Box::new),
        };
        let (controller_id, max_len) = (sending.controller_id, sending.max_len);
        let to = ToControllers { packet_in, controller_id, max_len, port: handed.in_port };
        let bridge = bridge.clone();
        self.notify(&bridge, vec![Event::PacketIn(Box::new(to))]);
        Some(())
    }

    /// A packet of a flow that is for controllers: no connection takes it.
    pub fn lose_packet_in(&self, port: PortNo) {
        self.lose(port, DropReason::NoController);
    }

    /// Drops a packet that was handed over: it is given back to the port that received it, so that all
    /// that came still has an end. With a port that is gone, its counters are gone too.
    fn lose(&self, port: PortNo, reason: DropReason) {
        if let Some(port) = self.port_of_no(port) {
            let counters = port.state.stats.of(CONTROL_THREAD);
            counters.injected.add(1);
            counters.drop_rx(reason, 1);
        }
    }

    /// Takes what packets have taught. To be called when [`Switch::lessons_fd`] is readable.
    pub fn on_lessons(&mut self) {
        let lessons = self.of.shared.lessons.take();
        self.learn(&lessons);
        self.flush_openflow();
    }

    /// Readable when packets have taught something.
    #[must_use]
    pub fn lessons_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(self.of.shared.lessons.wake())
    }

    /// Credits what the datapath has counted up to now.
    pub(super) fn settle_ledgers(&mut self) {
        let taught = self.of.shared.settle(self.engine.clock().now_ns());
        self.learn(&taught);
    }

    fn learn(&mut self, lessons: &[Arc<Learned>]) {
        for learned in lessons {
            let changed = self.with_flows(&learned.bridge, None, |ofproto, cx| {
                ofproto.learn(cx, &learned.flow, learned.limit)
            });
            if let Some(Err(error)) = changed {
                tracing::warn!(target: "ofproto", "bridge {}: learn: {error:?}", learned.bridge);
            }
        }
    }

    /// Sends a packet of a controller.
    pub(super) fn packet_out(&mut self, bridge: &str, packet: &PacketOut) -> Result<(), OfpError> {
        if packet.buffer_id != NO_BUFFER {
            return Err(OfpError::BrBufferUnknown);
        }
        self.flush_openflow();
        let view = self.of.shared.publisher.current();
        let state = self.bridges.get(bridge).ok_or(OfpError::BrEperm)?;
        let xbridge = view.bridge(state.id).ok_or(OfpError::BrEperm)?;
        let mut key = FlowKey::EMPTY;
        extract::headers(&packet.packet, Depth::L4, VlanLimit::Two, &mut key);
        key.overwrite(packet.metadata.key(), packet.metadata.mask());
        key.set(FieldId::InPortOxm, packet.in_port().to_wide().into());
        openflow::action::check(&packet.actions, &packet_match(&key), u8::MAX)?;
        state.openflow.ofproto.check_uses(&packet.actions)?;
        let sent = Sent { packet: &packet.packet, in_port: packet.in_port(), key: &key };
        self.send(&view, xbridge, &sent, Start::Actions(&packet.actions));
        Ok(())
    }

    /// Goes on with a packet that waited for its controller.
    pub(super) fn resume(&mut self, bridge: &str, packet: &PacketIn) -> Result<(), OfpError> {
        self.flush_openflow();
        let view = self.of.shared.publisher.current();
        let state = self.bridges.get(bridge).ok_or(OfpError::BrEperm)?;
        let xbridge = view.bridge(state.id).ok_or(OfpError::BrEperm)?;
        let rest = packet.continuation.as_deref().ok_or(OfpError::NxrStale)?;
        if rest.bridge != self.continuation_id(bridge) {
            return Err(OfpError::NxrStale);
        }
        let mut key = FlowKey::EMPTY;
        extract::headers(&packet.packet, Depth::L4, VlanLimit::Two, &mut key);
        key.overwrite(packet.metadata.key(), packet.metadata.mask());
        key.set(FieldId::InPortOxm, packet.in_port().to_wide().into());
        let lists = rest.rest.iter().map(|rest| (&rest.actions, rest.table));
        for (actions, table) in lists.chain([(&rest.action_set, u8::MAX)]) {
            openflow::action::check(actions, &packet_match(&key), table)?;
        }
        let frozen = Frozen::resumed(&packet.metadata, rest);
        let sent = Sent { packet: &packet.packet, in_port: packet.in_port(), key: &key };
        self.send(&view, xbridge, &sent, Start::Frozen(&frozen));
        Ok(())
    }

    /// Names a bridge in what controllers give back: it is another one after it was removed, or after a
    /// restart.
    fn continuation_id(&self, bridge: &str) -> [u8; 16] {
        let dpid = self.config.bridges.get(bridge).map_or(0, |b| self.datapath_id(bridge, b));
        let id = u128::from(self.of.seed) << 64 | u128::from(dpid);
        id.to_be_bytes()
    }

    /// Translates a packet of a controller, and sends it.
    fn send(&mut self, view: &View, bridge: &Arc<XBridge>, sent: &Sent<'_>, start: Start<'_>) {
        let out = translate(&XlateIn {
            view,
            version: self.of.version,
            bridge,
            key: sent.key,
            start,
            keeper: &self.of.shared.keeper,
            told: Told::No,
        });
        let ports = &bridge.ports;
        let port = ports.get(&sent.in_port).or_else(|| ports.get(&OfPort::LOCAL));
        let in_port: Option<PortNo> = port.or_else(|| ports.values().next()).map(|port| port.no);
        let outcome = settle_in(&self.of.ledger, &self.of.shared.lessons, out);
        if let Some(in_port) = in_port {
            if let Some(counts) = &outcome.counts {
                let now_ns = self.engine.clock().now_ns();
                counts.add(1, sent.packet.len() as u64, 0, now_ns);
            }
            let bytes = sent.packet.to_vec();
            self.engine.inject(Injected { in_port, bytes, actions: Some(outcome.actions) });
        }
    }
}

/// A packet that a controller sends.
struct Sent<'a> {
    packet: &'a [u8],
    in_port: OfPort,
    key: &'a FlowKey,
}

/// A match that demands everything that a packet has.
fn packet_match(key: &FlowKey) -> packet::FlowMatch {
    let mut mask = packet::FlowMask::EMPTY;
    mask.add_words(key.nonzero());
    packet::FlowMatch::new(key, mask)
}

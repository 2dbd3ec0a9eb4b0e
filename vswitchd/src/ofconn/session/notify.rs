//! What happened to a bridge, as this connection is told of it.
//!
//! # Design
//! Packets are sent whole: none is kept in the switch, and then the specification wants it so, whatever
//! `max_len` or `miss_send_len` is; Open vSwitch does the same. One that is longer than a message is cut,
//! unless the peer may give it back to go on: that is lost instead, and counted.
//!
//! # References
//! OpenFlow 1.3.5 §7.4; Open vSwitch's "Asynchronous Messages" in `topics/design`.

use openflow::control::AsyncKind;
use openflow::flow::{FlowStats, FlowUpdate, MonitorRequest};
use openflow::nicira::PacketInFormat;
use openflow::{Codec, Message, OfpError, StatsReply, StatsRequest, Version};

use super::{Session, Side, Told, Turn};
use crate::ofconn::monitors;
use crate::ofproto::notice::{Asker, Event, ToControllers};

/// Bytes of a packet that a message has room for, beside what is said about it.
const MAX_PACKET_LEN: usize = 63 << 10;

/// A message that is sent unasked.
#[derive(PartialEq, Debug)]
pub enum Unasked {
    /// One that must not be lost.
    Message(Vec<u8>),
    /// A packet, of which a slow peer loses some.
    Packet(Vec<u8>),
    /// A packet that no message has room for, with what goes along. It is lost.
    TooLong,
}

impl Session {
    /// What the peer is told of what happened; `None` if it does not want to know, or later.
    pub fn notify(&mut self, told: &Told) -> Option<Unasked> {
        let codec = self.codec?;
        if let Event::Flow(event) = &told.notice.event {
            if self.monitors.is_empty() {
                return None;
            }
            let before = self.monitors.tell(event, self.id);
            return updates(&codec, before).map(Unasked::Message);
        }
        // A tool gets nothing unasked until it asks for packets.
        if self.side != Side::Controller && self.miss_send_len == 0 {
            return None;
        }
        match &told.notice.event {
            Event::PacketIn(packet) => self.packet_in(&codec, packet),
            Event::FlowRemoved(removed) => {
                self.wants(AsyncKind::FlowRemoved, removed.reason as u32)?;
                message(&codec, &Message::FlowRemoved(removed.clone()))
            }
            Event::PortStatus(status) => {
                self.wants(AsyncKind::PortStatus, status.reason as u32)?;
                // Who changed a port knows it, until OpenFlow 1.5.
                if told.by == Some(self.id) && codec.version < Version::V15 {
                    return None;
                }
                message(&codec, &Message::PortStatus(status.as_ref().clone()))
            }
            Event::TableStatus(status) => {
                self.wants(AsyncKind::TableStatus, status.reason.into())?;
                message(&codec, &Message::TableStatus(**status))
            }
            Event::Flow(_) => None,
        }
    }

    /// What monitors were told and was kept back for what belongs to it.
    pub fn settle_updates(&mut self) -> Vec<u8> {
        let Some(codec) = self.codec else { return Vec::new() };
        updates(&codec, self.monitors.take()).unwrap_or_default()
    }

    /// The peer does not read: monitors pause. What says so, if there are monitors that work.
    pub fn pause(&mut self) -> Vec<u8> {
        let Some(codec) = self.codec else { return Vec::new() };
        if self.monitors.is_empty() || self.monitors.is_paused() {
            return Vec::new();
        }
        let mut bytes = self.settle_updates();
        self.monitors.pause();
        bytes.extend(mark(&codec, FlowUpdate::Paused, &Message::FlowMonitorPaused));
        bytes
    }

    /// Whether monitors pause.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.monitors.is_paused()
    }

    /// The peer has read everything: monitors go on. What they missed.
    pub fn resume(&mut self, turn: &mut Turn<'_>) -> Vec<u8> {
        let Some(codec) = self.codec else { return Vec::new() };
        let by = self.asker(&codec, 0);
        let bridge = &self.bridge;
        let missed = self.monitors.resume(|monitor| dump(turn, bridge, by, monitor));
        let mut bytes = updates(&codec, missed).unwrap_or_default();
        bytes.extend(mark(&codec, FlowUpdate::Resumed, &Message::FlowMonitorResumed));
        bytes
    }

    /// Serves a request for monitors: the flows that are there, for those that ask for them.
    pub(super) fn flow_monitor(
        &mut self,
        codec: &Codec,
        xid: u32,
        requests: Vec<MonitorRequest>,
        turn: &mut Turn<'_>,
    ) -> Result<Message, OfpError> {
        // What happened before is told before.
        turn.collect(None);
        let new = self.monitors.request(requests)?;
        let by = self.asker(codec, xid);
        let flows = monitors::initial(&new, |monitor| dump(turn, &self.bridge, by, monitor));
        Ok(Message::StatsReply(StatsReply::FlowMonitor(flows)))
    }

    fn wants(&self, kind: AsyncKind, reason: u32) -> Option<()> {
        self.wanted.has(self.role, kind, reason).then_some(())
    }

    fn packet_in(&self, codec: &Codec, packet: &ToControllers) -> Option<Unasked> {
        if packet.controller_id != self.controller_id {
            return None;
        }
        self.wants(AsyncKind::PacketIn, packet.packet_in.reason as u32)?;
        let mut packet_in = Box::new(packet.packet_in.clone());
        // One that comes back and goes on must not have been cut.
        let comes_back =
            packet_in.continuation.is_some() && self.packet_in_format == PacketInFormat::Nxt2;
        if packet_in.packet.len() > MAX_PACKET_LEN && !comes_back {
            // A segment that is yet to be cut may be longer than a message.
            packet_in.packet.truncate(MAX_PACKET_LEN);
        }
        let message = match self.packet_in_format {
            PacketInFormat::Nxt2 => Message::PacketIn2(packet_in),
            PacketInFormat::Nxt => Message::PacketInNxt(packet_in),
            PacketInFormat::Standard => Message::PacketIn(packet_in),
        };
        Some(codec.encode(0, &message).map_or(Unasked::TooLong, Unasked::Packet))
    }
}

fn message(codec: &Codec, message: &Message) -> Option<Unasked> {
    codec.encode(0, message).ok().map(Unasked::Message)
}

fn updates(codec: &Codec, updates: Vec<FlowUpdate>) -> Option<Vec<u8>> {
    if updates.is_empty() {
        return None;
    }
    codec.encode(0, &Message::StatsReply(StatsReply::FlowMonitor(updates))).ok()
}

/// Says that monitors pause or go on: an update since OpenFlow 1.4, a message before.
fn mark(codec: &Codec, update: FlowUpdate, before: &Message) -> Vec<u8> {
    let message = if codec.version >= Version::V14 {
        &Message::StatsReply(StatsReply::FlowMonitor(vec![update]))
    } else {
        before
    };
    codec.encode(0, message).unwrap_or_default()
}

/// The flows that a monitor watches, as they are now.
fn dump(turn: &mut Turn<'_>, bridge: &str, by: Asker, monitor: &MonitorRequest) -> Vec<FlowStats> {
    let request = StatsRequest::Flow(Box::new(monitors::watched(monitor)));
    let replies = turn.bridges.openflow(bridge, by, Message::StatsRequest(request));
    let flows = |reply| match reply {
        Message::StatsReply(StatsReply::Flow(flows)) => flows,
        _ => Vec::new(),
    };
    replies.unwrap_or_default().into_iter().flat_map(flows).collect()
}

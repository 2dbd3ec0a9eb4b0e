//! What happened to a bridge, as this connection is told of it.
//!
//! # Design
//! Packets are sent whole: none is kept in the switch, and then the specification wants it so, whatever
//! `max_len` or `miss_send_len` is; Open vSwitch does the same.
//!
//! # References
//! OpenFlow 1.3.5 §7.4; Open vSwitch's "Asynchronous Messages" in `topics/design`.

use openflow::control::AsyncKind;
use openflow::nicira::PacketInFormat;
use openflow::{Codec, Message, Version};

use super::{Session, Side, Told};
use crate::ofproto::notice::{Event, ToControllers};

/// A message that is sent unasked.
#[derive(PartialEq, Debug)]
pub enum Unasked {
    /// One that must not be lost.
    Message(Vec<u8>),
    /// A packet, of which a slow peer loses some.
    Packet(Vec<u8>),
}

impl Session {
    /// What the peer is told of what happened; `None` if it does not want to know.
    #[must_use]
    pub fn notify(&self, told: &Told) -> Option<Unasked> {
        let codec = self.codec?;
        // A tool gets nothing unasked until it asks for packets.
        if self.side == Side::Service && self.miss_send_len == 0 {
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
            Event::Flow(_) => None,
        }
    }

    fn wants(&self, kind: AsyncKind, reason: u32) -> Option<()> {
        self.wanted.has(self.role, kind, reason).then_some(())
    }

    fn packet_in(&self, codec: &Codec, packet: &ToControllers) -> Option<Unasked> {
        if packet.controller_id != self.controller_id {
            return None;
        }
        self.wants(AsyncKind::PacketIn, packet.packet_in.reason as u32)?;
        let packet_in = Box::new(packet.packet_in.clone());
        let message = match self.packet_in_format {
            PacketInFormat::Nxt2 => Message::PacketIn2(packet_in),
            PacketInFormat::Standard | PacketInFormat::Nxt => Message::PacketIn(packet_in),
        };
        codec.encode(0, &message).ok().map(Unasked::Packet)
    }
}

fn message(codec: &Codec, message: &Message) -> Option<Unasked> {
    codec.encode(0, message).ok().map(Unasked::Message)
}

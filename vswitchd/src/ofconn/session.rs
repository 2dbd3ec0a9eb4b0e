//! What a connection has agreed on, and what its messages do.
//!
//! # Design
//! A session takes one message at a time and gives its [`Answer`]. Messages about the connection are
//! served here; those about the bridge go to [`Bridges`]. What happened to the bridge meanwhile comes
//! back as notices, of which [`Session::notify`] makes the messages that this connection wants.
//!
//! # References
//! OpenFlow 1.3.5 §6.3, §7.3; `nicira-ext.h`; Open vSwitch's choice where these leave one.

mod control;
mod hello;
mod notify;

use std::sync::Arc;
use std::time::Instant;

use openflow::control::{RoleMessage, RoleStatus};
use openflow::kind::Form;
use openflow::nicira::PacketInFormat;
use openflow::raw::Raw;
use openflow::{Codec, Message, OfpError, StatsRequest, Version, Versions};

pub use notify::Unasked;
pub use openflow::control::Role;

use super::bridges::Bridges;
use super::bundles::Bundles;
use super::monitors::Monitors;
use super::parts::Parts;
use super::wanted::Wanted;
use crate::ofproto::notice::{Asker, ConnId, Notice};

/// `miss_send_len` of a controller that has not said another (OFP_DEFAULT_MISS_SEND_LEN).
pub const DEFAULT_MISS_SEND_LEN: u16 = 128;

/// Who opened the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The switch: to a controller of the configuration.
    Controller,
    /// The peer: a tool, or a controller that comes by itself.
    Service,
    /// The peer, which sees what goes to controllers and comes from them, and says nothing.
    Snooper,
}

/// What the connections of a bridge share.
#[derive(Default, Debug)]
pub struct Shared {
    /// Of the last election of a primary controller.
    pub generation_id: Option<u64>,
    /// Who has become primary: the others are to be told.
    pub claimed: Option<ConnId>,
}

/// What happened, and the connection whose PORT_MOD did it.
#[derive(Clone, Debug)]
pub struct Told {
    /// What happened.
    pub notice: Notice,
    /// By whom.
    pub by: Option<ConnId>,
}

/// Where a message is served.
pub struct Turn<'a> {
    /// The bridges.
    pub bridges: &'a mut dyn Bridges,
    /// Of the connection's bridge.
    pub shared: &'a mut Shared,
    /// What is to be told to every connection.
    pub told: Vec<Told>,
    /// The time.
    pub now: Instant,
}

impl Turn<'_> {
    /// Takes the notices that are there.
    fn collect(&mut self, by: Option<ConnId>) {
        let notices = self.bridges.take_notices();
        self.told.extend(notices.into_iter().map(|notice| Told { notice, by }));
    }
}

/// What is sent for a message.
#[derive(PartialEq, Debug)]
pub enum Answer {
    /// This, which may be nothing.
    Now(Vec<u8>),
    /// This, when all notices of what came before are delivered.
    Settled(Vec<u8>),
    /// This; then the connection ends.
    Last(Vec<u8>),
}

/// A connection's side of the protocol.
#[derive(Debug)]
pub struct Session {
    id: ConnId,
    bridge: Arc<str>,
    side: Side,
    allowed: Versions,
    /// `None` until the peer has said HELLO.
    codec: Option<Codec>,
    role: Role,
    wanted: Wanted,
    miss_send_len: u16,
    packet_in_format: PacketInFormat,
    controller_id: u16,
    bundles: Bundles,
    parts: Parts,
    monitors: Monitors,
}

impl Session {
    /// A connection to a bridge that has just been made.
    #[must_use]
    pub fn new(id: ConnId, bridge: Arc<str>, side: Side, allowed: Versions) -> Session {
        let miss_send_len = match side {
            Side::Controller => DEFAULT_MISS_SEND_LEN,
            Side::Service | Side::Snooper => 0,
        };
        Session {
            id,
            bridge,
            side,
            allowed,
            codec: None,
            role: Role::Equal,
            wanted: Wanted::default(),
            miss_send_len,
            packet_in_format: PacketInFormat::Standard,
            controller_id: 0,
            bundles: Bundles::default(),
            parts: Parts::default(),
            monitors: Monitors::default(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// The bridge.
    #[must_use]
    pub fn bridge(&self) -> &Arc<str> {
        &self.bridge
    }

    /// Who opened it.
    #[must_use]
    pub fn side(&self) -> Side {
        self.side
    }

    /// The version, once it is agreed on.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.codec.map(|codec| codec.version)
    }

    /// What the peer may do.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Serves a whole message.
    pub fn handle(&mut self, message: &[u8], turn: &mut Turn<'_>) -> Answer {
        if self.side == Side::Snooper {
            return Answer::Now(Vec::new());
        }
        let Some(codec) = self.codec else { return self.greeted(message) };
        match self.serve(&codec, message, turn) {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!("{}: {error} in answer to a message", self.bridge);
                Answer::Now(in_version_of(&codec, message).encode_error(error, message))
            }
        }
    }

    /// What a stream gets in which no next message can be found.
    #[must_use]
    pub fn broken(&self, rest: &[u8]) -> Vec<u8> {
        let error = |codec: Codec| codec.encode_error(OfpError::BrBadLen, rest);
        self.codec.map(error).unwrap_or_default()
    }

    /// What asks the peer whether it lives.
    #[must_use]
    pub fn probe(&self) -> Vec<u8> {
        let probe = Message::EchoRequest(Vec::new());
        self.codec.and_then(|codec| codec.encode(0, &probe).ok()).unwrap_or_default()
    }

    /// Forgets what has been left alone too long; the errors that tell of it.
    pub fn expire(&mut self, now: Instant) -> Vec<u8> {
        let Some(codec) = self.codec else { return Vec::new() };
        let bundles = self.bundles.expire(now).into_iter().map(|head| (OfpError::BfTimeout, head));
        let late = OfpError::BrMultipartRequestTimeout;
        let parts = self.parts.expire(now).into_iter().map(|head| (late, head));
        bundles.chain(parts).flat_map(|(error, head)| codec.encode_error(error, &head)).collect()
    }

    /// Another connection has become primary.
    pub fn demote(&mut self, generation_id: Option<u64>) -> Vec<u8> {
        if self.role != Role::Primary {
            return Vec::new();
        }
        self.role = Role::Secondary;
        let generation_id = generation_id.unwrap_or(u64::MAX);
        let status = RoleStatus { role: Role::Secondary, reason: 0, generation_id };
        match self.codec {
            Some(codec) if codec.version >= Version::V14 => {
                codec.encode(0, &Message::RoleStatus(status)).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// The generation as a ROLE_REPLY tells it.
    fn role_reply(&self, shared: &Shared) -> Message {
        Message::RoleReply(RoleMessage { role: self.role, generation_id: shared.generation_id })
    }

    fn serve(
        &mut self,
        codec: &Codec,
        bytes: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<Answer, OfpError> {
        let decoded = codec.decode(bytes)?;
        let xid = decoded.xid;
        let Some(message) = self.parts.join(decoded, head(bytes), turn.now)? else {
            return Ok(Answer::Now(Vec::new()));
        };
        if self.role == Role::Secondary && is_change(&message) {
            return Err(OfpError::BrIsSecondary);
        }
        match message {
            Message::BarrierRequest => {
                turn.bridges.barrier();
                turn.collect(None);
                Ok(Answer::Settled(codec.encode(xid, &Message::BarrierReply)?))
            }
            Message::BundleControl(control) => self.bundle_control(codec, bytes, control, turn),
            Message::StatsRequest(StatsRequest::FlowMonitor(mut requests)) => {
                let known = turn.bridges.options(&self.bridge);
                for request in &mut requests {
                    openflow::options::resolve_match(&mut request.matching, &known)?;
                }
                let reply = self.flow_monitor(codec, xid, requests, turn)?;
                Ok(Answer::Settled(codec.encode(xid, &reply)?))
            }
            message if is_of_connection(&message) => {
                let reply = self.of_connection(codec, bytes, message, turn)?;
                let bytes = reply.map(|reply| codec.encode(xid, &reply)).transpose()?;
                Ok(Answer::Now(bytes.unwrap_or_default()))
            }
            message if is_for_bridge(&message) => self.of_bridge(codec, bytes, message, turn),
            Message::StatsReply(_) => Err(OfpError::BrBadStat),
            _ => Err(OfpError::BrBadType),
        }
    }

    fn asker(&self, codec: &Codec, xid: u32) -> Asker {
        Asker { conn: self.id, version: codec.version, xid }
    }

    fn of_bridge(
        &mut self,
        codec: &Codec,
        bytes: &[u8],
        message: Message,
        turn: &mut Turn<'_>,
    ) -> Result<Answer, OfpError> {
        let raw = Raw::parse(bytes)?;
        let is_port_mod = matches!(message, Message::PortMod(_));
        if is_port_mod {
            turn.collect(None);
        }
        let by = self.asker(codec, raw.xid);
        let replies = turn.bridges.openflow(&self.bridge, by, message);
        if is_port_mod {
            turn.collect(Some(self.id));
        }
        let reply_codec = in_form(codec, raw.form);
        let mut answer = Vec::new();
        for reply in replies? {
            answer.extend(reply_codec.encode(raw.xid, &reply)?);
        }
        Ok(Answer::Now(answer))
    }
}

/// The start of a message, as an error gives it back.
fn head(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(openflow::error::MAX_ERROR_DATA_LEN)]
}

/// An error has the version of what it is about.
fn in_version_of(codec: &Codec, message: &[u8]) -> Codec {
    let number = message.first().copied().unwrap_or(0);
    let version = Version::from_wire(number).unwrap_or(codec.version);
    Codec { version, ..*codec }
}

/// A reply about flows has the form of its request.
fn in_form(codec: &Codec, form: Form) -> Codec {
    use openflow::codec::FlowFormat;
    let nicira = form == Form::NiciraStats;
    let flow_format = if nicira { FlowFormat::Nxm } else { FlowFormat::OpenFlow10 };
    Codec { flow_format, ..*codec }
}

/// What a secondary controller must not do.
fn is_change(message: &Message) -> bool {
    match message {
        Message::FlowMod(_)
        | Message::GroupMod(_)
        | Message::MeterMod(_)
        | Message::PortMod(_)
        | Message::TableMod(_)
        | Message::PacketOut(_)
        | Message::Resume(_)
        | Message::TlvTableMod(_)
        | Message::BundleControl(_)
        | Message::BundleAdd(_) => true,
        Message::StatsRequest(StatsRequest::TableFeatures(entries)) => !entries.is_empty(),
        _ => false,
    }
}

/// What [`Session::of_connection`] serves.
fn is_of_connection(message: &Message) -> bool {
    matches!(
        message,
        Message::Hello(_)
            | Message::Error(_)
            | Message::EchoRequest(_)
            | Message::EchoReply(_)
            | Message::GetConfigRequest
            | Message::SetConfig(_)
            | Message::RoleRequest(_)
            | Message::GetAsyncRequest
            | Message::SetAsync(_)
            | Message::SetAsync2(_)
            | Message::BundleAdd(_)
            | Message::SetFlowFormat(_)
            | Message::FlowModTableId(_)
            | Message::SetPacketInFormat(_)
            | Message::FlowAge
            | Message::SetControllerId(_)
            | Message::FlowMonitorCancel(_)
    )
}

/// What [`Bridges::openflow`] serves.
fn is_for_bridge(message: &Message) -> bool {
    matches!(
        message,
        Message::FeaturesRequest
            | Message::PacketOut(_)
            | Message::Resume(_)
            | Message::QueueConfigRequest(_)
            | Message::FlowMod(_)
            | Message::GroupMod(_)
            | Message::MeterMod(_)
            | Message::PortMod(_)
            | Message::TableMod(_)
            | Message::StatsRequest(_)
            | Message::TlvTableMod(_)
            | Message::TlvTableRequest
    )
}

#[cfg(test)]
pub(super) mod tests;

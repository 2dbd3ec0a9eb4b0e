//! Messages about the connection itself: configuration, roles, formats, bundles.
//!
//! # References
//! OpenFlow 1.3.5 §6.3.6 (roles), §7.3.2 (configuration); 1.4.1 §7.3.9 (bundles); `nicira-ext.h`.

use openflow::bundle::{BundleAdd, BundleControl, BundleFlags, BundleStep};
use openflow::control::RoleMessage;
use openflow::raw::Raw;
use openflow::switch::{FragHandling, SwitchConfig};
use openflow::{Codec, Message, OfpError, options};

use super::{Answer, DEFAULT_MISS_SEND_LEN, Role, Session, Shared, Side, Turn, head};
use crate::ofconn::bundles::Committed;

impl Session {
    /// Serves a message about the connection; its reply, if it has one.
    pub(super) fn of_connection(
        &mut self,
        codec: &Codec,
        bytes: &[u8],
        message: Message,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Message>, OfpError> {
        match message {
            Message::EchoRequest(data) => return Ok(Some(Message::EchoReply(data))),
            Message::Error(error) => {
                // An error is not answered: it might go on for ever.
                let name = error.error(codec.version).map_or("an unknown error", OfpError::name);
                tracing::debug!("{}: the peer says {name}", self.bridge);
            }
            Message::GetConfigRequest => return Ok(Some(self.config_reply(turn))),
            Message::SetConfig(config) => self.set_config(config, turn),
            Message::RoleRequest(request) => {
                return self.role_request(request, turn.shared).map(Some);
            }
            Message::GetAsyncRequest => {
                return Ok(Some(Message::GetAsyncReply(self.wanted.told(codec.version))));
            }
            Message::SetAsync(asked) | Message::SetAsync2(asked) => {
                self.wanted.set(codec.version, &asked)?;
                if self.side == Side::Service && self.miss_send_len == 0 {
                    self.miss_send_len = DEFAULT_MISS_SEND_LEN;
                }
            }
            Message::BundleAdd(add) => self.bundle_add(codec, &add, bytes, turn)?,
            Message::SetFlowFormat(flow_format) => {
                self.codec = Some(Codec { flow_format, ..*codec });
            }
            Message::FlowModTableId(table_ids) => self.codec = Some(Codec { table_ids, ..*codec }),
            Message::SetPacketInFormat(format) => self.packet_in_format = format,
            Message::SetControllerId(id) => self.controller_id = id,
            Message::FlowMonitorCancel(id) => self.monitors.cancel(id)?,
            _ => {}
        }
        Ok(None)
    }

    fn config_reply(&self, turn: &Turn<'_>) -> Message {
        Message::GetConfigReply(SwitchConfig {
            frag: turn.bridges.frag_handling(&self.bridge),
            invalid_ttl_to_controller: false,
            miss_send_len: self.miss_send_len,
        })
    }

    fn set_config(&mut self, config: SwitchConfig, turn: &mut Turn<'_>) {
        // The bridge's part is not for those that may only look; nobody puts fragments together here.
        if self.role != Role::Secondary && config.frag != FragHandling::Reassemble {
            turn.bridges.set_frag_handling(&self.bridge, config.frag);
        }
        self.miss_send_len = config.miss_send_len;
    }

    fn role_request(
        &mut self,
        request: RoleMessage,
        shared: &mut Shared,
    ) -> Result<Message, OfpError> {
        if let Some(id) = request.generation_id {
            // A distance of more than half the circle is a step back.
            let is_stale =
                shared.generation_id.is_some_and(|known| id.wrapping_sub(known) > u64::MAX / 2);
            if is_stale {
                return Err(OfpError::RrfStale);
            }
            shared.generation_id = Some(id);
        }
        if request.role != Role::NoChange {
            if request.role == Role::Primary && self.role != Role::Primary {
                shared.claimed = Some(self.id);
            }
            self.role = request.role;
        }
        Ok(self.role_reply(shared))
    }

    fn bundle_add(
        &mut self,
        codec: &Codec,
        add: &BundleAdd,
        bytes: &[u8],
        turn: &Turn<'_>,
    ) -> Result<(), OfpError> {
        let mut inner = codec.decode(&add.message)?;
        options::resolve(&mut inner.message, &turn.bridges.options(&self.bridge))?;
        match inner.message {
            Message::FlowMod(_)
            | Message::GroupMod(_)
            | Message::PortMod(_)
            | Message::PacketOut(_) => {}
            _ => return Err(OfpError::BfMsgUnsup),
        }
        self.bundles.add(add, head(bytes), turn.now)
    }

    pub(super) fn bundle_control(
        &mut self,
        codec: &Codec,
        bytes: &[u8],
        asked: BundleControl,
        turn: &mut Turn<'_>,
    ) -> Result<Answer, OfpError> {
        let xid = Raw::parse(bytes)?.xid;
        let reply = |step| {
            let done = BundleControl { id: asked.id, step, flags: BundleFlags::default() };
            codec.encode(xid, &Message::BundleControl(done))
        };
        match asked.step {
            BundleStep::OpenRequest => {
                self.bundles.open(asked, head(bytes), turn.now)?;
                reply(BundleStep::OpenReply).map(Answer::Now)
            }
            BundleStep::CloseRequest => {
                self.bundles.close(asked, turn.now)?;
                reply(BundleStep::CloseReply).map(Answer::Now)
            }
            BundleStep::DiscardRequest => {
                self.bundles.discard(asked)?;
                reply(BundleStep::DiscardReply).map(Answer::Now)
            }
            BundleStep::CommitRequest => {
                let bundle = self.bundles.commit(asked)?;
                let answer = match self.commit(codec, &bundle, turn) {
                    Ok(()) => reply(BundleStep::CommitReply)?,
                    Err((at, error)) => {
                        // First the message that failed, then the request.
                        let offender = bundle.raw().nth(at).unwrap_or_default();
                        let mut both = codec.encode_error(error, offender);
                        both.extend(codec.encode_error(OfpError::BfMsgFailed, bytes));
                        both
                    }
                };
                turn.collect(None);
                Ok(Answer::Settled(answer))
            }
            BundleStep::OpenReply
            | BundleStep::CloseReply
            | BundleStep::CommitReply
            | BundleStep::DiscardReply => Err(OfpError::BfBadType),
        }
    }

    fn commit(
        &self,
        codec: &Codec,
        bundle: &Committed,
        turn: &mut Turn<'_>,
    ) -> Result<(), (usize, OfpError)> {
        let messages = bundle.read(codec)?;
        let is_port_mod = |(_, message): &(u32, Message)| matches!(message, Message::PortMod(_));
        let Some(first) = messages.iter().position(is_port_mod) else {
            let by = self.asker(codec, 0);
            return turn.bridges.openflow_bundle(&self.bridge, by, messages);
        };
        // A port is changed in the kernel, which knows no bundles.
        if bundle.flags.contains(BundleFlags::ATOMIC) {
            return Err((first, OfpError::BfMsgFailed));
        }
        let mut run = Vec::new();
        for (at, (xid, message)) in messages.into_iter().enumerate() {
            if !matches!(message, Message::PortMod(_)) {
                run.push((xid, message));
                continue;
            }
            self.commit_run(codec, at, &mut run, turn)?;
            let by = self.asker(codec, xid);
            turn.collect(None);
            let changed = turn.bridges.openflow(&self.bridge, by, message);
            turn.collect(Some(self.id));
            changed.map_err(|error| (at, error))?;
        }
        let n = bundle.raw().count();
        self.commit_run(codec, n, &mut run, turn)
    }

    /// Obeys the messages before number `end` that are none of PORT_MOD.
    fn commit_run(
        &self,
        codec: &Codec,
        end: usize,
        run: &mut Vec<(u32, Message)>,
        turn: &mut Turn<'_>,
    ) -> Result<(), (usize, OfpError)> {
        if run.is_empty() {
            return Ok(());
        }
        let start = end - run.len();
        let by = self.asker(codec, 0);
        let done = turn.bridges.openflow_bundle(&self.bridge, by, std::mem::take(run));
        done.map_err(|(at, error)| (start + at, error))
    }
}

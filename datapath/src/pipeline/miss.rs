//! Frames without a flow, and frames whose flow is stale.
//!
//! # Design
//! A stale flow is first asked whether what it depends on has changed. If not, it gets the new version
//! and nothing else happens: tables that it does not consult cost it a comparison. If so, it is
//! translated again with the frame that found it, and what it was is replaced in place, so that no
//! packet is lost over a change; that is no upcall by the sender's doing, and is not limited.

use std::sync::Arc;

use packet::flow::FieldId;

use super::flows::{CachedFlow, Flows, Found, From, tcp_flags};
use crate::action::{Actions, Executor};
use crate::batch::Batch;
use crate::cache::{Claim, FlowId};
use crate::drop_reason::DropReason;
use crate::frame::Frame;
use crate::l2::normal::{Output, Stage};
use crate::rate::{Bucket, TICKS_PER_SECOND};
use crate::upcall::{Caching, FlowCounts, Upcall, UpcallReason};
use crate::view::Port;

/// What is to be done with a frame.
enum Resolved {
    /// What its flow says.
    Flow(FlowId),
    /// This, and for this frame alone.
    Once(Actions),
    /// It is lost.
    Lost(DropReason),
}

impl Flows {
    /// Finds a flow for every frame of a batch that has none, or a stale one; frames that get none are
    /// dealt with and gone.
    #[cold]
    pub(super) fn translate(
        &mut self,
        stage: &mut Stage<'_>,
        from: From<'_>,
        (batch, found): (&mut Batch, &mut Found),
        out: &mut impl Output,
    ) {
        let in_port = from.port;
        let counters = in_port.stats.of(stage.thread);
        let mut kept = Found::new();
        for (n, frame) in core::mem::take(batch).into_iter().enumerate() {
            match self.resolve(stage.now_ns, (n, &frame), from, found) {
                Resolved::Flow(id) => {
                    self.move_key(n, kept.len());
                    kept.push(Some(id));
                    batch.push(frame);
                }
                Resolved::Once(actions) => {
                    let later = &mut self.later;
                    let mut executor = Executor { stage, in_port, counters, later, out };
                    executor.run(&mut Batch::from_iter([frame]), &actions);
                }
                Resolved::Lost(reason) => {
                    self.stats.lost_upcalls.add(1);
                    counters.drop_rx(reason, 1);
                    stage.pool.put(frame);
                }
            }
        }
        *found = kept;
    }

    fn resolve(
        &mut self,
        now_ns: u64,
        (n, frame): (usize, &Frame),
        from: From<'_>,
        found: &mut Found,
    ) -> Resolved {
        let id = match found.get(n).copied().flatten() {
            Some(id) => Some(id),
            None => {
                let id = self.look_again(n, frame, from);
                self.stats.megaflow_hits.add(u64::from(id.is_some()));
                id
            }
        };
        match id {
            Some(id) if self.confirm(id) => Resolved::Flow(id),
            Some(id) => {
                self.stats.renewed.add(1);
                self.read_all(n, frame, from);
                self.ask(now_ns, (n, frame), from, Some((id, found)))
            }
            None => match self.may_ask(from.port, now_ns) {
                Ok(()) => self.ask(now_ns, (n, frame), from, None),
                Err(reason) => Resolved::Lost(reason),
            },
        }
    }

    /// Whether a flow is current, or nothing has changed that it depends on.
    fn confirm(&mut self, id: FlowId) -> bool {
        let version = self.version;
        let Some(flow) = self.cache.megaflows.get_mut(id) else { return false };
        if flow.is_current(version) {
            return true;
        }
        let handler = self.handler.as_ref();
        let holds = handler.is_some_and(|h| h.is_current(&flow.actions.depends, flow.version));
        if holds {
            flow.version = version;
        }
        holds
    }

    /// Whether one more packet of a port may be translated.
    fn may_ask(&mut self, port: &Port, now_ns: u64) -> Result<(), DropReason> {
        if self.handler.is_none() {
            return Err(DropReason::UpcallError);
        }
        let per_second = u64::from(self.config.upcalls_per_port.max(1));
        let cost = TICKS_PER_SECOND / per_second;
        let at = port.no.index();
        if at >= self.upcall_buckets.len() {
            self.upcall_buckets.resize_with(at + 1, || None);
        }
        let bucket = self.upcall_buckets.get_mut(at).map(|bucket| {
            bucket.get_or_insert_with(|| Box::new(Bucket::new(cost * (per_second / 10).max(1))))
        });
        let is_within = bucket.is_some_and(|bucket| bucket.take(cost, now_ns));
        if self.upcalls_left == 0 || !is_within {
            return Err(DropReason::UpcallLimit);
        }
        self.upcalls_left -= 1;
        Ok(())
    }

    /// Translates a packet, and caches the translation. `stale` is the flow that it takes the place of,
    /// and what else of the batch was found.
    fn ask(
        &mut self,
        now_ns: u64,
        (n, frame): (usize, &Frame),
        From { port: in_port, .. }: From<'_>,
        stale: Option<(FlowId, &mut Found)>,
    ) -> Resolved {
        let key = self.key(n).clone();
        let reason = if stale.is_some() { UpcallReason::Stale } else { UpcallReason::Miss };
        let Some(handler) = &mut self.handler else {
            return Resolved::Lost(DropReason::UpcallError);
        };
        let (bridge, port, frame) = (in_port.bridge, in_port.no, frame.data());
        let upcall = Upcall { reason, bridge, port, key: &key, frame, now_ns };
        let outcome = handler.upcall(&upcall);
        self.stats.upcalls.add(u64::from(reason == UpcallReason::Miss));
        let mut mask = outcome.mask;
        mask.add_field(FieldId::InPortOxm);
        mask.add_field(FieldId::RecircId);
        if let Some((old, found)) = stale
            && (outcome.caching == Caching::Once || self.cache.megaflows.mask(old) != Some(&mask))
        {
            self.cache.megaflows.remove(old);
            // Its number may name another flow from now on.
            found.iter_mut().filter(|id| **id == Some(old)).for_each(|id| *id = None);
        }
        let count = |counts: Option<&Arc<FlowCounts>>| {
            let flags = tcp_flags(&key);
            counts.into_iter().for_each(|counts| counts.add(1, frame.len() as u64, flags, now_ns));
        };
        if outcome.caching == Caching::Once {
            count(outcome.counts.as_ref());
            return Resolved::Once(outcome.actions);
        }
        let claim = Claim { key: &key, mask: &mask, version: self.version, now_ns };
        let (depends, counts) = (outcome.depends, outcome.counts);
        let flow = CachedFlow { actions: outcome.actions.clone(), depends, counts: counts.clone() };
        match self.cache.megaflows.insert(claim, flow) {
            Ok(installed) => Resolved::Flow(installed.id()),
            Err(_) => {
                count(counts.as_ref());
                Resolved::Once(outcome.actions)
            }
        }
    }
}

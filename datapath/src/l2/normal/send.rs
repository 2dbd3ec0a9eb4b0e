//! The second pass: to one port, to many, or to none.

use packet::Vid;

use super::read::Heading;
use super::{Hops, Output};
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, FramePool};
use crate::ids::PortNo;
use crate::l2::mirror::Passing;
use crate::l2::vlan::Edit;
use crate::view::{Bridge, Port, PortKind, Snapshot};

/// The way out for the frames of one batch.
pub struct Sender<'a, O, const MIRRORED: bool> {
    /// The configuration.
    pub snapshot: &'a Snapshot,
    /// The poll thread's number, for counters.
    pub thread: usize,
    /// The port that received the batch.
    pub in_port: &'a Port,
    /// Its bridge.
    pub bridge: &'a Bridge,
    /// Its counters.
    pub counters: &'a PortCounters,
    /// Where copies come from and lost frames go.
    pub pool: &'a mut FramePool,
    /// Where frames for patch ports go.
    pub hops: &'a mut Hops,
    /// Where all others go.
    pub out: &'a mut O,
    /// Mirrors that the frame went to, and those with the same output: a bit each.
    pub mirrored: u32,
}

impl<'a, O: Output, const MIRRORED: bool> Sender<'a, O, MIRRORED> {
    /// A port of the bridge; `None` if it has left it since it was learned.
    #[inline]
    pub fn port(&self, no: PortNo) -> Option<&'a Port> {
        let port = self.snapshot.port(no)?;
        (port.bridge == self.bridge.id).then_some(&**port)
    }

    /// Loses a frame.
    pub fn drop(&mut self, frame: Frame, reason: DropReason) {
        self.counters.drop_rx(reason, 1);
        self.pool.put(frame);
    }

    /// Sends to the port where the destination is.
    #[inline]
    pub fn unicast(&mut self, frame: Frame, port: &Port, heading: &Heading) {
        if port.no == self.in_port.no {
            self.drop(frame, DropReason::SamePort);
        } else if !port.up {
            self.drop(frame, DropReason::TxPortDown);
        } else if !port.vlan.carries(heading.vlan) {
            self.drop(frame, DropReason::VlanNotCarried);
        } else if let Some(reason) = self.refusal(port, heading) {
            self.drop(frame, reason);
        } else {
            self.send(frame, port, heading);
        }
    }

    /// Why a port that carries the frame's VLAN does not send it, if so.
    #[inline]
    fn refusal(&self, port: &Port, heading: &Heading) -> Option<DropReason> {
        let customer = heading.tags.map_or(Vid::NONE, |tags| tags.customer);
        if customer == Vid::NONE && !port.vlan.is_choosy() {
            return None;
        }
        port.vlan.refuses(&self.in_port.vlan, customer)
    }

    /// Sends to every other port of the VLAN: copies, and the frame itself to the last one.
    pub fn flood(&mut self, frame: Frame, heading: &Heading) {
        let bridge = self.bridge;
        let mut last: Option<&Port> = None;
        for no in &bridge.ports {
            let Some(port) = self.port(*no) else { continue };
            if port.no == self.in_port.no || !port.up || !port.vlan.carries(heading.vlan) {
                continue;
            }
            if self.refusal(port, heading).is_some() {
                continue;
            }
            if let Some(earlier) = last.replace(port) {
                self.counters.copies.add(1);
                match self.pool.copy(&frame) {
                    Some(copy) => self.send(copy, earlier, heading),
                    None => self.counters.drop_rx(DropReason::NoFrame, 1),
                }
            }
        }
        match last {
            Some(port) => self.send(frame, port, heading),
            None => self.drop(frame, DropReason::NoOutput),
        }
    }

    #[inline]
    fn send(&mut self, mut frame: Frame, port: &Port, heading: &Heading) {
        let outer = heading.tags.map(|tags| tags.outer);
        let edit = port.vlan.edit(&self.in_port.vlan, heading.vlan, outer);
        if edit.apply(&mut frame) {
            self.output(frame, port, heading);
        } else {
            self.send_moved(frame, (port, heading), edit);
        }
    }

    /// Hands over a frame that is as it is to leave.
    #[inline]
    fn output(&mut self, frame: Frame, port: &Port, heading: &Heading) {
        if MIRRORED {
            self.mirror(&frame, heading, (port, Passing::Out));
        }
        self.hand_over(frame, port);
    }

    /// To the poll thread's buffers, or to the next bridge.
    #[inline]
    pub fn hand_over(&mut self, frame: Frame, port: &Port) {
        hand_over((self.thread, self.pool, self.hops), frame, port, self.out);
    }

    /// Sends a frame that has no headroom for a tag, from a buffer that has. The contents move, so
    /// this is no copy.
    #[cold]
    fn send_moved(&mut self, frame: Frame, (port, heading): (&Port, &Heading), edit: Edit) {
        let moved = self.pool.copy(&frame);
        match moved {
            Some(mut moved) => {
                self.pool.put(frame);
                if edit.apply(&mut moved) {
                    self.output(moved, port, heading);
                } else {
                    self.drop(moved, DropReason::NoFrame);
                }
            }
            None => self.drop(frame, DropReason::NoFrame),
        }
    }
}

/// To the poll thread's buffers, or to the next bridge.
#[inline]
pub fn hand_over<O: Output>(
    (thread, pool, hops): (usize, &mut FramePool, &mut Hops),
    frame: Frame,
    port: &Port,
    out: &mut O,
) {
    match port.kind {
        PortKind::Device => out.output(pool, port.no, frame),
        PortKind::Patch { peer } => {
            if let Err(frame) = hops.push(port.no, peer, frame) {
                port.stats.of(thread).drop_tx(DropReason::TooManyHops, 1);
                pool.put(frame);
            }
        }
    }
}

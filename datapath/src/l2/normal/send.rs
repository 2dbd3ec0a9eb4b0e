//! The second pass: to one port, to many, or to none.

use super::Output;
use super::read::Heading;
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, FramePool};
use crate::ids::PortNo;
use crate::l2::vlan::Edit;
use crate::view::{Bridge, Port, Snapshot};

/// The way out for the frames of one batch.
pub struct Sender<'a, O> {
    /// The configuration.
    pub snapshot: &'a Snapshot,
    /// The port that received the batch.
    pub in_port: &'a Port,
    /// Its bridge.
    pub bridge: &'a Bridge,
    /// Its counters.
    pub counters: &'a PortCounters,
    /// Where copies come from and lost frames go.
    pub pool: &'a mut FramePool,
    /// Where frames go.
    pub out: &'a mut O,
}

impl<'a, O: Output> Sender<'a, O> {
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
        } else {
            self.send(frame, port, heading);
        }
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
        let edit = port.vlan.edit(heading.vlan, heading.tag);
        if edit.apply(&mut frame) {
            self.out.output(self.pool, port.no, frame);
        } else {
            self.send_moved(frame, port.no, edit);
        }
    }

    /// Sends a frame that has no headroom for a tag, from a buffer that has. The contents move, so
    /// this is no copy.
    #[cold]
    fn send_moved(&mut self, frame: Frame, port: PortNo, edit: Edit) {
        let moved = self.pool.copy(&frame);
        match moved {
            Some(mut moved) => {
                self.pool.put(frame);
                if edit.apply(&mut moved) {
                    self.out.output(self.pool, port, moved);
                } else {
                    self.drop(moved, DropReason::NoFrame);
                }
            }
            None => self.drop(frame, DropReason::NoFrame),
        }
    }
}

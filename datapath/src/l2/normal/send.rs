//! The second pass: to one port, to many, or to none.

use packet::Vid;

use super::read::Heading;
use super::{Hops, Onward, Output, Stage};
use crate::counter::PortCounters;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, FramePool};
use crate::ids::PortNo;
use crate::l2::mirror::Passing;
use crate::l2::vlan::Edit;
use crate::tunnel::open;
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
    /// The way of the last unicast frame that left without having come with a tag.
    pub route: Option<Route<'a>>,
}

/// A way out that was found open: to one port, for frames of one VLAN that came without a tag. What
/// else decides about it is the same for the whole batch.
#[derive(Clone, Copy)]
pub struct Route<'a> {
    port: &'a Port,
    vlan: Vid,
    edit: Edit,
}

impl<'a, O: Output, const MIRRORED: bool> Sender<'a, O, MIRRORED> {
    /// Sends what a port of a bridge received. `mirrored`: see there.
    #[inline]
    pub fn new<'s: 'a>(
        stage: &'a mut Stage<'s>,
        (in_port, bridge): (&'a Port, &'a Bridge),
        mirrored: u32,
        out: &'a mut O,
    ) -> Sender<'a, O, MIRRORED> {
        Sender {
            snapshot: stage.snapshot,
            thread: stage.thread,
            in_port,
            bridge,
            counters: in_port.stats.of(stage.thread),
            pool: stage.pool,
            hops: stage.hops,
            out,
            mirrored,
            route: None,
        }
    }

    /// A port of the bridge; `None` if it has left it since it was learned.
    #[inline]
    pub fn port(&self, no: PortNo) -> Option<&'a Port> {
        let port = self.snapshot.port(no)?;
        (port.bridge == self.bridge.id).then_some(&**port)
    }

    /// The way of a frame before, if this one goes it too.
    #[inline]
    pub fn known_route(&self, found: Option<PortNo>, heading: &Heading) -> Option<Route<'a>> {
        let is_it = |route: &Route<'_>| {
            found == Some(route.port.no) && heading.vlan == route.vlan && heading.tags.is_none()
        };
        self.route.filter(is_it)
    }

    /// Sends by a way that was found open.
    #[inline]
    pub fn send_by(&mut self, mut frame: Frame, route: Route<'_>, heading: &Heading) {
        let Route { port, edit, .. } = route;
        if edit == Edit::Keep || edit.apply(&mut frame) {
            self.output(frame, port, heading);
        } else {
            self.send_moved(frame, (port, heading), edit);
        }
    }

    /// Loses a frame.
    pub fn drop(&mut self, frame: Frame, reason: DropReason) {
        self.counters.drop_rx(reason, 1);
        self.pool.put(frame);
    }

    /// Sends to the port where the destination is.
    #[inline(never)] // Frames come in runs, of which only the first comes here.
    pub fn unicast(&mut self, frame: Frame, port: &'a Port, heading: &Heading) {
        if port.no == self.in_port.no || port.shown() == self.in_port.shown() {
            self.drop(frame, DropReason::SamePort);
        } else if !port.up {
            self.drop(frame, DropReason::TxPortDown);
        } else if port.no_fwd {
            self.drop(frame, DropReason::ForwardingDisabled);
        } else if !port.vlan.carries(heading.vlan) {
            self.drop(frame, DropReason::VlanNotCarried);
        } else if let Some(reason) = self.refusal(port, heading) {
            self.drop(frame, reason);
        } else {
            let route = self.route_to(port, heading);
            if heading.tags.is_none() {
                self.route = Some(route);
            }
            self.send_by(frame, route, heading);
        }
    }

    /// The way to a port that a frame may leave by.
    #[inline]
    fn route_to<'p>(&self, port: &'p Port, heading: &Heading) -> Route<'p> {
        let (vlan, outer) = (heading.vlan, heading.tags.map(|tags| tags.outer));
        Route { port, vlan, edit: port.vlan.edit(&self.in_port.vlan, vlan, outer) }
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
        let (bridge, in_port) = (self.bridge, self.in_port.shown());
        let mut last: Option<&Port> = None;
        for no in &bridge.ports {
            let Some(port) = self.port(*no) else { continue };
            if port.no == in_port || !port.up || !port.vlan.carries(heading.vlan) {
                continue;
            }
            if port.no_flood || port.no_fwd {
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

    fn send(&mut self, frame: Frame, port: &Port, heading: &Heading) {
        let route = self.route_to(port, heading);
        self.send_by(frame, route, heading);
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
#[inline(always)] // A match, once per frame.
pub fn hand_over<O: Output>(
    (thread, pool, hops): (usize, &mut FramePool, &mut Hops),
    frame: Frame,
    port: &Port,
    out: &mut O,
) {
    let onward = match &port.kind {
        PortKind::Device => match &port.terminator {
            Some(terminator) if open::may_be_for(frame.data(), terminator) => Onward::Host,
            _ => return out.output(pool, port.no, frame),
        },
        PortKind::Carrier => return out.output(pool, port.no, frame),
        PortKind::Patch { peer } => Onward::Peer(*peer),
        PortKind::Tunnel(_) => Onward::Tunnel(None),
    };
    cross((thread, pool, hops), frame, (port, &onward));
}

/// Puts a frame into the list of hops.
pub fn cross(
    (thread, pool, hops): (usize, &mut FramePool, &mut Hops),
    frame: Frame,
    (port, onward): (&Port, &Onward),
) {
    if let Err(frame) = hops.push(port.no, onward, frame) {
        port.stats.of(thread).drop_tx(DropReason::TooManyHops, 1);
        pool.put(frame);
    }
}

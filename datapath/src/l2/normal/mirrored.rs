//! Copies for mirrors, where frames pass ports.

use packet::vlan::{TPID_CTAG, TPID_STAG};
use packet::{Vid, VlanTag};

use super::read::{ETHERNET_LEN, Heading, Reader, Way};
use super::send::Sender;
use super::{Arrival, Output, Stage};
use crate::batch::Batch;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, Offload};
use crate::l2::mirror::{Mirror, MirrorOutput, Passing};
use crate::l2::vlan::PortVlan;
use crate::view::{Bridge, Port};

/// Copies frames that pass a port of a bridge with flows to the mirrors that want them; `mirrored` has
/// those that they went to already.
pub fn mirror<O: Output>(
    stage: &mut Stage<'_>,
    (in_port, bridge): (&Port, &Bridge),
    (passing, mirrored): (Passing, u32),
    batch: &Batch,
    out: &mut O,
) {
    let fdb = bridge.fdb.reader();
    let reader = Reader::new(in_port, bridge, &fdb);
    let mut sender = Sender::<'_, O, true>::new(stage, (in_port, bridge), mirrored, out);
    for frame in batch {
        let mut heading = Heading::EMPTY;
        reader.read(frame.data(), &mut heading);
        if is_of_bridge(&heading) {
            sender.mirrored = mirrored;
            sender.mirror(frame, &heading, (in_port, passing));
        }
    }
}

/// What has no VLAN that the port admits is no frame of the bridge.
fn is_of_bridge(heading: &Heading) -> bool {
    match heading.way {
        Way::Drop(DropReason::ReservedMulticast) | Way::Lookup | Way::Flood => true,
        Way::Drop(_) => false,
    }
}

impl<O: Output, const MIRRORED: bool> Sender<'_, O, MIRRORED> {
    /// A frame begins its way: one that the port has just received is copied.
    pub fn mirror_arrived(&mut self, frame: &Frame, heading: &Heading, arrival: Arrival) {
        match arrival {
            Arrival::Fresh => self.mirror_received(frame, heading),
            Arrival::Again { mirrored } => self.mirrored = mirrored,
            Arrival::Outside => self.mirrored = 0,
        }
    }

    /// The port has received the frame.
    fn mirror_received(&mut self, frame: &Frame, heading: &Heading) {
        self.mirrored = 0;
        if is_of_bridge(heading) {
            self.mirror(frame, heading, (self.in_port, Passing::In));
        }
    }

    /// The frame, as it is now, leaves by a port.
    #[cold]
    pub fn mirror(&mut self, frame: &Frame, heading: &Heading, (port, way): (&Port, Passing)) {
        let bridge = self.bridge;
        let Some(mirrors) = &bridge.mirrors else { return };
        while let Some(mirror) =
            mirrors.select((port.shown(), way), heading.vlan, &mut self.mirrored)
        {
            let n_bytes = frame.len() as u64;
            let n_copies = match &mirror.output {
                MirrorOutput::Port(no, vlan) => match self.port(*no).filter(|output| output.up) {
                    Some(output) => {
                        self.copy_to((output, vlan), (frame, &port.vlan, heading.vlan), mirror);
                        1
                    }
                    None => 0,
                },
                MirrorOutput::Vlan(vlan) => {
                    self.copy_to_vlan(*vlan, (frame, port, heading), mirror)
                }
            };
            if n_copies > 0 {
                let counters = mirror.stats.of(self.thread);
                counters.tx_packets.add(1);
                counters.tx_bytes.add(n_bytes);
            }
        }
    }

    /// Copies to every port that carries the mirror's VLAN; how many.
    fn copy_to_vlan(
        &mut self,
        vlan: Vid,
        (frame, port, heading): (&Frame, &Port, &Heading),
        mirror: &Mirror,
    ) -> usize {
        // A switch that took a control frame of another VLAN for its own would be misled.
        if heading.vlan == vlan || heading.is_reserved() {
            return 0;
        }
        let bridge = self.bridge;
        let mut n_copies = 0;
        for no in &bridge.ports {
            let output = self.port(*no).filter(|output| output.up && output.vlan.carries(vlan));
            if let Some(output) = output {
                self.copy_to((output, &output.vlan), (frame, &port.vlan, vlan), mirror);
                n_copies += 1;
            }
        }
        n_copies
    }

    /// Copies to one port, with the VLAN as that port has it.
    fn copy_to(
        &mut self,
        (output, output_vlan): (&Port, &PortVlan),
        (frame, from, vlan): (&Frame, &PortVlan, Vid),
        mirror: &Mirror,
    ) {
        self.counters.copies.add(1);
        let Some(mut copy) = self.pool.copy(frame) else {
            return self.counters.drop_rx(DropReason::NoFrame, 1);
        };
        let edit = output_vlan.edit(from, vlan, outer_tag(frame));
        if !edit.apply(&mut copy) {
            return self.drop(copy, DropReason::NoFrame);
        }
        if let Some(snap_len) = mirror.snap_len.filter(|snap_len| *snap_len < copy.len()) {
            // What is left undone would be done to bytes that are not there.
            copy.set_offload(Offload::NONE);
            if !copy.set_len(snap_len) {
                return self.drop(copy, DropReason::NoFrame);
            }
        }
        self.hand_over(copy, output);
    }
}

/// The outer tag that a frame has now.
fn outer_tag(frame: &Frame) -> Option<VlanTag> {
    let tag = frame.data().get(ETHERNET_LEN - 2..)?.first_chunk::<4>()?;
    let tpid = u16::from_be_bytes([tag[0], tag[1]]);
    matches!(tpid, TPID_CTAG | TPID_STAG).then_some(VlanTag(u16::from_be_bytes([tag[2], tag[3]])))
}

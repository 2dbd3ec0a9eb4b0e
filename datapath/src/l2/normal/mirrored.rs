//! Copies for mirrors, where frames pass ports.

use packet::vlan::{TPID_CTAG, TPID_STAG};
use packet::{Vid, VlanTag};

use super::Output;
use super::read::{ETHERNET_LEN, Heading, Way};
use super::send::Sender;
use crate::drop_reason::DropReason;
use crate::frame::{Frame, Offload};
use crate::l2::mirror::{Mirror, MirrorOutput, Passing};
use crate::l2::vlan::PortVlan;
use crate::view::Port;

impl<O: Output, const MIRRORED: bool> Sender<'_, O, MIRRORED> {
    /// The port has received the frame. What has no VLAN that it admits is no frame of the bridge.
    pub fn mirror_received(&mut self, frame: &Frame, heading: &Heading) {
        self.mirrored = 0;
        match heading.way {
            Way::Drop(DropReason::ReservedMulticast) | Way::Lookup | Way::Flood => {
                self.mirror(frame, heading, (self.in_port, Passing::In));
            }
            Way::Drop(_) => {}
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

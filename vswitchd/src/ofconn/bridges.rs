//! What connections need of the switch.

use std::sync::Arc;

use datapath::PortNo;
use openflow::switch::FragHandling;
use openflow::{Message, OfpError};
use packet::flow::OptionTable;

use crate::ofproto::notice::{Asker, Notice};
use crate::ofproto::view::Miss;
use crate::switch::Switch;
use crate::switch::of_status::{FailOpen, OfStatus};

/// The bridges that messages are for. The switch, or a fake in tests.
pub trait Bridges {
    /// See [`Switch::openflow`].
    ///
    /// # Errors
    /// What the message deserves.
    fn openflow(
        &mut self,
        bridge: &str,
        by: Asker,
        message: Message,
    ) -> Result<Vec<Message>, OfpError>;

    /// See [`Switch::openflow_bundle`].
    ///
    /// # Errors
    /// Which message was refused, and what it deserves.
    fn openflow_bundle(
        &mut self,
        bridge: &str,
        by: Asker,
        messages: Vec<(u32, Message)>,
    ) -> Result<(), (usize, OfpError)>;

    /// See [`Switch::flush_openflow`].
    fn flush_openflow(&mut self);

    /// See [`Switch::barrier`].
    fn barrier(&mut self);

    /// See [`Switch::take_notices`].
    fn take_notices(&mut self) -> Vec<Notice>;

    /// See [`Switch::options`].
    fn options(&self, bridge: &str) -> Arc<OptionTable>;

    /// What a bridge does with fragments.
    fn frag_handling(&self, bridge: &str) -> FragHandling;

    /// See [`Switch::set_frag_handling`].
    fn set_frag_handling(&mut self, bridge: &str, frag: FragHandling);

    /// See [`Switch::set_miss`].
    fn set_miss(&mut self, bridge: &str, miss: Miss);

    /// See [`Switch::set_fail_open`].
    fn set_fail_open(&mut self, bridge: &str, fail_open: FailOpen);

    /// See [`Switch::set_of_status`].
    fn set_of_status(&mut self, bridge: &str, status: OfStatus);

    /// See [`Switch::lose_packet_in`].
    fn lose_packet_in(&mut self, port: PortNo);
}

impl Bridges for Switch {
    fn openflow(
        &mut self,
        bridge: &str,
        by: Asker,
        message: Message,
    ) -> Result<Vec<Message>, OfpError> {
        Switch::openflow(self, bridge, by, message)
    }

    fn openflow_bundle(
        &mut self,
        bridge: &str,
        by: Asker,
        messages: Vec<(u32, Message)>,
    ) -> Result<(), (usize, OfpError)> {
        Switch::openflow_bundle(self, bridge, by, messages)
    }

    fn flush_openflow(&mut self) {
        Switch::flush_openflow(self);
    }

    fn barrier(&mut self) {
        Switch::barrier(self);
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        Switch::take_notices(self)
    }

    fn options(&self, bridge: &str) -> Arc<OptionTable> {
        Switch::options(self, bridge)
    }

    fn frag_handling(&self, bridge: &str) -> FragHandling {
        Switch::frag_handling(self, bridge)
    }

    fn set_frag_handling(&mut self, bridge: &str, frag: FragHandling) {
        Switch::set_frag_handling(self, bridge, frag);
    }

    fn set_miss(&mut self, bridge: &str, miss: Miss) {
        Switch::set_miss(self, bridge, miss);
    }

    fn set_fail_open(&mut self, bridge: &str, fail_open: FailOpen) {
        Switch::set_fail_open(self, bridge, fail_open);
    }

    fn set_of_status(&mut self, bridge: &str, status: OfStatus) {
        Switch::set_of_status(self, bridge, status);
    }

    fn lose_packet_in(&mut self, port: PortNo) {
        Switch::lose_packet_in(self, port);
    }
}

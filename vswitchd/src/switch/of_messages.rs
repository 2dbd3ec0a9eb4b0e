//! OpenFlow messages to bridges, as connections bring them.
//!
//! # Design
//! Messages about flows, groups and meters are the [`Ofproto`](crate::ofproto::bridge::Ofproto)'s,
//! those about ports are [`of_ports`](super::of_ports)', and packets go to the engine. What messages
//! change is published at once for all messages that a connection brought together
//! ([`Switch::flush_openflow`]); a barrier ([`Switch::barrier`]) returns when no packet is handled by
//! anything older.
//!
//! # Thread-safety
//! For the control thread.

use openflow::{Message, OfpError};

use super::Switch;
use crate::ofproto::notice::{Asker, Notice};

impl Switch {
    /// Does what a message to a bridge asks, and answers. Messages about the connection itself do not
    /// come here: HELLO, ECHO, BARRIER, roles, asynchronous configuration, bundles, monitors,
    /// SET_CONFIG and Nicira's formats are the connection's.
    ///
    /// # Errors
    /// What the message deserves.
    pub fn openflow(
        &mut self,
        bridge: &str,
        by: Asker,
        message: Message,
    ) -> Result<Vec<Message>, OfpError> {
        if let Some(answer) = self.of_port_request(bridge, by, &message) {
            return answer;
        }
        Err(OfpError::BrBadType)
    }

    /// Does what all messages of a bundle ask, or nothing. Each has its transaction number.
    ///
    /// # Errors
    /// Which one was refused, and what it deserves.
    pub fn openflow_bundle(
        &mut self,
        bridge: &str,
        by: Asker,
        messages: Vec<(u32, Message)>,
    ) -> Result<(), (usize, OfpError)> {
        let _ = (bridge, by, messages);
        Err((0, OfpError::BrBadType))
    }

    /// Publishes what messages have changed.
    pub fn flush_openflow(&mut self) {}

    /// Publishes what messages have changed; when it returns, no packet is handled by anything older.
    pub fn barrier(&mut self) {
        self.flush_openflow();
        self.engine.sync();
    }

    /// What bridges have to tell their connections since this was last asked, in order.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        self.take_port_notices()
    }
}

//! The seam to the control plane: a packet that no cached flow matches goes up to be translated.
//!
//! # Design
//! Each poll thread has an [`UpcallHandler`] of its own, made for it by the control plane
//! ([`HandlerFactory`]), with its own view of the tables. It is called in the poll thread, between two
//! packets: no queue, no second thread, and the answer is for the next packet already. What it takes
//! from the published tables it takes at [`UpcallHandler::refresh`], once a round, so that all packets
//! of a batch are translated from one version.
//!
//! **Barrier.** [`Engine::sync`](crate::Engine::sync) returns when every thread has refreshed; from
//! then on no packet is handled by tables that were replaced before the call.
//!
//! **Revalidation** is lazy: a flow bears the version that it was translated from. Its first hit after a
//! change asks [`UpcallHandler::is_current`], which looks only at what the flow depends on; if that
//! has changed, the flow is translated again, with that packet, in place.
//!
//! # Thread-safety
//! A handler belongs to one thread. [`FlowCounts`] are written by it and read by any.

use std::any::Any;
use std::sync::Arc;

use packet::{FlowKey, FlowMask};

use crate::action::Actions;
use crate::counter::Counter;
use crate::ids::{BridgeId, PortNo};
use crate::snapshot::Version;

/// Why a packet goes up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UpcallReason {
    /// No cached flow matches it.
    Miss,
    /// The one that matches was translated from tables that have changed since.
    Stale,
}

/// A packet to translate.
#[derive(Clone, Copy, Debug)]
pub struct Upcall<'a> {
    /// Why.
    pub reason: UpcallReason,
    /// The bridge that it is in.
    pub bridge: BridgeId,
    /// The port that it came by.
    pub port: PortNo,
    /// All of its headers, the port by its number in the datapath, and where it goes on if it was
    /// recirculated.
    pub key: &'a FlowKey,
    /// Its bytes.
    pub frame: &'a [u8],
    /// The time, nanoseconds of the engine's clock.
    pub now_ns: u64,
}

/// Whether a translation holds for packets alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caching {
    /// It does: for all that look the same through the mask.
    Install,
    /// It is for this packet alone.
    Once,
}

/// What a translation depends on (tables, groups, …): only the control plane looks into it.
pub type Dependencies = Arc<dyn Any + Send + Sync>;

/// A translation.
#[derive(Clone, Debug)]
pub struct UpcallOutcome {
    /// What is done.
    pub actions: Actions,
    /// What of the packet was looked at.
    pub mask: FlowMask,
    /// What was looked at besides.
    pub depends: Dependencies,
    /// Where the flow is to count, if the control plane wants to read along.
    pub counts: Option<Arc<FlowCounts>>,
    /// Whether it is kept.
    pub caching: Caching,
}

/// What the control plane does for a poll thread.
pub trait UpcallHandler: Send {
    /// Takes the newest tables; their version.
    fn refresh(&mut self) -> Version;

    /// Translates a packet by the tables taken last.
    fn upcall(&mut self, upcall: &Upcall<'_>) -> UpcallOutcome;

    /// Whether nothing that a translation depends on has changed since `version`.
    fn is_current(&self, depends: &Dependencies, version: Version) -> bool;
}

/// Makes the handler of a poll thread, by the thread's number.
pub type HandlerFactory = Arc<dyn Fn(usize) -> Box<dyn UpcallHandler> + Send + Sync>;

/// What a flow has seen, for the control plane to read at any time.
#[derive(Debug, Default)]
pub struct FlowCounts {
    /// Packets.
    pub packets: Counter,
    /// Bytes of frames.
    pub bytes: Counter,
    /// When the last packet came, nanoseconds of the engine's clock; 0: never.
    pub used_ns: Counter,
    /// TCP flags of all packets, or-ed.
    pub tcp_flags: Counter,
}

impl FlowCounts {
    /// Counts packets. For the thread of the flow alone.
    #[inline]
    pub fn add(&self, packets: u64, bytes: u64, tcp_flags: u16, now_ns: u64) {
        self.packets.add(packets);
        self.bytes.add(bytes);
        self.used_ns.set(now_ns);
        self.tcp_flags.set(self.tcp_flags.get() | u64::from(tcp_flags));
    }
}

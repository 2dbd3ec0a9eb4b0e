//! What commands see of the switch.

use std::net::IpAddr;
use std::sync::Arc;

use datapath::engine::ThreadReport;
use datapath::l2::fdb::Fdb;
use datapath::view::PortStats;
use datapath::{DropReason, PortNo};
use serde_json::Value as Json;

use crate::config::OfPort;
use crate::rpc::Takeover;
use crate::switch::Underlay;

/// The switch, as far as commands need it.
pub trait SwitchView {
    /// The bridges, sorted by name.
    fn bridges(&self) -> Vec<BridgeView>;

    /// The hidden ports that carry tunnels through the host's stack.
    fn carriers(&self) -> Vec<PortView> {
        Vec::new()
    }

    /// What poll threads did.
    fn threads(&self) -> Vec<ThreadReport>;

    /// The time by which the forwarding databases go, seconds since the engine's start.
    fn now_s(&self) -> u32;

    /// How many packets `sample` actions were asked to take, as far as has been counted.
    fn n_sampled(&self) -> u64 {
        0
    }

    /// How many flows are cached.
    fn n_cached_flows(&mut self) -> usize;

    /// Flows, as the tables and the datapath have them.
    ///
    /// # Errors
    /// One line, without newline.
    fn inspect(&mut self, what: Inspect, params: &[String]) -> Result<String, String>;

    /// Tunnels and the way they take, as text and as JSON.
    ///
    /// # Errors
    /// One line, without newline.
    fn underlay(&mut self, what: Underlay, params: &[String]) -> Result<(String, Json), String>;

    /// `vswitch/show`: the parameters and the result as `ofctl` knows them.
    ///
    /// # Errors
    /// One line, without newline.
    fn show(&self, params: &[String]) -> Result<String, String>;

    /// `vswitch/capture`: what is captured, in words, and who takes over the connection.
    ///
    /// # Errors
    /// One line, without newline.
    fn capture(&mut self, params: &[String]) -> Result<(String, Takeover), String>;

    /// `vswitch/transact`: the parameters and the result as `ofctl` knows them.
    ///
    /// # Errors
    /// One line, without newline: nothing was done.
    fn transact(&mut self, params: &[String]) -> Result<String, String>;
}

/// What is to be looked into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inspect {
    /// What becomes of a packet.
    Trace,
    /// What becomes of a controller's packet.
    TracePacketOut,
    /// The datapath's cached flows.
    CachedFlows,
    /// Those of one bridge.
    CachedFlowsOfBridge,
    /// All flows of a bridge's tables.
    Rules,
    /// How many flows are cached.
    Upcalls,
}

/// A bridge.
#[derive(Clone)]
pub struct BridgeView {
    /// Its name.
    pub name: String,
    /// Where addresses are.
    pub fdb: Arc<Fdb>,
    /// Its ports, sorted by name.
    pub ports: Vec<PortView>,
    /// Remote hosts of segments, of other bridges too: number in the datapath, that of the port which it
    /// stands for, and address.
    pub remotes: Vec<(PortNo, PortNo, IpAddr)>,
}

/// A port.
#[derive(Clone)]
pub struct PortView {
    /// Its name.
    pub name: String,
    /// Its OpenFlow number.
    pub ofport: OfPort,
    /// Its number in the datapath; `None` for a port whose device is missing.
    pub no: Option<PortNo>,
    /// Its type in the datapath, in Open vSwitch's words: an `internal` port is a `tap`.
    pub kind: String,
    /// Further keys that say how it is attached.
    pub options: Vec<(String, String)>,
    /// Its counters.
    pub stats: Arc<PortStats>,
}

impl BridgeView {
    /// The port by its number in the datapath.
    #[must_use]
    pub fn port_no(&self, no: PortNo) -> Option<&PortView> {
        let shown = self.remote(no).map_or(no, |(_, port, _)| *port);
        self.ports.iter().find(|port| port.no == Some(shown))
    }

    /// The remote host that a number of the datapath stands for.
    #[must_use]
    pub fn remote_ip(&self, no: PortNo) -> Option<IpAddr> {
        self.remote(no).map(|(.., address)| *address)
    }

    fn remote(&self, no: PortNo) -> Option<&(PortNo, PortNo, IpAddr)> {
        self.remotes.iter().find(|(remote, ..)| *remote == no)
    }
}

/// On which side of a port a frame was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// It had been received there.
    Rx,
    /// It was to be sent there.
    Tx,
}

impl Side {
    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Side::Rx => "rx",
            Side::Tx => "tx",
        }
    }
}

impl PortView {
    /// Every reason for which frames were lost, with their number.
    #[must_use]
    pub fn drops(&self) -> Vec<(Side, DropReason, u64)> {
        let count = |side, reason| match side {
            Side::Rx => self.stats.sum(|c| c.rx_drops(reason)),
            Side::Tx => self.stats.sum(|c| c.tx_drops(reason)),
        };
        let sides = [Side::Rx, Side::Tx].into_iter();
        let all = sides.flat_map(|side| DropReason::ALL.iter().map(move |reason| (side, *reason)));
        all.map(|(side, reason)| (side, reason, count(side, reason))).filter(|d| d.2 > 0).collect()
    }
}

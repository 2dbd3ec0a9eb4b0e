//! What poll threads see of OpenFlow: all bridges, as published.
//!
//! # Invariants
//! - `bridges[i]`, where present, has `id == i`. A port that `ports` names is in its bridge.
//! - A view is immutable. Flows change inside of [`Tables`], seen by version.

use std::collections::BTreeMap;
use std::sync::Arc;

use datapath::l2::mirror::Mirrors;
use datapath::l2::vlan::PortVlan;
use datapath::meter::MeterId;
use datapath::snapshot::Version;
use datapath::tunnel::TunnelConfig;
use datapath::{BridgeId, PortNo};
use openflow::OfPort;
use openflow::port::PortConfig;
use openflow::switch::FragHandling;
use packet::flow::OptionTable;

use super::group::Group;
use super::tables::Tables;

/// All bridges.
#[derive(Clone, Default)]
pub struct View {
    /// By [`BridgeId`].
    pub bridges: Vec<Option<Arc<XBridge>>>,
    /// Bridge and OpenFlow number, by [`PortNo`].
    pub ports: Vec<Option<(BridgeId, OfPort)>>,
}

impl View {
    /// A bridge.
    #[must_use]
    pub fn bridge(&self, id: BridgeId) -> Option<&Arc<XBridge>> {
        self.bridges.get(id.index())?.as_ref()
    }

    /// A port of the datapath, and its bridge.
    #[must_use]
    pub fn port(&self, no: PortNo) -> Option<(&Arc<XBridge>, &XPort)> {
        let (bridge, ofport) = self.ports.get(no.index())?.as_ref()?;
        let bridge = self.bridge(*bridge)?;
        Some((bridge, bridge.ports.get(ofport)?))
    }
}

/// What happens to packets that no flow of a table matches.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Miss {
    /// They are dropped: OpenFlow 1.3 and later, and 1.0 without a controller.
    #[default]
    Drop,
    /// They go to the controllers: OpenFlow 1.0.
    Controller,
}

/// A bridge.
#[derive(Clone)]
pub struct XBridge {
    /// Its number in the datapath.
    pub id: BridgeId,
    /// Its name.
    pub name: Arc<str>,
    /// Its tables.
    pub tables: Arc<Tables>,
    /// Its ports.
    pub ports: Arc<BTreeMap<OfPort, XPort>>,
    /// The version of the last change to its ports.
    pub ports_changed: Version,
    /// Its groups.
    pub groups: Arc<BTreeMap<u32, Arc<Group>>>,
    /// The version of the last change to its groups or meters.
    pub groups_changed: Version,
    /// Which options of tunnel headers are fields; a change of it is one of the ports.
    pub options: Arc<OptionTable>,
    /// Its meters, by their OpenFlow number.
    pub meters: Arc<BTreeMap<u32, MeterId>>,
    /// What happens to packets that no flow matches.
    pub miss: Miss,
    /// What happens to fragments.
    pub frags: FragHandling,
    /// Its mirrors; a change of them is one of the ports.
    pub mirrors: Option<Arc<Mirrors>>,
}

/// A port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct XPort {
    /// Its number in the datapath.
    pub no: PortNo,
    /// Its OpenFlow number.
    pub ofport: OfPort,
    /// Its name.
    pub name: Arc<str>,
    /// For a patch port whose peer is there: that port.
    pub peer: Option<PortNo>,
    /// For a tunnel port: what it fixes.
    pub tunnel: Option<Arc<TunnelConfig>>,
    /// Its VLANs.
    pub vlan: Arc<PortVlan>,
    /// Whether it knows by itself where to send what no flow gives a remote host.
    pub is_segment: bool,
    /// Whether it can send.
    pub up: bool,
    /// As PORT_MOD says.
    pub config: PortConfig,
}

//! Whose packet an outer packet is: from its headers to a tunnel port.
//!
//! # Design
//! A port says of each of three things, key, local and remote address, whether it must be one value.
//! Ports that fix the same things are in one table, under those values; a packet asks the tables from
//! the one that fixes most to the one that fixes least, and the first answer counts: the key before the
//! local address, that before the remote one, as in Open vSwitch (`ofproto/tunnel.c`, `tnl_find`). So a
//! look-up costs as many probes as there are different patterns, and not as there are ports.
//!
//! # Thread-safety
//! Published with the snapshot and immutable.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use packet::flow::OptionTable;
use packet::tunnel::vxlan::Extension;
use packet::tunnel::{TunnelKey, TunnelKind};

use super::{Address, Key, Path, Switch, TunnelConfig, Uplink};
use crate::ids::PortNo;

/// What the ports of a table fix: in the order of the look-up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Pattern {
    any_key: bool,
    local: Local,
    any_remote: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Local {
    Given,
    Any,
    Flow,
}

/// The values of what is fixed; of the rest, nothing.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Wanted {
    kind: TunnelKind,
    dst_port: u16,
    id: Option<u64>,
    local: Option<IpAddr>,
    remote: Option<IpAddr>,
}

struct Table {
    pattern: Pattern,
    ports: HashMap<Wanted, PortNo, RandomState>,
}

/// A UDP port on which tunnels arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Service {
    port: u16,
    kind: TunnelKind,
    extension: Extension,
}

/// The look-up before: packets come in runs from one remote host.
#[derive(Default)]
pub(super) struct Last(Option<(Asked, PortNo)>);

/// What a look-up goes by.
type Asked = (TunnelKind, u16, u64, IpAddr, IpAddr);

/// All tunnels, in the snapshot.
#[derive(Default)]
pub struct Tunnels {
    tables: Vec<Table>,
    services: Vec<Service>,
    has_gre: bool,
    /// The ways to remotes that flows name.
    paths: BTreeMap<(IpAddr, Option<IpAddr>), Arc<Path>>,
    /// Uplinks that the kernel hears nothing of.
    uplinks: BTreeMap<PortNo, Uplink>,
    /// Which options of Geneve are fields, of the ports whose bridge has said so.
    options: BTreeMap<PortNo, Arc<OptionTable>>,
}

impl Tunnels {
    /// Adds a tunnel port. Of two that want the same packets the first one gets them.
    pub fn add_port(&mut self, config: &TunnelConfig, no: PortNo) {
        let TunnelConfig { kind, dst_port, .. } = *config;
        let id = match config.in_key {
            Key::None => Some(0),
            Key::Is(id) => Some(id),
            Key::Flow => None,
        };
        let (local_pattern, local) = match config.local {
            Address::Is(address) => (Local::Given, Some(address)),
            Address::Any => (Local::Any, None),
            Address::Flow => (Local::Flow, None),
        };
        let remote = match config.remote {
            Address::Is(address) => Some(address),
            Address::Flow => None,
            Address::Any => return, // nobody's
        };
        let (any_key, any_remote) = (id.is_none(), remote.is_none());
        let pattern = Pattern { any_key, local: local_pattern, any_remote };
        let at = self.tables.partition_point(|table| table.pattern < pattern);
        if self.tables.get(at).is_none_or(|table| table.pattern != pattern) {
            self.tables.insert(at, Table { pattern, ports: HashMap::default() });
        }
        let wanted = Wanted { kind, dst_port, id, local, remote };
        self.tables[at].ports.entry(wanted).or_insert(no);
        self.add_service(config);
    }

    fn add_service(&mut self, config: &TunnelConfig) {
        let TunnelConfig { kind, dst_port: port, .. } = *config;
        if kind == TunnelKind::Gre {
            self.has_gre = true;
            return;
        }
        let extension = match config.gbp {
            Switch::On => Extension::GroupPolicy,
            Switch::Off => Extension::None,
        };
        match self.services.iter_mut().find(|service| service.port == port) {
            Some(service) if extension == Extension::GroupPolicy => service.extension = extension,
            Some(_) => {}
            None => self.services.push(Service { port, kind, extension }),
        }
    }

    /// Adds the way to a remote that flows name; `local` is the address that the flow or the port's
    /// configuration asks for.
    pub fn add_path(&mut self, remote: IpAddr, local: Option<IpAddr>, path: Arc<Path>) {
        self.paths.insert((remote, local), path);
    }

    /// Adds an uplink that the kernel hears nothing of.
    pub fn add_uplink(&mut self, no: PortNo, uplink: Uplink) {
        self.uplinks.insert(no, uplink);
    }

    /// Such an uplink.
    #[must_use]
    pub fn uplink(&self, no: PortNo) -> Option<&Uplink> {
        self.uplinks.get(&no)
    }

    /// Says which options of Geneve are fields in the bridge of a port.
    pub fn know_options(&mut self, no: PortNo, options: Arc<OptionTable>) {
        self.options.insert(no, options);
    }

    /// Which options of Geneve are fields in the bridge of a port.
    #[must_use]
    pub fn options(&self, no: PortNo) -> Option<&OptionTable> {
        self.options.get(&no).map(Arc::as_ref)
    }

    /// Whether there is no tunnel port.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// What comes to a UDP port.
    pub(super) fn service(&self, port: u16) -> Option<(TunnelKind, Extension)> {
        let service = self.services.iter().find(|service| service.port == port)?;
        Some((service.kind, service.extension))
    }

    /// Whether a port does GRE.
    pub(super) const fn has_gre(&self) -> bool {
        self.has_gre
    }

    /// The port that a received packet belongs to.
    #[must_use]
    pub fn find(&self, kind: TunnelKind, key: &TunnelKey) -> Option<PortNo> {
        self.tables.iter().find_map(|table| {
            let Pattern { any_key, local, any_remote } = table.pattern;
            let wanted = Wanted {
                kind,
                dst_port: key.tp_dst,
                id: (!any_key).then_some(key.id),
                local: (local == Local::Given).then_some(key.dst),
                remote: (!any_remote).then_some(key.src),
            };
            table.ports.get(&wanted).copied()
        })
    }

    /// The same, of one packet after the other.
    #[inline]
    pub(super) fn find_next(
        &self,
        kind: TunnelKind,
        key: &TunnelKey,
        last: &mut Last,
    ) -> Option<PortNo> {
        let asked = (kind, key.tp_dst, key.id, key.src, key.dst);
        if let Some((before, port)) = last.0
            && before == asked
        {
            return Some(port);
        }
        let port = self.find(kind, key)?;
        last.0 = Some((asked, port));
        Some(port)
    }

    /// The way to a remote that a flow names.
    #[must_use]
    pub fn path(&self, remote: IpAddr, local: Option<IpAddr>) -> Option<&Arc<Path>> {
        self.paths.get(&(remote, local))
    }
}

//! Segments: the remote hosts of a tunnel port that learns where addresses are.
//!
//! # Design
//! See [`datapath::tunnel::Segment`] for what poll threads do. Here each remote host of a segment gets its
//! number: those that the configuration names (`flood_remotes`, `group`) at once, others when a packet
//! comes from them. A host of the second kind is forgotten when no address is known behind it any more.
//!
//! # Invariants
//! - There are never more than [`MAX_REMOTES`] that no configuration names.
//! - A number is given back, and what was learned by it forgotten, when no snapshot names it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use datapath::PortNo;
use datapath::tunnel::{Address, Path, Segment, Tunnel, TunnelConfig, TunnelState, Way};
use datapath::view::{self, PortKind};

use super::super::Switch;
use super::super::ports::{Device, LinkState};
use super::{Resolved, ends_of, loops};
use crate::config::segment_of;

/// Most remote hosts that packets made known.
const MAX_REMOTES: usize = 4096;
/// How long one is kept at least, seconds: its first packets may teach nothing.
const MIN_STAY_S: u32 = 10;

/// The port of the segment, the host, and the virtual network.
pub(super) type RemoteKey = (PortNo, IpAddr, u64);

/// A remote host of a segment.
pub(super) struct Remote {
    /// Its number in the datapath.
    pub no: PortNo,
    /// The bridge of the segment's port.
    pub bridge: String,
    /// Whether the configuration names it.
    is_configured: bool,
    /// Since when it is known, seconds of the engine's clock.
    since_s: u32,
    /// Nobody is behind it any more.
    is_left: bool,
    /// What poll threads see of it.
    pub tunnel: Option<Arc<Tunnel>>,
    /// Whether there is a way to it.
    is_up: bool,
}

/// A port of a segment, as its remote hosts need it.
struct Main<'a> {
    bridge: &'a str,
    name: &'a str,
    config: &'a TunnelConfig,
    carrier: PortNo,
    kept: Arc<TunnelState>,
}

impl Switch {
    /// Makes the remote hosts of segments follow the configuration; those that are no more, to be given
    /// to [`Switch::release_remotes`] once no snapshot names them.
    pub(in crate::switch) fn settle_segments(&mut self) -> Vec<(String, PortNo)> {
        let mut segments = BTreeMap::new();
        for (bridge, configured) in &self.config.bridges {
            for (name, port) in &configured.ports {
                let Some(segment) = segment_of(&port.settings) else { continue };
                let Some(state) = self.ports.get(name) else { continue };
                if state.link().and_then(LinkState::tunnel).is_some() {
                    segments.insert(state.no, (bridge.clone(), segment));
                }
            }
        }
        let (mut left, mut kept) = (Vec::new(), BTreeMap::new());
        for (key, mut remote) in std::mem::take(&mut self.tunnels.remotes) {
            let (port, host, id) = key;
            let segment = segments.get(&port).filter(|(bridge, _)| *bridge == remote.bridge);
            let is_named = segment.is_some_and(|(_, segment)| segment.hosts.contains(&host));
            match segment {
                Some((_, segment)) if segment.id == id && (is_named || !remote.is_left) => {
                    remote.is_configured = is_named;
                    kept.insert(key, remote);
                }
                _ => left.push((remote.bridge, remote.no)),
            }
        }
        self.tunnels.remotes = kept;
        self.tunnels.is_other |= !left.is_empty();
        for (port, (bridge, segment)) in segments {
            for host in segment.hosts {
                let key = (port, host, segment.id);
                if !self.tunnels.remotes.contains_key(&key) {
                    self.add_remote(key, &bridge, true);
                }
            }
        }
        left
    }

    fn add_remote(&mut self, key: RemoteKey, bridge: &str, is_configured: bool) {
        // Without a number it stays unknown: so many ports are there already.
        let Some(no) = self.port_numbers.take().and_then(PortNo::new) else { return };
        let since_s = self.engine.clock().now_s();
        let (bridge, is_left, tunnel) = (bridge.to_owned(), false, None);
        let remote = Remote { no, bridge, is_configured, since_s, is_left, tunnel, is_up: false };
        self.tunnels.remotes.insert(key, remote);
    }

    /// Gives back the numbers of remote hosts that no snapshot names.
    pub(in crate::switch) fn release_remotes(&mut self, left: Vec<(String, PortNo)>) {
        for (bridge, no) in left {
            if let Some(state) = self.bridges.get(&bridge) {
                state.fdb.flush(Some(no), None);
            }
            self.port_numbers.put(no.get());
        }
    }

    /// Takes note of a remote host that a packet came from.
    pub(in crate::switch) fn remote_wanted(&mut self, key: RemoteKey) {
        let (port, host, id) = key;
        let learned = self.tunnels.remotes.values().filter(|remote| !remote.is_configured).count();
        if learned >= MAX_REMOTES
            || self.tunnels.remotes.contains_key(&key)
            || host.is_multicast()
            || self.is_own(host)
        {
            return;
        }
        let Some(view) = self.port_of_no(port) else { return };
        if segment_of(&view.config.settings).is_none_or(|segment| segment.id != id) {
            return;
        }
        let bridge = view.bridge.to_owned();
        self.add_remote(key, &bridge, false);
        self.tunnels.is_asked = true;
    }

    /// To be called about once a second: forgets remote hosts behind which nobody is.
    pub(in crate::switch) fn tend_remotes(&mut self) {
        let now_s = self.engine.clock().now_s();
        let mut used: BTreeMap<&str, BTreeSet<PortNo>> = BTreeMap::new();
        let mut has_left = false;
        for remote in self.tunnels.remotes.values_mut() {
            if remote.is_configured || now_s.saturating_sub(remote.since_s) < MIN_STAY_S {
                continue;
            }
            let used = used.entry(remote.bridge.as_str()).or_insert_with(|| {
                let bridge = self.bridges.get(&remote.bridge);
                bridge.map(|bridge| bridge.fdb.ports().into_iter().collect()).unwrap_or_default()
            });
            remote.is_left = !used.contains(&remote.no);
            has_left |= remote.is_left;
        }
        if has_left {
            self.publish();
        }
    }

    /// Makes what poll threads see of remote hosts follow what is known of ways. `ports` are all tunnel
    /// ports: bridge, name and configuration.
    pub(super) fn settle_remotes(
        &mut self,
        ports: &[(String, String, TunnelConfig)],
        outlets: &mut loops::Outlets,
    ) {
        if self.tunnels.remotes.is_empty() {
            return;
        }
        let mains = ports.iter().filter_map(|(bridge, name, config)| {
            let state = self.ports.get(name)?;
            let link = state.link()?.tunnel()?;
            let (carrier, kept) = (link.carrier, Arc::clone(&link.kept));
            Some((state.no, Main { bridge, name, config, carrier, kept }))
        });
        let mains: BTreeMap<PortNo, Main<'_>> = mains.collect();
        let keys: Vec<RemoteKey> = self.tunnels.remotes.keys().copied().collect();
        for key in keys {
            if let Some(main) = mains.get(&key.0) {
                self.settle_remote(key, main, outlets);
            }
        }
    }

    fn settle_remote(&mut self, key: RemoteKey, main: &Main<'_>, outlets: &mut loops::Outlets) {
        let (of, host, _) = key;
        let config = TunnelConfig { remote: Address::Is(host), ..main.config.clone() };
        let Some(ends) = ends_of(&config) else { return };
        self.resolve_new(ends);
        let Some(resolved) = self.tunnels.resolved.get(&ends).cloned() else { return };
        let error = resolved.error.clone();
        let error =
            error.or_else(|| self.leads_into_itself(main.bridge, &config, &resolved, outlets));
        let is_nowhere = error.is_some();
        let path = if is_nowhere {
            Arc::new(Path { way: Way::NoRoute, ..(*resolved.path).clone() })
        } else {
            Arc::clone(&resolved.path)
        };
        if host.is_multicast() {
            let device = self.ports.get_mut(main.name).map(|state| &mut state.device);
            if let Some(Device::Attached { link: LinkState::Tunnel(link), .. }) = device {
                link.group = Some(Resolved { error, ..resolved });
            }
        }
        let Some(remote) = self.tunnels.remotes.get_mut(&key) else { return };
        let same = remote.tunnel.as_ref().is_some_and(|old| {
            old.config == config && old.path.as_ref() == Some(&path) && old.carrier == main.carrier
        });
        remote.is_up = !is_nowhere;
        if !same {
            let (carrier, state) = (main.carrier, Arc::clone(&main.kept));
            let segment = Segment::Remote { of };
            let tunnel = Tunnel { config, carrier, path: Some(path), state, segment };
            remote.tunnel = Some(Arc::new(tunnel));
            self.tunnels.is_other = true;
        }
    }

    /// What a tunnel port is to a segment.
    pub(super) fn segment(&self, name: &str) -> Segment {
        let port = self.port(name).map(|port| (port.state.no, segment_of(&port.config.settings)));
        let Some((of, Some(_))) = port else { return Segment::None };
        let remotes = self.tunnels.remotes.iter();
        let named = remotes.filter(|((port, ..), remote)| *port == of && remote.is_configured);
        Segment::Port { floods_to: named.map(|(_, remote)| remote.no).collect() }
    }

    /// Puts the numbers of remote hosts into a snapshot that has the ports of their segments.
    pub(super) fn add_remotes(&self, snapshot: &mut view::Snapshot) {
        for ((of, ..), remote) in &self.tunnels.remotes {
            let Some(main) = snapshot.port(*of).cloned() else { continue };
            let Some(tunnel) = &remote.tunnel else { continue };
            let kind = PortKind::Tunnel(Arc::clone(tunnel));
            let (no, up) = (remote.no, remote.is_up && main.up);
            let port = view::Port { no, kind, up, ..view::Port::clone(&main) };
            super::super::snapshot::put(&mut snapshot.ports, no.index(), port);
        }
    }

    /// The remote hosts of segments: number, the number of the segment's port, and address.
    pub fn remotes(&self) -> impl Iterator<Item = (PortNo, PortNo, IpAddr)> {
        self.tunnels.remotes.iter().map(|((of, host, _), remote)| (remote.no, *of, *host))
    }

    /// The number of the port that a number stands for.
    pub(in crate::switch) fn shown_no(&self, no: PortNo) -> PortNo {
        self.remotes().find(|(remote, ..)| *remote == no).map_or(no, |(_, of, _)| of)
    }

    /// The groups that carriers receive: the carrier, the group, and the interface.
    pub(super) fn groups(&self) -> BTreeSet<(PortNo, IpAddr, u32)> {
        let remotes = self.tunnels.remotes.iter().filter(|((_, host, _), _)| host.is_multicast());
        let groups = remotes.filter_map(|((_, host, _), remote)| {
            let tunnel = remote.tunnel.as_ref().filter(|_| remote.is_up)?;
            let egress = self.tunnels.resolved.get(&ends_of(&tunnel.config)?)?.egress.as_ref()?;
            Some((tunnel.carrier, *host, egress.index))
        });
        groups.collect()
    }

    /// Lets carriers receive what is sent to the groups of segments.
    pub(in crate::switch) fn settle_groups(&mut self) {
        if self.tunnels.remotes.is_empty() && self.tunnels.joined.is_empty() {
            return;
        }
        let wanted = self.groups();
        let before = std::mem::take(&mut self.tunnels.joined);
        for (carrier, group, index) in before.difference(&wanted) {
            if let Some(device) = self.engine.netdev(*carrier) {
                // It is closed, or its interface gone: then it has left.
                let _ = device.leave(*group, *index);
            }
        }
        for entry in &wanted {
            let (carrier, group, index) = *entry;
            let joined = match self.engine.netdev(carrier) {
                Some(device) if !before.contains(entry) => device.join(group, index),
                _ => Ok(()),
            };
            match joined {
                Ok(()) => {
                    self.tunnels.joined.insert(*entry);
                }
                Err(error) => tracing::warn!("group {group}: {error}"),
            }
        }
    }
}

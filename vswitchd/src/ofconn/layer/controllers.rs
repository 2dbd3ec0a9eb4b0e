//! Controllers of bridges: connecting to them, and what happens when none is reached.
//!
//! # Design
//! A standalone bridge that has reached no controller for [`N_PROBES`] inactivity intervals forwards as
//! a learning switch until one is reached again (ovs-vswitchd.conf.db(5), `fail_mode`).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use mio::Token;
use mio::net::{TcpStream, UnixStream};
use openflow::Version;

use super::super::bridges::Bridges;
use super::super::conn::Conn;
use super::super::controller::{Controller, State};
use super::super::session::{Role, Session, Side};
use super::super::target::Endpoint;
use super::services::{Passive, ServiceKind};
use super::{Bridge, OfConns, PROBE_INTERVAL};
use crate::config::value::Value as _;
use crate::ofproto::view::Miss;
use crate::stream::Socket;
use crate::switch::of_status::{ControllerStatus, FailOpen, OfStatus};

/// After so many inactivity intervals without a controller, a bridge fails open.
const N_PROBES: u32 = 3;

/// A controller of a bridge, and its connection.
#[derive(Debug)]
pub struct Remote {
    controller: Controller,
    /// For the resolver.
    key: u64,
    token: Option<Token>,
}

impl Bridge {
    /// A controller's connection has agreed on a version; whether that is news.
    pub(super) fn reached(&mut self, token: Token, now: Instant) -> bool {
        let remote = self.remotes.iter_mut().find(|remote| remote.token == Some(token));
        let news = remote.filter(|remote| remote.controller.state() != State::Active);
        news.map(|remote| remote.controller.connected(now)).is_some()
    }

    /// A controller's connection is gone.
    pub(super) fn lost(&mut self, token: Token, why: &str, now: Instant) {
        let remote = self.remotes.iter_mut().find(|remote| remote.token == Some(token));
        if let Some(remote) = remote {
            remote.token = None;
            remote.controller.failed(why, now);
        }
    }
}

impl OfConns {
    /// Makes a bridge's controllers follow its settings.
    pub(super) fn follow_controllers(&mut self, name: &str) {
        let now = Instant::now();
        let Some(bridge) = self.bridges.get_mut(name) else { return };
        let targets: Vec<String> =
            bridge.settings.controller.as_ref().map_or_else(Vec::new, |all| {
                all.values().iter().map(|target| target.text()).collect()
            });
        let (stay, gone): (Vec<Remote>, Vec<Remote>) = std::mem::take(&mut bridge.remotes)
            .into_iter()
            .partition(|remote| targets.contains(&remote.controller.target));
        if stay.is_empty() {
            bridge.alive_at = now;
        }
        bridge.remotes = stay;
        let is_gone = |passive: &Passive| {
            passive.target.as_ref().is_some_and(|target| !targets.contains(target))
        };
        let (shut, open): (Vec<Passive>, Vec<Passive>) =
            std::mem::take(&mut bridge.passives).into_iter().partition(is_gone);
        bridge.passives = open;
        let known = |bridge: &Bridge, target: &String| {
            bridge.remotes.iter().any(|remote| remote.controller.target == *target)
                || bridge.passives.iter().any(|passive| passive.target.as_ref() == Some(target))
        };
        for target in targets {
            if known(bridge, &target) {
                continue;
            }
            match Endpoint::parse(&target) {
                Ok(endpoint @ (Endpoint::ListenTcp(_) | Endpoint::ListenUnix(_))) => {
                    let kind = ServiceKind::Controllers;
                    bridge.passives.push(Passive::new(Some(target), kind, endpoint));
                }
                Ok(endpoint) => {
                    self.next_id += 1;
                    let controller = Controller::new(target, endpoint, now);
                    bridge.remotes.push(Remote { controller, key: self.next_id, token: None });
                }
                Err(error) => tracing::warn!("{name}: controller {target}: {error}"),
            }
        }
        for token in gone.into_iter().filter_map(|remote| remote.token) {
            self.close(token, Some("no controller any more"));
        }
        for token in shut.into_iter().filter_map(|passive| passive.token) {
            self.services.remove(&token).iter().for_each(super::Service::remove);
        }
        self.retry_passives(name);
        self.connect_due(name, now);
    }

    /// Connects to the controllers of a bridge whose time has come.
    fn connect_due(&mut self, name: &str, now: Instant) {
        let Some(bridge) = self.bridges.get_mut(name) else { return };
        let due = bridge.remotes.iter().filter(|remote| remote.controller.is_due(now));
        for key in due.map(|remote| remote.key).collect::<Vec<_>>() {
            let Some(remote) = self.remote_mut(key) else { continue };
            remote.controller.begin(State::Connecting, now);
            let endpoint = remote.controller.endpoint.clone();
            let made = match endpoint {
                Endpoint::Unix(path) => UnixStream::connect(path).map(Socket::Unix),
                Endpoint::Tcp { host, port } => match host.parse::<IpAddr>() {
                    Ok(address) => connect(SocketAddr::new(address, port)),
                    Err(_) => {
                        remote.controller.begin(State::Resolving, now);
                        match self.resolver.ask(key, &host, port) {
                            Ok(()) => continue,
                            Err(error) => Err(error),
                        }
                    }
                },
                Endpoint::ListenTcp(_) | Endpoint::ListenUnix(_) => continue,
            };
            self.connecting(key, made, now);
        }
    }

    /// A look-up has ended.
    pub(super) fn resolved(&mut self) {
        let now = Instant::now();
        for (key, found) in self.resolver.take() {
            // The controller may be configured no more.
            if let Some(remote) = self.remote_mut(key) {
                remote.controller.begin(State::Connecting, now);
                self.connecting(key, found.and_then(connect), now);
            }
        }
    }

    fn remote_mut(&mut self, key: u64) -> Option<&mut Remote> {
        self.bridges.values_mut().flat_map(|b| &mut b.remotes).find(|remote| remote.key == key)
    }

    fn connecting(&mut self, key: u64, made: io::Result<Socket>, now: Instant) {
        let id = self.next_id();
        let has_key = |bridge: &&mut Bridge| bridge.remotes.iter().any(|remote| remote.key == key);
        let Some(bridge) = self.bridges.values_mut().find(has_key) else { return };
        let (name, versions, limit) = (Arc::clone(&bridge.name), bridge.versions, bridge.limit);
        let session = Session::new(id, name, Side::Controller, versions);
        let conn = |socket| {
            let mut conn = Conn::new(socket, session, PROBE_INTERVAL, now);
            conn.limit(limit, now);
            conn
        };
        let watched = made.and_then(|socket| self.clients.add(conn(socket)));
        let Some(remote) = bridge.remotes.iter_mut().find(|remote| remote.key == key) else {
            return;
        };
        match watched {
            Ok(token) => {
                remote.token = Some(token);
                self.clients.pend(token);
            }
            Err(error) => remote.controller.failed(&error.to_string(), now),
        }
    }

    /// Gives up attempts that take too long, makes those whose time has come, and decides whether the
    /// bridge fails open.
    pub(super) fn drive_controllers(
        &mut self,
        name: &str,
        bridges: &mut dyn Bridges,
        now: Instant,
    ) {
        let Some(bridge) = self.bridges.get_mut(name) else { return };
        let late = bridge.remotes.iter().filter(|remote| remote.controller.is_late(now));
        for token in late.filter_map(|remote| remote.token).collect::<Vec<_>>() {
            self.close(token, Some("Connection timed out"));
        }
        self.connect_due(name, now);
        let asks = |conn: &Conn| {
            let session = conn.session();
            &**session.bridge() == name
                && session.side() == Side::Controller
                && session.role() != Role::Secondary
                && session.version() == Some(Version::V10)
        };
        let is_asked = self.clients.iter().any(|(_, conn)| asks(conn));
        bridges.set_miss(name, if is_asked { Miss::Controller } else { Miss::Drop });
        let Some(bridge) = self.bridges.get_mut(name) else { return };
        let is_active = |remote: &Remote| remote.controller.state() == State::Active;
        let is_alive = bridge.remotes.is_empty() || bridge.remotes.iter().any(is_active);
        if is_alive {
            bridge.alive_at = now;
        }
        let lost_for = now.saturating_duration_since(bridge.alive_at);
        let is_open = bridge.is_standalone() && lost_for >= PROBE_INTERVAL * N_PROBES;
        bridges.set_fail_open(name, if is_open { FailOpen::On } else { FailOpen::Off });
    }

    /// Tells how a bridge stands with its controllers.
    pub(super) fn report(&self, name: &str, bridges: &mut dyn Bridges) {
        let Some(bridge) = self.bridges.get(name) else { return };
        let mut status = OfStatus::default();
        for passive in &bridge.passives {
            match &passive.target {
                Some(target) => status.controllers.push(passive_status(target, passive)),
                None => status.error = status.error.or(passive.error.clone()),
            }
        }
        for remote in &bridge.remotes {
            status.controllers.push(self.remote_status(remote));
        }
        let targets = bridge.settings.controller.as_ref();
        let order = |status: &ControllerStatus| {
            targets.and_then(|all| all.values().iter().position(|t| t.text() == status.target))
        };
        status.controllers.sort_by_key(order);
        bridges.set_of_status(name, status);
    }

    fn remote_status(&self, remote: &Remote) -> ControllerStatus {
        let controller = &remote.controller;
        let is_connected = controller.state() == State::Active;
        let conn = remote.token.and_then(|token| self.clients.get(token));
        let role = conn.filter(|_| is_connected).map(|conn| match conn.session().role() {
            Role::Primary => "primary",
            Role::Secondary => "secondary",
            Role::Equal | Role::NoChange => "other",
        });
        ControllerStatus {
            target: controller.target.clone(),
            is_connected,
            role,
            state: controller.state().word(),
            last_error: controller.last_error().map(str::to_owned),
            connected_at: controller.connected_at(),
            disconnected_at: controller.disconnected_at(),
            n_lost_packets: conn.map_or(0, Conn::n_lost),
            n_too_long_packets: conn.map_or(0, Conn::n_too_long),
        }
    }
}

fn passive_status(target: &str, passive: &Passive) -> ControllerStatus {
    ControllerStatus {
        target: target.to_owned(),
        is_connected: false,
        role: None,
        state: if passive.error.is_none() { "LISTENING" } else { "ERROR" },
        last_error: passive.error.clone(),
        connected_at: None,
        disconnected_at: None,
        n_lost_packets: 0,
        n_too_long_packets: 0,
    }
}

fn connect(address: SocketAddr) -> io::Result<Socket> {
    let stream = TcpStream::connect(address)?;
    // Small messages are sent at once; a stream that refuses this works too.
    let _ = stream.set_nodelay(true);
    Ok(Socket::Tcp(stream))
}

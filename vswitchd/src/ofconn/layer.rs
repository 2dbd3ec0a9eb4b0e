//! Every connection and listener, as the main loop drives them.
//!
//! # Design
//! The layer follows the configuration: each bridge has its listeners ([`services`]) and controllers
//! ([`controllers`]), and a connection belongs to a bridge. A connection's step may ask that notices be
//! delivered before its reply; the layer does that for all connections, since they share what happened.

mod controllers;
mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Registry, Token};
use openflow::Versions;

use super::bridges::Bridges;
use super::conn::{Conn, Copies, Lost, Step};
use super::resolve::Resolver;
use super::schedule::Limit;
use super::session::{Shared, Side, Told, Turn};
use crate::config::Config;
use crate::config::model::{BridgeSettings, FailMode};
use crate::config::value::Int;
use crate::ofproto::notice::{ConnId, Event};
use crate::stream::Clients;
use controllers::Remote;
use services::{Passive, Service};

pub use services::MAX_CLIENTS;

/// How long a peer may take to say HELLO.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a controller may be silent before it is asked whether it lives.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// The same for a tool.
pub const TOOL_PROBE_INTERVAL: Duration = Duration::from_secs(60);

/// What there is for a bridge.
#[derive(Debug)]
struct Bridge {
    name: Arc<str>,
    settings: BridgeSettings,
    versions: Versions,
    /// Of packets to controllers.
    limit: Option<Limit>,
    shared: Shared,
    remotes: Vec<Remote>,
    passives: Vec<Passive>,
    /// When a controller was last connected, or the first was configured.
    alive_at: Instant,
}

impl Bridge {
    fn is_standalone(&self) -> bool {
        self.settings.fail_mode.unwrap_or(FailMode::Standalone) == FailMode::Standalone
    }
}

/// Every connection.
#[derive(Debug)]
pub struct OfConns {
    rundir: PathBuf,
    clients: Clients<Conn>,
    services: BTreeMap<Token, Service>,
    bridges: BTreeMap<String, Bridge>,
    resolver: Resolver,
    resolver_token: Token,
    next_id: u64,
    /// Of connections that have ended.
    lost: Lost,
    /// What [`OfConns::take_lost`] has told.
    told_lost: Lost,
    /// Bridges whose status is to be reported.
    changed: BTreeSet<String>,
}

impl OfConns {
    /// None yet. Tokens from `first` upward are the layer's. The caller holds the lock of the folder:
    /// sockets that a killed daemon left there are removed.
    ///
    /// # Errors
    /// The poll cannot be shared.
    pub fn new(rundir: &Path, registry: &Registry, first: Token) -> io::Result<OfConns> {
        services::remove_stale(rundir);
        let mut clients = Clients::new(registry, first)?;
        let resolver_token = clients.token();
        Ok(OfConns {
            rundir: rundir.to_owned(),
            clients,
            services: BTreeMap::new(),
            bridges: BTreeMap::new(),
            resolver: Resolver::new(registry, resolver_token)?,
            resolver_token,
            next_id: 1,
            lost: Lost::default(),
            told_lost: Lost::default(),
            changed: BTreeSet::new(),
        })
    }

    /// Makes listeners and controllers follow the configuration.
    pub fn follow(&mut self, config: &Config) {
        let stays = |name: &String| config.bridges.contains_key(name);
        let gone: Vec<String> = self.bridges.keys().filter(|name| !stays(name)).cloned().collect();
        for name in gone {
            self.remove_bridge(&name);
        }
        for (name, bridge) in &config.bridges {
            let settings = &bridge.settings;
            match self.bridges.get_mut(name) {
                Some(known) if known.settings == *settings => continue,
                Some(known) => {
                    let versions = versions(settings);
                    let is_same = known.versions == versions;
                    known.settings = settings.clone();
                    known.versions = versions;
                    let name = Arc::clone(&known.name);
                    self.limit(&name);
                    if !is_same {
                        self.close_all(&name, "the versions of the bridge changed");
                    }
                }
                None => self.add_bridge(name, settings),
            }
            self.follow_controllers(name);
            self.changed.insert(name.clone());
        }
    }

    /// Gives the connections of a bridge's controllers their rate, where it is another.
    fn limit(&mut self, bridge: &Arc<str>) {
        let Some(known) = self.bridges.get_mut(&**bridge) else { return };
        let limit = limit(&known.settings);
        if std::mem::replace(&mut known.limit, limit) == limit {
            return;
        }
        let now = Instant::now();
        for (_, conn) in self.clients.iter_mut() {
            let session = conn.session();
            if session.bridge() == bridge && session.side() == Side::Controller {
                conn.limit(limit, now);
                conn.flush(now);
            }
        }
    }

    fn add_bridge(&mut self, name: &str, settings: &BridgeSettings) {
        let bridge = Bridge {
            name: name.into(),
            settings: settings.clone(),
            versions: versions(settings),
            limit: limit(settings),
            shared: Shared::default(),
            remotes: Vec::new(),
            passives: Vec::new(),
            alive_at: Instant::now(),
        };
        self.bridges.insert(name.to_owned(), bridge);
        self.add_tools(name);
    }

    fn remove_bridge(&mut self, name: &str) {
        let Some(bridge) = self.bridges.remove(name) else { return };
        self.services.retain(|_, service| {
            let stays = service.bridge != bridge.name;
            if !stays {
                service.remove();
            }
            stays
        });
        self.close_all(&bridge.name, "the bridge was removed");
    }

    fn close_all(&mut self, bridge: &Arc<str>, why: &str) {
        for token in self.clients.tokens(|conn| conn.session().bridge() == bridge) {
            self.close(token, Some(why));
        }
    }

    /// The socket of `token` is ready: serves it. Tokens of others are ignored.
    pub fn ready(&mut self, token: Token, bridges: &mut dyn Bridges) {
        if token == self.resolver_token {
            self.resolved();
        } else if self.services.contains_key(&token) {
            self.accept(token);
        } else {
            self.step(token, bridges);
        }
    }

    /// Whether [`OfConns::end_turn`] has work, so that the main loop must not sleep.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        self.clients.has_pending()
    }

    /// How many connections there are.
    #[must_use]
    pub fn n_clients(&self) -> usize {
        self.clients.len()
    }

    /// How long until a packet is due that waits for its rate; `None`: none waits.
    #[must_use]
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        self.clients.iter().filter_map(|(_, conn)| conn.rest(now)).min()
    }

    /// Sends packets that have waited for their rate.
    fn release(&mut self, now: Instant) {
        for (_, conn) in self.clients.iter_mut() {
            if conn.rest(now).is_some_and(|rest| rest.is_zero()) {
                conn.release(now);
                conn.flush(now);
            }
        }
    }

    /// Gives each connection that has more to do another turn, publishes what messages changed, and
    /// delivers what happened.
    pub fn end_turn(&mut self, bridges: &mut dyn Bridges) {
        for token in self.clients.take_pending() {
            self.step(token, bridges);
        }
        bridges.flush_openflow();
        let told = bridges.take_notices().into_iter().map(|notice| Told { notice, by: None });
        let now = Instant::now();
        self.deliver(bridges, &told.collect::<Vec<_>>(), now);
        self.release(now);
        self.show_snoopers();
        for name in std::mem::take(&mut self.changed) {
            self.report(&name, bridges);
        }
    }

    /// To be called about once a second.
    pub fn tick(&mut self, bridges: &mut dyn Bridges, now: Instant) {
        let listening: Vec<Token> = self.services.keys().copied().collect();
        listening.into_iter().for_each(|token| self.accept(token));
        self.close_dead(now);
        for (_, conn) in self.clients.iter_mut() {
            let late = conn.session_mut().expire(now);
            if !late.is_empty() {
                conn.push(&late, now);
                conn.flush(now);
            }
        }
        let names: Vec<String> = self.bridges.keys().cloned().collect();
        for name in names {
            self.retry_passives(&name);
            self.drive_controllers(&name, bridges, now);
            self.report(&name, bridges);
        }
    }

    fn close_dead(&mut self, now: Instant) {
        let mut dead = Vec::new();
        for (token, conn) in self.clients.iter_mut() {
            let silent = now.saturating_duration_since(conn.heard_at());
            let is_greeted =
                conn.session().version().is_some() || conn.session().side() == Side::Snooper;
            if conn.is_stalled(now) {
                dead.push((token, Some("the peer does not read")));
            } else if !is_greeted && silent > HELLO_TIMEOUT {
                dead.push((token, Some("the peer does not say HELLO")));
            } else if is_greeted && !conn.probe(now) {
                dead.push((token, None));
            }
        }
        for (token, why) in dead {
            self.close(token, why);
        }
    }

    /// The daemon ends: sockets are removed.
    pub fn finish(self) {
        self.services.values().for_each(Service::remove);
    }

    fn next_id(&mut self) -> ConnId {
        self.next_id += 1;
        ConnId(self.next_id)
    }

    /// Closes a connection, for this reason or for its own.
    fn close(&mut self, token: Token, why: Option<&str>) {
        let Some(conn) = self.clients.remove(token) else { return };
        let why = why.unwrap_or(conn.why());
        self.lost += conn.lost_at_end();
        let session = conn.session();
        tracing::debug!("{}: connection closed: {why}", session.bridge());
        if session.side() == Side::Controller
            && let Some(bridge) = self.bridges.get_mut(&**session.bridge())
        {
            bridge.lost(token, why, Instant::now());
            self.changed.insert(bridge.name.to_string());
        }
    }

    fn step(&mut self, token: Token, bridges: &mut dyn Bridges) {
        let now = Instant::now();
        let Some(conn) = self.clients.get_mut(token) else { return };
        let Some(bridge) = self.bridges.get_mut(&**conn.session().bridge()) else { return };
        let mut turn = Turn { bridges, shared: &mut bridge.shared, told: Vec::new(), now };
        let step = conn.step(&mut turn);
        let told = turn.told;
        if conn.session().side() == Side::Controller && conn.session().version().is_some() {
            let is_new = bridge.reached(token, now);
            self.changed.extend(is_new.then(|| bridge.name.to_string()));
        }
        let claimed = bridge.shared.claimed.take();
        let (name, generation_id) = (Arc::clone(&bridge.name), bridge.shared.generation_id);
        if let Some(primary) = claimed {
            self.demote_others(&name, primary, generation_id);
        }
        self.deliver(bridges, &told, now);
        match step {
            Step::Wait => {}
            Step::Again => self.clients.pend(token),
            Step::Close => self.close(token, None),
            Step::Settle(bytes) => {
                if let Some(conn) = self.clients.get_mut(token) {
                    conn.push(&bytes, now);
                    conn.flush(now);
                }
                self.clients.pend(token);
            }
        }
    }

    fn demote_others(&mut self, bridge: &Arc<str>, primary: ConnId, generation_id: Option<u64>) {
        let now = Instant::now();
        for (_, conn) in self.clients.iter_mut() {
            if conn.session().bridge() == bridge && conn.session().id() != primary {
                let status = conn.session_mut().demote(generation_id);
                conn.push(&status, now);
                conn.flush(now);
            }
        }
    }

    fn deliver(&mut self, bridges: &mut dyn Bridges, told: &[Told], now: Instant) {
        if told.is_empty() {
            return;
        }
        let mut is_taken = vec![false; told.len()];
        let mut lost = Vec::new();
        for (token, conn) in self.clients.iter_mut() {
            let bridge = Arc::clone(conn.session().bridge());
            let mut is_told = false;
            let of_bridge = told.iter().zip(&mut is_taken);
            for (one, is_taken) in of_bridge.filter(|(one, _)| one.notice.bridge == *bridge) {
                *is_taken |= conn.notify(one, now);
                is_told = true;
            }
            if is_told && !conn.settle(now) {
                lost.push(token);
            }
        }
        lost.into_iter().for_each(|token| self.close(token, None));
        for (one, _) in told.iter().zip(is_taken).filter(|(_, is_taken)| !is_taken) {
            if let Event::PacketIn(to) = &one.notice.event {
                bridges.lose_packet_in(to.port);
            }
        }
    }

    /// Packets that did not reach their peers since this was last asked.
    pub fn take_lost(&mut self) -> Lost {
        let mut all = self.lost;
        self.clients.iter().for_each(|(_, conn)| all += conn.lost());
        let before = std::mem::replace(&mut self.told_lost, all);
        Lost {
            overflow: all.overflow.saturating_sub(before.overflow),
            discarded: all.discarded.saturating_sub(before.discarded),
        }
    }

    /// Gives snoopers what went to controllers and came from them.
    fn show_snoopers(&mut self) {
        let now = Instant::now();
        let is_snooper = |conn: &Conn| conn.session().side() == Side::Snooper;
        let snoopers: Vec<(Token, Arc<str>)> = self
            .clients
            .iter()
            .filter(|(_, conn)| is_snooper(conn))
            .map(|(token, conn)| (token, Arc::clone(conn.session().bridge())))
            .collect();
        let mut seen: BTreeMap<Arc<str>, Vec<u8>> = BTreeMap::new();
        for (_, conn) in self.clients.iter_mut() {
            if conn.session().side() != Side::Controller {
                continue;
            }
            let bridge = Arc::clone(conn.session().bridge());
            let is_wanted = snoopers.iter().any(|(_, of)| *of == bridge);
            seen.entry(bridge).or_default().extend(conn.take_copies());
            conn.copy(if is_wanted { Copies::Wanted } else { Copies::Unwanted });
        }
        for (token, bridge) in snoopers {
            let copies = seen.get(&bridge).map_or(&[][..], Vec::as_slice);
            if let Some(conn) = self.clients.get_mut(token)
                && !copies.is_empty()
            {
                conn.push(copies, now);
                conn.flush(now);
            }
        }
    }
}

/// How many packets controllers get.
fn limit(settings: &BridgeSettings) -> Option<Limit> {
    let rate = settings.controller_rate_limit.map(Int::get);
    Limit::new(rate, settings.controller_burst_limit.map(Int::get))
}

/// The versions that a bridge may speak.
fn versions(settings: &BridgeSettings) -> Versions {
    let asked = settings.protocols.as_ref().map(|protocols| {
        protocols.values().iter().filter_map(|protocol| protocol.word().parse().ok()).collect()
    });
    asked.unwrap_or(Versions::spoken())
}

#[cfg(test)]
mod tests;

//! Every connection and listener, as the main loop drives them.
//!
//! # Design
//! The layer follows the configuration: each bridge has its listeners, and a connection belongs to a
//! bridge. A connection's step may ask that notices be delivered before its reply; the layer does that
//! for all connections, since they share what happened.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::UnixListener;
use mio::{Registry, Token};
use openflow::Versions;

use super::bridges::Bridges;
use super::conn::{Conn, Step};
use super::session::{Session, Shared, Side, Told, Turn};
use crate::config::Config;
use crate::config::model::BridgeSettings;
use crate::ofproto::notice::ConnId;
use crate::stream::{Clients, Listener, Socket};

/// Most clients of one listener.
pub const MAX_CLIENTS: usize = 256;

/// How long a peer may take to say HELLO.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// What a listener's name in the folder ends in.
const MGMT: &str = "mgmt";
const SNOOP: &str = "snoop";

/// A listener of a bridge.
#[derive(Debug)]
struct Service {
    bridge: Arc<str>,
    listener: Listener,
    path: PathBuf,
}

/// What there is for a bridge.
#[derive(Debug)]
struct Bridge {
    name: Arc<str>,
    versions: Versions,
    shared: Shared,
}

/// Every connection.
#[derive(Debug)]
pub struct OfConns {
    rundir: PathBuf,
    clients: Clients<Conn>,
    services: BTreeMap<Token, Service>,
    bridges: BTreeMap<String, Bridge>,
    next_id: u64,
}

impl OfConns {
    /// None yet. Tokens from `first` upward are the layer's. The caller holds the lock of the folder:
    /// sockets that a killed daemon left there are removed.
    ///
    /// # Errors
    /// The poll cannot be shared.
    pub fn new(rundir: &Path, registry: &Registry, first: Token) -> io::Result<OfConns> {
        remove_stale(rundir);
        Ok(OfConns {
            rundir: rundir.to_owned(),
            clients: Clients::new(registry, first)?,
            services: BTreeMap::new(),
            bridges: BTreeMap::new(),
            next_id: 1,
        })
    }

    /// Makes listeners follow the configuration.
    pub fn follow(&mut self, config: &Config) {
        let gone: Vec<String> = self
            .bridges
            .keys()
            .filter(|name| !config.bridges.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            self.remove_bridge(&name);
        }
        for (name, bridge) in &config.bridges {
            let versions = versions(&bridge.settings);
            match self.bridges.get_mut(name) {
                None => self.add_bridge(name, versions),
                Some(known) if known.versions != versions => {
                    known.versions = versions;
                    let name = Arc::clone(&known.name);
                    self.close_all(&name);
                }
                Some(_) => {}
            }
        }
    }

    fn add_bridge(&mut self, name: &str, versions: Versions) {
        let shared = Shared::default();
        let bridge = Bridge { name: name.into(), versions, shared };
        let path = self.rundir.join(format!("{name}.{MGMT}"));
        match self.listen(&bridge.name, &path) {
            Ok(()) => {}
            Err(error) => tracing::warn!("{}: {error}", path.display()),
        }
        self.bridges.insert(name.to_owned(), bridge);
    }

    fn listen(&mut self, bridge: &Arc<str>, path: &Path) -> io::Result<()> {
        remove_socket(path);
        let mut listener = Listener::Unix(UnixListener::bind(path)?);
        let token = self.clients.token();
        listener.register(self.clients.registry(), token)?;
        let service = Service { bridge: Arc::clone(bridge), listener, path: path.to_owned() };
        self.services.insert(token, service);
        Ok(())
    }

    fn remove_bridge(&mut self, name: &str) {
        let Some(bridge) = self.bridges.remove(name) else { return };
        self.services.retain(|_, service| {
            let stays = service.bridge != bridge.name;
            if !stays {
                remove_socket(&service.path);
            }
            stays
        });
        self.close_all(&bridge.name);
    }

    fn close_all(&mut self, bridge: &Arc<str>) {
        for token in self.clients.tokens(|conn| conn.session().bridge() == bridge) {
            drop(self.clients.remove(token));
        }
    }

    /// The socket of `token` is ready: serves it. Tokens of others are ignored.
    pub fn ready(&mut self, token: Token, bridges: &mut dyn Bridges) {
        if self.services.contains_key(&token) {
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

    /// Gives each connection that has more to do another turn, publishes what messages changed, and
    /// delivers what happened.
    pub fn end_turn(&mut self, bridges: &mut dyn Bridges) {
        for token in self.clients.take_pending() {
            self.step(token, bridges);
        }
        bridges.flush_openflow();
        let told = bridges.take_notices().into_iter().map(|notice| Told { notice, by: None });
        self.deliver(&told.collect::<Vec<_>>(), Instant::now());
    }

    /// To be called about once a second.
    pub fn tick(&mut self, now: Instant) {
        let listening: Vec<Token> = self.services.keys().copied().collect();
        listening.into_iter().for_each(|token| self.accept(token));
        let is_late = |conn: &Conn| {
            let silent = now.saturating_duration_since(conn.heard_at());
            conn.session().version().is_none() && silent > HELLO_TIMEOUT
        };
        for token in self.clients.tokens(|conn| conn.is_stalled(now) || is_late(conn)) {
            if let Some(conn) = self.clients.remove(token) {
                let bridge = conn.session().bridge();
                tracing::warn!("{bridge}: connection closed: the peer does not read, or say HELLO");
            }
        }
        for (_, conn) in self.clients.iter_mut() {
            let late = conn.session_mut().expire(now);
            if !late.is_empty() {
                conn.push(&late, now);
                conn.flush(now);
            }
        }
    }

    /// The daemon ends: sockets are removed.
    pub fn finish(self) {
        self.services.values().for_each(|service| remove_socket(&service.path));
    }

    fn accept(&mut self, token: Token) {
        loop {
            let Some(service) = self.services.get(&token) else { return };
            let bridge = Arc::clone(&service.bridge);
            match service.listener.accept() {
                Ok(Some((socket, _))) => self.add(socket, &bridge),
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!("{bridge}: cannot accept a connection: {error}");
                    return;
                }
            }
        }
    }

    fn add(&mut self, socket: Socket, bridge: &Arc<str>) {
        let Some(versions) = self.bridges.get(&**bridge).map(|bridge| bridge.versions) else {
            return;
        };
        self.make_room(bridge);
        let id = ConnId(self.next_id);
        self.next_id += 1;
        let now = Instant::now();
        let session = Session::new(id, Arc::clone(bridge), Side::Service, versions);
        match self.clients.add(Conn::new(socket, session, now)) {
            Ok(token) => self.clients.pend(token),
            Err(error) => tracing::warn!("{bridge}: cannot watch a connection: {error}"),
        }
    }

    /// One more may connect: of those that are too many, the one goes that has said nothing yet, or was
    /// silent longest.
    fn make_room(&mut self, bridge: &Arc<str>) {
        let of_bridge = |conn: &Conn| {
            conn.session().bridge() == bridge && conn.session().side() == Side::Service
        };
        let all = self.clients.tokens(of_bridge);
        if all.len() < MAX_CLIENTS {
            return;
        }
        let key =
            |(_, conn): &(Token, &Conn)| (conn.session().version().is_some(), conn.heard_at());
        let least = self.clients.iter().filter(|(_, conn)| of_bridge(conn)).min_by_key(key);
        if let Some(token) = least.map(|(token, _)| token) {
            tracing::warn!("{bridge}: connection closed: {MAX_CLIENTS} others are newer");
            drop(self.clients.remove(token));
        }
    }

    fn step(&mut self, token: Token, bridges: &mut dyn Bridges) {
        let now = Instant::now();
        let Some(conn) = self.clients.get_mut(token) else { return };
        let Some(bridge) = self.bridges.get_mut(&**conn.session().bridge()) else { return };
        let mut turn = Turn { bridges, shared: &mut bridge.shared, told: Vec::new(), now };
        let step = conn.step(&mut turn);
        let told = turn.told;
        let claimed = bridge.shared.claimed.take();
        let (name, generation_id) = (Arc::clone(&bridge.name), bridge.shared.generation_id);
        if let Some(primary) = claimed {
            self.demote_others(&name, primary, generation_id);
        }
        self.deliver(&told, now);
        match step {
            Step::Wait => {}
            Step::Again => self.clients.pend(token),
            Step::Close => drop(self.clients.remove(token)),
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

    fn deliver(&mut self, told: &[Told], now: Instant) {
        if told.is_empty() {
            return;
        }
        let mut lost = Vec::new();
        for (token, conn) in self.clients.iter_mut() {
            let mut is_told = false;
            let bridge = Arc::clone(conn.session().bridge());
            for one in told.iter().filter(|one| one.notice.bridge == *bridge) {
                is_told |= conn.notify(one, now);
            }
            if is_told && !conn.flush(now) {
                lost.push(token);
            }
        }
        lost.into_iter().for_each(|token| drop(self.clients.remove(token)));
    }
}

/// The versions that a bridge may speak.
fn versions(settings: &BridgeSettings) -> Versions {
    let asked = settings.protocols.as_ref().map(|protocols| {
        protocols.values().iter().filter_map(|protocol| protocol.word().parse().ok()).collect()
    });
    asked.unwrap_or(Versions::spoken())
}

/// Removes the sockets of a daemon that was killed.
fn remove_stale(rundir: &Path) {
    let Ok(entries) = std::fs::read_dir(rundir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if matches!(ending, Some(MGMT | SNOOP)) {
            remove_socket(&path);
        }
    }
}

/// Removes a socket; what is none stays.
fn remove_socket(path: &Path) {
    let is_socket =
        std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket && let Err(error) = std::fs::remove_file(path) {
        tracing::warn!("{}: cannot be removed: {error}", path.display());
    }
}

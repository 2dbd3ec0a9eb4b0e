//! Listeners of bridges: for tools, for snoopers, and for controllers that come by themselves.
//!
//! # Invariants
//! A socket's file goes with its listener. A file that is no socket is never removed.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use mio::Token;
use mio::net::{TcpListener, UnixListener};
use openflow::Versions;

use super::super::conn::Conn;
use super::super::session::{Session, Side};
use super::super::target::Endpoint;
use super::{OfConns, PROBE_INTERVAL, TOOL_PROBE_INTERVAL};
use crate::stream::{Listener, Socket};

/// Most clients of one bridge that came by themselves.
pub const MAX_CLIENTS: usize = 256;

/// What a listener's name in the folder ends in.
const MGMT: &str = "mgmt";
const SNOOP: &str = "snoop";

/// Who comes to a listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServiceKind {
    /// Tools: `<bridge>.mgmt`.
    Tools,
    /// Those that only look: `<bridge>.snoop`.
    Snoopers,
    /// Controllers: `ptcp:`, `punix:`.
    Controllers,
}

/// A listener of a bridge.
#[derive(Debug)]
pub struct Service {
    pub bridge: Arc<str>,
    pub kind: ServiceKind,
    listener: Listener,
    path: Option<PathBuf>,
}

impl Service {
    /// Takes the socket's file away.
    pub fn remove(&self) {
        self.path.iter().for_each(|path| remove_socket(path));
    }
}

/// A target that is listened at.
#[derive(Debug)]
pub struct Passive {
    /// As configured; the tools' is none.
    pub target: Option<String>,
    pub kind: ServiceKind,
    endpoint: Endpoint,
    /// The listener, if it could be made.
    pub token: Option<Token>,
    /// Why not.
    pub error: Option<String>,
}

impl Passive {
    /// A target that is not listened at yet.
    pub fn new(target: Option<String>, kind: ServiceKind, endpoint: Endpoint) -> Passive {
        Passive { target, kind, endpoint, token: None, error: None }
    }
}

impl OfConns {
    /// Listens for tools and snoopers of a new bridge.
    pub(super) fn add_tools(&mut self, name: &str) {
        for (kind, ending) in [(ServiceKind::Tools, MGMT), (ServiceKind::Snoopers, SNOOP)] {
            let path = self.rundir.join(format!("{name}.{ending}"));
            let passive = Passive::new(None, kind, Endpoint::ListenUnix(path));
            if let Some(bridge) = self.bridges.get_mut(name) {
                bridge.passives.push(passive);
            }
        }
        self.retry_passives(name);
    }

    /// Listens at the targets of a bridge that are not listened at.
    pub(super) fn retry_passives(&mut self, name: &str) {
        let Some(bridge) = self.bridges.get_mut(name) else { return };
        for passive in bridge.passives.iter_mut().filter(|passive| passive.token.is_none()) {
            match bind(&passive.endpoint) {
                Ok((mut listener, path)) => {
                    let token = self.clients.token();
                    let watched = listener.register(self.clients.registry(), token);
                    passive.error = watched.err().map(|error| error.to_string());
                    passive.token = Some(token);
                    let (bridge, kind) = (Arc::clone(&bridge.name), passive.kind);
                    self.services.insert(token, Service { bridge, kind, listener, path });
                }
                Err(error) if passive.error.as_ref() == Some(&error) => {}
                Err(error) => {
                    tracing::warn!("{}: {error}", bridge.name);
                    passive.error = Some(error);
                }
            }
        }
    }

    pub(super) fn accept(&mut self, token: Token) {
        loop {
            let Some(service) = self.services.get(&token) else { return };
            let (bridge, kind) = (Arc::clone(&service.bridge), service.kind);
            match service.listener.accept() {
                Ok(Some((socket, _))) => self.add(socket, &bridge, kind),
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!("{bridge}: cannot accept a connection: {error}");
                    return;
                }
            }
        }
    }

    fn add(&mut self, socket: Socket, bridge: &Arc<str>, kind: ServiceKind) {
        let Some(known) = self.bridges.get(&**bridge) else { return };
        let (versions, limit) = (known.versions, known.limit);
        self.make_room(bridge);
        let (side, versions, probe) = match kind {
            ServiceKind::Tools => (Side::Service, versions, TOOL_PROBE_INTERVAL),
            ServiceKind::Snoopers => (Side::Snooper, Versions::spoken(), TOOL_PROBE_INTERVAL),
            ServiceKind::Controllers => (Side::Service, versions, PROBE_INTERVAL),
        };
        let session = Session::new(self.next_id(), Arc::clone(bridge), side, versions);
        let now = Instant::now();
        let mut conn = Conn::new(socket, session, probe, now);
        conn.limit(limit.filter(|_| kind == ServiceKind::Controllers), now);
        match self.clients.add(conn) {
            Ok(token) => self.clients.pend(token),
            Err(error) => tracing::warn!("{bridge}: cannot watch a connection: {error}"),
        }
    }

    /// One more may connect: of those that are too many, the one goes that has said nothing yet, or was
    /// silent longest.
    fn make_room(&mut self, bridge: &Arc<str>) {
        let came = |conn: &Conn| {
            conn.session().bridge() == bridge && conn.session().side() != Side::Controller
        };
        if self.clients.iter().filter(|(_, conn)| came(conn)).count() < MAX_CLIENTS {
            return;
        }
        let key =
            |(_, conn): &(Token, &Conn)| (conn.session().version().is_some(), conn.heard_at());
        let least = self.clients.iter().filter(|(_, conn)| came(conn)).min_by_key(key);
        if let Some(token) = least.map(|(token, _)| token) {
            tracing::warn!("{bridge}: too many connections (at most {MAX_CLIENTS}): one is closed");
            self.close(token, None);
        }
    }
}

/// Listens; why that is not possible, for people.
fn bind(endpoint: &Endpoint) -> Result<(Listener, Option<PathBuf>), String> {
    match endpoint {
        Endpoint::ListenUnix(path) => {
            remove_socket(path);
            let failed = |error: io::Error| format!("{}: {error}", path.display());
            let listener = UnixListener::bind(path).map_err(failed)?;
            Ok((Listener::Unix(listener), Some(path.clone())))
        }
        Endpoint::ListenTcp(address) => {
            let failed = |error: io::Error| format!("{address}: {error}");
            Ok((Listener::Tcp(TcpListener::bind(*address).map_err(failed)?), None))
        }
        Endpoint::Tcp { .. } | Endpoint::Unix(_) => Err("not a place to listen at".to_owned()),
    }
}

/// Removes the sockets of a daemon that was killed.
pub fn remove_stale(rundir: &Path) {
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

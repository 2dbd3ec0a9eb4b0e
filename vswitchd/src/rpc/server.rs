//! The listener of the control socket, and its clients.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::time::Instant;

use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};

use super::Dispatch;
use super::conn::{Conn, Step};

/// Most clients at once.
pub const MAX_CLIENTS: usize = 256;

/// The control socket.
///
/// Tokens from the one given to [`Server::bind`] upward are its own.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    registry: Registry,
    first: usize,
    next: usize,
    clients: BTreeMap<Token, Conn>,
    /// Clients whose turn was over before their work.
    pending: BTreeSet<Token>,
    /// Clients that wait for the daemon's end.
    exiting: BTreeSet<Token>,
}

impl Server {
    /// Listens at `path`. The caller has made sure that no live socket is there.
    ///
    /// # Errors
    /// The socket cannot be made or registered.
    pub fn bind(path: &Path, registry: &Registry, first: Token) -> io::Result<Server> {
        let mut listener = UnixListener::bind(path)?;
        registry.register(&mut listener, first, Interest::READABLE)?;
        Ok(Server {
            listener,
            registry: registry.try_clone()?,
            first: first.0,
            next: first.0 + 1,
            clients: BTreeMap::new(),
            pending: BTreeSet::new(),
            exiting: BTreeSet::new(),
        })
    }

    /// The socket of `token` is ready: serves it. Tokens of others are ignored.
    pub fn ready(&mut self, token: Token, dispatch: &mut dyn Dispatch) {
        if token.0 == self.first {
            self.accept();
        } else {
            self.step(token, dispatch);
        }
    }

    /// Gives each client that has more to do another turn.
    pub fn run_pending(&mut self, dispatch: &mut dyn Dispatch) {
        for token in std::mem::take(&mut self.pending) {
            self.step(token, dispatch);
        }
    }

    /// Whether [`Server::run_pending`] has work, so that the main loop must not sleep.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether a client has asked the daemon to end.
    #[must_use]
    pub fn is_exit_asked(&self) -> bool {
        !self.exiting.is_empty()
    }

    /// Clients connected.
    #[must_use]
    pub fn n_clients(&self) -> usize {
        self.clients.len()
    }

    /// To be called about once a second: closes clients that do not read, and accepts those that
    /// could not be accepted for want of descriptors.
    pub fn tick(&mut self, now: Instant) {
        let stalled: Vec<Token> =
            self.clients.iter().filter(|(_, c)| c.is_stalled(now)).map(|(t, _)| *t).collect();
        for token in stalled {
            tracing::warn!(target: "unixctl", "client closed: it does not read its replies");
            self.close(token);
        }
        self.accept();
    }

    /// The daemon has ended: replies to those who asked it to.
    pub fn finish(mut self) {
        for token in &self.exiting {
            if let Some(client) = self.clients.get_mut(token) {
                client.finish();
            }
        }
    }

    fn accept(&mut self) {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.add(stream),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::warn!(target: "unixctl", "cannot accept a client: {error}");
                    return;
                }
            }
        }
    }

    fn add(&mut self, mut stream: UnixStream) {
        if self.clients.len() >= MAX_CLIENTS {
            let text = format!("too many clients (at most {MAX_CLIENTS})\n");
            let reply = serde_json::json!({ "id": null, "result": null, "error": text });
            // It fits an empty socket buffer; a client that is gone needs no reply.
            let _ = stream.write_all(reply.to_string().as_bytes());
            tracing::warn!(target: "unixctl", "client refused: {MAX_CLIENTS} are connected");
            return;
        }
        let token = Token(self.next);
        self.next += 1;
        let mut client = Conn::new(stream, Instant::now());
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self.registry.register(client.stream_mut(), token, interest) {
            Ok(()) => drop(self.clients.insert(token, client)),
            Err(error) => tracing::warn!(target: "unixctl", "cannot watch a client: {error}"),
        }
    }

    fn step(&mut self, token: Token, dispatch: &mut dyn Dispatch) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        if self.exiting.contains(&token) {
            return;
        }
        match client.step(dispatch, Instant::now()) {
            Step::Wait => {}
            Step::Again => drop(self.pending.insert(token)),
            Step::Exit => drop(self.exiting.insert(token)),
            Step::HandOver => self.hand_over(token),
            Step::Close => self.close(token),
        }
    }

    fn hand_over(&mut self, token: Token) {
        self.pending.remove(&token);
        if let Some(mut client) = self.clients.remove(&token) {
            match self.registry.deregister(client.stream_mut()) {
                Ok(()) => client.hand_over(),
                Err(error) => tracing::warn!(target: "unixctl", "client lost: {error}"),
            }
        }
    }

    fn close(&mut self, token: Token) {
        self.pending.remove(&token);
        if let Some(mut client) = self.clients.remove(&token) {
            // The kernel forgets the descriptor with the close in any case.
            let _ = self.registry.deregister(client.stream_mut());
        }
    }
}

#[cfg(test)]
mod tests;

//! The listener of the control socket, and its clients.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::Instant;

use mio::net::UnixListener;
use mio::{Registry, Token};

use super::Dispatch;
use super::conn::{Conn, Step};
use crate::stream::{Clients, Listener, Socket};

/// Most clients at once.
pub const MAX_CLIENTS: usize = 256;

/// The control socket.
///
/// Tokens from the one given to [`Server::bind`] upward are its own.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    token: Token,
    clients: Clients<Conn>,
    /// Clients that wait for the daemon's end.
    exiting: BTreeSet<Token>,
}

impl Server {
    /// Listens at `path`. The caller has made sure that no live socket is there.
    ///
    /// # Errors
    /// The socket cannot be made or registered.
    pub fn bind(path: &Path, registry: &Registry, first: Token) -> io::Result<Server> {
        let mut clients = Clients::new(registry, first)?;
        let token = clients.token();
        let mut listener = Listener::Unix(UnixListener::bind(path)?);
        listener.register(registry, token)?;
        Ok(Server { listener, token, clients, exiting: BTreeSet::new() })
    }

    /// The socket of `token` is ready: serves it. Tokens of others are ignored.
    pub fn ready(&mut self, token: Token, dispatch: &mut dyn Dispatch) {
        if token == self.token {
            self.accept();
        } else {
            self.step(token, dispatch);
        }
    }

    /// Gives each client that has more to do another turn.
    pub fn run_pending(&mut self, dispatch: &mut dyn Dispatch) {
        for token in self.clients.take_pending() {
            self.step(token, dispatch);
        }
    }

    /// Whether [`Server::run_pending`] has work, so that the main loop must not sleep.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        self.clients.has_pending()
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
        for token in self.clients.tokens(|client| client.is_stalled(now)) {
            tracing::warn!(target: "unixctl", "client closed: it does not read its replies");
            self.close(token);
        }
        self.accept();
    }

    /// The daemon has ended: replies to those who asked it to.
    pub fn finish(mut self) {
        for token in &self.exiting {
            if let Some(client) = self.clients.get_mut(*token) {
                client.finish();
            }
        }
    }

    fn accept(&mut self) {
        loop {
            match self.listener.accept() {
                Ok(Some((socket, _))) => self.add(socket),
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(target: "unixctl", "cannot accept a client: {error}");
                    return;
                }
            }
        }
    }

    fn add(&mut self, mut socket: Socket) {
        if self.clients.len() >= MAX_CLIENTS {
            let text = format!("too many clients (at most {MAX_CLIENTS})\n");
            let reply = serde_json::json!({ "id": null, "result": null, "error": text });
            // It fits an empty socket buffer; a client that is gone needs no reply.
            let _ = socket.write_now(reply.to_string().as_bytes());
            tracing::warn!(target: "unixctl", "client refused: {MAX_CLIENTS} are connected");
            return;
        }
        if let Err(error) = self.clients.add(Conn::new(socket, Instant::now())) {
            tracing::warn!(target: "unixctl", "cannot watch a client: {error}");
        }
    }

    fn step(&mut self, token: Token, dispatch: &mut dyn Dispatch) {
        let Some(client) = self.clients.get_mut(token) else { return };
        if self.exiting.contains(&token) {
            return;
        }
        match client.step(dispatch, Instant::now()) {
            Step::Wait => {}
            Step::Again => self.clients.pend(token),
            Step::Exit => drop(self.exiting.insert(token)),
            Step::HandOver => self.hand_over(token),
            Step::Close => self.close(token),
        }
    }

    fn hand_over(&mut self, token: Token) {
        if let Some(client) = self.clients.remove(token) {
            client.hand_over();
        }
    }

    fn close(&mut self, token: Token) {
        drop(self.clients.remove(token));
    }
}

#[cfg(test)]
mod tests;

//! Clients by token, and whose turn was over before their work.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use mio::{Interest, Registry, Token};

use super::Socket;

/// Something that has a socket.
pub trait Client {
    /// The socket.
    fn socket_mut(&mut self) -> &mut Socket;
}

/// All clients of one kind. Tokens from the first upward are theirs; none is used twice.
#[derive(Debug)]
pub struct Clients<C> {
    registry: Registry,
    next: usize,
    by_token: BTreeMap<Token, C>,
    pending: BTreeSet<Token>,
}

impl<C: Client> Clients<C> {
    /// None yet.
    ///
    /// # Errors
    /// The poll cannot be shared.
    pub fn new(registry: &Registry, first: Token) -> io::Result<Clients<C>> {
        Ok(Clients {
            registry: registry.try_clone()?,
            next: first.0,
            by_token: BTreeMap::new(),
            pending: BTreeSet::new(),
        })
    }

    /// A token that nobody has, for something else than a client.
    pub fn token(&mut self) -> Token {
        let token = Token(self.next);
        self.next += 1;
        token
    }

    /// Where sockets are watched.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Watches a new client.
    ///
    /// # Errors
    /// The system refuses.
    pub fn add(&mut self, mut client: C) -> io::Result<Token> {
        let token = self.token();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.registry.register(client.socket_mut(), token, interest)?;
        self.by_token.insert(token, client);
        Ok(token)
    }

    /// Takes a client out.
    pub fn remove(&mut self, token: Token) -> Option<C> {
        self.pending.remove(&token);
        let mut client = self.by_token.remove(&token)?;
        // The kernel forgets the descriptor with the close in any case.
        let _ = self.registry.deregister(client.socket_mut());
        Some(client)
    }

    /// A client.
    #[must_use]
    pub fn get(&self, token: Token) -> Option<&C> {
        self.by_token.get(&token)
    }

    /// A client.
    pub fn get_mut(&mut self, token: Token) -> Option<&mut C> {
        self.by_token.get_mut(&token)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_token.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_token.is_empty()
    }

    /// All, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (Token, &C)> {
        self.by_token.iter().map(|(token, client)| (*token, client))
    }

    /// All, in the order in which they came.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Token, &mut C)> {
        self.by_token.iter_mut().map(|(token, client)| (*token, client))
    }

    /// Those for which `is_it` holds.
    pub fn tokens(&self, is_it: impl Fn(&C) -> bool) -> Vec<Token> {
        self.iter().filter(|(_, client)| is_it(client)).map(|(token, _)| token).collect()
    }

    /// A client has more to do.
    pub fn pend(&mut self, token: Token) {
        if self.by_token.contains_key(&token) {
            self.pending.insert(token);
        }
    }

    /// Whether a client has more to do, so that the thread must not sleep.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Those that have more to do; each is to be stepped.
    pub fn take_pending(&mut self) -> BTreeSet<Token> {
        std::mem::take(&mut self.pending)
    }
}

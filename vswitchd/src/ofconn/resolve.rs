//! Addresses of names, found without blocking the control thread.
//!
//! # Design
//! The system's resolver may take as long as it likes, so each look-up has a thread of its own, which
//! ends with it. There are few at once; who finds none free tries again later.
//!
//! # Thread-safety
//! Threads send what they found over a channel and wake the main loop; they see nothing else.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use mio::{Registry, Token, Waker};

/// Look-ups at once.
const MAX_LOOKUPS: usize = 16;

/// What was found: for whom, and the address or why there is none.
pub type Found = (u64, io::Result<SocketAddr>);

/// Finds addresses.
#[derive(Debug)]
pub struct Resolver {
    waker: Arc<Waker>,
    sender: Sender<Found>,
    receiver: Receiver<Found>,
    n_running: usize,
}

impl Resolver {
    /// `token` becomes ready when something was found.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Resolver> {
        let waker = Arc::new(Waker::new(registry, token)?);
        let (sender, receiver) = channel();
        Ok(Resolver { waker, sender, receiver, n_running: 0 })
    }

    /// Looks a name up.
    ///
    /// # Errors
    /// There are too many look-ups, or no thread.
    pub fn ask(&mut self, key: u64, host: &str, port: u16) -> io::Result<()> {
        if self.n_running >= MAX_LOOKUPS {
            return Err(io::Error::other("too many names are being looked up"));
        }
        let (sender, waker) = (self.sender.clone(), Arc::clone(&self.waker));
        let host = host.to_owned();
        let look_up = move || {
            let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            let found = (host.as_str(), port)
                .to_socket_addrs()
                .and_then(|mut addresses| addresses.next().ok_or_else(none));
            // The daemon may have ended meanwhile.
            let _ = sender.send((key, found));
            let _ = waker.wake();
        };
        std::thread::Builder::new().name("resolver".to_owned()).spawn(look_up)?;
        self.n_running += 1;
        Ok(())
    }

    /// What was found since this was last asked.
    pub fn take(&mut self) -> Vec<Found> {
        let found: Vec<Found> = self.receiver.try_iter().collect();
        self.n_running = self.n_running.saturating_sub(found.len());
        found
    }
}

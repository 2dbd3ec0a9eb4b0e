//! Captures: frames of a port or a bridge, streamed to a client of the control socket.
//!
//! # Design
//! A client asks by `vswitch/capture` ([`request`]); the reply says what is captured, and from then on
//! the connection belongs to a thread of the capture's own ([`stream`]), which sends the records of
//! [`packet::capture`]. So neither the control thread nor a poll thread ever waits for the client: what
//! the client does not take in time is lost from the rings, and counted.
//!
//! A capture ends when the client has what it asked for, ends its half of the connection, is gone, or
//! reads nothing for [`stream::STALL_TIMEOUT`]; when the port or bridge is deleted; and with the
//! daemon. Whatever ends it, the last record says so, with the counts.
//!
//! # Thread-safety
//! The control thread tells a stream what it must know by [`Control`].

pub mod request;
pub mod stream;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the control thread tells a capture's thread.
#[derive(Clone, Default, Debug)]
pub struct Control(Arc<Mutex<State>>);

#[derive(Default, Debug)]
struct State {
    names: BTreeMap<u16, String>,
    /// Counts the changes of `names`.
    generation: u64,
    end: Option<String>,
}

impl Control {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ports by their number in the datapath. One that is gone keeps its name until its number has
    /// another: frames of it may still be in a ring.
    pub fn set_names(&self, names: &BTreeMap<u16, String>) {
        let mut state = self.state();
        if names.iter().any(|(no, name)| state.names.get(no) != Some(name)) {
            state.names.extend(names.iter().map(|(no, name)| (*no, name.clone())));
            state.generation += 1;
        }
    }

    /// Ends the capture.
    pub fn end(&self, reason: String) {
        self.state().end.get_or_insert(reason);
    }

    /// Whether its thread is gone.
    #[must_use]
    pub fn is_over(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    fn end_reason(&self) -> Option<String> {
        self.state().end.clone()
    }

    fn generation(&self) -> u64 {
        self.state().generation
    }

    fn name(&self, port: u16) -> Option<String> {
        self.state().names.get(&port).cloned()
    }
}

//! A controller that the switch connects to: when it does, and what it tells of it.
//!
//! # Design
//! The machine of Open vSwitch's `rconn.c`: an attempt that fails, or a connection that breaks, is
//! followed by a wait, which doubles from one second to [`MAX_BACKOFF`]; a connection that lasted
//! longer than the wait before it starts again at one second. A controller counts as connected when a
//! version is agreed on. Time is a parameter.

use std::time::{Duration, Instant};

use super::target::Endpoint;

/// First wait.
pub const MIN_BACKOFF: Duration = Duration::from_secs(1);
/// Longest wait.
pub const MAX_BACKOFF: Duration = Duration::from_secs(8);
/// Shortest time that a connection and its HELLO may take.
const MIN_PATIENCE: Duration = Duration::from_secs(2);

/// Where a controller stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Waits before the next attempt.
    Backoff,
    /// Its name is being looked up.
    Resolving,
    /// It is being connected to, and greeted.
    Connecting,
    /// A version is agreed on.
    Active,
}

impl State {
    /// In Open vSwitch's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            State::Backoff => "BACKOFF",
            State::Resolving | State::Connecting => "CONNECTING",
            State::Active => "ACTIVE",
        }
    }
}

/// A controller.
#[derive(Debug)]
pub struct Controller {
    /// The target, as configured.
    pub target: String,
    /// The target, read.
    pub endpoint: Endpoint,
    state: State,
    backoff: Duration,
    /// When the state began.
    since: Instant,
    connected_at: Option<Instant>,
    disconnected_at: Option<Instant>,
    last_error: Option<String>,
}

impl Controller {
    /// A controller that has just been configured: it is connected to at once.
    #[must_use]
    pub fn new(target: String, endpoint: Endpoint, now: Instant) -> Controller {
        Controller {
            target,
            endpoint,
            state: State::Backoff,
            backoff: Duration::ZERO,
            since: now,
            connected_at: None,
            disconnected_at: None,
            last_error: None,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// When it was last connected.
    #[must_use]
    pub fn connected_at(&self) -> Option<Instant> {
        self.connected_at
    }

    /// When it was last lost.
    #[must_use]
    pub fn disconnected_at(&self) -> Option<Instant> {
        self.disconnected_at
    }

    /// Why it was last lost, or not reached.
    #[must_use]
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// Whether it is time for an attempt.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.state == State::Backoff && now.saturating_duration_since(self.since) >= self.backoff
    }

    /// Whether an attempt takes too long.
    #[must_use]
    pub fn is_late(&self, now: Instant) -> bool {
        let patience = self.backoff.max(MIN_PATIENCE);
        self.state == State::Connecting && now.saturating_duration_since(self.since) > patience
    }

    /// An attempt has begun.
    pub fn begin(&mut self, state: State, now: Instant) {
        self.state = state;
        self.since = now;
    }

    /// A version is agreed on.
    pub fn connected(&mut self, now: Instant) {
        if self.state != State::Active {
            self.begin(State::Active, now);
            self.connected_at = Some(now);
            self.last_error = None;
            tracing::info!("{}: connected", self.target);
        }
    }

    /// The attempt failed, or the connection broke.
    pub fn failed(&mut self, why: &str, now: Instant) {
        // The system's number says nothing that its words do not.
        let why = why.split(" (os error").next().unwrap_or(why);
        let lasted = now.saturating_duration_since(self.since) >= self.backoff;
        if self.state == State::Active {
            self.disconnected_at = Some(now);
            self.backoff = if lasted { MIN_BACKOFF } else { self.longer() };
        } else {
            self.backoff = self.longer();
        }
        let wait_s = self.backoff.as_secs();
        tracing::info!("{}: {why}; waiting {wait_s} seconds before reconnect", self.target);
        self.last_error = Some(why.to_owned());
        self.begin(State::Backoff, now);
    }

    fn longer(&self) -> Duration {
        (self.backoff * 2).clamp(MIN_BACKOFF, MAX_BACKOFF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controller(now: Instant) -> Controller {
        Controller::new("unix:/c".to_owned(), Endpoint::Unix("/c".into()), now)
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut now = Instant::now();
        let mut controller = controller(now);
        for wait_s in [0, 1, 2, 4, 8, 8, 8] {
            let wait = Duration::from_secs(wait_s);
            assert!(wait_s == 0 || !controller.is_due(now + wait - Duration::from_millis(1)));
            now += wait;
            assert!(controller.is_due(now), "{wait_s}");
            controller.begin(State::Connecting, now);
            assert!(!controller.is_due(now + MAX_BACKOFF * 2));
            controller.failed("Connection refused", now);
            assert_eq!(controller.last_error(), Some("Connection refused"));
        }
    }

    #[test]
    fn a_connection_that_lasted_is_made_again_soon() {
        let mut now = Instant::now();
        let mut controller = controller(now);
        for _ in 0..4 {
            controller.failed("refused", now);
        }
        controller.begin(State::Connecting, now);
        controller.connected(now);
        assert_eq!((controller.state(), controller.last_error()), (State::Active, None));
        // It breaks at once: the wait goes on growing.
        controller.failed("reset", now);
        assert!(!controller.is_due(now + Duration::from_secs(7)));
        controller.begin(State::Connecting, now);
        controller.connected(now);
        now += MAX_BACKOFF;
        controller.failed("reset", now);
        assert!(controller.is_due(now + MIN_BACKOFF));
        assert_eq!(controller.disconnected_at(), Some(now));
    }

    #[test]
    fn an_attempt_is_given_up() {
        let now = Instant::now();
        let mut controller = controller(now);
        controller.begin(State::Connecting, now);
        assert!(!controller.is_late(now + MIN_PATIENCE));
        assert!(controller.is_late(now + MIN_PATIENCE * 2));
        controller.begin(State::Resolving, now);
        assert!(!controller.is_late(now + MIN_PATIENCE * 2), "the resolver ends by itself");
    }
}

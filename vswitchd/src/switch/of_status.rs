//! How a bridge stands with its controllers, as its connections report it.
//!
//! # Design
//! Connections are not the switch's; what is shown of them is kept here, where `show` finds it. The
//! words are those of Open vSwitch's table Controller.
//!
//! # Thread-safety
//! For the control thread.

use std::time::Instant;

use serde_json::{Map, Value as Json, json};

use super::Switch;
pub use crate::ofproto::bridge::FailOpen;
use crate::ofproto::view::Miss;

/// A controller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ControllerStatus {
    /// As configured.
    pub target: String,
    /// Whether a version is agreed on; of one that is listened for, whether anyone is there.
    pub is_connected: bool,
    /// `other`, `primary` or `secondary`; of one that is connected to.
    pub role: Option<&'static str>,
    /// `BACKOFF`, `CONNECTING`, `ACTIVE`; `LISTENING` or `ERROR` where the switch listens.
    pub state: &'static str,
    /// Why it was lost, or cannot be reached.
    pub last_error: Option<String>,
    /// Since when.
    pub connected_at: Option<Instant>,
    /// When it was last lost.
    pub disconnected_at: Option<Instant>,
    /// Packets that it was too slow for, or that its rate did not allow.
    pub n_lost_packets: u64,
    /// Packets that were to come back, and that no message had room for.
    pub n_too_long_packets: u64,
}

/// How a bridge stands with its controllers.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct OfStatus {
    /// In the order of the configuration.
    pub controllers: Vec<ControllerStatus>,
    /// Why tools cannot connect.
    pub error: Option<String>,
}

impl ControllerStatus {
    fn ages(&self, now: Instant) -> impl Iterator<Item = (&'static str, u64)> {
        let age = move |at: Instant| now.saturating_duration_since(at).as_secs();
        [("sec_since_connect", self.connected_at), ("sec_since_disconnect", self.disconnected_at)]
            .into_iter()
            .filter_map(move |(key, at)| Some((key, age(at?))))
    }

    fn json(&self, now: Instant) -> Json {
        let mut status = Map::new();
        status.insert("state".to_owned(), self.state.into());
        if let Some(error) = &self.last_error {
            status.insert("last_error".to_owned(), error.as_str().into());
        }
        status.extend(self.ages(now).map(|(key, age)| (key.to_owned(), age.into())));
        json!({
            "target": self.target,
            "is_connected": self.is_connected,
            "role": self.role,
            "status": status,
            "lost_packets": self.n_lost_packets,
            "too_long_packets": self.n_too_long_packets,
        })
    }

    fn words(&self, now: Instant) -> String {
        let mut words = vec![self.state.to_lowercase()];
        words.extend(self.role.map(|role| format!("role {role}")));
        let of_state = if self.is_connected { "sec_since_connect" } else { "sec_since_disconnect" };
        words.extend(
            self.ages(now).filter(|(key, _)| *key == of_state).map(|(_, s)| format!("for {s} s")),
        );
        words.extend(self.last_error.as_ref().map(|error| format!("last error: {error}")));
        if self.n_lost_packets > 0 {
            words.push(format!(
                "{} packets lost: it is too slow, or its rate is limited",
                self.n_lost_packets
            ));
        }
        if self.n_too_long_packets > 0 {
            words.push(format!("{} packets lost: longer than a message", self.n_too_long_packets));
        }
        format!("Controller {}  {}", self.target, words.join(", "))
    }
}

impl Switch {
    /// A bridge has lost its controllers, or has one again.
    pub fn set_fail_open(&mut self, bridge: &str, fail_open: FailOpen) {
        if self.fail_open(bridge) != fail_open {
            self.with_flows(bridge, None, |ofproto, cx| ofproto.set_fail_open(cx, fail_open));
            self.flush_openflow();
        }
    }

    /// What happens to packets that no flow matches: controllers of OpenFlow 1.0 want them.
    pub fn set_miss(&mut self, bridge: &str, miss: Miss) {
        let Some(state) = self.bridges.get_mut(bridge) else { return };
        let is_other = std::mem::replace(&mut state.openflow.miss, miss) != miss;
        if is_other {
            self.flows_seen_otherwise(bridge);
        }
    }

    /// Whether a bridge forwards as a learning switch because it has lost its controllers.
    #[must_use]
    pub fn fail_open(&self, bridge: &str) -> FailOpen {
        self.bridges.get(bridge).map_or(FailOpen::Off, |state| state.openflow.ofproto.fail_open())
    }

    /// Takes how a bridge stands with its controllers.
    pub fn set_of_status(&mut self, bridge: &str, status: OfStatus) {
        if let Some(state) = self.bridges.get_mut(bridge) {
            state.of_status = status;
        }
    }

    /// For `show` as JSON.
    pub(super) fn controllers_json(&self, bridge: &str) -> Json {
        let now = Instant::now();
        let controllers = self.bridges.get(bridge).map(|state| &state.of_status.controllers);
        controllers.into_iter().flatten().map(|controller| controller.json(now)).collect()
    }

    /// Why tools cannot connect to a bridge.
    pub(super) fn openflow_error(&self, bridge: &str) -> Option<&str> {
        self.bridges.get(bridge)?.of_status.error.as_deref()
    }

    /// For `show` as text.
    pub(super) fn controllers_text(&self, bridge: &str) -> Vec<String> {
        let now = Instant::now();
        let Some(state) = self.bridges.get(bridge) else { return Vec::new() };
        let mut lines: Vec<String> =
            state.of_status.controllers.iter().map(|controller| controller.words(now)).collect();
        if state.openflow.ofproto.fail_open() == FailOpen::On {
            lines.push("fail open: no controller is reached".to_owned());
        }
        lines.extend(state.of_status.error.iter().map(|error| format!("OpenFlow: {error}")));
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_controller_in_words_and_json() {
        let now = Instant::now() + Duration::from_secs(100);
        let mut status = ControllerStatus {
            target: "tcp:10.0.0.1".to_owned(),
            is_connected: true,
            role: Some("primary"),
            state: "ACTIVE",
            last_error: None,
            connected_at: Some(now - Duration::from_secs(5)),
            disconnected_at: Some(now - Duration::from_secs(9)),
            n_lost_packets: 0,
            n_too_long_packets: 0,
        };
        assert_eq!(status.words(now), "Controller tcp:10.0.0.1  active, role primary, for 5 s");
        let json = status.json(now);
        assert_eq!(json["status"]["sec_since_connect"], 5);
        assert_eq!(json["status"]["sec_since_disconnect"], 9);
        status.is_connected = false;
        status.state = "BACKOFF";
        status.last_error = Some("Connection refused".to_owned());
        let words = status.words(now);
        assert!(words.ends_with("for 9 s, last error: Connection refused"), "{words}");
    }
}

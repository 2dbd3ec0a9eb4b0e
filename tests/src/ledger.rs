//! Conservation: every frame that came in went out, or was dropped for a reason that is counted.

use serde_json::Value;

use crate::control::Control;
use crate::daemon::DEADLINE;
use crate::wait::wait_until;

/// Looks in a row that must show the same sums before nothing counts as in flight.
const QUIET_LOOKS: u32 = 3;

/// Sums over all ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ledger {
    /// Frames taken from devices.
    pub rx: u64,
    /// Copies made for further outputs.
    pub copies: u64,
    /// Frames added by cutting large segments.
    pub segments: u64,
    /// Packets that the control plane made or gave back.
    pub injected: u64,
    /// Packets that were handed to the control plane.
    pub handed: u64,
    /// Outer packets made for a port to send, of frames that a tunnel port has counted.
    pub encapsulated: u64,
    /// Outer packets received by a port, whose insides a tunnel port has counted.
    pub opened: u64,
    /// Frames given to devices.
    pub tx: u64,
    /// Frames lost, for whatever reason.
    pub drops: u64,
}

impl Ledger {
    /// Adds up what `ofctl --json show` prints.
    ///
    /// # Panics
    /// If a port lacks a counter: without it the sum would prove nothing.
    #[must_use]
    pub fn of(show: &Value) -> Ledger {
        let mut sum = Ledger::default();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        for port in list(&show["bridges"]).iter().flat_map(|bridge| list(&bridge["ports"])) {
            let statistics = &port["statistics"];
            let count = |key: &str| {
                let found = statistics[key].as_u64();
                found.unwrap_or_else(|| panic!("no statistics.{key} in {port}"))
            };
            sum.rx += count("rx_packets");
            sum.copies += count("copies");
            sum.segments += count("segments");
            sum.injected += count("injected");
            sum.handed += count("handed");
            sum.encapsulated += count("encapsulated");
            sum.opened += count("opened");
            sum.tx += count("tx_packets");
            let drops = statistics["drops"].as_object();
            let drops = drops.unwrap_or_else(|| panic!("no statistics.drops in {port}"));
            sum.drops += drops.values().filter_map(Value::as_u64).sum::<u64>();
        }
        sum
    }

    /// Whether nothing is missing and nothing came from nowhere.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let came = self.rx + self.injected + self.copies + self.segments + self.encapsulated;
        came == self.tx + self.handed + self.opened + self.drops
    }
}

/// Waits until nothing is in flight, and asserts that the ledger is balanced then.
///
/// # Panics
/// If it never is. Ports must not have been removed since the switch's start: their counters are
/// gone.
pub fn assert_conserved(switch: &Control) -> Ledger {
    let (mut last, mut n_same) = (Ledger::default(), 0);
    wait_until("the traffic to end", DEADLINE, || {
        let now = Ledger::of(&switch.show());
        n_same = if now == last { n_same + 1 } else { 0 };
        last = now;
        n_same == QUIET_LOOKS
    });
    assert!(last.is_balanced(), "{last:?}");
    assert!(last.rx > 0, "no traffic at all: {last:?}");
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(rx: u64, copies: u64, tx: u64, drops: u64) -> Value {
        serde_json::json!({ "statistics": {
            "rx_packets": rx, "copies": copies, "segments": 0, "tx_packets": tx,
            "injected": 0, "handed": 0, "encapsulated": 0, "opened": 0,
            "drops": { "no_output": drops } } })
    }

    fn show(ports: &[Value]) -> Value {
        serde_json::json!({ "bridges": [{ "ports": ports }] })
    }

    #[test]
    fn a_lost_frame_unbalances_the_ledger() {
        assert!(Ledger::of(&show(&[port(3, 1, 0, 1), port(0, 0, 3, 0)])).is_balanced());
        assert!(!Ledger::of(&show(&[port(3, 1, 0, 0), port(0, 0, 3, 0)])).is_balanced());
        assert!(!Ledger::of(&show(&[port(3, 0, 4, 0)])).is_balanced());
    }

    #[test]
    #[should_panic(expected = "no statistics.copies")]
    fn a_missing_counter_is_an_error() {
        let bare = serde_json::json!({ "statistics": { "rx_packets": 1, "drops": {} } });
        let _: Ledger = Ledger::of(&show(&[bare]));
    }
}

//! Changes under traffic cost the other ports nothing.

use std::sync::atomic::{AtomicBool, Ordering};

use switch_tests::lab::{BRIDGE, DEV};
use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::{ping, tcp, wait_reachable};
use switch_tests::{Host, Lab};

use super::PortKind;

scenarios!(another_port_comes_and_goes, poll_threads_come_and_go);

/// Rounds of changes while traffic flows.
const N_CHANGES: u32 = 20;

/// Raised when the last change is made, and also when one fails.
struct Finish<'a>(&'a AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Calls `change` again and again while two hosts ping and transfer: every ping must be answered.
fn under_traffic(a: &Host, b: &Host, mut change: impl FnMut()) {
    wait_reachable(a, b);
    let finished = AtomicBool::new(false);
    let goes_on = || !finished.load(Ordering::Relaxed);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while goes_on() {
                ping(a, b, 100, 1000);
            }
        });
        scope.spawn(|| {
            while goes_on() {
                tcp(b, a, 16 * 1024 * 1024);
            }
        });
        let _finish = Finish(&finished);
        (0..N_CHANGES).for_each(|_| change());
    });
}

fn another_port_comes_and_goes(kind: PortKind) {
    let lab = Lab::new();
    let (a, b) = (lab.host(kind, &[]), lab.host(kind, &[]));
    let other = lab.host_without_port(PortKind::Packet);
    under_traffic(&a, &b, || {
        lab.daemon.ofctl(&["add-port", BRIDGE, &other.name, "tag=9"]);
        lab.daemon.ofctl(&["set", "port", &other.name, "tag=10"]);
        lab.daemon.ofctl(&["del-port", BRIDGE, &other.name]);
    });
    assert_eq!(lab.daemon.count(&a.name, "tx_dropped"), 0);
    assert_eq!(lab.daemon.count(&b.name, "tx_dropped"), 0);
    other.ns.ip(&["link", "set", DEV, "down"]);
}

fn poll_threads_come_and_go(kind: PortKind) {
    let lab = Lab::new();
    let (a, b) = (lab.host(kind, &[]), lab.host(kind, &[]));
    let mut turn = ["poll-cpus=0", "poll-cpus=0,1", "poll-cpus=1"].into_iter().cycle();
    under_traffic(&a, &b, || {
        lab.daemon.ofctl(&["set", "switch", turn.next().unwrap_or_default()]);
    });
    assert_conserved(&lab.daemon);
}

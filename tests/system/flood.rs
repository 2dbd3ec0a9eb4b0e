//! A flood of new sources: the table keeps its limit, the daemon its memory, the others their hosts.

use switch_tests::daemon::DEADLINE;
use switch_tests::frame::{BROADCAST, Frame, mac, mac_text};
use switch_tests::inject::inject;
use switch_tests::lab::{BRIDGE, DEV};
use switch_tests::ledger::assert_conserved;
use switch_tests::traffic::{ping, wait_reachable};
use switch_tests::{Lab, PortKind, wait_until};

/// Sources of the flood.
const N_SOURCES: u32 = 100_000;
/// The table's default limit.
const LIMIT: u64 = 8192;
/// Bound on the daemon's resident memory, kB, with the full table.
const MEMORY_KB: u64 = 300 * 1024;

#[test]
fn a_flood_of_sources_evicts_only_its_own() {
    let mut lab = Lab::new();
    let host = || lab.host(PortKind::Packet, &[]);
    let (a, b, attacker) = (host(), host(), host());
    wait_reachable(&a, &b);

    let source = |number| Frame::new(BROADCAST, mac(0x0100_0000 + number)).text("flood");
    inject(&attacker.ns, DEV, (0..N_SOURCES).map(source));
    wait_until("the flood to be received", DEADLINE, || {
        let port = lab.daemon.port(&attacker.name);
        let count = |key: &str| port["statistics"][key].as_u64().unwrap_or(0);
        count("rx_packets") + count("rx_missed_errors") >= u64::from(N_SOURCES)
    });

    assert!(lab.daemon.is_alive(), "{}", lab.daemon.log());
    assert!(n_entries(&lab) <= LIMIT);
    let fdb = lab.daemon.ofctl(&["fdb/show", BRIDGE]);
    for host in [&a, &b] {
        assert!(fdb.contains(&mac_text(host.mac)), "{} was evicted", host.name);
    }
    ping(&a, &b, 100, 56);
    assert!(memory_kb(lab.daemon.pid()) < MEMORY_KB);
    let stats = lab.daemon.ofctl(&["fdb/stats-show", BRIDGE]);
    assert!(!stats.contains("evicted MAC entries     : 0"), "{stats}");
    assert_conserved(&lab.daemon);
}

#[test]
fn a_large_table_holds_all_of_them() {
    let lab = Lab::new();
    lab.daemon.ofctl(&["set", "bridge", BRIDGE, "mac-table-size=200000"]);
    let host = || lab.host(PortKind::Packet, &[]);
    let (a, b, crowd) = (host(), host(), host());
    wait_reachable(&a, &b);
    // A lost frame is a host not learned: who is missing speaks again.
    wait_until("all sources to be learned", 4 * DEADLINE, || {
        let source = |number| Frame::new(BROADCAST, mac(0x0100_0000 + number)).text("hello");
        inject(&crowd.ns, DEV, (0..N_SOURCES).map(source));
        n_entries(&lab) >= u64::from(N_SOURCES) + 2
    });
    assert!(memory_kb(lab.daemon.pid()) < MEMORY_KB);
    ping(&a, &b, 100, 56);
}

/// Entries in the table, as `fdb/stats-show` says: `Current/maximum MAC entries in the table: N/M`.
fn n_entries(lab: &Lab) -> u64 {
    let text = lab.daemon.ofctl(&["fdb/stats-show", BRIDGE]);
    let line = text.lines().find(|line| line.contains("Current/maximum MAC entries"));
    let counts = line.and_then(|line| line.rsplit(": ").next()?.split('/').next());
    counts.and_then(|n| n.trim().parse().ok()).unwrap_or_else(|| panic!("no count in {text}"))
}

fn memory_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the daemon lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number of kB")
}

//! Life with the kernel, as the daemon sees it: interfaces that come, change and go.

use switch_tests::daemon::DEADLINE;
use switch_tests::process::must;
use switch_tests::{Daemon, Netns, wait_until};

fn ip(ns: &Netns, words: &str) {
    let words: Vec<&str> = words.split(' ').collect();
    must(&[&["ip", "-n", ns.name()], &words[..]].concat());
}

#[test]
fn a_port_follows_its_interface() {
    let ns = Netns::new("follow");
    let daemon = Daemon::start(&ns, &[]);
    ip(&ns, "link add v0 type veth peer name w0");
    daemon.ofctl(&["add-br", "br0", "--", "add-port", "br0", "v0"]);
    let is = |key: &'static str, value: &'static str| {
        wait_until(&format!("{key} {value}"), DEADLINE, || daemon.port("v0")[key] == value);
    };
    is("link_state", "down");
    ip(&ns, "link set v0 up");
    is("admin_state", "up");
    is("link_state", "down");
    ip(&ns, "link set w0 up");
    is("link_state", "up");
    ip(&ns, "link set v0 mtu 9000");
    wait_until("the new MTU", DEADLINE, || daemon.port("v0")["mtu"] == 9000);
    ip(&ns, "link set v0 address 02:00:00:00:00:42");
    is("mac", "02:00:00:00:00:42");
    ip(&ns, "link del v0");
    wait_until("an error", DEADLINE, || daemon.port("v0")["error"].is_string());
    ip(&ns, "link add v0 type veth peer name w0");
    ip(&ns, "link set v0 up");
    ip(&ns, "link set w0 up");
    is("link_state", "up");
    wait_until("no error", DEADLINE, || daemon.port("v0")["error"].is_null());
}

#[test]
fn a_flood_of_news_loses_none() {
    let ns = Netns::new("news");
    let daemon = Daemon::start(&ns, &[]);
    ip(&ns, "link add v0 type veth peer name w0");
    ip(&ns, "link set w0 up");
    daemon.ofctl(&["add-br", "br0", "--", "add-port", "br0", "v0"]);
    // While the daemon cannot listen, the kernel's room for its notifications overflows.
    let pid = daemon.pid().to_string();
    must(&["kill", "-STOP", &pid]);
    let flaps = "link set lo up\nlink set lo down\n".repeat(4000) + "link set v0 up\n";
    let batch = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(batch.path(), flaps).unwrap();
    ip(&ns, &format!("-batch {}", batch.path().display()));
    must(&["kill", "-CONT", &pid]);
    wait_until("the link", DEADLINE, || daemon.port("v0")["link_state"] == "up");
    assert!(daemon.log().contains("notifications of the kernel were lost"), "{}", daemon.log());
}

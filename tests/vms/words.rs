//! What `ofctl` says of ports for guests, and what it refuses.

use switch_tests::lab::BRIDGE;

use crate::Site;

#[test]
fn keys_are_checked_and_shown() {
    let site = Site::new();
    let daemon = &site.lab.daemon;
    let refused = |keys: &[&str], told: &str| {
        let outcome = daemon.try_ofctl(&[&["add-port", BRIDGE, "vm1"], keys].concat());
        assert_eq!(outcome.code, 1, "{}", outcome.stderr);
        assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
        assert_eq!(daemon.ofctl(&["list-ports", BRIDGE]), "");
    };
    refused(&["type=vhost-user"], "type=vhost-user needs path=SOCKET");
    refused(&["type=vhost-user", "path=vm.sock"], "not an absolute path");
    refused(&["type=vhost-user", "path=/vm.sock", "mode=peer"], "allowed: client, server");
    refused(&["type=tap", "path=/vm.sock"], "only with type=vhost-user");
    let long = format!("path=/{}", "x".repeat(107));
    refused(&["type=vhost-user", &long], "108 bytes long");
    refused(&["type=vhost-user", "path=/none/vm.sock", "mode=server"], "No such file");
    let taken = site.socket("taken");
    std::fs::write(&taken, "").unwrap();
    let taken = format!("path={}", taken.display());
    refused(&["type=vhost-user", &taken, "mode=server"], "it is no socket");
    // A name longer than a kernel's: no device bears it.
    let path = format!("path={}", site.socket("vm").display());
    daemon.ofctl(&["add-port", BRIDGE, "a-virtual-machine-1", "type=vhost-user", &path]);
    let shown = daemon.port("a-virtual-machine-1");
    assert_eq!((&shown["link_state"], &shown["mtu"]), (&"down".into(), &1500.into()));
    assert_eq!(shown["status"]["mode"], "client");
    assert_eq!(shown["status"]["status"], "disconnected");
    assert!(shown["error"].as_str().unwrap().contains("No such file"), "{shown}");
    assert!(daemon.ofctl(&["show"]).contains(&format!("client {}", site.socket("vm").display())));
    daemon.ofctl(&["set", "port", "a-virtual-machine-1", "mtu_request=9000"]);
    assert_eq!(daemon.port("a-virtual-machine-1")["mtu"], 9000);
    daemon.ofctl(&["del-port", "a-virtual-machine-1"]);
}

#[test]
fn the_owner_of_a_tap_is_named_or_numbered() {
    let site = Site::new();
    let daemon = &site.lab.daemon;
    let refused = |keys: &[&str], told: &str| {
        let outcome = daemon.try_ofctl(&[&["add-port", BRIDGE, "vt0"], keys].concat());
        assert_eq!(outcome.code, 1, "{}", outcome.stderr);
        assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
    };
    refused(&["type=tap", "user=no-such-user"], "no no-such-user in /etc/passwd");
    refused(&["type=tap", "group=no-such-group"], "no no-such-group in /etc/group");
    refused(&["type=tap", "user=4294967295"], "allowed: 0-4294967294");
    refused(&["type=null", "user=root"], "only with type=tap");
    assert!(!site.lab.ns.has_link("vt0"));
    let fact = |name: &str| site.lab.ns.must(&["cat", &format!("/sys/class/net/vt0/{name}")]);
    daemon.ofctl(&["add-port", BRIDGE, "vt0", "type=tap", "user=nobody", "group=100"]);
    assert_eq!((fact("owner").trim(), fact("group").trim()), ("65534", "100"));
    daemon.ofctl(&["set", "port", "vt0", "user=1000"]);
    assert_eq!((fact("owner").trim(), fact("group").trim()), ("1000", "100"));
}

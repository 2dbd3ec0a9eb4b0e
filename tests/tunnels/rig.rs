//! An underlay of two networks joined by a router, and switches, or others, at its ends.
//!
//! ```text
//!  host 10.0.0.1 ── site 1: br0 ══ 192.0.2.2 ── router ── 198.51.100.2 ══ site 2: br0 ── host 10.0.0.2
//! ```

use std::net::Ipv4Addr;
use std::time::Duration;

use switch_tests::lab::{DEV, Host};
use switch_tests::traffic::{ping, tcp, wait_reachable};
use switch_tests::wait::wait_until;
use switch_tests::{Daemon, Netns};

/// How long a state may take to come about.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// MTU of hosts behind tunnels over an underlay of 1500 bytes: what is left by the outer headers of
/// IPv6, UDP and Geneve without options (70 bytes).
pub const INNER_MTU: u32 = 1430;

/// The underlay.
pub struct Underlay {
    router: Netns,
}

/// One end of it: a namespace with the interface `wan`, addressed and routed.
pub struct End {
    pub ns: Netns,
    /// Its addresses.
    pub v4: String,
    pub v6: String,
}

impl Underlay {
    pub fn new() -> Underlay {
        let router = Netns::new("wan");
        enable_ipv6(&router);
        router.must(&["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
        router.must(&["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"]);
        Underlay { router }
    }

    /// The end of that number, 1 or more, without an address: `wan` is a wire.
    pub fn wire(&self, n: u8) -> End {
        let ns = Netns::new(&format!("s{n}"));
        enable_ipv6(&ns);
        let port = format!("s{n}");
        ns.add_veth("wan", &self.router, &port);
        ns.ip(&["link", "set", "wan", "up"]);
        self.router.ip(&["link", "set", &port, "up"]);
        self.router.ip(&["addr", "add", &format!("10.9.{n}.1/24"), "dev", &port]);
        self.router.ip(&["addr", "add", &format!("fd09:{n}::1/64"), "dev", &port, "nodad"]);
        End { ns, v4: format!("10.9.{n}.2"), v6: format!("fd09:{n}::2") }
    }

    /// The same, addressed.
    pub fn end(&self, n: u8) -> End {
        let end = self.wire(n);
        end.address(n, "wan");
        end
    }

    pub fn router(&self) -> &Netns {
        &self.router
    }
}

pub fn enable_ipv6(ns: &Netns) {
    for scope in ["all", "default"] {
        ns.must(&["sysctl", "-qw", &format!("net.ipv6.conf.{scope}.disable_ipv6=0")]);
        // Nothing else is to be said on the wire than what a test says.
        ns.must(&["sysctl", "-qw", &format!("net.ipv6.conf.{scope}.accept_dad=0")]);
    }
}

/// What outer packets are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Over {
    V4,
    V6,
}

impl Over {
    /// The address of the first end's router.
    pub fn gateway(self) -> &'static str {
        match self {
            Over::V4 => "10.9.1.1",
            Over::V6 => "fd09:1::1",
        }
    }
}

impl End {
    /// Its address.
    pub fn at(&self, over: Over) -> &str {
        match over {
            Over::V4 => &self.v4,
            Over::V6 => &self.v6,
        }
    }

    /// Gives an interface the end's addresses and routes.
    pub fn address(&self, n: u8, dev: &str) {
        self.ns.ip(&["link", "set", dev, "up"]);
        self.ns.ip(&["addr", "add", &format!("{}/24", self.v4), "dev", dev]);
        self.ns.ip(&["addr", "add", &format!("{}/64", self.v6), "dev", dev, "nodad"]);
        self.ns.ip(&["route", "add", "default", "via", &format!("10.9.{n}.1")]);
        self.ns.ip(&["-6", "route", "add", "default", "via", &format!("fd09:{n}::1")]);
    }
}

/// A switch at an end of the underlay, with the bridge `br0`.
pub struct Site {
    /// Declared first: it ends before its namespace goes.
    pub daemon: Daemon,
    pub end: End,
}

impl Site {
    pub fn new(end: End) -> Site {
        let daemon = Daemon::start(&end.ns, &[]);
        daemon.ofctl(&["add-br", "br0"]);
        Site { daemon, end }
    }

    /// A host behind `br0`, with 10.0.0.`n`.
    pub fn host(&self, n: u8, keys: &[&str]) -> Host {
        self.host_on("br0", n, keys)
    }

    pub fn host_on(&self, bridge: &str, n: u8, keys: &[&str]) -> Host {
        let host = wired(&self.end.ns, n);
        self.daemon.ofctl(&[&["add-port", bridge, &host.name], keys].concat());
        host
    }

    /// Adds a tunnel port `t` to `br0`.
    pub fn tunnel(&self, keys: &[&str]) {
        self.daemon.ofctl(&[&["add-port", "br0", "t"], keys].concat());
    }

    pub fn wait_link(&self, port: &str, state: &str) {
        wait_until(&format!("link of {port} to be {state}"), PATIENCE, || {
            self.daemon.port(port)["link_state"] == state
        });
    }

    pub fn status(&self, port: &str, key: &str) -> String {
        self.daemon.port(port)["status"][key].as_str().unwrap_or_default().to_owned()
    }
}

/// A host whose wire `h<n>` ends in a namespace.
pub fn wired(ns: &Netns, n: u8) -> Host {
    let host = Host::new(&format!("h{n}"), Ipv4Addr::new(10, 0, 0, n).octets());
    ns.add_veth(&host.name, &host.ns, DEV);
    ns.ip(&["link", "set", &host.name, "up"]);
    host.ns.ip(&["link", "set", DEV, "mtu", &INNER_MTU.to_string()]);
    host.set_up();
    host
}

/// A way of tunnels: keys of a port whose far end is `remote`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Vxlan,
    Gre,
    Geneve,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Vxlan => "vxlan",
            Kind::Gre => "gre",
            Kind::Geneve => "geneve",
        }
    }

    pub fn port_type(self) -> String {
        format!("type={}", self.word())
    }
}

/// Joins two sites by a tunnel with these keys, puts a host behind each, and lets traffic cross both ways.
pub fn join(kind: Kind, over: Over, keys: &[&str], (one, two): (&Site, &Site)) -> (Host, Host) {
    let port_type = kind.port_type();
    for (here, there) in [(one, two), (two, one)] {
        here.tunnel(&[&[port_type.as_str(), &remote(there.end.at(over))], keys].concat());
    }
    let (h1, h2) = (one.host(1, &[]), two.host(2, &[]));
    cross(&h1, &h2);
    (h1, h2)
}

/// Lets traffic cross both ways, also packets of the whole MTU.
pub fn cross(h1: &Host, h2: &Host) {
    wait_reachable(h1, h2);
    ping(h1, h2, 50, 56);
    ping(h2, h1, 20, INNER_MTU as usize - 28);
    tcp(h1, h2, 8 << 20);
    tcp(h2, h1, 8 << 20);
}

/// The gateway of the first site, as `tnl/neigh/show` knows it: address, MAC address, bridge.
pub fn gateway_row(site: &Site, over: Over) -> Vec<String> {
    let shown = site.daemon.ofctl(&["tnl/neigh/show"]);
    let row = shown.lines().find(|line| line.starts_with(over.gateway()));
    let row = row.unwrap_or_else(|| panic!("no gateway: {shown}"));
    row.split_whitespace().map(str::to_owned).collect()
}

/// `remote_ip=…`.
pub fn remote(address: &str) -> String {
    format!("remote_ip={address}")
}

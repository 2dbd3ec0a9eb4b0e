//! A switch and hosts around it, by the port driver under test.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::daemon::Daemon;
use crate::frame::{mac, mac_of, mac_text};
use crate::netns::Netns;
use crate::wait::wait_until;

/// The driver behind a host's port: a scenario runs once with each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortKind {
    /// A veth pair; the switch's end is a `system` port with `driver=packet`.
    Packet,
    /// The same, with `type=afxdp`.
    AfXdp,
    /// A TAP of the switch, moved into the host's namespace.
    Tap,
}

impl PortKind {
    /// The key that makes a port of this kind.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            PortKind::Packet => "driver=packet",
            PortKind::AfXdp => "type=afxdp",
            PortKind::Tap => "type=tap",
        }
    }
}

/// A host: a namespace with one interface, [`DEV`].
pub struct Host {
    /// Name of its port on the switch.
    pub name: String,
    /// Where it lives.
    pub ns: Netns,
    /// Its address in 10.0.0.0/24.
    pub ip: Ipv4Addr,
    /// Its MAC address.
    pub mac: [u8; 6],
    kind: PortKind,
}

/// The interface of every host.
pub const DEV: &str = "eth0";
/// The bridge that a lab starts with.
pub const BRIDGE: &str = "br0";

/// A namespace with a running daemon, and a bridge.
pub struct Lab {
    /// The daemon. Declared first: it ends before its namespace goes.
    pub daemon: Daemon,
    /// The namespace of the switch.
    pub ns: Netns,
    n_hosts: AtomicU8,
}

impl Lab {
    /// A switch with the empty bridge [`BRIDGE`].
    #[must_use]
    pub fn new() -> Lab {
        Lab::with_args(&[])
    }

    /// The same, with arguments for the daemon.
    #[must_use]
    pub fn with_args(args: &[&str]) -> Lab {
        let ns = Netns::new("sw");
        let daemon = Daemon::start(&ns, args);
        daemon.ofctl(&["add-br", BRIDGE]);
        Lab { daemon, ns, n_hosts: AtomicU8::new(0) }
    }

    /// A host on [`BRIDGE`], up and addressed. `keys` are added to `add-port`.
    ///
    /// # Panics
    /// If the switch refuses the port.
    #[must_use]
    pub fn host(&self, kind: PortKind, keys: &[&str]) -> Host {
        let host = self.host_without_port(kind);
        self.add_port(&host, keys);
        host
    }

    /// A host whose wire ends beside the switch: for a veth, the near end exists and is up; for a
    /// TAP, nothing does yet.
    #[must_use]
    pub fn host_without_port(&self, kind: PortKind) -> Host {
        let number = self.n_hosts.fetch_add(1, Ordering::Relaxed) + 1;
        let host = Host {
            name: format!("h{number}"),
            ns: Netns::new(&format!("h{number}")),
            ip: Ipv4Addr::new(10, 0, 0, number),
            mac: mac(u32::from(number)),
            kind,
        };
        if kind != PortKind::Tap {
            self.wire(&host);
        }
        host
    }

    /// The veth pair between host and switch.
    pub fn wire(&self, host: &Host) {
        self.ns.add_veth(&host.name, &host.ns, DEV);
        self.ns.ip(&["link", "set", &host.name, "up"]);
        host.set_up();
    }

    /// Adds a host's port to [`BRIDGE`], and waits until its link is up.
    ///
    /// # Panics
    /// If the switch refuses the port, or its link stays down.
    pub fn add_port(&self, host: &Host, keys: &[&str]) {
        self.daemon.ofctl(&[&["add-port", BRIDGE, &host.name, host.kind.key()], keys].concat());
        self.hand_over(host);
        self.wait_up(&host.name);
    }

    /// Gives a host the TAP that the switch made for it; nothing to do for a veth.
    pub fn hand_over(&self, host: &Host) {
        if host.kind == PortKind::Tap {
            self.ns.ip(&["link", "set", &host.name, "netns", host.ns.name(), "name", DEV]);
            host.set_up();
        }
    }

    /// Waits until the switch says that a port's link is up.
    ///
    /// # Panics
    /// If it never does.
    pub fn wait_up(&self, port: &str) {
        self.wait_link(port, "up");
    }

    /// Waits until the switch says so of a port's link.
    ///
    /// # Panics
    /// If it never does.
    pub fn wait_link(&self, port: &str, state: &str) {
        let what = format!("link of {port} to be {state}");
        wait_until(&what, crate::daemon::DEADLINE, || {
            self.daemon.port(port)["link_state"] == state
        });
    }
}

impl Default for Lab {
    fn default() -> Lab {
        Lab::new()
    }
}

impl Host {
    /// A host that is wired by hand, and then [set up](Host::set_up). Its MAC address is made of its
    /// IP address.
    #[must_use]
    pub fn new(name: &str, ip: [u8; 4]) -> Host {
        let ip = Ipv4Addr::from(ip);
        let ns = Netns::new(name);
        Host { name: name.to_owned(), ns, ip, mac: mac(ip.to_bits()), kind: PortKind::Packet }
    }

    /// A host that somebody else wired and addressed, as it stands.
    ///
    /// # Panics
    /// If its interface [`DEV`] has no IPv4 address.
    #[must_use]
    pub fn of_other(name: &str, ns: Netns) -> Host {
        let text = ns.ip(&["-j", "addr", "show", DEV]);
        let link: serde_json::Value = serde_json::from_str(&text).expect("ip prints JSON");
        let of = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let mac = of(&link[0]["address"]);
        let ip = of(&link[0]["addr_info"][0]["local"]);
        Host {
            name: name.to_owned(),
            ip: ip.parse().unwrap_or_else(|error| panic!("{error}: address of {name}: {text}")),
            mac: mac_of(&mac),
            ns,
            kind: PortKind::Packet,
        }
    }

    /// Addresses its interface and sets it up.
    pub fn set_up(&self) {
        let address = format!("{}/24", self.ip);
        self.ns.ip(&["link", "set", DEV, "address", &mac_text(self.mac)]);
        self.ns.ip(&["addr", "add", &address, "dev", DEV]);
        self.ns.ip(&["link", "set", DEV, "up"]);
    }

    /// Its namespace and interface, as [`Sink`](crate::Sink) takes them.
    #[must_use]
    pub fn wire(&self) -> (&Netns, &str) {
        (&self.ns, DEV)
    }
}

//! Namespaces, wires and hosts around a switch.
//!
//! # Invariants
//! Every namespace bears [`prefix`] and goes with its handle, or by [`sweep`] when the run is
//! interrupted; wires lie inside namespaces and go with them.

use anyhow::{Context, Result, anyhow};

use crate::process::{self, command_in, output};

/// What names of this run start with.
#[must_use]
pub fn prefix() -> String {
    format!("bench{}-", std::process::id())
}

/// Removes every namespace of this run.
pub fn sweep() {
    let names = process::run("ip", &["netns", "list"]).unwrap_or_default();
    let prefix = prefix();
    for name in names.lines().filter_map(|line| line.split_whitespace().next()) {
        if name.starts_with(&prefix) {
            let _ = process::run("ip", &["netns", "del", name]);
        }
    }
}

/// A network namespace, without IPv6.
#[derive(Debug)]
pub struct Netns {
    /// Its name.
    pub name: String,
}

impl Netns {
    /// A new one.
    ///
    /// # Errors
    /// Not root, or the kernel has no namespaces.
    pub fn new(label: &str) -> Result<Netns> {
        let name = format!("{}{label}", prefix());
        process::run("ip", &["netns", "add", &name]).context("namespaces need root")?;
        let netns = Netns { name };
        let off = "net.ipv6.conf.all.disable_ipv6=1";
        // A kernel without IPv6 has nothing to disable.
        let _ = netns.run("sysctl", &["-qw", off, &off.replace("all", "default")]);
        netns.ip(&["link", "set", "lo", "up"])?;
        Ok(netns)
    }

    /// Runs a program inside.
    ///
    /// # Errors
    /// As [`process::run`].
    pub fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        output(command_in(Some(&self.name), program).args(args))
    }

    /// Runs `ip` inside.
    ///
    /// # Errors
    /// As [`process::run`].
    pub fn ip(&self, args: &[&str]) -> Result<String> {
        let mut words = vec!["-n", &self.name];
        words.extend(args);
        process::run("ip", &words)
    }

    /// Gives an interface the address `10.77.0.<host>/24` and sets it up.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn address(&self, interface: &str, host: usize) -> Result<()> {
        self.ip(&["addr", "add", &format!("{}/24", ip_of(host)), "dev", interface])?;
        self.ip(&["link", "set", interface, "up"])?;
        Ok(())
    }

    /// Lets the CPUs of `mask` (hexadecimal) do the receive work of every queue of an interface.
    ///
    /// # Errors
    /// No such interface, or the kernel has no receive packet steering.
    pub fn steer(&self, interface: &str, mask: &str) -> Result<()> {
        let script = format!(
            "for q in /sys/class/net/{interface}/queues/rx-*; do echo {mask} > $q/rps_cpus; done"
        );
        self.run("sh", &["-c", &script])?;
        Ok(())
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _ = process::run("ip", &["netns", "del", &self.name]);
    }
}

/// Lays a veth between two namespaces, and sets both ends up.
///
/// # Errors
/// There is one of these names.
pub fn veth((near, port): (&Netns, &str), (far, peer): (&Netns, &str)) -> Result<()> {
    let ends =
        [port, "netns", &near.name, "type", "veth", "peer", "name", peer, "netns", &far.name];
    process::run("ip", &[&["link", "add"], &ends[..]].concat())?;
    near.ip(&["link", "set", port, "up"])?;
    far.ip(&["link", "set", peer, "up"])?;
    Ok(())
}

/// The address of host number `host`.
#[must_use]
pub fn ip_of(host: usize) -> String {
    format!("10.77.0.{}", host + 1)
}

/// A namespace for the switch, and one for each host.
#[derive(Debug)]
pub struct Lab {
    /// Where the switch lives.
    pub switch: Netns,
    /// Where the hosts live.
    pub hosts: Vec<Netns>,
}

/// The interface of a host.
pub const HOST_IF: &str = "eth0";

impl Lab {
    /// Hosts without wires.
    ///
    /// # Errors
    /// As [`Netns::new`].
    pub fn new(n_hosts: usize) -> Result<Lab> {
        let switch = Netns::new("sw")?;
        let hosts = (0..n_hosts).map(|host| Netns::new(&format!("h{host}")));
        Ok(Lab { switch, hosts: hosts.collect::<Result<_>>()? })
    }

    /// Lays a veth from the switch to a host; the name of the switch's end.
    ///
    /// # Errors
    /// There is a wire already.
    pub fn wire(&self, host: usize) -> Result<String> {
        self.wire_from(&self.switch, host)
    }

    /// Lays a veth from another switch to a host; the name of the switch's end.
    ///
    /// # Errors
    /// There is a wire already.
    pub fn wire_from(&self, switch: &Netns, host: usize) -> Result<String> {
        let port = format!("p{host}");
        let netns = self.host(host)?;
        veth((switch, &port), (netns, HOST_IF))?;
        netns.address(HOST_IF, host)?;
        Ok(port)
    }

    /// Gives an interface of the switch's namespace to a host.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn hand_over(&self, interface: &str, host: usize) -> Result<()> {
        let netns = self.host(host)?;
        self.switch.ip(&["link", "set", interface, "netns", &netns.name])?;
        netns.ip(&["link", "set", interface, "name", HOST_IF])?;
        netns.address(HOST_IF, host)
    }

    /// A host.
    ///
    /// # Errors
    /// There is no such host.
    pub fn host(&self, host: usize) -> Result<&Netns> {
        self.hosts.get(host).ok_or_else(|| anyhow!("no host {host}"))
    }
}

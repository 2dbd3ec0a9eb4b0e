//! Whether the host's own stack hears what a port of packet sockets receives.
//!
//! # Design
//! A host that has an address on a bridge's own port would hear each packet twice: by that port, and by
//! the interface that it came in by. And who sits behind such an interface could talk to the host past
//! the switch. So the host hears nothing by it ([`HostCopy::Off`]) unless it may be waiting for it:
//!
//! | the interface | the host hears |
//! |---|---|
//! | has an address of its own, or others stand on it | yes: it is a way of the host's |
//! | is hardware, and the host has no address on the bridge | yes: a DHCP client may be about to give it one |
//! | any other | no |
//!
//! `host-copy` says otherwise. A link-local address is none: every interface has one. A kernel that
//! cannot keep frames from the host goes on as before, and `show` says so.
//!
//! # Invariants
//! Nothing is kept from the host before its interfaces and addresses are known.

use std::collections::{BTreeMap, BTreeSet};

use datapath::PortNo;
use datapath::netdev::HostCopy;
use tracing::{info, warn};

use super::links::{Link, LinkEvent};
use super::ports::{Device, of_port};
use super::{PortView, Switch};
use crate::config::PortType;

/// What was decided of a port, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GivenCopy {
    copy: HostCopy,
    why: &'static str,
    error: Option<String>,
}

impl GivenCopy {
    /// Whether the host hears what the port receives.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.copy == HostCopy::On || self.error.is_some()
    }

    /// Why it does, or does not.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.error.as_deref().unwrap_or(self.why)
    }

    /// Logs what is other than before; at first the host hears everything.
    fn tell(&self, name: &str, before: Option<&GivenCopy>) {
        let was_given = before.is_none_or(GivenCopy::is_given);
        match (&self.error, self.is_given()) {
            (Some(error), _) => warn!("port {name}: the host hears what it receives: {error}"),
            (None, is_given) if is_given == was_given => {}
            (None, true) => info!("port {name}: the host hears what it receives: {}", self.why),
            (None, false) => {
                info!("port {name}: the host does not hear what it receives: {}", self.why);
            }
        }
    }

    /// Why it does, although it should not.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

/// Which interfaces stand on others, as VLAN and macvlan interfaces do.
#[derive(Default)]
pub(super) struct Uppers {
    /// Lower interfaces by upper ones.
    lowers: BTreeMap<u32, u32>,
    is_known: bool,
}

impl Uppers {
    /// Takes what the kernel tells; whether that changed anything.
    pub(super) fn follow(&mut self, event: &LinkEvent) -> bool {
        match event {
            LinkEvent::Present(Link { index, lower: Some(lower), .. }) => {
                self.lowers.insert(*index, *lower) != Some(*lower)
            }
            LinkEvent::Present(Link { index, lower: None, .. }) | LinkEvent::Gone { index } => {
                self.lowers.remove(index).is_some()
            }
            LinkEvent::All(links) => {
                self.lowers = links.iter().filter_map(|l| Some((l.index, l.lower?))).collect();
                self.is_known = true;
                true
            }
            LinkEvent::Addresses => false,
        }
    }

    /// The interfaces that others stand on.
    fn stood_on(&self) -> BTreeSet<u32> {
        self.lowers.values().copied().collect()
    }
}

/// What the decision rests on.
#[derive(Clone, Copy)]
struct Facts {
    asked: Option<bool>,
    is_known: bool,
    has_address: bool,
    is_stood_on: bool,
    is_hardware: bool,
    is_host_on_bridge: bool,
}

fn decide(facts: Facts) -> (HostCopy, &'static str) {
    match facts {
        Facts { asked: Some(true), .. } => (HostCopy::On, "asked for by host-copy=true"),
        Facts { asked: Some(false), .. } => (HostCopy::Off, "asked for by host-copy=false"),
        Facts { is_known: false, .. } => (HostCopy::On, "the host's addresses are not known yet"),
        Facts { has_address: true, .. } => (HostCopy::On, "the interface has an address"),
        Facts { is_stood_on: true, .. } => (HostCopy::On, "other interfaces stand on it"),
        Facts { is_hardware: true, is_host_on_bridge: true, .. } => {
            (HostCopy::Off, "the host has an address on the bridge, and none on the interface")
        }
        Facts { is_hardware: true, .. } => {
            (HostCopy::On, "the interface is hardware, and the host has no address on the bridge")
        }
        _ => (HostCopy::Off, "the interface has no address"),
    }
}

impl Switch {
    /// Makes every port of packet sockets give the host a copy or not, as it shall now.
    pub(super) fn settle_host_copies(&mut self) {
        let hosts = self.bridges_with(|port| self.is_hosts(port));
        let stood_on = self.uppers.stood_on();
        let ports = self.config.bridges.keys().flat_map(|bridge| self.ports_of(bridge));
        let shall = |port: PortView<'_>| {
            let facts = self.facts(&port, (&hosts, &stood_on))?;
            Some((port.name.to_owned(), port.state.no, decide(facts)))
        };
        let all: Vec<(String, PortNo, (HostCopy, &'static str))> =
            ports.filter_map(shall).collect();
        for (name, no, (copy, why)) in all {
            let Some(Device::Attached { host_copy, .. }) =
                self.ports.get_mut(&name).map(|state| &mut state.device)
            else {
                continue;
            };
            match host_copy {
                Some(given) if given.copy == copy => given.why = why,
                _ => {
                    let told = self.engine.netdev_mut(no).map(|dev| dev.set_host_copy(copy));
                    let error =
                        told.and_then(Result::err).map(|error| of_port(&name, &error.to_string()));
                    let given = GivenCopy { copy, why, error };
                    given.tell(&name, host_copy.as_ref());
                    *host_copy = Some(given);
                    self.tunnels_see_links();
                }
            }
        }
    }

    /// `None` where there is no choice: only packet sockets leave frames to the host.
    fn facts(
        &self,
        port: &PortView<'_>,
        (hosts, stood_on): (&BTreeSet<String>, &BTreeSet<u32>),
    ) -> Option<Facts> {
        let Device::Attached { driver: "packet", link, .. } = &port.state.device else {
            return None;
        };
        let interface = link.interface()?;
        let index = interface.index;
        Some(Facts {
            asked: port.config.settings.host_copy,
            is_known: self.uppers.is_known && self.knows_addresses(),
            has_address: self.has_address(index),
            is_stood_on: interface.has_master || stood_on.contains(&index),
            is_hardware: interface.is_hardware,
            is_host_on_bridge: hosts.contains(port.bridge),
        })
    }

    /// Whether the port is an end of the host's, with an address.
    fn is_hosts(&self, port: &PortView<'_>) -> bool {
        let port_type = port.config.settings.port_type();
        matches!(port_type, PortType::Internal | PortType::Tap)
            && port.state.index().is_some_and(|index| self.has_address(index))
    }

    /// Whether the host hears what a port receives, where there is a choice.
    pub(super) fn host_copy_of(&self, name: &str) -> Option<HostCopy> {
        let given = self.ports.get(name)?.device.host_copy()?;
        Some(if given.is_given() { HostCopy::On } else { HostCopy::Off })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Facts = Facts {
        asked: None,
        is_known: true,
        has_address: false,
        is_stood_on: false,
        is_hardware: false,
        is_host_on_bridge: false,
    };

    #[test]
    fn the_host_hears_where_it_may_be_waiting() {
        let on_bridge = Facts { is_host_on_bridge: true, ..PLAIN };
        for (facts, copy) in [
            (PLAIN, HostCopy::Off),
            (on_bridge, HostCopy::Off),
            (Facts { is_known: false, ..PLAIN }, HostCopy::On),
            (Facts { has_address: true, ..on_bridge }, HostCopy::On),
            (Facts { is_stood_on: true, ..on_bridge }, HostCopy::On),
            (Facts { is_hardware: true, ..PLAIN }, HostCopy::On),
            (Facts { is_hardware: true, ..on_bridge }, HostCopy::Off),
            (Facts { asked: Some(false), has_address: true, ..PLAIN }, HostCopy::Off),
            (Facts { asked: Some(false), is_known: false, ..PLAIN }, HostCopy::Off),
            (Facts { asked: Some(true), ..PLAIN }, HostCopy::On),
        ] {
            let (decided, why) = decide(facts);
            assert_eq!(decided, copy, "{why}");
        }
    }

    #[test]
    fn interfaces_come_to_stand_on_others_and_go() {
        let link = |index, lower| Link {
            index,
            name: format!("if{index}"),
            mac: packet::MacAddr::ZERO,
            mtu: 1500,
            admin_up: true,
            carrier: true,
            is_hardware: false,
            has_master: false,
            lower,
        };
        let mut uppers = Uppers::default();
        assert!(uppers.follow(&LinkEvent::All(vec![link(2, None), link(3, Some(2))])));
        assert_eq!(uppers.stood_on(), BTreeSet::from([2]));
        assert!(!uppers.follow(&LinkEvent::Present(link(3, Some(2)))), "no news");
        assert!(uppers.follow(&LinkEvent::Present(link(4, Some(3)))));
        assert!(uppers.follow(&LinkEvent::Gone { index: 3 }));
        assert_eq!(uppers.stood_on(), BTreeSet::from([3]));
        assert!(uppers.follow(&LinkEvent::Present(link(4, None))));
        assert_eq!(uppers.stood_on(), BTreeSet::new());
        assert!(
            !uppers.follow(&LinkEvent::Gone { index: 2 }) && !uppers.follow(&LinkEvent::Addresses)
        );
    }
}

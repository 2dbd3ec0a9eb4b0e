//! Patch ports: the name of a peer, and the rules that both ends of a pair keep.
//!
//! # Design
//! A pair is two ports of `type=patch` on different bridges, each of which names the other. A peer may
//! be missing: ends are made one after the other, and one may be removed alone; the other is down in
//! the meantime. A peer that is there must agree, so that a pair never works in one direction only.

use super::error::{ConfigError, ObjectRef};
use super::model::{Config, PortSettings, PortType};
use super::value::{Refused, Value};

/// Longest name of a port, bytes.
const NAME_MAX: usize = 255;

/// The name of a patch port's peer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PeerName(String);

impl PeerName {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Value for PeerName {
    fn allowed() -> String {
        format!("the name of a port, 1-{NAME_MAX} bytes without '/' and blank")
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        let bad = |c: char| c == '/' || c.is_whitespace() || c.is_control();
        if text.is_empty() || text.len() > NAME_MAX || text.contains(bad) {
            return Err(Refused::new("not the name of a port", Self::allowed()));
        }
        Ok(PeerName(text.to_owned()))
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

/// The peer that a port names, if it is a patch port.
#[must_use]
pub fn peer_of(settings: &PortSettings) -> Option<&str> {
    let peer = settings.peer.as_ref().map(PeerName::name);
    peer.filter(|_| settings.port_type() == PortType::Patch)
}

/// Whether the ends of each pair agree.
///
/// # Errors
/// The first that does not, in the order of names.
pub fn check_pairs(config: &Config) -> Result<(), ConfigError> {
    let mut claimed = std::collections::BTreeMap::new();
    for (bridge_name, bridge) in &config.bridges {
        for (name, port) in &bridge.ports {
            let Some(peer) = peer_of(&port.settings) else { continue };
            let refused = |why: String, allowed: &str| ConfigError::Value {
                object: ObjectRef::Port(name.clone()),
                key: "peer",
                value: peer.to_owned(),
                why,
                allowed: allowed.to_owned(),
            };
            const OTHER: &str = "a port of type=patch on another bridge, or one yet to be added";
            if peer == name {
                return Err(refused("a port cannot be its own peer".into(), OTHER));
            }
            if let Some(first) = claimed.insert(peer, name) {
                let why = format!("port {first} has this peer already");
                return Err(refused(why, "a peer of its own for each port"));
            }
            let Some((other_bridge, other)) = config.port(peer) else { continue };
            let Some(back) = peer_of(&other.settings) else {
                let why = format!("port {peer} has type={}", other.settings.port_type().word());
                return Err(refused(why, OTHER));
            };
            if other_bridge == bridge_name {
                return Err(refused(format!("port {peer} is on the same bridge"), OTHER));
            }
            if back != name {
                let why = format!("port {peer} has peer={back}");
                return Err(refused(why, "a port whose peer is this one"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::model::{Bridge, Port};
    use super::*;

    /// Ports are `bridge/name=peer`; without a peer they are `system` ports.
    fn config(ports: &str) -> Config {
        let mut config = Config::default();
        for port in ports.split_whitespace() {
            let (bridge, rest) = port.split_once('/').unwrap();
            let (name, peer) = rest.split_once('=').map_or((rest, None), |(n, p)| (n, Some(p)));
            let settings = PortSettings {
                kind: peer.map(|_| PortType::Patch),
                peer: peer.map(|peer| PeerName::parse(peer).unwrap()),
                ..PortSettings::default()
            };
            let bridge = config.bridges.entry(bridge.into()).or_insert_with(|| Bridge::new(bridge));
            bridge.ports.insert(name.into(), Port { ofport: None, settings });
        }
        config
    }

    #[test]
    fn pairs_agree_or_wait() {
        for good in ["b0/p=q", "b0/p=q b1/q=p", "b0/p=q b1/r=s", "b0/p=q b0/r=s b1/q=p b2/s=r"] {
            assert_eq!(check_pairs(&config(good)), Ok(()), "{good}");
        }
        const OTHER: &str =
            "(allowed: a port of type=patch on another bridge, or one yet to be added)";
        for (bad, why) in [
            ("b0/p=p", format!("port p: peer=p: a port cannot be its own peer {OTHER}")),
            ("b0/p=q b1/q", format!("port p: peer=q: port q has type=system {OTHER}")),
            ("b0/p=b1 b1/q", format!("port p: peer=b1: port b1 has type=internal {OTHER}")),
            ("b0/p=q b0/q=p", format!("port p: peer=q: port q is on the same bridge {OTHER}")),
            (
                "b0/p=q b1/q=r",
                "port p: peer=q: port q has peer=r (allowed: a port whose peer is this one)".into(),
            ),
            (
                "b0/p=x b1/q=x",
                "port q: peer=x: port p has this peer already \
                 (allowed: a peer of its own for each port)"
                    .into(),
            ),
        ] {
            assert_eq!(check_pairs(&config(bad)).unwrap_err().to_string(), why, "{bad}");
        }
    }

    #[test]
    fn a_peer_is_named_like_a_port() {
        let long = "x".repeat(NAME_MAX);
        assert_eq!(PeerName::parse(&long).unwrap().text(), long);
        for bad in ["", "a/b", "a b", "a\n", &"x".repeat(NAME_MAX + 1)] {
            assert_eq!(PeerName::parse(bad).unwrap_err().why, "not the name of a port", "{bad:?}");
        }
    }
}

//! Rules between settings, and between objects.
//!
//! What a single value may be is the business of its type ([`value`](super::value)); here is what
//! several together may be. The rules hold after a whole transaction, so commands may pass through
//! states that break them.

use std::collections::{BTreeMap, BTreeSet};

use packet::Vid;

use super::error::{ConfigError, ObjectRef};
use super::group::check_group;
use super::keys;
use super::mirror::check_mirrors;
use super::model::{
    Bridge, Config, KEYS_OF_TYPES, OfPort, Port, PortSettings, PortType, VlanModeName,
};
use super::patch::check_pairs;
use super::tunnel::{check_tunnel, check_tunnels};

/// Longest name of a kernel device, bytes (`IFNAMSIZ` − 1, linux/if.h).
const DEVICE_NAME_MAX: usize = 15;
/// Longest name of a port that is no kernel device, bytes.
const VIRTUAL_NAME_MAX: usize = 255;

/// Whether the configuration can be used.
///
/// # Errors
/// The first rule that is broken, in the order of names.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    let mut seen = BTreeSet::new();
    for (bridge_name, bridge) in &config.bridges {
        check_bridge(bridge_name, bridge)?;
        check_mirrors(bridge_name, bridge)?;
        for name in bridge.ports.keys() {
            let object = || ObjectRef::Port(name.clone());
            if name != bridge_name && config.bridges.contains_key(name) {
                return Err(ConfigError::Exists { object: object(), place: " as a bridge".into() });
            }
            if !seen.insert(name) {
                return Err(ConfigError::Exists {
                    object: object(),
                    place: " on two bridges".into(),
                });
            }
        }
    }
    check_pairs(config)?;
    check_tunnels(config)
}

/// Whether a bridge can be used, taken alone.
///
/// # Errors
/// As [`check`].
pub fn check_bridge(name: &str, bridge: &Bridge) -> Result<(), ConfigError> {
    let object = ObjectRef::Bridge(name.to_owned());
    check_device_name(&object, name)?;
    let local = bridge.ports.get(name).map(|port| port.settings.port_type());
    if local != Some(PortType::Internal) {
        let object = ObjectRef::Port(name.to_owned());
        return Err(ConfigError::conflict(object, "the bridge's own port must have type=internal"));
    }
    let mut numbers = BTreeMap::new();
    for (port_name, port) in &bridge.ports {
        check_port(name, port_name, port)?;
        let request = port.settings.ofport_request.and_then(|n| u16::try_from(n.get()).ok());
        let Some(number) = request.or(port.ofport.map(OfPort::get)) else { continue };
        let settled = port.ofport.map(OfPort::get) == Some(number);
        if let Some((holder, held)) = numbers.insert(number, (port_name, settled)) {
            // The one that has the number already keeps it; the other is told.
            let (loser, winner) =
                if settled && !held { (holder, port_name) } else { (port_name, holder) };
            return Err(ConfigError::Value {
                object: ObjectRef::Port(loser.clone()),
                key: "ofport_request",
                value: number.to_string(),
                why: format!("port {winner} has this number"),
                allowed: format!("1-{}, free on bridge {name}", OfPort::MAX),
            });
        }
    }
    Ok(())
}

/// Whether a port can be used, taken alone.
///
/// # Errors
/// As [`check`].
pub fn check_port(bridge: &str, name: &str, port: &Port) -> Result<(), ConfigError> {
    let object = ObjectRef::Port(name.to_owned());
    let settings = &port.settings;
    check_port_name(&object, name, settings.port_type())?;
    if name == bridge {
        check_local(&object, settings)?;
    }
    check_keys_fit_type(&object, settings)?;
    check_group(&object, settings)?;
    check_tunnel(&object, settings)?;
    check_vlan(&object, settings)?;
    check_queues(&object, settings)
}

/// Whether a port of that type may have that name.
///
/// # Errors
/// It may not.
pub fn check_port_name(
    object: &ObjectRef,
    name: &str,
    port_type: PortType,
) -> Result<(), ConfigError> {
    if port_type.is_kernel_device() {
        return check_device_name(object, name);
    }
    let bad = |c: char| c == '/' || c.is_whitespace() || c.is_control();
    if name.is_empty() || name.len() > VIRTUAL_NAME_MAX || name.contains(bad) {
        let why = format!("allowed: 1-{VIRTUAL_NAME_MAX} bytes without '/' and blank");
        return Err(ConfigError::Name { object: object.clone(), why });
    }
    Ok(())
}

fn check_device_name(object: &ObjectRef, name: &str) -> Result<(), ConfigError> {
    // The kernel refuses '/', ':' and blanks, and reads '%' as a pattern (net/core/dev.c).
    let bad = |c: char| matches!(c, '/' | ':' | '%') || c.is_whitespace() || c.is_control();
    let why = if name.len() > DEVICE_NAME_MAX {
        format!("{} bytes long", name.len())
    } else if name.is_empty() || name.contains(bad) || matches!(name, "." | "..") {
        "not the name of an interface".to_owned()
    } else {
        return Ok(());
    };
    let why = format!("{why} (allowed: 1-{DEVICE_NAME_MAX} bytes without '/', ':', '%' and blank)");
    Err(ConfigError::Name { object: object.clone(), why })
}

fn check_local(object: &ObjectRef, settings: &PortSettings) -> Result<(), ConfigError> {
    match settings.ofport_request {
        Some(request) => Err(ConfigError::Value {
            object: object.clone(),
            key: "ofport_request",
            value: request.get().to_string(),
            why: "the bridge's own port is always LOCAL".into(),
            allowed: "not set".into(),
        }),
        None => Ok(()),
    }
}

fn check_keys_fit_type(object: &ObjectRef, settings: &PortSettings) -> Result<(), ConfigError> {
    let port_type = settings.port_type();
    for (key, value) in keys::present(settings) {
        let Some((_, types)) = KEYS_OF_TYPES.iter().find(|(name, _)| *name == key) else {
            continue;
        };
        if !types.contains(&port_type) {
            let words: Vec<_> =
                types.iter().filter(|t| **t != PortType::Dummy).map(|t| t.word()).collect();
            return Err(ConfigError::Value {
                object: object.clone(),
                key,
                value: value.text,
                why: format!("does not fit type={}", port_type.word()),
                allowed: format!("only with type={}", words.join(" or ")),
            });
        }
    }
    let needs = match port_type {
        PortType::Pcap if settings.file.is_none() => "type=pcap needs file=PATH",
        PortType::Patch if settings.peer.is_none() => "type=patch needs peer=PORT",
        PortType::VhostUser if settings.path.is_none() => "type=vhost-user needs path=SOCKET",
        _ => return Ok(()),
    };
    Err(ConfigError::conflict(object.clone(), needs))
}

fn check_vlan(object: &ObjectRef, settings: &PortSettings) -> Result<(), ConfigError> {
    let mode = settings.mode();
    let is_tunnel = mode == VlanModeName::Dot1qTunnel;
    let word = mode.word();
    let conflict = |why: String| Err(ConfigError::conflict(object.clone(), why));
    let misfit = |key: &str, allowed: &str| {
        conflict(format!("{key} does not fit vlan_mode={word} (allowed with {allowed})"))
    };
    if settings.cvlans.is_some() && !is_tunnel {
        return misfit("cvlans", "dot1q-tunnel");
    }
    if settings.qinq_ethtype.is_some() && !is_tunnel {
        return misfit("qinq-ethtype", "dot1q-tunnel");
    }
    // A tunnel gives a customer's tags back as they came.
    if settings.priority_tags.is_some() && is_tunnel {
        return misfit("priority-tags", "access, trunk, native-tagged, native-untagged");
    }
    match (mode, settings.tag) {
        (VlanModeName::Trunk, Some(_)) => {
            misfit("tag", "access, native-tagged, native-untagged, dot1q-tunnel")
        }
        (VlanModeName::Access, _) if settings.trunks.is_some() => conflict(
            "trunks does not fit vlan_mode=access, which is the mode of a port with a tag \
             (allowed with trunk, native-tagged, native-untagged)"
                .into(),
        ),
        (VlanModeName::Dot1qTunnel, _) if settings.trunks.is_some() => {
            misfit("trunks", "trunk, native-tagged, native-untagged")
        }
        (VlanModeName::Trunk, None) => Ok(()),
        (_, None) => conflict(format!("vlan_mode={word} needs tag=VID")),
        (VlanModeName::Dot1qTunnel, Some(Vid::NONE)) => conflict(
            "tag=0 is no service VLAN (allowed with vlan_mode=dot1q-tunnel: 1-4095)".into(),
        ),
        (_, Some(_)) => Ok(()),
    }
}

fn check_queues(object: &ObjectRef, settings: &PortSettings) -> Result<(), ConfigError> {
    let n_rxq = settings.n_rxq();
    let Some(affinity) = &settings.rxq_affinity else { return Ok(()) };
    match affinity.pairs().iter().find(|(queue, _)| *queue >= n_rxq) {
        Some((queue, _)) => Err(ConfigError::conflict(
            object.clone(),
            format!(
                "rxq-affinity names queue {queue}, but n_rxq={n_rxq} (allowed: 0-{})",
                n_rxq - 1
            ),
        )),
        None => Ok(()),
    }
}

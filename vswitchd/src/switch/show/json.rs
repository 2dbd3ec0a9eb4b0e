//! `show` as JSON.

use serde_json::{Map, Value as Json, json};

use super::super::ports::{Device, LinkState};
use super::super::{BridgeView, PortView, Switch};
use super::counts::Counts;
use crate::config::model::FailMode;
use crate::config::{OfPort, peer_of};
use crate::switch::{TunnelLink, storm, tunnels, vlan};

/// The bridges of these names.
pub fn print(switch: &Switch, names: &[&str]) -> Json {
    let bridges = names.iter().filter_map(|name| switch.bridge(name));
    let bridges: Vec<Json> = bridges.map(|bridge| bridge_json(switch, bridge)).collect();
    json!({ "bridges": bridges })
}

fn bridge_json(switch: &Switch, bridge: BridgeView<'_>) -> Json {
    let ports: Vec<Json> =
        switch.ports_of(bridge.name).map(|port| port_json(switch, &port)).collect();
    let flaps = switch.flaps(bridge.name);
    let flapping: Vec<Json> = flaps.iter().map(|flap| switch.flap_json(flap)).collect();
    json!({
        "name": bridge.name,
        "datapath_id": format!("{:016x}", switch.datapath_id(bridge.name, bridge.config)),
        "fail_mode": bridge.config.settings.fail_mode.unwrap_or(FailMode::Standalone).word(),
        "controllers": switch.controllers_json(bridge.name),
        "openflow_error": switch.openflow_error(bridge.name),
        "flapping": flapping,
        "ports": ports,
        "mirrors": switch.mirrors_json(bridge),
    })
}

fn port_json(switch: &Switch, port: &PortView<'_>) -> Json {
    let settings = &port.config.settings;
    let link = port.state.link();
    let up_or_down = |up: bool| if up { "up" } else { "down" };
    let (driver, error) = match &port.state.device {
        Device::Attached { link: LinkState::Patch, .. } => (None, None),
        Device::Attached { link: LinkState::Tunnel(link), .. } => {
            (None, tunnels::show::trouble(link))
        }
        Device::Attached { driver, .. } => (Some(*driver), None),
        Device::Absent { error } => (None, Some(error.clone())),
    };
    let error = error.or_else(|| super::driver_error(switch, port));
    let facts = json!({
        "name": port.name,
        "ofport": port.config.ofport.map(OfPort::get),
        "type": settings.port_type().word(),
        "driver": driver,
        "mac": port.state.mac().map(|mac| mac.to_string()),
        "mtu": link.and_then(|link| link.mtu_limit()),
        "admin_state": up_or_down(link.is_some_and(|link| link.is_admin_up())),
        "link_state": up_or_down(link.is_some_and(|link| link.is_up())),
        "ifindex": port.state.index().unwrap_or(0),
        "error": error,
        "storm": storm::json(settings),
        "status": status(switch, port),
        "statistics": statistics(port),
    });
    merged(facts, vlan::json(settings))
}

/// The members of both.
fn merged(mut first: Json, second: Json) -> Json {
    if let (Some(all), Json::Object(more)) = (first.as_object_mut(), second) {
        all.extend(more);
    }
    first
}

fn status(switch: &Switch, port: &PortView<'_>) -> Map<String, Json> {
    let facts = super::driver_facts(switch, port);
    let choice = match &port.state.device {
        Device::Attached { reason, .. } => reason.clone(),
        Device::Absent { .. } => None,
    };
    let choice = choice.map(|reason| ("driver_reason", reason));
    let given = port.state.device.host_copy();
    let given = given.map(|given| ("host_copy_reason", given.reason().to_owned()));
    let peer = peer_of(&port.config.settings).map(|peer| ("peer", peer.to_owned()));
    let tunnel = link_of(port).map(tunnels::show::status).unwrap_or_default();
    facts
        .into_iter()
        .chain(tunnel)
        .chain(choice)
        .chain(given)
        .chain(peer)
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect()
}

fn link_of<'a>(port: &PortView<'a>) -> Option<&'a TunnelLink> {
    port.state.link()?.tunnel()
}

fn statistics(port: &PortView<'_>) -> Map<String, Json> {
    let counts = Counts::of(&port.state.stats);
    let drops: Map<String, Json> =
        counts.drops.iter().map(|(reason, n)| (reason.name().to_owned(), (*n).into())).collect();
    let named = counts.named.iter().map(|(key, value)| ((*key).to_owned(), (*value).into()));
    named.chain([("drops".to_owned(), drops.into())]).collect()
}

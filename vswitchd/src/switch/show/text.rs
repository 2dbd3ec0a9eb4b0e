//! `show` for people: like `ovs-vsctl show`, with what there is beside what was asked for.
//!
//! ```text
//! Bridge br0
//!     datapath_id 0000025c11f00001, fail_mode standalone, 2 of 8192 addresses known
//!     Port p1     1  system (packet, auto)  up    mtu 1500  02:00:00:00:00:01  tag 10
//!         rx           10 packets          840 bytes
//!         tx            9 packets          756 bytes   1 dropped
//!         1 mtu_exceeded: larger than the MTU of the output port, and no segment to cut
//!     Port p2     2  system (-)             down
//!         error: no such interface
//! ```

use std::fmt::Write as _;

use super::super::ports::Device;
use super::super::{BridgeView, PortView, Switch};
use super::counts::Counts;
use crate::config::model::{DriverName, FailMode, VhostModeName};
use crate::config::{OfPort, PortSettings, PortType, peer_of, tunnel_of};
use crate::switch::{storm, tunnels, vlan};

/// The bridges of these names.
pub fn print(switch: &Switch, names: &[&str]) -> String {
    let mut out = String::new();
    for bridge in names.iter().filter_map(|name| switch.bridge(name)) {
        print_bridge(&mut out, switch, bridge);
    }
    out
}

// Writing to a String cannot fail.
fn line(out: &mut String, indent: usize, text: std::fmt::Arguments<'_>) {
    let start = out.len();
    let _ = write!(out, "{:indent$}{text}", "");
    out.truncate(start + out[start..].trim_end().len());
    out.push('\n');
}

fn print_bridge(out: &mut String, switch: &Switch, bridge: BridgeView<'_>) {
    line(out, 0, format_args!("Bridge {}", bridge.name));
    let fdb = bridge.fdb.stats();
    let fail_mode = bridge.config.settings.fail_mode.unwrap_or(FailMode::Standalone).word();
    line(
        out,
        4,
        format_args!(
            "datapath_id {:016x}, fail_mode {fail_mode}, {} of {} addresses known",
            switch.datapath_id(bridge.name, bridge.config),
            fdb.current,
            fdb.max_entries,
        ),
    );
    for text in switch.controllers_text(bridge.name) {
        line(out, 4, format_args!("{text}"));
    }
    for flap in switch.flaps(bridge.name) {
        line(out, 4, format_args!("{}", switch.flap_words(&flap)));
    }
    switch.mirrors_text(bridge).iter().for_each(|text| line(out, 4, format_args!("{text}")));
    let rows: Vec<Row> = switch.ports_of(bridge.name).map(|port| Row::of(switch, &port)).collect();
    let width = |cell: fn(&Row) -> &str| rows.iter().map(|row| cell(row).chars().count()).max();
    let name = width(|row| &row.name).unwrap_or(0);
    let device = width(|row| &row.device).unwrap_or(0);
    for row in &rows {
        line(
            out,
            4,
            format_args!(
                "Port {:name$}  {:>5}  {:device$}  {:4}  {}",
                row.name, row.ofport, row.device, row.link, row.facts,
            ),
        );
        row.below.iter().for_each(|text| line(out, 8, format_args!("{text}")));
    }
}

/// A port in words.
struct Row {
    name: String,
    ofport: String,
    device: String,
    link: &'static str,
    facts: String,
    below: Vec<String>,
}

impl Row {
    fn of(switch: &Switch, port: &PortView<'_>) -> Row {
        let port_type = port.config.settings.port_type();
        let device = match &port.state.device {
            Device::Attached { driver, .. } if *driver == port_type.word() => (*driver).to_owned(),
            Device::Attached { driver, .. } => match choice(&port.config.settings) {
                Some(choice) => format!("{} ({driver}, {choice})", port_type.word()),
                None => format!("{} ({driver})", port_type.word()),
            },
            Device::Absent { .. } => format!("{} (-)", port_type.word()),
        };
        let is_up = port.state.link().is_some_and(|link| link.is_up());
        Row {
            name: port.name.to_owned(),
            ofport: port.config.ofport.map_or_else(|| "-".to_owned(), ofport_words),
            device,
            link: if is_up { "up" } else { "down" },
            facts: facts(port),
            below: below(switch, port),
        }
    }
}

/// Why a `system` port has its driver.
fn choice(settings: &PortSettings) -> Option<&'static str> {
    match (settings.port_type(), settings.driver) {
        (PortType::System, None | Some(DriverName::Auto)) => Some("auto"),
        (PortType::System, Some(DriverName::Packet | DriverName::AfXdp)) => Some("asked for"),
        _ => None,
    }
}

fn ofport_words(ofport: OfPort) -> String {
    ofport.to_string()
}

fn facts(port: &PortView<'_>) -> String {
    let mut facts = Vec::new();
    let mtu = port.state.link().and_then(|link| link.mtu_limit());
    facts.extend(mtu.map(|mtu| format!("mtu {mtu}")));
    if let Some(config) = tunnel_of(&port.config.settings) {
        let link = port.state.link().and_then(|link| link.tunnel());
        facts.extend(tunnels::show::words(&config, link));
    }
    facts.extend(peer_of(&port.config.settings).map(|peer| format!("peer {peer}")));
    facts.extend(port.state.mac().map(|mac| mac.to_string()));
    facts.extend(vlan::words(&port.config.settings));
    let given = port.state.device.host_copy();
    facts.extend(given.filter(|given| given.is_given()).map(|_| "host hears too".to_owned()));
    facts.extend(storm::words(&port.config.settings));
    if port.config.settings.port_type() == PortType::Pcap
        && let Some(file) = &port.config.settings.file
    {
        facts.push(format!("file {}", file.path().display().to_string().escape_debug()));
    }
    if let Some(path) = &port.config.settings.path {
        let mode = port.config.settings.vhost_mode.unwrap_or(VhostModeName::Client).word();
        let path = path.path().display().to_string();
        facts.push(format!("{mode} {}", path.escape_debug()));
    }
    facts.join("  ")
}

fn below(switch: &Switch, port: &PortView<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let error = match &port.state.device {
        Device::Absent { error } => Some(error.clone()),
        Device::Attached { .. } => super::driver_error(switch, port),
    };
    lines.extend(error.map(|error| format!("error: {error}")));
    let link = port.state.link().and_then(|link| link.tunnel());
    lines.extend(link.and_then(tunnels::show::trouble).map(|error| format!("error: {error}")));
    let kept = port.state.device.host_copy().and_then(|given| given.error());
    lines.extend(kept.map(|error| format!("the host hears it too: {error}")));
    let counts = Counts::of(&port.state.stats);
    for side in ["rx", "tx"] {
        let get = |what: &str| counts.get(&format!("{side}_{what}"));
        let mut text = format!("{side} {:>12} packets {:>14} bytes", get("packets"), get("bytes"));
        for what in ["dropped", "errors", "missed_errors"] {
            match get(what) {
                0 => {}
                n => {
                    let _ = write!(text, "   {n} {}", what.trim_end_matches("_errors"));
                }
            }
        }
        lines.push(text);
    }
    let dropped = |(reason, n): &(datapath::DropReason, u64)| {
        format!("{n} {}: {}", reason.name(), reason.explain())
    };
    lines.extend(counts.drops.iter().map(dropped));
    lines
}

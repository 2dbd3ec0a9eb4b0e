//! `dpif/show`, `dpctl/show`: the ports as the datapath has them.

use std::fmt::Write as _;

use datapath::PortCounters;

use super::view::{PortView, SwitchView};
use super::{AppctlError, Context, Output};
use crate::config::PortType;

/// The datapath's name in Open vSwitch's tools: type and name of its userspace datapath.
const DATAPATH: &str = "netdev@ovs-netdev";

/// `dpif/show`
pub fn show(context: &mut Context<'_>, _: &[String]) -> Result<Output, AppctlError> {
    let looked_up = LookUps::of(context.switch);
    let mut text = format!("{DATAPATH}: hit:{} missed:{}\n", looked_up.hit, looked_up.missed);
    for bridge in context.switch.bridges() {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {}:", bridge.name);
        for port in &bridge.ports {
            let no = port.no.filter(|_| !is_patch(port));
            let no = no.map_or_else(|| "none".to_owned(), |no| no.to_string());
            let _ = writeln!(
                text,
                "    {} {}/{no}: ({}{})",
                port.name,
                port.ofport.get(),
                port.kind,
                options(port)
            );
        }
    }
    Ok(Output::Text(text))
}

/// `dpctl/show [-s] [DP...]`
pub fn dpctl_show(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    let is_option = |param: &&String| matches!(param.as_str(), "-s" | "--statistics");
    let with_counters = params.iter().any(|param| is_option(&param));
    let mut named = params.iter().filter(|param| !is_option(param));
    if let Some(other) = named.find(|dp| !matches!(dp.as_str(), DATAPATH | "ovs-netdev")) {
        return Err(AppctlError::NoDatapath(other.clone()));
    }
    let LookUps { hit, missed, lost } = LookUps::of(context.switch);
    let n_flows = context.switch.n_cached_flows();
    let mut text = format!(
        "{DATAPATH}:\n  lookups: hit:{hit} missed:{missed} lost:{lost}\n  flows: {n_flows}\n"
    );
    let (bridges, carriers) = (context.switch.bridges(), context.switch.carriers());
    let mut ports: Vec<_> = bridges.iter().flat_map(|bridge| &bridge.ports).collect();
    ports.retain(|port| port.no.is_some() && !is_patch(port) && !is_tunnel(port));
    ports.extend(&carriers);
    ports.sort_by_key(|port| port.no);
    for port in ports {
        let no = port.no.map_or(0, datapath::PortNo::get);
        // Writing to a string does not fail.
        let _ = write!(text, "  port {no}: {}", port.name);
        let _ = match (port.kind.as_str(), port.options.is_empty()) {
            ("system", true) => writeln!(text),
            (kind, _) => writeln!(text, " ({kind}{})", options(port)),
        };
        if with_counters {
            text.push_str(&counters(port));
        }
    }
    Ok(Output::Text(text))
}

/// Whether a port joins bridges: Open vSwitch's datapath does not know such ports.
fn is_patch(port: &PortView) -> bool {
    port.kind == PortType::Patch.word()
}

/// Whether a port is a tunnel: the datapath of Open vSwitch knows carriers.
fn is_tunnel(port: &PortView) -> bool {
    [PortType::Vxlan, PortType::Gre, PortType::Geneve].iter().any(|kind| port.kind == kind.word())
}

/// `: key=value, key=value`, or nothing.
fn options(port: &PortView) -> String {
    let pairs: Vec<String> = port.options.iter().map(|(k, v)| format!("{k}={v}")).collect();
    if pairs.is_empty() { String::new() } else { format!(": {}", pairs.join(", ")) }
}

fn counters(port: &PortView) -> String {
    let sum = |read: fn(&PortCounters) -> u64| port.stats.sum(read);
    let dropped = |side| -> u64 {
        port.drops().into_iter().filter(|(at, ..)| *at == side).map(|(.., n)| n).sum()
    };
    format!(
        "    RX packets:{} errors:0 dropped:{} overruns:{} frame:0\n    \
         TX packets:{} errors:0 dropped:{} aborted:0 carrier:0\n    collisions:0\n    \
         RX bytes:{}{}  TX bytes:{}{}\n",
        sum(|c| c.rx_packets.get()),
        dropped(super::view::Side::Rx),
        sum(|c| c.rx_missed.get()),
        sum(|c| c.tx_packets.get()),
        dropped(super::view::Side::Tx),
        sum(|c| c.rx_bytes.get()),
        human(sum(|c| c.rx_bytes.get())),
        sum(|c| c.tx_bytes.get()),
        human(sum(|c| c.tx_bytes.get())),
    )
}

/// ` (1.2 KiB)`, or nothing below a kibibyte.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["TiB", "GiB", "MiB", "KiB"];
    let unit = (0..4).find(|i| bytes >> (10 * (4 - i)) > 0);
    let Some(i) = unit else { return String::new() };
    let tenths = (u128::from(bytes) * 10) >> (10 * (4 - i));
    format!(" ({}.{} {})", tenths / 10, tenths % 10, UNITS[i])
}

/// Look-ups of frames that came by ports.
struct LookUps {
    /// Decided by the datapath alone: by cached flows, or by NORMAL, which needs none.
    hit: u64,
    /// Translated.
    missed: u64,
    /// Lost instead.
    lost: u64,
}

impl LookUps {
    /// Frames are counted by port, since the counters of poll threads go with their threads.
    fn of(switch: &dyn SwitchView) -> LookUps {
        let bridges = switch.bridges();
        let ports = bridges.iter().flat_map(|bridge| &bridge.ports).filter(|port| !is_patch(port));
        let received: u64 = ports.map(|port| port.stats.sum(|c| c.rx_packets.get())).sum();
        let threads = switch.threads();
        let missed: u64 = threads.iter().map(|thread| thread.upcalls).sum();
        let lost: u64 = threads.iter().map(|thread| thread.lost_upcalls).sum();
        LookUps { hit: received.saturating_sub(missed + lost), missed, lost }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        for (bytes, text) in [
            (0, ""),
            (1023, ""),
            (1024, " (1.0 KiB)"),
            (1536, " (1.5 KiB)"),
            (1 << 20, " (1.0 MiB)"),
            (u64::MAX, " (16777215.9 TiB)"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}

//! `fdb/…`: the forwarding database.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use datapath::l2::fdb::{FdbEntry, FdbStats};
use packet::{MacAddr, Vid};
use serde_json::{Map, Value, json};

use super::view::{BridgeView, PortView};
use super::{AppctlError, Context, Output};

/// Totals at the last `fdb/stats-clear`, by bridge.
#[derive(Default, Debug)]
pub struct Baseline(HashMap<String, FdbStats>);

impl Baseline {
    /// The totals since they were cleared. A bridge made anew under an old name begins anew.
    fn since(&self, bridge: &str, now: FdbStats) -> FdbStats {
        let Some(then) = self.0.get(bridge) else { return now };
        let older = then.learned <= now.learned
            && then.expired <= now.expired
            && then.evicted <= now.evicted
            && then.moved <= now.moved
            && then.flapped <= now.flapped;
        if !older {
            return now;
        }
        FdbStats {
            learned: now.learned - then.learned,
            expired: now.expired - then.expired,
            evicted: now.evicted - then.evicted,
            moved: now.moved - then.moved,
            flapped: now.flapped - then.flapped,
            ..now
        }
    }
}

/// `fdb/show BRIDGE`
pub fn show(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    let bridge = context.bridge(&params[0])?;
    let entries = bridge.fdb.entries(context.switch.now_s());
    // An entry of a port that has just gone says nothing any more.
    let shown = entries.iter().filter_map(|e| bridge.port_no(e.port).map(|port| (e, port)));
    if context.wants_json() {
        let rows: Vec<Value> = shown
            .map(|(entry, port)| json_row(entry, port, bridge.remote_ip(entry.port)))
            .collect();
        return Ok(Output::Json(Value::Object(Map::from_iter([(bridge.name, rows.into())]))));
    }
    let mut text = String::from(" port  VLAN  MAC                Age\n");
    for (entry, port) in shown {
        let FdbEntry { vid, mac, age_s, .. } = entry;
        // Writing to a string does not fail.
        let _ = write!(text, "{:>5}  {:>4}  {mac}  ", port.ofport, vid.get());
        let _ = match entry.is_static {
            true => write!(text, "static"),
            false => write!(text, "{age_s:>3}"),
        };
        // Behind a segment's port: which host it is.
        let _ = match bridge.remote_ip(entry.port) {
            Some(remote) => writeln!(text, "  {remote}"),
            None => writeln!(text),
        };
    }
    Ok(Output::Text(text))
}

fn json_row(entry: &FdbEntry, port: &PortView, remote: Option<IpAddr>) -> Value {
    let mut row = json!({
        "port": port.ofport.get(), "vlan": entry.vid.get(), "mac": entry.mac.to_string()
    });
    match entry.is_static {
        true => row["static"] = true.into(),
        false => row["age"] = entry.age_s.into(),
    }
    if let Some(remote) = remote {
        row["remote_ip"] = remote.to_string().into();
    }
    row
}

/// `fdb/add BRIDGE PORT VLAN MAC`: the port by name or OpenFlow number.
pub fn add(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    let bridge = context.bridge(&params[0])?;
    let port = port_of(&bridge, &params[1])?;
    let no = port.no.ok_or_else(|| AppctlError::NoDevice(port.name.clone()))?;
    let (vid, mac) = (vid_of(&params[2])?, mac_of(&params[3])?);
    if mac.is_multicast() {
        let why = ": a host's address is not multicast";
        return Err(AppctlError::BadMac { value: params[3].clone(), why });
    }
    bridge.fdb.add_static(vid, mac, no)?;
    Ok(Output::none())
}

/// `fdb/del BRIDGE VLAN MAC`: static entries alone.
pub fn del(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    let bridge = context.bridge(&params[0])?;
    let (vid, mac) = (vid_of(&params[1])?, mac_of(&params[2])?);
    let entry = bridge.fdb.get(vid, mac, context.switch.now_s());
    if !entry.is_some_and(|entry| entry.is_static) {
        return Err(AppctlError::NoStaticEntry);
    }
    bridge.fdb.remove(vid, mac);
    Ok(Output::none())
}

/// `fdb/flush [BRIDGE]`: learned entries alone.
pub fn flush(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    for bridge in context.bridges(params.first())? {
        bridge.fdb.flush_learned();
    }
    Ok(Output::Text("table successfully flushed\n".into()))
}

/// `fdb/stats-show BRIDGE`
pub fn stats_show(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    let bridge = context.bridge(&params[0])?;
    let stats = context.state.fdb.since(&bridge.name, bridge.fdb.stats());
    let FdbStats { current, max_entries, n_static, learned, expired, evicted, .. } = stats;
    let FdbStats { moved, flapped, .. } = stats;
    // The text is Open vSwitch's to the letter, for the scripts that read it; JSON says more.
    if context.wants_json() {
        let counts = json!({
            "current": current, "max": max_entries, "static": n_static, "learned": learned,
            "expired": expired, "evicted": evicted, "moved": moved, "flapped": flapped
        });
        return Ok(Output::Json(Value::Object(Map::from_iter([(bridge.name, counts)]))));
    }
    Ok(Output::Text(format!(
        "Statistics for bridge \"{}\":\n\
         \x20 Current/maximum MAC entries in the table: {current}/{max_entries}\n\
         \x20 Current static MAC entries in the table : {n_static}\n\
         \x20 Total number of learned MAC entries     : {learned}\n\
         \x20 Total number of expired MAC entries     : {expired}\n\
         \x20 Total number of evicted MAC entries     : {evicted}\n\
         \x20 Total number of port moved MAC entries  : {moved}\n",
        bridge.name
    )))
}

/// `fdb/stats-clear [BRIDGE]`
pub fn stats_clear(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    let all = context.switch.bridges();
    context.state.fdb.0.retain(|name, _| all.iter().any(|bridge| bridge.name == *name));
    for bridge in context.bridges(params.first())? {
        let stats = bridge.fdb.stats();
        context.state.fdb.0.insert(bridge.name, stats);
    }
    Ok(Output::Text("statistics successfully cleared\n".into()))
}

fn port_of<'a>(bridge: &'a BridgeView, wanted: &str) -> Result<&'a PortView, AppctlError> {
    let by_name = bridge.ports.iter().find(|port| port.name == wanted);
    let by_number = || bridge.ports.iter().find(|port| port.ofport.to_string() == wanted);
    by_name
        .or_else(by_number)
        .ok_or_else(|| AppctlError::NoPort { bridge: bridge.name.clone(), port: wanted.to_owned() })
}

fn vid_of(text: &str) -> Result<Vid, AppctlError> {
    let number = text.parse().ok().and_then(Vid::new);
    number.ok_or_else(|| AppctlError::BadVlan(text.to_owned()))
}

fn mac_of(text: &str) -> Result<MacAddr, AppctlError> {
    text.parse().map_err(|_| AppctlError::BadMac { value: text.to_owned(), why: "" })
}

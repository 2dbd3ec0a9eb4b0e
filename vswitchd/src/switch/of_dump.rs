//! Cached flows and rules, printed: `dpctl/dump-flows`, `dpif/dump-flows`, `bridge/dump-flows`,
//! `upcall/show`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use datapath::PortNo;
use datapath::pipeline::FlowDump;
use openflow::text::{actions_text as of_actions_text, match_text};
use packet::flow::OptionTable;

use super::Switch;
use crate::ofproto::odp::actions::{Words, actions_text};
use crate::ofproto::odp::flow::flow_text;
use crate::ofproto::view::View;

/// Letters of TCP flags, from the lowest bit.
const TCP_FLAGS: &[u8] = b"FSRP.UECN";

/// Which cached flows are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cached {
    /// Those of all bridges.
    All,
    /// Those of one bridge.
    OfBridge,
}

/// How cached flows are printed.
#[derive(Clone, Copy, Default)]
struct Style {
    names: bool,
    more: bool,
}

impl Switch {
    /// `dpctl/dump-flows [-m] [--names | --no-names] [DP]`, and for one bridge
    /// `dpif/dump-flows [-m] [--names | --no-names] BRIDGE`.
    ///
    /// # Errors
    /// One line.
    pub fn dump_cached(&mut self, params: &[String], of: Cached) -> Result<String, String> {
        let mut style = Style::default();
        let mut words = Vec::new();
        for param in params {
            match param.as_str() {
                "-m" | "--more" => style = Style { names: true, more: true },
                "--names" => style.names = true,
                "--no-names" => style.names = false,
                word if word.starts_with('-') || word.contains('=') => {
                    let allowed = "-m, --names, --no-names";
                    return Err(format!("unknown argument {word} (allowed: {allowed})"));
                }
                word => words.push(word),
            }
        }
        let bridge = match (of, words.as_slice()) {
            (Cached::OfBridge, [name]) => {
                let missing = || format!("no such bridge {name}");
                Some(self.bridges.get(*name).map(|state| state.id).ok_or_else(missing)?)
            }
            (Cached::OfBridge, _) => return Err("dpif/dump-flows: argument: BRIDGE".to_owned()),
            (Cached::All, [] | ["ovs-netdev" | "netdev@ovs-netdev"]) => None,
            (Cached::All, [name, ..]) => {
                return Err(format!(
                    "vswitchd: opening datapath {name} failed (No such file or directory)"
                ));
            }
        };
        let mut by_thread: BTreeMap<usize, Vec<FlowDump>> = BTreeMap::new();
        self.engine.dump_flows(|thread, flow| by_thread.entry(thread).or_default().push(flow));
        let view = self.of.shared.publisher.current();
        let mut text = String::new();
        for (thread, flows) in by_thread {
            let is_of = |flow: &&FlowDump| {
                let port = u16::try_from(flow.key.in_port()).ok().and_then(PortNo::new);
                let of = port.and_then(|port| Some(view.port(port)?.0.id));
                bridge.is_none() || of == bridge
            };
            if bridge.is_none() {
                // Writing to a string does not fail.
                let _ = writeln!(text, "flow-dump from poll thread: {thread}");
            }
            for flow in flows.iter().filter(is_of) {
                text.push_str(&self.cached_line(&view, flow, style));
            }
        }
        Ok(text)
    }

    fn cached_line(&self, view: &View, flow: &FlowDump, style: Style) -> String {
        let name = |no: u32| {
            let port = u16::try_from(no).ok().and_then(PortNo::new);
            let named = port.and_then(|port| Some(view.port(port)?.1.name.to_string()));
            named.filter(|_| style.names).unwrap_or_else(|| no.to_string())
        };
        let in_port = u16::try_from(flow.key.in_port()).ok().and_then(PortNo::new);
        let bridge = in_port.and_then(|port| Some(view.port(port)?.0));
        let options = bridge.map_or(&OptionTable::EMPTY, |bridge| &bridge.options);
        let keeper = &self.of.shared.keeper;
        let words = Words { port: &name, view, keeper, key: &flow.key };
        let ufid = if style.more { format!("ufid:{}, ", flow.ufid) } else { String::new() };
        let stats = &flow.stats;
        let used = if stats.packets == 0 {
            "never".to_owned()
        } else {
            let ns = self.engine.clock().now_ns().saturating_sub(stats.used_ns);
            format!("{}.{:03}s", ns / 1_000_000_000, ns / 1_000_000 % 1000)
        };
        let flags: String = TCP_FLAGS
            .iter()
            .enumerate()
            .filter(|(bit, _)| stats.tcp_flags >> bit & 1 != 0)
            .map(|(_, letter)| char::from(*letter))
            .collect();
        let flags = if flags.is_empty() { flags } else { format!(", flags:{flags}") };
        format!(
            "{ufid}{}, packets:{}, bytes:{}, used:{used}{flags}, actions:{}\n",
            flow_text((&flow.key, &flow.mask), options, &name),
            stats.packets,
            stats.bytes,
            actions_text(&flow.actions, &words)
        )
    }

    /// `bridge/dump-flows BRIDGE`: all flows, those of the switch itself included.
    ///
    /// # Errors
    /// One line.
    pub fn dump_rules(&mut self, bridge: &str) -> Result<String, String> {
        self.flush_openflow();
        self.settle_ledgers();
        let state = self.bridges.get(bridge).ok_or("no such bridge")?;
        let now_ns = self.engine.clock().now_ns();
        let mut text = String::new();
        for (priority, flow) in state.openflow.ofproto.all_flows(now_ns) {
            if flow.table != 0 {
                // Writing to a string does not fail.
                let _ = write!(text, "table_id={}, ", flow.table);
            }
            let _ = write!(
                text,
                "duration={}s, n_packets={}, n_bytes={}, priority={priority}",
                flow.duration.as_secs(),
                flow.packets.unwrap_or(0),
                flow.bytes.unwrap_or(0),
            );
            let matching = match_text(&flow.matching, openflow::flow::DEFAULT_PRIORITY);
            if !matching.is_empty() {
                let _ = write!(text, ",{matching}");
            }
            let actions = of_actions_text(openflow::Version::V10, &flow.actions);
            let _ = writeln!(text, ",actions={actions}");
        }
        Ok(text)
    }

    /// How many flows each poll thread has cached, by its number.
    pub fn n_cached(&mut self) -> BTreeMap<usize, usize> {
        let mut n_flows = BTreeMap::new();
        self.engine.dump_flows(|thread, _| *n_flows.entry(thread).or_default() += 1);
        n_flows
    }

    /// `upcall/show`: cached flows, and their limits.
    pub fn show_upcalls(&mut self) -> String {
        let n_flows = self.n_cached();
        let total: usize = n_flows.values().sum();
        let limit = datapath::cache::Limits::default().flows;
        let mut text = format!(
            "netdev@ovs-netdev:\n  flows         : (current {total}) (limit {limit} a thread)\n"
        );
        for (thread, n) in n_flows {
            // Writing to a string does not fail.
            let _ = writeln!(text, "  poll thread {thread}: (keys {n})");
        }
        text
    }
}

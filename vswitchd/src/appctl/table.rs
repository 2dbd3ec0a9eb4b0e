//! The table of commands.

use super::ofproto::inspect;
use super::view::Inspect;
use super::{
    AppctlError, Context, Output, coverage, dpif, drops, fdb, ofproto, pmd, process, vlog,
};
use crate::rpc::{Format, Then};
use crate::switch::Underlay;

/// The command that chooses the format of results.
pub const SET_OPTIONS: &str = "set-options";

/// No limit to arguments.
const ANY: usize = usize::MAX;

/// What runs a command.
pub type Handler = fn(&mut Context<'_>, &[String]) -> Result<Output, AppctlError>;

/// A command.
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Its arguments, as `list-commands` prints them.
    pub usage: &'static str,
    /// Least number of arguments.
    pub min: usize,
    /// Greatest number of arguments.
    pub max: usize,
    /// What runs it.
    pub run: Handler,
}

const fn command(
    name: &'static str,
    usage: &'static str,
    min: usize,
    max: usize,
    run: Handler,
) -> Command {
    Command { name, usage, min, max, run }
}

/// Every command, sorted by name.
pub const COMMANDS: &[Command] = &[
    command("bridge/dump-flows", "bridge", 1, 1, |c, p| inspect(c, Inspect::Rules, p)),
    command("coverage/read-counter", "COUNTER", 1, 1, coverage::read_counter),
    command("coverage/show", "", 0, 0, coverage::show),
    command("dpctl/dump-flows", "[-m] [--names] [dp]", 0, 4, |c, p| {
        inspect(c, Inspect::CachedFlows, p)
    }),
    command("dpctl/show", "[-s] [dp...]", 0, ANY, dpif::dpctl_show),
    command("dpif-netdev/pmd-perf-show", pmd::PERF_USAGE, 0, 8, pmd::perf_show),
    command("dpif-netdev/pmd-rxq-show", "[-pmd core] [-secs secs] [dp]", 0, 5, pmd::rxq_show),
    command("dpif-netdev/pmd-stats-clear", "[-pmd core] [dp]", 0, 3, pmd::stats_clear),
    command("dpif-netdev/pmd-stats-show", "[-pmd core] [dp]", 0, 3, pmd::stats_show),
    command("dpif/dump-flows", "[-m] [--names] bridge", 1, 4, |c, p| {
        inspect(c, Inspect::CachedFlowsOfBridge, p)
    }),
    command("dpif/show", "", 0, 0, dpif::show),
    command("drop/show", "[--json] [bridge]", 0, 2, drops::show),
    command("exit", "[--cleanup]", 0, 1, exit),
    command("fdb/add", "bridge port vlan mac", 4, 4, fdb::add),
    command("fdb/del", "bridge vlan mac", 3, 3, fdb::del),
    command("fdb/flush", "[bridge]", 0, 1, fdb::flush),
    command("fdb/show", "bridge", 1, 1, fdb::show),
    command("fdb/stats-clear", "[bridge]", 0, 1, fdb::stats_clear),
    command("fdb/stats-show", "bridge", 1, 1, fdb::stats_show),
    command("list-commands", "", 0, 0, list_commands),
    command("memory/show", "", 0, 0, process::memory_show),
    command("ofproto/list", "", 0, 0, ofproto::list),
    command("ofproto/trace", "bridge flow [-generate|packet]", 2, 4, |c, p| {
        inspect(c, Inspect::Trace, p)
    }),
    command(
        "ofproto/trace-packet-out",
        "[-consistent] bridge flow [-generate|packet] actions",
        3,
        6,
        |c, p| inspect(c, Inspect::TracePacketOut, p),
    ),
    command("ovs/route/lookup", "ip_addr", 1, 1, |c, p| underlay(c, Underlay::Lookup, p)),
    command("ovs/route/show", "", 0, 0, |c, p| underlay(c, Underlay::Routes, p)),
    command(SET_OPTIONS, "[--format text|json]", 0, 2, set_options),
    command("tnl/neigh/show", "", 0, 0, |c, p| underlay(c, Underlay::Neighbours, p)),
    command("tnl/ports/show", "[-v]", 0, 1, |c, p| underlay(c, Underlay::Ports, p)),
    command("upcall/show", "", 0, 0, |c, p| inspect(c, Inspect::Upcalls, p)),
    command("version", "", 0, 0, process::version),
    command("vlog/close", "", 0, 0, vlog::close),
    command("vlog/list", "", 0, 0, vlog::list),
    command("vlog/reopen", "", 0, 0, vlog::reopen),
    command("vlog/set", "{spec | PATTERN:destination:pattern}", 0, ANY, vlog::set),
    command("vswitch/capture", "port|bridge [--option=value]... [term]...", 0, ANY, capture),
    command("vswitch/show", "--format=text|json [bridge]", 0, ANY, show_configuration),
    command("vswitch/transact", "--format=text|json command [-- command]...", 0, ANY, transact),
];

fn list_commands(_: &mut Context<'_>, _: &[String]) -> Result<Output, AppctlError> {
    let lines = COMMANDS.iter().map(|c| format!("  {:<23} {}\n", c.name, c.usage));
    Ok(Output::Text(format!("The available commands are:\n{}", lines.collect::<String>())))
}

fn exit(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    if let Some(value) = params.iter().find(|param| *param != "--cleanup") {
        let value = value.clone();
        return Err(AppctlError::Argument { command: "exit", value, allowed: "--cleanup" });
    }
    context.then = Then::Exit;
    Ok(Output::none())
}

fn set_options(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    let bad = |value: &str| AppctlError::Argument {
        command: SET_OPTIONS,
        value: value.to_owned(),
        allowed: "--format text, --format json",
    };
    let words: Vec<&str> = params.iter().map(String::as_str).collect();
    let format = match words[..] {
        [] => Format::Text,
        ["--format", "text"] | ["--format=text"] => Format::Text,
        ["--format", "json"] | ["--format=json"] => Format::Json,
        _ => return Err(bad(&words.join(" "))),
    };
    context.session.format = format;
    Ok(Output::none())
}

fn show_configuration(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    context.switch.show(params).map(Output::Text).map_err(AppctlError::Switch)
}

fn underlay(
    context: &mut Context<'_>,
    what: Underlay,
    params: &[String],
) -> Result<Output, AppctlError> {
    let (text, json) = context.switch.underlay(what, params).map_err(AppctlError::Switch)?;
    Ok(if context.wants_json() { Output::Json(json) } else { Output::Text(text) })
}

fn capture(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    let (words, takeover) = context.switch.capture(params).map_err(AppctlError::Switch)?;
    context.session.takeover = Some(takeover);
    Ok(Output::Text(words))
}

fn transact(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    context.switch.transact(params).map(Output::Text).map_err(AppctlError::Switch)
}

/// A handler's choice between text and JSON.
impl Context<'_> {
    pub(super) fn wants_json(&self) -> bool {
        self.session.format == Format::Json
    }

    /// Those bridges that are named, or all.
    pub(super) fn bridges(
        &self,
        name: Option<&String>,
    ) -> Result<Vec<super::view::BridgeView>, AppctlError> {
        let mut bridges = self.switch.bridges();
        if let Some(name) = name {
            bridges.retain(|bridge| bridge.name == *name);
            if bridges.is_empty() {
                return Err(AppctlError::NoBridge(name.clone()));
            }
        }
        Ok(bridges)
    }

    /// The bridge of that name.
    pub(super) fn bridge(&self, name: &str) -> Result<super::view::BridgeView, AppctlError> {
        let found = self.switch.bridges().into_iter().find(|bridge| bridge.name == name);
        found.ok_or_else(|| AppctlError::NoBridge(name.to_owned()))
    }
}

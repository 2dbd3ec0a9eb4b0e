//! `ofproto/…`, `bridge/dump-flows`, `dpctl/dump-flows`, `upcall/show`: flows, as the tables and the
//! datapath have them.

use super::view::Inspect;
use super::{AppctlError, Context, Output};

fn inspect(
    context: &mut Context<'_>,
    what: Inspect,
    params: &[String],
) -> Result<Output, AppctlError> {
    let text = context.switch.inspect(what, params);
    text.map(Output::Text).map_err(|error| AppctlError::Switch(format!("{error}\n")))
}

/// `ofproto/trace BRIDGE FLOW [-generate | PACKET]`
pub fn trace(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    inspect(context, Inspect::Trace, params)
}

/// `ofproto/trace-packet-out BRIDGE FLOW [-generate | PACKET] ACTIONS`
pub fn trace_packet_out(
    context: &mut Context<'_>,
    params: &[String],
) -> Result<Output, AppctlError> {
    inspect(context, Inspect::TracePacketOut, params)
}

/// `ofproto/list`
pub fn list(context: &mut Context<'_>, _: &[String]) -> Result<Output, AppctlError> {
    let names = context.switch.bridges().into_iter().map(|bridge| format!("{}\n", bridge.name));
    Ok(Output::Text(names.collect()))
}

/// `dpctl/dump-flows [-m] [--names] [DP]`
pub fn dpctl_dump_flows(
    context: &mut Context<'_>,
    params: &[String],
) -> Result<Output, AppctlError> {
    inspect(context, Inspect::CachedFlows, params)
}

/// `dpif/dump-flows [-m] [--names] BRIDGE`
pub fn dpif_dump_flows(
    context: &mut Context<'_>,
    params: &[String],
) -> Result<Output, AppctlError> {
    inspect(context, Inspect::CachedFlowsOfBridge, params)
}

/// `bridge/dump-flows BRIDGE`
pub fn bridge_dump_flows(
    context: &mut Context<'_>,
    params: &[String],
) -> Result<Output, AppctlError> {
    inspect(context, Inspect::Rules, params)
}

/// `upcall/show`
pub fn upcall_show(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    inspect(context, Inspect::Upcalls, params)
}

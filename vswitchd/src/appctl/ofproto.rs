//! `ofproto/…`, `bridge/dump-flows`, `dpctl/dump-flows`, `upcall/show`: flows, as the tables and the
//! datapath have them.

use super::view::Inspect;
use super::{AppctlError, Context, Output};

/// What the switch says itself.
pub fn inspect(
    context: &mut Context<'_>,
    what: Inspect,
    params: &[String],
) -> Result<Output, AppctlError> {
    let text = context.switch.inspect(what, params);
    text.map(Output::Text).map_err(|error| AppctlError::Switch(format!("{error}\n")))
}

/// `ofproto/list`
pub fn list(context: &mut Context<'_>, _: &[String]) -> Result<Output, AppctlError> {
    let names = context.switch.bridges().into_iter().map(|bridge| format!("{}\n", bridge.name));
    Ok(Output::Text(names.collect()))
}

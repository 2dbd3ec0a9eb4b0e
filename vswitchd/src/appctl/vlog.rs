//! `vlog/…`: the log.

use super::{AppctlError, Context, Output};

/// `vlog/set SPEC...`
pub fn set(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    for spec in params {
        context.state.log.set_spec(spec)?;
    }
    Ok(Output::none())
}

/// `vlog/list`
pub fn list(context: &mut Context<'_>, _: &[String]) -> Result<Output, AppctlError> {
    Ok(Output::Text(context.state.log.list()))
}

/// `vlog/reopen`
pub fn reopen(context: &mut Context<'_>, _: &[String]) -> Result<Output, AppctlError> {
    context.state.log.reopen().map_err(|error| AppctlError::Reopen(error.to_string()))?;
    Ok(Output::none())
}

/// `vlog/close`
pub fn close(context: &mut Context<'_>, _: &[String]) -> Result<Output, AppctlError> {
    context.state.log.close();
    Ok(Output::none())
}

//! `version` and `memory/show`: the process.

use serde_json::json;

use super::{AppctlError, Context, Output};

/// `version`: like Open vSwitch's, four words of which the last is the number.
pub fn version(_: &mut Context<'_>, _: &[String]) -> Result<Output, AppctlError> {
    Ok(Output::Text(format!("vswitchd (virtual switch) {}\n", env!("CARGO_PKG_VERSION"))))
}

/// `memory/show`: what takes memory, `name:number`, sorted by name.
pub fn memory_show(context: &mut Context<'_>, _: &[String]) -> Result<Output, AppctlError> {
    let bridges = context.switch.bridges();
    let mut usage = vec![
        ("bridges", bridges.len()),
        ("fdb entries", bridges.iter().map(|bridge| bridge.fdb.stats().current).sum()),
        ("poll threads", context.switch.threads().len()),
        ("ports", bridges.iter().map(|bridge| bridge.ports.len()).sum()),
        ("unixctl clients", context.state.n_clients),
    ];
    usage.extend(resident_kib().map(|kib| ("resident KiB", kib)));
    usage.sort_unstable();
    if context.wants_json() {
        let object = usage.into_iter().map(|(name, n)| (name.to_owned(), json!(n)));
        return Ok(Output::Json(object.collect::<serde_json::Map<_, _>>().into()));
    }
    let words: Vec<String> = usage.iter().map(|(name, n)| format!("{name}:{n}")).collect();
    Ok(Output::Text(words.join(" ")))
}

/// Resident memory; `None` where `/proc` is not there.
fn resident_kib() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

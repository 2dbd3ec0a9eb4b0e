//! `drop/show`: why frames were lost. Open vSwitch has no such word; its drops are coverage counters
//! without a port.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{AppctlError, Context, Output};

/// A line of the table.
struct Row {
    cells: [String; 5],
    explanation: &'static str,
}

/// `drop/show [--json] [BRIDGE]`
pub fn show(context: &mut Context<'_>, params: &[String]) -> Result<Output, AppctlError> {
    let is_option = |param: &&String| param.starts_with('-');
    let asks_json = params.iter().any(|param| matches!(param.as_str(), "--json" | "--format=json"));
    if let Some(other) = params.iter().find(|param| {
        is_option(param) && !matches!(param.as_str(), "--json" | "--format=json" | "--format=text")
    }) {
        let (value, allowed) = (other.clone(), "--json");
        return Err(AppctlError::Argument { command: "drop/show", value, allowed });
    }
    let mut bridges = params.iter().filter(|param| !is_option(param));
    let name = bridges.next();
    if bridges.next().is_some() {
        return Err(AppctlError::TooMany { name: "drop/show", max: 1 });
    }
    let mut drops = Vec::new();
    for bridge in context.bridges(name)? {
        for port in bridge.ports {
            for (side, reason, n) in port.drops() {
                drops.push((bridge.name.clone(), port.name.clone(), side, reason, n));
            }
        }
    }
    if name.is_none() {
        for port in context.switch.carriers() {
            for (side, reason, n) in port.drops() {
                drops.push(("-".to_owned(), port.name.clone(), side, reason, n));
            }
        }
    }
    if asks_json || context.wants_json() {
        let rows = drops.into_iter().map(|(bridge, port, side, reason, n)| {
            json!({
                "bridge": bridge, "port": port, "direction": side.name(),
                "reason": reason.name(), "packets": n, "explanation": reason.explain()
            })
        });
        let value = json!({ "drops": Value::Array(rows.collect()) });
        // A client that asked in the parameters speaks text, and gets the document as text.
        return Ok(if context.wants_json() {
            Output::Json(value)
        } else {
            Output::Text(value.to_string())
        });
    }
    let rows: Vec<Row> = drops
        .into_iter()
        .map(|(bridge, port, side, reason, n)| Row {
            cells: [bridge, port, side.name().into(), reason.name().into(), n.to_string()],
            explanation: reason.explain(),
        })
        .collect();
    Ok(Output::Text(table(&rows)))
}

/// Columns as wide as their widest cell; numbers to the right.
fn table(rows: &[Row]) -> String {
    const TITLES: [&str; 5] = ["Bridge", "Port", "Dir", "Reason", "Packets"];
    let mut widths = TITLES.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let [a, b, c, d, e] = widths;
    let mut text = String::new();
    let mut line = |cells: [&str; 5], last: &str| {
        let [bridge, port, side, reason, n] = cells;
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "{bridge:<a$}  {port:<b$}  {side:<c$}  {reason:<d$}  {n:>e$}  {last}");
    };
    line(TITLES, "Explanation");
    for row in rows {
        line(row.cells.each_ref().map(String::as_str), row.explanation);
    }
    text
}

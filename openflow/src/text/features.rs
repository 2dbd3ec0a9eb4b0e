//! What tables can do, as `ovs-ofctl dump-table-features` prints it.
//!
//! # Design
//! A list of fields is long, so names that begin alike are written once: `ip_{src,dst}`,
//! `reg0...reg15`. [`fields_text`] cuts names into words at `_` and folds neighbours that share their
//! first words.
//!
//! # References
//! OpenFlow 1.3.5 §7.3.5.5; 1.5.1 §7.3.5.18.

use core::fmt::Write;

use packet::flow::FieldId;

use super::group_features::action_list_text;
use super::names::Style;
use super::table::Dittos;
use crate::table::{TableFeatures, TableProperty};
use crate::version::Version;

/// Properties (OpenFlow 1.3.5 §7.3.5.5.2), each followed by that for a table miss.
const INSTRUCTIONS: u16 = 0;
const NEXT_TABLES: u16 = 2;
const WRITE_ACTIONS: u16 = 4;
const APPLY_ACTIONS: u16 = 6;
const MATCH: u16 = 8;
const WILDCARDS: u16 = 10;
const WRITE_SETFIELD: u16 = 12;
const APPLY_SETFIELD: u16 = 14;

/// Names of instructions by number, in Open vSwitch's order.
const INSTRUCTION_NAMES: [(u16, &str); 6] = [
    (6, "meter"),
    (4, "apply_actions"),
    (5, "clear_actions"),
    (3, "write_actions"),
    (2, "write_metadata"),
    (1, "goto_table"),
];

const EVICTION: u32 = 1 << 2;
const VACANCY: u32 = 1 << 3;

/// What tables can do, in lines.
pub(super) fn table_features_text(style: Style<'_>, tables: &[TableFeatures]) -> String {
    let mut text = String::new();
    let mut dittos = Dittos::default();
    let mut before: Option<&TableFeatures> = None;
    for table in tables {
        let previous = before.replace(table);
        if previous.is_some_and(|previous| is_alike(previous, table)) && !has_name(table) {
            dittos.add(table.table);
            continue;
        }
        dittos.put(&mut text, style);
        put_table(&mut text, style, table, previous);
    }
    dittos.put(&mut text, style);
    text
}

fn has_name(table: &TableFeatures) -> bool {
    !table.name.is_empty() && table.name != format!("table{}", table.table)
}

/// Whether two tables can do the same; each may go on to those behind it.
fn is_alike(a: &TableFeatures, b: &TableFeatures) -> bool {
    let plain = |table: &TableFeatures| TableFeatures {
        table: 0,
        name: String::new(),
        properties: Vec::new(),
        ..table.clone()
    };
    let other = |table: &TableFeatures| -> Vec<(u16, TableProperty)> {
        let not_next = |(kind, _): &&(u16, TableProperty)| kind & !1 != NEXT_TABLES;
        table.properties.iter().filter(not_next).cloned().collect()
    };
    let ends = |table: &TableFeatures| next_tables(table, 0).last().copied();
    let starts = |table: &TableFeatures| {
        next_tables(table, 0).first().is_none_or(|first| *first == table.table.saturating_add(1))
    };
    plain(a) == plain(b) && other(a) == other(b) && ends(a) == ends(b) && starts(a) && starts(b)
}

/// `miss` is 0 for other packets than those that no flow matched, and 1 for these. A property that
/// is left out is the same for both.
fn property(table: &TableFeatures, kind: u16, miss: u16) -> Option<&TableProperty> {
    let find = |kind| table.properties.iter().find(|(known, _)| *known == kind);
    find(kind + miss).or_else(|| find(kind)).map(|(_, property)| property)
}

fn numbers(table: &TableFeatures, kind: u16, miss: u16) -> &[u16] {
    match property(table, kind, miss) {
        Some(TableProperty::Numbers(numbers)) => numbers,
        _ => &[],
    }
}

fn next_tables(table: &TableFeatures, miss: u16) -> &[u8] {
    match property(table, NEXT_TABLES, miss) {
        Some(TableProperty::Tables(tables)) => tables,
        _ => &[],
    }
}

/// Fields, in Open vSwitch's order.
fn fields(table: &TableFeatures, kind: u16, miss: u16) -> Vec<(FieldId, bool)> {
    let mut fields = match property(table, kind, miss) {
        Some(TableProperty::Fields(fields)) => fields.clone(),
        _ => Vec::new(),
    };
    fields.sort_by_key(|(field, masked)| (place(*field), *masked));
    fields.dedup();
    fields
}

/// Where Open vSwitch lists a field: in the order of our numbers, but for two.
fn place(field: FieldId) -> FieldId {
    match field {
        FieldId::TunErspanIdx => FieldId::TunErspanVer,
        FieldId::TunErspanVer => FieldId::TunErspanIdx,
        field => field,
    }
}

fn put_table(
    text: &mut String,
    style: Style<'_>,
    table: &TableFeatures,
    previous: Option<&TableFeatures>,
) {
    let _ = write!(text, "\n  table {}", style.table(table.table));
    if has_name(table) {
        let _ = write!(text, " (\"{}\")", table.name);
    }
    text.push_str(":\n");
    let (matched, written) = (table.metadata_match, table.metadata_write);
    if matched | written != 0 {
        let _ = writeln!(text, "    metadata: match={matched:#x} write={written:#x}");
    }
    if style.version >= Version::V14 {
        for (name, bit) in [("eviction", EVICTION), ("vacancy events", VACANCY)] {
            let not = if table.capabilities & bit == 0 { "not " } else { "" };
            let _ = writeln!(text, "    {name}: {not}supported");
        }
    }
    if table.max_entries != 0 {
        let _ = writeln!(text, "    max_entries={}", table.max_entries);
    }
    let kinds = [INSTRUCTIONS, NEXT_TABLES, WRITE_ACTIONS, APPLY_ACTIONS, WRITE_SETFIELD];
    let same = |kind: &u16| property(table, *kind, 0) == property(table, *kind, 1);
    if kinds.iter().chain(&[APPLY_SETFIELD]).all(same) {
        text.push_str("    instructions (table miss and others):\n");
        put_instructions(text, style, (table, previous), 0);
    } else {
        text.push_str("    instructions (other than table miss):\n");
        put_instructions(text, style, (table, previous), 0);
        text.push_str("    instructions (table miss):\n");
        put_instructions(text, style, (table, previous), 1);
    }
    put_matching(text, table, previous);
}

type Pair<'a> = (&'a TableFeatures, Option<&'a TableFeatures>);

fn put_instructions(text: &mut String, style: Style<'_>, (table, previous): Pair<'_>, miss: u16) {
    let next = next_tables(table, miss);
    if !next.is_empty() {
        let _ = writeln!(text, "      next tables: {}", ranges_text(next));
    }
    let has = numbers(table, INSTRUCTIONS, miss);
    let known = INSTRUCTION_NAMES.iter().filter(|(number, _)| has.contains(number));
    let words: Vec<&str> = known.map(|(_, name)| *name).collect();
    if !words.is_empty() {
        let _ = writeln!(text, "      instructions: {}", words.join(" "));
    }
    let kinds = [WRITE_ACTIONS, APPLY_ACTIONS, WRITE_SETFIELD, APPLY_SETFIELD];
    let same = |previous: &TableFeatures| {
        kinds.iter().all(|kind| property(previous, *kind, miss) == property(table, *kind, miss))
    };
    if previous.is_some_and(same) {
        text.push_str("      (same actions)\n");
        return;
    }
    let actions = |kind| {
        let has = numbers(table, kind, miss);
        action_list_text(style.version, |number| has.contains(&number))
    };
    let settable = |kind| {
        let fields: Vec<FieldId> =
            fields(table, kind, miss).into_iter().map(|(field, _)| field).collect();
        fields_text(&fields)
    };
    let write = (actions(WRITE_ACTIONS), settable(WRITE_SETFIELD));
    let apply = (actions(APPLY_ACTIONS), settable(APPLY_SETFIELD));
    let mut put = |title: &str, (actions, fields): &(String, String)| {
        let _ = writeln!(text, "      {title} features:\n        actions: {actions}");
        let _ = writeln!(text, "        supported on Set-Field: {fields}");
    };
    if write == apply {
        put("Write-Actions and Apply-Actions", &write);
    } else {
        put("Write-Actions", &write);
        put("Apply-Actions", &apply);
    }
}

/// `1-3,7`.
fn ranges_text(tables: &[u8]) -> String {
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for table in tables {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*table) => *last = *table,
            _ => ranges.push((*table, *table)),
        }
    }
    let words = ranges.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    words.collect::<Vec<_>>().join(",")
}

fn put_matching(text: &mut String, table: &TableFeatures, previous: Option<&TableFeatures>) {
    let matched = fields(table, MATCH, 0);
    let wild = fields(table, WILDCARDS, 0);
    let same = |previous: &TableFeatures| {
        fields(previous, MATCH, 0) == matched && fields(previous, WILDCARDS, 0) == wild
    };
    if matched.is_empty() {
        return;
    }
    if previous.is_some_and(same) {
        text.push_str("    (same matching)\n");
        return;
    }
    text.push_str("    matching:\n");
    let is_wild = |field: FieldId| wild.iter().any(|(known, _)| *known == field);
    let of = |fits: &dyn Fn(FieldId, bool) -> bool| -> Vec<FieldId> {
        let found = matched.iter().filter(|(field, masked)| fits(*field, *masked));
        found.map(|(field, _)| *field).collect()
    };
    for (title, found) in [
        ("arbitrary mask", of(&|_, masked| masked)),
        ("exact match or wildcard", of(&|field, masked| !masked && is_wild(field))),
        ("must exact match", of(&|field, masked| !masked && !is_wild(field))),
    ] {
        if !found.is_empty() {
            let _ = writeln!(text, "      {title}: {}", fields_text(&found));
        }
    }
}

/// Names of fields, in Open vSwitch's order, with common beginnings written once.
pub(super) fn fields_text(fields: &[FieldId]) -> String {
    let names: Vec<&str> = fields.iter().map(|field| field.info().name).collect();
    fold(&names, ' ')
}

/// Folds runs of neighbours that share their first word.
fn fold(names: &[&str], separator: char) -> String {
    let mut pieces: Vec<String> = Vec::new();
    let mut rest = names;
    while let Some(first) = rest.first() {
        let numbered = n_numbered(rest);
        if numbered > 1 {
            pieces.push(format!("{first}...{}", rest[numbered - 1]));
            rest = &rest[numbered..];
            continue;
        }
        let head = first.split_once('_').map(|(head, _)| head);
        let shares =
            |name: &&&str| head.is_some() && name.split_once('_').map(|(head, _)| head) == head;
        let n = rest.iter().take_while(shares).count();
        if n > 1 {
            let head = head.unwrap_or_default();
            let tails: Vec<&str> = rest[..n].iter().map(|name| &name[head.len() + 1..]).collect();
            pieces.push(format!("{head}_{{{}}}", fold(&tails, ',')));
            rest = &rest[n..];
        } else {
            pieces.push((*first).to_owned());
            rest = &rest[1..];
        }
    }
    pieces.join(&separator.to_string())
}

/// How many names from the first on are the same word with numbers that count up.
fn n_numbered(names: &[&str]) -> usize {
    let cut = |name: &str| {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let number: Option<u32> = name[stem.len()..].parse().ok();
        number.map(|number| (stem.to_owned(), number))
    };
    let Some((stem, first)) = names.first().and_then(|name| cut(name)) else { return 0 };
    let expected = |(name, number): &(&&str, u32)| cut(name) == Some((stem.clone(), *number));
    names.iter().zip(first..).take_while(expected).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_begin_alike_are_folded() {
        let names = ["tun_id", "tun_ipv6_src", "tun_ipv6_dst", "metadata", "reg0", "reg1", "reg2"];
        assert_eq!(fold(&names, ' '), "tun_{id,ipv6_{src,dst}} metadata reg0...reg2");
        let names = ["tun_metadata0", "tun_metadata1", "ip_src", "ipv6_src"];
        assert_eq!(fold(&names, ' '), "tun_metadata0...tun_metadata1 ip_src ipv6_src");
    }
}

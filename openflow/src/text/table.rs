//! Tables, as `ovs-ofctl` prints what they counted and how they are configured.
//!
//! # Design
//! A switch has some 250 tables, nearly all alike: a table that is as the one before it is not written
//! but counted, and a run of such tables becomes one line, `tables 2...253: ditto`.
//!
//! # References
//! ovs-ofctl(8), `dump-tables`, `dump-table-desc`, `mod-table`.

use core::fmt::Write;

use packet::flow::FieldId;

use super::features::fields_text;
use super::names::Style;
use crate::table::{TableMod, TableStats};

/// Tables that are as the one before them.
#[derive(Default)]
pub(super) struct Dittos(Option<(u8, u8)>);

impl Dittos {
    /// One more of them.
    pub(super) fn add(&mut self, table: u8) {
        self.0 = Some((self.0.map_or(table, |(first, _)| first), table));
    }

    /// Writes those that there are.
    pub(super) fn put(&mut self, text: &mut String, style: Style<'_>) {
        let _ = match self.0.take() {
            None => Ok(()),
            Some((first, last)) if first == last => {
                writeln!(text, "\n  table {}: ditto", style.table(first))
            }
            Some((first, last)) => {
                writeln!(text, "\n  tables {}...{}: ditto", style.table(first), style.table(last))
            }
        };
    }
}

/// The fields that the wildcards of OpenFlow 1.0 stand for (1.0.2 §5.2.3), in Open vSwitch's order.
const V10_FIELDS: [(u32, FieldId); 12] = [
    (1 << 0, FieldId::InPort),
    (1 << 2, FieldId::EthSrc),
    (1 << 3, FieldId::EthDst),
    (1 << 4, FieldId::EthType),
    (1 << 1, FieldId::VlanVid),
    (1 << 20, FieldId::VlanPcp),
    (1 << 13, FieldId::Ipv4Src),
    (1 << 19, FieldId::Ipv4Dst),
    (1 << 5, FieldId::IpProto),
    (1 << 21, FieldId::IpTos),
    (1 << 6, FieldId::TcpSrc),
    (1 << 7, FieldId::TcpDst),
];

/// Writes what tables counted as `ovs-ofctl dump-tables` does, in lines.
#[must_use]
pub fn table_stats_text<'a>(style: impl Into<Style<'a>>, tables: &[TableStats]) -> String {
    let style = style.into();
    let mut text = String::new();
    let mut dittos = Dittos::default();
    let mut before: Option<&TableStats> = None;
    for table in tables {
        let same = |of: fn(&TableStats) -> (u64, u64, u64)| {
            before.is_some_and(|before| of(before) == of(table))
        };
        let same_counts = same(|t| (t.active.into(), t.lookups, t.matched));
        let same_features = same(|t| (t.wildcards.into(), t.max_entries.into(), 0));
        before = Some(table);
        // A name that was given is a reason to be written; `tableN` is none.
        if same_counts && same_features && !has_name(table) {
            dittos.add(table.table);
            continue;
        }
        dittos.put(&mut text, style);
        let _ = write!(text, "\n  table {}", style.table(table.table));
        if has_name(table) {
            let _ = write!(text, " (\"{}\")", table.name);
        }
        let TableStats { active, lookups, matched, max_entries, .. } = table;
        let _ = writeln!(text, ":\n    active={active}, lookup={lookups}, matched={matched}");
        if same_features {
            text.push_str(if *max_entries == 0 { "" } else { "    (same features)\n" });
            continue;
        }
        if *max_entries != 0 {
            let _ = writeln!(text, "    max_entries={max_entries}");
        }
        put_wildcards(&mut text, table.wildcards);
    }
    dittos.put(&mut text, style);
    text
}

fn has_name(table: &TableStats) -> bool {
    !table.name.is_empty() && table.name != format!("table{}", table.table)
}

fn put_wildcards(text: &mut String, wildcards: u32) {
    let fields = V10_FIELDS.iter().filter(|(bit, _)| wildcards & bit != 0);
    let fields: Vec<FieldId> = fields.map(|(_, field)| *field).collect();
    if !fields.is_empty() {
        text.push_str("    matching:\n      exact match or wildcard: ");
        text.push_str(&fields_text(&fields));
        text.push('\n');
    }
}

const EVICTION: u32 = 1 << 2;
const VACANCY: u32 = 1 << 3;
const EVICTION_FLAGS: [(u32, &str); 3] =
    [(1 << 0, "OTHER"), (1 << 1, "IMPORTANCE"), (1 << 2, "LIFETIME")];

/// Writes how a table is configured as `ovs-ofctl dump-table-desc` does, in lines.
#[must_use]
pub fn table_desc_text<'a>(style: impl Into<Style<'a>>, table: &TableMod) -> String {
    let mut text = format!("\n  table {}:\n", style.into().table(table.table));
    let on = |bit| if table.config & bit != 0 { "on" } else { "off" };
    let _ = write!(text, "   eviction={}", on(EVICTION));
    if let Some(flags) = table.eviction {
        let words = EVICTION_FLAGS.iter().filter(|(bit, _)| flags & bit != 0);
        let words: Vec<&str> = words.map(|(_, word)| *word).collect();
        let words = if words.is_empty() { "0".to_owned() } else { words.join("|") };
        let _ = write!(text, " eviction_flags={words}");
    }
    let _ = write!(text, "\n   vacancy={}", on(VACANCY));
    if let Some((down, up, now)) = table.vacancy.filter(|_| table.config & VACANCY != 0) {
        let _ = write!(text, " vacancy_down={down}% vacancy_up={up}% vacancy={now}%");
    }
    text.push('\n');
    text
}

/// What `ovs-ofctl mod-table` says of a table, in a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableChange {
    /// A full table makes place.
    Evict,
    /// It does not.
    NoEvict,
    /// It tells when it has less or more place than so many percent.
    Vacancy(u8, u8),
    /// It does not tell.
    NoVacancy,
}

/// Every word of [`parse_table_change`].
pub const TABLE_CHANGES: &str =
    "evict, noevict, vacancy:LOW,HIGH (percent), novacancy or name:NAME";

/// Reads a change of a table.
#[must_use]
pub fn parse_table_change(word: &str) -> Option<TableChange> {
    Some(match word {
        "evict" => TableChange::Evict,
        "noevict" => TableChange::NoEvict,
        "novacancy" => TableChange::NoVacancy,
        _ => {
            let (low, high) = word.strip_prefix("vacancy:")?.split_once(',')?;
            let (low, high) = (low.parse().ok()?, high.parse().ok()?);
            return (low < high && high <= 100).then_some(TableChange::Vacancy(low, high));
        }
    })
}

impl TableChange {
    /// Changes a configuration.
    pub fn apply(self, table: &mut TableMod) {
        match self {
            TableChange::Evict => table.config |= EVICTION,
            TableChange::NoEvict => table.config &= !EVICTION,
            TableChange::NoVacancy => table.config &= !VACANCY,
            TableChange::Vacancy(low, high) => {
                table.config |= VACANCY;
                table.vacancy = Some((low, high, 0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Version;

    #[test]
    fn tables_that_are_alike_are_one_line() {
        let table = |table, active| TableStats { table, active, ..TableStats::default() };
        let tables = [table(0, 1), table(1, 0), table(2, 0), table(3, 0), table(4, 5), table(5, 5)];
        let text = table_stats_text(Version::V13, &tables);
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines[4], "  tables 2...3: ditto");
        assert_eq!(lines[7], "  table 5: ditto");
    }

    #[test]
    fn changes_are_read() {
        assert_eq!(parse_table_change("vacancy:20,80"), Some(TableChange::Vacancy(20, 80)));
        for word in ["vacancy:80,20", "vacancy:1,101", "vacancy:x,y", "vacancy", "evicts"] {
            assert_eq!(parse_table_change(word), None, "{word}");
        }
    }
}

//! Settings of single OpenFlow tables, as a bridge's keys say them: `0:1000,5:20`.
//!
//! # Design
//! Open vSwitch has an object for each table that is configured (`Flow_Table`). Here each of its columns
//! is a key of the bridge whose value names tables, as `rxq-affinity` names queues.
//!
//! # References
//! ovs-vswitchd.conf.db(5), table `Flow_Table`.

use packet::flow::FieldId;
use serde_json::Value as Json;

use super::value::{Refused, Value, words};
use crate::ofproto::bridge::{Overflow, TableSettings};
use crate::ofproto::classifier::prefix::is_choosable;
use crate::ofproto::tables::N_TABLES;

words! {
    /// What becomes of a flow that does not fit into its table.
    OverflowPolicy, "overflow policy" {
        /// It is refused.
        Refuse = "refuse",
        /// It takes the place of one that would go soon anyway.
        Evict = "evict",
    } later [] hidden []
}

/// Values of single tables; those not named have the default.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PerTable<T>(Vec<(u8, T)>);

impl<T> PerTable<T> {
    /// The value of a table.
    #[must_use]
    pub fn get(&self, table: u8) -> Option<&T> {
        self.0.iter().find(|(number, _)| *number == table).map(|(_, value)| value)
    }
}

impl<T: Value> Value for PerTable<T> {
    fn allowed() -> String {
        format!("TABLE:VALUE pairs, TABLE 0-{}, VALUE {}", N_TABLES - 1, T::allowed())
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        let mut pairs: Vec<(u8, T)> = Vec::new();
        for part in text.split(',') {
            let Some((table, value)) = part.split_once(':') else {
                return Err(Refused::new(format!("\"{part}\" is no pair"), Self::allowed()));
            };
            let digits = !table.is_empty() && table.bytes().all(|byte| byte.is_ascii_digit());
            let number = table.parse().ok().filter(|number| digits && *number < N_TABLES);
            let Some(number) = number else {
                return Err(Refused::new(format!("\"{table}\" is no table"), Self::allowed()));
            };
            if pairs.iter().any(|(other, _)| *other == number) {
                return Err(Refused::new(format!("table {number} stands twice"), Self::allowed()));
            }
            let value = T::parse(value).map_err(|refused| {
                // A reason that quotes what is wrong needs no more.
                let why = match refused.why {
                    why if why.starts_with('"') => why,
                    why => format!("\"{value}\": {why}"),
                };
                Refused::new(why, Self::allowed())
            })?;
            pairs.push((number, value));
        }
        pairs.sort_unstable_by_key(|(number, _)| *number);
        Ok(PerTable(pairs))
    }

    fn text(&self) -> String {
        let pairs = self.0.iter().map(|(table, value)| format!("{table}:{}", value.text()));
        pairs.collect::<Vec<_>>().join(",")
    }

    fn json(&self) -> Json {
        self.0.iter().map(|(table, value)| (table.to_string(), value.json())).collect()
    }

    fn stored(&self) -> Json {
        Json::String(self.text())
    }
}

/// The name of a table.
///
/// # Legal values
/// 1 to 31 bytes (OFP_MAX_TABLE_NAME_LEN, less the zero at the end) of printable ASCII, without what
/// separates values and options.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableName(String);

const MAX_NAME_LEN: usize = 31;

impl TableName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for TableName {
    fn allowed() -> String {
        format!("1 to {MAX_NAME_LEN} letters, digits and signs without blank, comma and colon")
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        let is_fit = |byte: u8| byte.is_ascii_graphic() && !b",:\"".contains(&byte);
        if !(1..=MAX_NAME_LEN).contains(&text.len()) || !text.bytes().all(is_fit) {
            return Err(Refused::new("not a name of a table", Self::allowed()));
        }
        // It would be taken for a number.
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Refused::new("a number, not a name", Self::allowed()));
        }
        Ok(TableName(text.to_owned()))
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

/// Fields by which flows of a table are grouped, so that the largest group makes place first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupFields(Vec<FieldId>);

impl GroupFields {
    /// The fields.
    #[must_use]
    pub fn fields(&self) -> &[FieldId] {
        &self.0
    }
}

impl Value for GroupFields {
    fn allowed() -> String {
        "fields of ovs-fields(7) with + between them, as in in_port+nw_src".into()
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        fields(text).map(GroupFields).map_err(|why| Refused::new(why, Self::allowed()))
    }

    fn text(&self) -> String {
        fields_text(&self.0)
    }
}

/// The fields of `in_port+nw_src`, each once.
fn fields(text: &str) -> Result<Vec<FieldId>, String> {
    let mut fields = Vec::new();
    for name in text.split('+') {
        let Some(field) = FieldId::by_name(name) else {
            return Err(format!("\"{name}\" is no field"));
        };
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    Ok(fields)
}

fn fields_text(fields: &[FieldId]) -> String {
    fields.iter().map(|field| field.info().name).collect::<Vec<_>>().join("+")
}

/// Fields whose prefixes a table keeps; none: `none`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrefixFields(Vec<FieldId>);

impl PrefixFields {
    const NONE: &'static str = "none";

    /// The fields.
    #[must_use]
    pub fn fields(&self) -> &[FieldId] {
        &self.0
    }
}

impl Value for PrefixFields {
    fn allowed() -> String {
        let names = FieldId::all().filter(|field| is_choosable(*field)).map(|f| f.info().name);
        let names = names.collect::<Vec<_>>().join(", ");
        format!("none, or of {names} one or more with + between them")
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        if text == Self::NONE {
            return Ok(PrefixFields(Vec::new()));
        }
        let fields = fields(text).map_err(|why| Refused::new(why, Self::allowed()))?;
        match fields.iter().find(|field| !is_choosable(**field)) {
            None => Ok(PrefixFields(fields)),
            Some(field) => {
                let why = format!("\"{}\" has no prefixes to keep", field.info().name);
                Err(Refused::new(why, Self::allowed()))
            }
        }
    }

    fn text(&self) -> String {
        if self.0.is_empty() { Self::NONE.to_owned() } else { fields_text(&self.0) }
    }
}

impl super::model::BridgeSettings {
    /// How a table is configured.
    #[must_use]
    pub fn of_table(&self, table: u8) -> TableSettings {
        let limit = self.table_flow_limit.as_ref().and_then(|limits| limits.get(table));
        let policy = self.table_overflow_policy.as_ref().and_then(|all| all.get(table));
        let groups = self.table_groups.as_ref().and_then(|all| all.get(table));
        let name = self.table_name.as_ref().and_then(|all| all.get(table));
        let prefixes = self.table_prefixes.as_ref().and_then(|all| all.get(table));
        TableSettings {
            name: name.map(|name| name.as_str().to_owned()),
            max_flows: limit.map(|limit| limit.get() as usize),
            overflow: match policy {
                Some(OverflowPolicy::Evict) => Overflow::Evict,
                Some(OverflowPolicy::Refuse) | None => Overflow::Refuse,
            },
            groups: groups.map(|groups| groups.fields().to_vec()).unwrap_or_default(),
            prefixes: prefixes.map(|prefixes| prefixes.fields().to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::Int;
    use super::*;

    type Limits = PerTable<Int<0, 1_000_000>>;

    #[test]
    fn values_of_tables_are_written_as_they_are_read() {
        let limits = Limits::parse("7:20,0:1000").unwrap();
        assert_eq!(
            (limits.text().as_str(), limits.get(7).map(|n| n.get())),
            ("0:1000,7:20", Some(20))
        );
        assert_eq!(Limits::from_json(&limits.stored()), Ok(limits));
        let groups = PerTable::<GroupFields>::parse("3:in_port+nw_src").unwrap();
        assert_eq!(groups.text(), "3:in_port+ip_src");
        assert_eq!(PerTable::from_json(&groups.stored()), Ok(groups));
        let prefixes = PerTable::<PrefixFields>::parse("1:none,0:nw_dst+ipv6_src+tun_id").unwrap();
        assert_eq!(prefixes.text(), "0:ip_dst+ipv6_src+tun_id,1:none");
        assert_eq!(PerTable::from_json(&prefixes.stored()), Ok(prefixes));
        let names = PerTable::<TableName>::parse("0:acl,1:out.2").unwrap();
        assert_eq!(names.get(1).map(TableName::as_str), Some("out.2"));
    }

    #[test]
    fn what_is_no_table_or_no_value_says_which() {
        let why = |text: &str| Limits::parse(text).unwrap_err().why;
        assert_eq!(why("5"), "\"5\" is no pair");
        assert_eq!(why("254:1"), "\"254\" is no table");
        assert_eq!(why("+1:1"), "\"+1\" is no table");
        assert_eq!(why("1:1,1:2"), "table 1 stands twice");
        assert_eq!(why("1:x"), "\"x\": not a whole number");
        let refused = PerTable::<GroupFields>::parse("0:nw_scr").unwrap_err();
        assert_eq!(refused.why, "\"nw_scr\" is no field");
        for (text, why) in [
            ("0:tp_dst", "\"tcp_dst\" has no prefixes to keep"),
            ("0:ip_dst+none", "\"none\" is no field"),
            ("0:", "\"\" is no field"),
        ] {
            let refused = PerTable::<PrefixFields>::parse(text).unwrap_err();
            assert_eq!(refused.why, why);
            assert!(refused.allowed.contains("ip_dst, ipv6_src, ipv6_dst"), "{}", refused.allowed);
        }
        for name in ["", "a b", "a,b", "12", &"x".repeat(32)] {
            assert!(TableName::parse(name).is_err(), "{name}");
        }
    }
}

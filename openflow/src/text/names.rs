//! Names that a switch gave its ports and tables, and what a text is written for.
//!
//! # Design
//! A text may say `in_port=eth1` where the switch counts ports. [`Names`] knows both; a piece of a text
//! that is read carries them along, and a [`Style`] carries them to what is written. Without names
//! ([`Names::NONE`]) everything is a number.
//!
//! # Invariants
//! A name that two ports bear names none of them. A reserved port is written by its own word.

use core::fmt;
use std::collections::BTreeMap;

use crate::port::OfPort;
use crate::version::Version;

/// Names of ports and tables.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Names {
    ports: BTreeMap<u16, String>,
    by_name: BTreeMap<String, Option<u16>>,
    tables: BTreeMap<u8, String>,
}

impl Names {
    /// No names.
    pub const NONE: &'static Names = &Names::new();

    /// No names yet.
    #[must_use]
    pub const fn new() -> Names {
        Names { ports: BTreeMap::new(), by_name: BTreeMap::new(), tables: BTreeMap::new() }
    }

    /// Adds a port.
    pub fn add_port(&mut self, port: OfPort, name: &str) {
        self.ports.insert(port.0, name.to_owned());
        let twice = self.by_name.contains_key(name);
        self.by_name.insert(name.to_owned(), (!twice).then_some(port.0));
    }

    /// Adds a table.
    pub fn add_table(&mut self, table: u8, name: &str) {
        self.tables.insert(table, name.to_owned());
    }

    /// The port of a name, which may stand in quotation marks.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<OfPort> {
        let bare = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
        self.by_name.get(bare).copied().flatten().map(OfPort)
    }

    /// The table of a name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<u8> {
        let bare = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
        self.tables.iter().find(|(_, known)| *known == bare).map(|(table, _)| *table)
    }

    /// The name of a port, if it has one of its own.
    #[must_use]
    pub fn of_port(&self, port: OfPort) -> Option<&str> {
        let own = self.ports.get(&port.0).filter(|_| !port.is_reserved())?;
        (self.by_name.get(own) == Some(&Some(port.0))).then_some(own)
    }
}

/// Whether a name may stand without quotation marks.
fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A name as it is written: in quotation marks unless it is a plain word.
pub(super) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_plain(self.0) { f.write_str(self.0) } else { write!(f, "\"{}\"", self.0) }
    }
}

/// A port as it is written.
pub(super) struct PortName<'a>(pub &'a Names, pub OfPort);

impl fmt::Display for PortName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.of_port(self.1) {
            Some(name) => Quoted(name).fmt(f),
            None => fmt::Display::fmt(&self.1, f),
        }
    }
}

/// A table as it is written.
pub(super) struct TableName<'a>(pub &'a Names, pub u8);

impl fmt::Display for TableName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.tables.get(&self.1) {
            Some(name) => Quoted(name).fmt(f),
            None => fmt::Display::fmt(&self.1, f),
        }
    }
}

/// What a text is written for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style<'a> {
    /// The version whose words are used.
    pub version: Version,
    /// Names that stand for numbers.
    pub names: &'a Names,
}

impl<'a> Style<'a> {
    /// A port as it is written.
    pub(super) fn port(self, port: OfPort) -> PortName<'a> {
        PortName(self.names, port)
    }

    /// A table as it is written.
    pub(super) fn table(self, table: u8) -> TableName<'a> {
        TableName(self.names, table)
    }
}

impl From<Version> for Style<'_> {
    fn from(version: Version) -> Self {
        Style { version, names: Names::NONE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_are_no_words() {
        let mut names = Names::new();
        for (port, name) in [(1, "eth1"), (2, "v-2"), (3, "v.3"), (4, "a_b"), (65534, "br0")] {
            names.add_port(OfPort(port), name);
        }
        let text = |port| Style { version: Version::V10, names: &names }.port(OfPort(port));
        let texts: Vec<String> =
            [1, 2, 3, 4, 5, 65534].into_iter().map(|port| text(port).to_string()).collect();
        assert_eq!(texts, ["eth1", "\"v-2\"", "\"v.3\"", "a_b", "5", "LOCAL"]);
        assert_eq!(names.port("\"v-2\""), Some(OfPort(2)));
        assert_eq!(names.port("br0"), Some(OfPort::LOCAL));
        names.add_port(OfPort(9), "eth1");
        assert_eq!((names.port("eth1"), names.of_port(OfPort(1))), (None, None));
    }
}

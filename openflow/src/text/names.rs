//! Names that a switch gave its ports and tables, and what a text is written for.
//!
//! # Design
//! A text may say `in_port=eth1` where the switch counts ports. [`Names`] knows both; a piece of a text
//! that is read carries them along, and a [`Style`] carries them to what is written. Without names
//! ([`Names::NONE`]) everything is a number.
//!
//! # Invariants
//! A name that two ports bear, or two tables, names none of them. A reserved port is written by its own
//! word.

use core::fmt::{self, Write as _};
use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::port::OfPort;
use crate::version::Version;

/// Names of ports and tables.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Names {
    ports: BTreeMap<u16, String>,
    by_name: BTreeMap<String, Option<u16>>,
    tables: BTreeMap<u8, String>,
    tables_by_name: BTreeMap<String, Option<u8>>,
}

impl Names {
    /// No names.
    pub const NONE: &'static Names = &Names::new();

    /// No names yet.
    #[must_use]
    pub const fn new() -> Names {
        Names {
            ports: BTreeMap::new(),
            by_name: BTreeMap::new(),
            tables: BTreeMap::new(),
            tables_by_name: BTreeMap::new(),
        }
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
        let twice = self.tables_by_name.contains_key(name);
        self.tables_by_name.insert(name.to_owned(), (!twice).then_some(table));
    }

    /// The port of a name, which may stand in quotation marks.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<OfPort> {
        self.by_name.get(&*unquoted(name)).copied().flatten().map(OfPort)
    }

    /// The table of a name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<u8> {
        self.tables_by_name.get(&*unquoted(name)).copied().flatten()
    }

    /// The name of a table, if it has one of its own.
    #[must_use]
    pub fn of_table(&self, table: u8) -> Option<&str> {
        let own = self.tables.get(&table)?;
        (self.tables_by_name.get(own) == Some(&Some(table))).then_some(own)
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
        if is_plain(self.0) {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\u{8}' => f.write_str("\\b")?,
                '\u{c}' => f.write_str("\\f")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if c.is_ascii_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// What a name in quotation marks stands for; another is itself. Escapes are those of JSON (RFC 8259
/// §7).
fn unquoted(name: &str) -> Cow<'_, str> {
    let inner = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    match inner {
        None => Cow::Borrowed(name),
        Some(inner) if !inner.contains('\\') => Cow::Borrowed(inner),
        Some(inner) => unescaped(inner).map_or(Cow::Borrowed(name), Cow::Owned),
    }
}

fn unescaped(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        plain.push(match rest.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let digits: String = rest.by_ref().take(4).collect();
                char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
            }
            c => c,
        });
    }
    Some(plain)
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
        match self.0.of_table(self.1) {
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

    #[test]
    fn tables_have_names_too_and_quotation_marks_have_escapes() {
        let mut names = Names::new();
        let odd = "a \"b\\c\u{1}\u{8}\u{c}\n\r\t";
        for (table, name) in [(0, "acl"), (1, "out.2"), (2, odd), (3, "twice"), (4, "twice")] {
            names.add_table(table, name);
        }
        let text = |table| Style { version: Version::V10, names: &names }.table(table).to_string();
        let texts: Vec<String> = (0..6).map(text).collect();
        let quoted = r#""a \"b\\c\u0001\b\f\n\r\t""#;
        assert_eq!(texts, ["acl", "\"out.2\"", quoted, "3", "4", "5"]);
        assert_eq!(names.table("acl"), Some(0));
        assert_eq!(names.table("\"out.2\""), Some(1));
        assert_eq!(names.table(quoted), Some(2));
        for none in ["twice", "\"acl", "\"a \\u00\"", ""] {
            assert_eq!(names.table(none), None, "{none}");
        }
    }
}

//! What a walk tells of itself, for `ofproto/trace`.
//!
//! # Design
//! Lines with a depth: a line of the next depth belongs to the flow, bucket or bridge above it. A walk
//! that is not told makes no text. Printed, a line is indented the way that Open vSwitch does it
//! (`oftrace_node_print_details`): what is last of its kind stands no deeper than what it belongs to, so
//! that a chain of tables reads as a list.

use super::Told;

/// What a line is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A bridge that the packet is in.
    Bridge,
    /// A flow of a table, or that there is none.
    Table,
    /// A frozen walk goes on.
    Thaw,
    /// A bucket of a group.
    Bucket,
    /// An action.
    Action,
    /// How an action went.
    Detail,
    /// Something that a person should know.
    Warning,
    /// Why the walk ended.
    Error,
}

impl Kind {
    /// Whether a line of this kind is always set off from what it belongs to.
    const fn is_set_off(self) -> bool {
        !matches!(self, Kind::Bridge | Kind::Table | Kind::Thaw)
    }
}

/// A line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// How deep below the first.
    pub depth: usize,
    /// What it is about.
    pub kind: Kind,
    /// What it says.
    pub text: String,
}

/// The lines of a walk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    is_told: bool,
    depth: usize,
    lines: Vec<Line>,
}

impl Report {
    /// Whether anybody reads it.
    #[must_use]
    pub const fn is_told(&self) -> bool {
        self.is_told
    }

    /// Nothing yet.
    #[must_use]
    pub fn new(told: Told<'_>) -> Report {
        Report { is_told: matches!(told, Told::Yes(_)), depth: 0, lines: Vec::new() }
    }

    /// The lines.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The walk as `ofproto/trace` prints it.
    #[must_use]
    pub fn print(&self) -> String {
        let mut text = String::new();
        print(&self.lines, 0, &mut text);
        text
    }

    /// Whether the last line of this depth is of a kind.
    #[must_use]
    pub fn stands_at(&self, kind: Kind) -> bool {
        let last = self.lines.iter().rfind(|line| line.depth <= self.depth);
        last.is_some_and(|line| line.depth == self.depth && line.kind == kind)
    }

    /// Adds a line, if the walk is told.
    pub fn say(&mut self, kind: Kind, text: impl FnOnce() -> String) {
        if self.is_told {
            self.lines.push(Line { depth: self.depth, kind, text: text() });
        }
    }

    /// Adds the lines of another walk, about the last line.
    pub fn add(&mut self, other: &Report) {
        let lines = other.lines.iter().cloned();
        let depth = self.depth;
        self.lines.extend(lines.map(|line| Line { depth: line.depth + depth, ..line }));
    }

    /// What follows is about the last line, until [`Report::leave`].
    pub fn enter(&mut self) {
        self.depth += 1;
    }

    /// See [`Report::enter`].
    pub fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}

/// Prints lines of one depth and what belongs to them.
fn print(lines: &[Line], level: usize, text: &mut String) {
    let Some(depth) = lines.first().map(|line| line.depth) else { return };
    let mut rest = lines;
    while let Some((line, below)) = rest.split_first() {
        let n_own = below.iter().take_while(|line| line.depth > depth).count();
        let (own, next) = below.split_at(n_own);
        let is_deeper = !next.is_empty() || line.kind.is_set_off();
        let indent = " ".repeat((level + usize::from(is_deeper)) * 4);
        match line.kind {
            Kind::Bridge => {
                let dashes = "-".repeat(line.text.len());
                text.push_str(&format!("\n{indent}{}\n{indent}{dashes}\n", line.text));
            }
            Kind::Detail => text.push_str(&format!("{indent} -> {}\n", line.text)),
            Kind::Warning => text.push_str(&format!("{indent} >> {}\n", line.text)),
            Kind::Error => text.push_str(&format!("{indent} >>>> {} <<<<\n", line.text)),
            _ => text.push_str(&format!("{indent}{}\n", line.text)),
        }
        print(own, level + 2 * usize::from(is_deeper), text);
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Oracle;
    use super::*;
    use datapath::l2::normal::Explained;
    use datapath::{BridgeId, PortNo};

    struct Nobody;

    impl Oracle for Nobody {
        fn normal(&self, _: BridgeId, _: Option<PortNo>, _: &[u8]) -> Option<Explained> {
            None
        }
    }

    #[test]
    fn a_chain_reads_as_a_list_and_a_detour_is_set_off() {
        let mut report = Report::new(Told::Yes(&Nobody));
        let say = |report: &mut Report, kind, text: &str| report.say(kind, || text.to_owned());
        say(&mut report, Kind::Bridge, "bridge(\"br0\")");
        report.enter();
        say(&mut report, Kind::Table, " 0. priority 0");
        report.enter();
        say(&mut report, Kind::Action, "resubmit(,1)");
        say(&mut report, Kind::Table, " 1. No match.");
        report.enter();
        say(&mut report, Kind::Action, "drop");
        report.leave();
        say(&mut report, Kind::Action, "resubmit(,2)");
        say(&mut report, Kind::Table, " 2. priority 1");
        report.enter();
        say(&mut report, Kind::Action, "NORMAL");
        say(&mut report, Kind::Detail, "forwarding to learned port");
        let expected = "
bridge(\"br0\")
-------------
 0. priority 0
    resubmit(,1)
     1. No match.
            drop
    resubmit(,2)
 2. priority 1
    NORMAL
     -> forwarding to learned port
";
        assert_eq!(report.print(), expected);
    }
}

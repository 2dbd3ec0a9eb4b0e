//! What a walk tells of itself, for `ofproto/trace`.
//!
//! # Design
//! Lines with a depth: a line of the next depth is about the one above it. A walk that is not told
//! makes no text.

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
    told: Told,
    depth: usize,
    lines: Vec<Line>,
}

impl Report {
    /// Nothing yet.
    #[must_use]
    pub fn new(told: Told) -> Report {
        Report { told, depth: 0, lines: Vec::new() }
    }

    /// The lines.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Adds a line, if the walk is told.
    pub fn say(&mut self, kind: Kind, text: impl FnOnce() -> String) {
        if self.told == Told::Yes {
            self.lines.push(Line { depth: self.depth, kind, text: text() });
        }
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

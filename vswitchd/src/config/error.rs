//! Why a configuration or a command is refused: one line that names the object, the value, and what
//! is allowed.

use std::fmt;

/// The object that an error is about.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ObjectRef {
    /// The switch itself.
    Switch,
    /// A bridge, by name.
    Bridge(String),
    /// A port, by name.
    Port(String),
    /// A mirror, by name.
    Mirror(String),
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObjectRef::Switch => write!(f, "switch"),
            ObjectRef::Bridge(name) => write!(f, "bridge {}", Quoted(name)),
            ObjectRef::Port(name) => write!(f, "port {}", Quoted(name)),
            ObjectRef::Mirror(name) => write!(f, "mirror {}", Quoted(name)),
        }
    }
}

/// Text of a user inside an error: on one line, and of bounded length, whatever it holds.
struct Quoted<'a>(&'a str);

impl Quoted<'_> {
    const MAX_CHARS: usize = 80;
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| !c.is_control() && !c.is_whitespace();
        let cut = self.0.chars().nth(Self::MAX_CHARS).is_some();
        let shown: String = self.0.chars().take(Self::MAX_CHARS).collect();
        match (shown.chars().all(plain) && !shown.is_empty(), cut) {
            (true, false) => write!(f, "{shown}"),
            (true, true) => write!(f, "{shown}..."),
            (false, false) => write!(f, "{shown:?}"),
            (false, true) => write!(f, "{shown:?}..."),
        }
    }
}

/// Why a configuration or a command is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value that its key cannot take.
    #[error("{object}: {key}={}: {why} (allowed: {allowed})", Quoted(value))]
    Value {
        /// Whose key.
        object: ObjectRef,
        /// The key.
        key: &'static str,
        /// What was given.
        value: String,
        /// What is wrong with it.
        why: String,
        /// What would be right.
        allowed: String,
    },
    /// A key that does not exist.
    #[error("{object}: unknown key {} ({hint})", Quoted(key))]
    UnknownKey {
        /// Whose key.
        object: ObjectRef,
        /// The key.
        key: String,
        /// What may have been meant.
        hint: String,
    },
    /// A key that a later version will know.
    #[error("{object}: {key} is not supported by this version")]
    LaterKey {
        /// Whose key.
        object: ObjectRef,
        /// The key.
        key: String,
    },
    /// A key that states a fact.
    #[error("{object}: {key} cannot be changed")]
    ReadOnlyKey {
        /// Whose key.
        object: ObjectRef,
        /// The key.
        key: String,
    },
    /// Settings that contradict each other.
    #[error("{object}: {why}")]
    Conflict {
        /// The object.
        object: ObjectRef,
        /// The contradiction, and what is allowed.
        why: String,
    },
    /// A name that cannot be used.
    #[error("{object}: bad name: {why}")]
    Name {
        /// The object.
        object: ObjectRef,
        /// What is wrong, and what is allowed.
        why: String,
    },
    /// The name is taken.
    #[error("{object}: already exists{place}")]
    Exists {
        /// The object.
        object: ObjectRef,
        /// Where, or as what, beginning with a blank.
        place: String,
    },
    /// There is no such object.
    #[error("{object}: no such {}{hint}", match object {
        ObjectRef::Bridge(_) => "bridge",
        ObjectRef::Port(_) => "port",
        ObjectRef::Mirror(_) => "mirror",
        ObjectRef::Switch => "switch",
    })]
    Missing {
        /// The object.
        object: ObjectRef,
        /// What there is instead, beginning with a blank.
        hint: String,
    },
    /// A command that cannot be read.
    #[error("{command}: {why}")]
    Usage {
        /// The command's word.
        command: String,
        /// What is wrong, and what is expected.
        why: String,
    },
    /// An error in one of several commands.
    #[error("command {number} ({word}): {source}")]
    InCommand {
        /// Which, from 1.
        number: usize,
        /// The command's word.
        word: &'static str,
        /// The error.
        source: Box<ConfigError>,
    },
}

impl ConfigError {
    pub(crate) fn conflict(object: ObjectRef, why: impl Into<String>) -> ConfigError {
        ConfigError::Conflict { object, why: why.into() }
    }

    /// The object that the error is about, where it is about one.
    #[must_use]
    pub fn object(&self) -> Option<&ObjectRef> {
        match self {
            ConfigError::Value { object, .. }
            | ConfigError::UnknownKey { object, .. }
            | ConfigError::LaterKey { object, .. }
            | ConfigError::ReadOnlyKey { object, .. }
            | ConfigError::Conflict { object, .. }
            | ConfigError::Name { object, .. }
            | ConfigError::Exists { object, .. }
            | ConfigError::Missing { object, .. } => Some(object),
            ConfigError::Usage { .. } => None,
            ConfigError::InCommand { source, .. } => source.object(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_of_bounded_length_whatever_was_typed() {
        let name = format!("a\nb{}", "x".repeat(100_000));
        let error =
            ConfigError::Missing { object: ObjectRef::Port(name), hint: String::new() }.to_string();
        assert!(error.starts_with("port \"a\\nbxxx"), "{error}");
        assert!(error.len() < 200 && !error.contains('\n'), "{error}");
    }
}

//! The words that set levels: `vlog/set` and `--log`.

use super::{Destination, Level, Log, MODULES};

/// Why a specification is refused; nothing is set then.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SpecError {
    /// A word that is nothing known.
    #[error("no destination, level, or module \"{0}\"")]
    Unknown(String),
    /// A destination that this switch does not write to.
    #[error("this switch does not log to syslog (allowed: console, file)")]
    NoSyslog,
    /// Patterns are fixed.
    #[error("the pattern of lines cannot be changed")]
    Pattern,
    /// A bad element of `--log`.
    #[error("--log: {0:?} is not a LEVEL or MODULE=LEVEL (levels: off, emer, err, warn, info, dbg; modules: {modules})", modules = MODULES.join(", "))]
    Option(String),
}

/// What one specification says.
#[derive(Clone, Copy, Default, Debug)]
struct Spec {
    module: Option<usize>,
    destination: Option<Destination>,
    level: Option<Level>,
}

impl Log {
    /// Sets levels as `vlog/set` does: module, destination and level in any order, joined by colons,
    /// commas or blanks; `any` for all; without a level, `dbg`.
    ///
    /// # Errors
    /// An unknown word: nothing is set.
    pub fn set_spec(&self, text: &str) -> Result<(), SpecError> {
        let mut spec = Spec::default();
        for word in text.split([' ', ',', ':']).filter(|word| !word.is_empty()) {
            if word.eq_ignore_ascii_case("pattern") || word.eq_ignore_ascii_case("facility") {
                return Err(SpecError::Pattern);
            }
            let is = |name: &str| name.eq_ignore_ascii_case(word);
            if let Some(level) = Level::parse(word) {
                spec.level = Some(level);
            } else if let Some(d) = Destination::ALL.into_iter().find(|d| is(d.name())) {
                spec.destination = Some(d);
            } else if let Some(module) = MODULES.iter().position(|module| is(module)) {
                spec.module = Some(module);
            } else if !is("any") {
                return Err(SpecError::Unknown(word.to_owned()));
            }
        }
        let level = spec.level.unwrap_or(Level::Dbg);
        if spec.destination == Some(Destination::Syslog) && level != Level::Off {
            return Err(SpecError::NoSyslog);
        }
        self.set(spec.module, spec.destination, level);
        Ok(())
    }

    /// Sets levels as `--log` does: `LEVEL` or `MODULE=LEVEL`, separated by commas, for whatever
    /// destination is in use.
    ///
    /// # Errors
    /// An element that is neither.
    pub fn set_option(&self, text: &str) -> Result<(), SpecError> {
        for element in text.split(',') {
            let bad = || SpecError::Option(element.to_owned());
            let (module, level) = match element.split_once('=') {
                None => (None, element),
                Some((name, level)) => {
                    let module = MODULES.iter().position(|m| m.eq_ignore_ascii_case(name));
                    (Some(module.ok_or_else(bad)?), level)
                }
            };
            self.set(module, None, Level::parse(level).ok_or_else(bad)?);
        }
        Ok(())
    }
}

//! The table of an object's keys, from which everything that touches a key follows.
//!
//! # Design
//! [`settings!`] makes a struct of optional, typed fields and a table of [`Key`]s from one list.
//! `set`, `get`, `clear`, the configuration file and the error texts all walk that table, so a key
//! exists everywhere or nowhere.

use serde_json::Value as Json;

use super::error::{ConfigError, ObjectRef};
use super::value::Refused;

/// One key of an object's settings.
pub struct Key<S: 'static> {
    /// As people type it.
    pub name: &'static str,
    /// What holds while the key is not set, where that has a name.
    pub default: Option<&'static str>,
    /// The value now.
    pub get: fn(&S) -> Option<Shown>,
    /// Sets the value from the right-hand side of `K=V`.
    pub set: fn(&mut S, &str) -> Result<(), Refused>,
    /// Sets the value from the configuration file.
    pub load: fn(&mut S, &Json) -> Result<(), Refused>,
    /// Forgets the value.
    pub clear: fn(&mut S),
}

/// A value in its written forms.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// As a person types it.
    pub text: String,
    /// For `--json`.
    pub json: Json,
    /// For the configuration file.
    pub stored: Json,
}

/// Settings that [`settings!`] made.
pub trait Settings: Sized + Default + 'static {
    /// Every key, in the order in which they are shown.
    const KEYS: &'static [Key<Self>];
    /// Keys of Open vSwitch that a later version will have.
    const LATER: &'static [&'static str];
}

/// Defines a settings struct and its table of keys.
macro_rules! settings {
    (
        $(#[$doc:meta])* $name:ident {
            $($(#[doc = $kdoc:literal])+ $key:literal => $field:ident: $ty:ty $(= $default:literal)?;)+
        } later [$($later:literal),*]
    ) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug, Default)]
        pub struct $name { $($(#[doc = $kdoc])+ pub $field: Option<$ty>,)+ }

        impl $crate::config::keys::Settings for $name {
            const KEYS: &'static [$crate::config::keys::Key<Self>] = &[$(
                $crate::config::keys::Key {
                    name: $key,
                    default: [$(Some($default),)? None][0],
                    get: |s| s.$field.as_ref().map($crate::config::keys::Shown::of),
                    set: |s, text| {
                        s.$field = Some($crate::config::value::Value::parse(text)?);
                        Ok(())
                    },
                    load: |s, json| {
                        s.$field = Some($crate::config::value::Value::from_json(json)?);
                        Ok(())
                    },
                    clear: |s| s.$field = None,
                },
            )+];
            const LATER: &'static [&'static str] = &[$($later),*];
        }
    };
}
pub(crate) use settings;

impl Shown {
    /// The forms of a value.
    pub fn of(value: &impl super::value::Value) -> Shown {
        Shown { text: value.text(), json: value.json(), stored: value.stored() }
    }

    /// A word, the same in each form.
    #[must_use]
    pub fn word(text: &str) -> Shown {
        Shown { text: text.to_owned(), json: text.into(), stored: text.into() }
    }

    /// A number, the same in each form.
    #[must_use]
    pub fn number(number: u64) -> Shown {
        Shown { text: number.to_string(), json: number.into(), stored: number.into() }
    }
}

/// The key of that name.
///
/// # Errors
/// There is none; the error suggests what may have been meant.
pub fn find<S: Settings>(object: &ObjectRef, name: &str) -> Result<&'static Key<S>, ConfigError> {
    if let Some(key) = S::KEYS.iter().find(|key| key.name == name) {
        return Ok(key);
    }
    if S::LATER.contains(&name) {
        return Err(ConfigError::LaterKey { object: object.clone(), key: name.to_owned() });
    }
    let names = || S::KEYS.iter().map(|key| key.name);
    Err(ConfigError::UnknownKey {
        object: object.clone(),
        key: name.to_owned(),
        hint: match nearest(name, names()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("allowed: {}", names().collect::<Vec<_>>().join(", ")),
        },
    })
}

/// Applies one `K=V`.
///
/// # Errors
/// The key does not exist, or the value is not one of its values.
pub fn assign<S: Settings>(
    object: &ObjectRef,
    settings: &mut S,
    pair: &(String, String),
) -> Result<(), ConfigError> {
    let key = find::<S>(object, &pair.0)?;
    (key.set)(settings, &pair.1).map_err(|r| refused(object, key.name, &pair.1, r))
}

/// Applies one member of an object in the configuration file.
///
/// # Errors
/// As [`assign`].
pub fn load<S: Settings>(
    object: &ObjectRef,
    settings: &mut S,
    member: (&str, &Json),
) -> Result<(), ConfigError> {
    let key = find::<S>(object, member.0)?;
    let text = || member.1.as_str().map_or_else(|| member.1.to_string(), str::to_owned);
    (key.load)(settings, member.1).map_err(|r| refused(object, key.name, &text(), r))
}

/// The keys that are set, with their values, in the table's order.
pub fn present<S: Settings>(settings: &S) -> impl Iterator<Item = (&'static str, Shown)> + '_ {
    S::KEYS.iter().filter_map(|key| Some((key.name, (key.get)(settings)?)))
}

fn refused(object: &ObjectRef, key: &'static str, value: &str, refused: Refused) -> ConfigError {
    let object = object.clone();
    let Refused { why, allowed } = refused;
    ConfigError::Value { object, key, value: value.to_owned(), why, allowed }
}

/// The candidate that `word` most likely means, if one is close.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let word = plain(word);
    let reach = 1 + word.len() / 4;
    let (distance, near) =
        candidates.map(|c| (distance(&word, &plain(c)), c)).min_by_key(|(d, _)| *d)?;
    (distance <= reach).then_some(near)
}

/// How many bytes to insert, delete or replace to make `a` of `b` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replace = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("", "abc", 3),
            ("tag", "tag", 0),
            ("tags", "tag", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (edits, edits), "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_word_is_suggested_only_when_it_is_near() {
        let words = ["tag", "trunks", "vlan_mode", "rxq-affinity"];
        let near = |word| nearest(word, words.into_iter());
        assert_eq!(near("tags"), Some("tag"));
        assert_eq!(near("vlan-mode"), Some("vlan_mode"));
        assert_eq!(near("RXQ_afinity"), Some("rxq-affinity"));
        assert_eq!(near("colour"), None);
        assert_eq!(nearest("x", std::iter::empty()), None);
    }
}

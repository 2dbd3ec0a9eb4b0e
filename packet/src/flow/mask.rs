//! Which bits of a key somebody looked at.

use core::fmt;
use core::ops::{Deref, DerefMut};

use super::field::{FieldId, Subfield};
use super::key::FlowKey;
use super::prereq::Prereq;
use super::words::{WordSet, Words};

/// Ones where a match looks at a key, zeros where it does not care.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct FlowMask(Words);

impl FlowMask {
    /// Cares for nothing.
    pub const EMPTY: FlowMask = FlowMask(Words::ZERO);

    /// Looks at all of a field; of a tunnel option, at whether it is there.
    pub const fn add_field(&mut self, field: FieldId) {
        self.add_bits(field, field.info().ones());
    }

    /// Looks at those bits of a field that `bits` has.
    pub const fn add_bits(&mut self, field: FieldId, bits: u128) {
        self.0.set(field, self.0.get(field) | bits);
    }

    /// Looks at part of a field.
    pub const fn add_part(&mut self, part: Subfield) {
        self.add_bits(part.field, part.mask());
    }

    /// Looks at what a prerequisite asks.
    pub fn add_prereq(&mut self, prereq: Prereq) {
        for field in prereq.fields() {
            self.add_field(*field);
        }
    }

    /// Looks at whole words.
    pub fn add_words(&mut self, words: WordSet) {
        for at in words {
            self.0.put_word(at, u64::MAX);
        }
    }

    /// Looks at what `other` looks at, too.
    pub fn add(&mut self, other: &FlowMask) {
        for (at, bits) in other.iter() {
            self.0.or_word(at, bits);
        }
    }

    /// Whether it looks at all of a field.
    #[must_use]
    pub const fn is_exact(&self, field: FieldId) -> bool {
        let ones = field.info().ones();
        self.0.get(field) & ones == ones
    }

    /// Whether it looks at nothing of a field.
    #[must_use]
    pub const fn is_wild(&self, field: FieldId) -> bool {
        self.0.get(field) == 0
    }

    /// Whether it looks at everything that `other` looks at.
    #[must_use]
    pub fn covers(&self, other: &FlowMask) -> bool {
        other.nonzero().is_within(self.nonzero())
            && other.iter().all(|(at, bits)| bits & !self.0.word(at) == 0)
    }

    /// What both look at.
    #[must_use]
    pub fn common(&self, other: &FlowMask) -> FlowMask {
        let mut common = FlowMask::EMPTY;
        for at in self.nonzero().and(other.nonzero()) {
            common.put_word(at, self.word(at) & other.word(at));
        }
        common
    }

    /// Whether two keys look the same through it.
    #[must_use]
    pub fn equal(&self, a: &FlowKey, b: &FlowKey) -> bool {
        self.iter().all(|(at, bits)| (a.word(at) ^ b.word(at)) & bits == 0)
    }
}

impl Deref for FlowMask {
    type Target = Words;

    #[inline]
    fn deref(&self) -> &Words {
        &self.0
    }
}

impl DerefMut for FlowMask {
    #[inline]
    fn deref_mut(&mut self) -> &mut Words {
        &mut self.0
    }
}

impl fmt::Debug for FlowMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

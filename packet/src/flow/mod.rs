//! What a switch knows of a packet, as a value to look up: key, mask and match.
//!
//! # Design
//! - A [`FlowKey`] is an array of 64-bit words; [`place`] says where each field lies. Masking,
//!   comparing and hashing are loops over words, and over those only that are not zero ([`words`]).
//! - A [`FlowMask`] has the same shape: ones where somebody looked.
//! - A [`FlowMatch`] is both: the bits that a packet must have.
//! - Each fact about a field stands in one row of a table ([`field`]); codecs, parsers and actions are
//!   written against the row.
//! - [`extract`] reads a frame into a key.
//! - [`prereq`] says when a field means anything; [`tunnel`] holds the options of tunnel headers.
//!
//! # Invariants
//! A mask that says less than what was looked at sends packets where they must not go: a false zero
//! is a security hole, a false one costs speed. Whoever decides by a field adds it to the mask, and
//! with it whatever made the field meaningful.

pub mod extract;
pub mod field;
pub mod hash;
pub mod place;
pub mod prereq;
pub mod tunnel;
pub mod words;

mod access;
mod key;
mod mask;
mod matching;
mod table;

pub use field::{FieldId, FieldInfo, Subfield};
pub use key::{FRAG_ANY, FRAG_LATER, FlowKey, KeyVlan};
pub use mask::FlowMask;
pub use matching::FlowMatch;
pub use prereq::Prereq;
pub use tunnel::{OptionMatch, OptionSlot, OptionTable};
pub use words::{WordSet, Words};

#[cfg(test)]
mod tests;

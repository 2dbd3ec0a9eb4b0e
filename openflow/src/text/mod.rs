//! The language of `ovs-ofctl`: matches, actions and flows, parsed and printed.
//!
//! # Design
//! A [`scan`] cuts text into keys and values that know their column, so that an error can say where it
//! is and what was expected. Values of fields are read and written by the field's row ([`value`]), in
//! one place for matches and for actions.
//!
//! # References
//! ovs-ofctl(8), ovs-fields(7), ovs-actions(7).

mod action;
mod flow;
mod learn;
mod matching;
mod scan;
mod value;

pub use action::{actions_text, parse_actions};
pub use flow::{flow_mod_text, flow_stats_text, parse_flow};
pub use matching::{match_text, parse_match};

/// Text that is not what it should be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("column {column}: \"{found}\" (expected: {expected})")]
pub struct TextError {
    /// Where, from 1, in bytes.
    pub column: usize,
    /// What stands there.
    pub found: String,
    /// What may stand there.
    pub expected: &'static str,
}

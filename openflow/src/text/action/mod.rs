//! Actions: `output:1,set_field:5->reg0,resubmit(,3)`.

mod parse;
mod print;

pub(super) use parse::{Place, parse_list};
pub use print::actions_text;

use super::TextError;
use super::scan::Piece;
use crate::action::OfAction;

/// Reads actions as they stand behind `actions=`. `drop`, or nothing, is none.
///
/// # Errors
/// Where they cannot be read, and what was expected.
pub fn parse_actions(text: &str) -> Result<Vec<OfAction>, TextError> {
    parse_list(Piece::whole(text), Place::Flow)
}

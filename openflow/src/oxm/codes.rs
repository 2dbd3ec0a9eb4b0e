//! Fields by their numbers on the wire.
//!
//! # Design
//! The field table names the numbers of each field; a table of flows that is sent asks for the field of
//! a number some times for each flow, so that the way back is kept too. It never changes.

use std::collections::HashMap;
use std::sync::LazyLock;

use packet::flow::FieldId;
use packet::flow::field::OxmClass;

static FIELDS: LazyLock<HashMap<(OxmClass, u8), FieldId>> = LazyLock::new(|| {
    let numbers = |field: FieldId| field.info().codes.iter().map(move |code| (code, field));
    FieldId::all()
        .flat_map(numbers)
        .map(|(code, field)| ((code.class, code.number), field))
        .collect()
});

/// The field of a number.
pub(super) fn field(class: OxmClass, number: u8) -> Option<FieldId> {
    FIELDS.get(&(class, number)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_leads_back_to_its_field() {
        for id in FieldId::all() {
            for code in id.info().codes {
                assert_eq!(field(code.class, code.number), Some(id), "{}", code.name);
            }
        }
        assert_eq!(field(OxmClass::BASIC, 127), None);
    }
}

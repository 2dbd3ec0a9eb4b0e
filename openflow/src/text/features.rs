//! What tables can do, as `ovs-ofctl dump-table-features` prints it.
//!
//! # Design
//! A list of fields is long, so names that begin alike are written once: `ip_{src,dst}`,
//! `reg0...reg15`. [`fields_text`] cuts names into words at `_` and folds neighbours that share their
//! first words.
//!
//! # References
//! OpenFlow 1.3.5 §7.3.5.5; 1.5.1 §7.3.5.18.

use packet::flow::FieldId;

use super::names::Style;
use crate::table::TableFeatures;

/// What tables can do, in lines.
pub(super) fn table_features_text(_style: Style<'_>, _tables: &[TableFeatures]) -> String {
    String::new()
}

/// Names of fields, in Open vSwitch's order, with common beginnings written once.
pub(super) fn fields_text(fields: &[FieldId]) -> String {
    let names: Vec<&str> = fields.iter().map(|field| field.info().name).collect();
    fold(&names, ' ')
}

/// Folds runs of neighbours that share their first word.
fn fold(names: &[&str], separator: char) -> String {
    let mut pieces: Vec<String> = Vec::new();
    let mut rest = names;
    while let Some(first) = rest.first() {
        let numbered = n_numbered(rest);
        if numbered > 1 {
            pieces.push(format!("{first}...{}", rest[numbered - 1]));
            rest = &rest[numbered..];
            continue;
        }
        let head = first.split_once('_').map(|(head, _)| head);
        let shares =
            |name: &&&str| head.is_some() && name.split_once('_').map(|(head, _)| head) == head;
        let n = rest.iter().take_while(shares).count();
        if n > 1 {
            let head = head.unwrap_or_default();
            let tails: Vec<&str> = rest[..n].iter().map(|name| &name[head.len() + 1..]).collect();
            pieces.push(format!("{head}_{{{}}}", fold(&tails, ',')));
            rest = &rest[n..];
        } else {
            pieces.push((*first).to_owned());
            rest = &rest[1..];
        }
    }
    pieces.join(&separator.to_string())
}

/// How many names from the first on are the same word with numbers that count up.
fn n_numbered(names: &[&str]) -> usize {
    let cut = |name: &str| {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let number: Option<u32> = name[stem.len()..].parse().ok();
        number.map(|number| (stem.to_owned(), number))
    };
    let Some((stem, first)) = names.first().and_then(|name| cut(name)) else { return 0 };
    let expected = |(name, number): &(&&str, u32)| cut(name) == Some((stem.clone(), *number));
    names.iter().zip(first..).take_while(expected).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_begin_alike_are_folded() {
        let names = ["tun_id", "tun_ipv6_src", "tun_ipv6_dst", "metadata", "reg0", "reg1", "reg2"];
        assert_eq!(fold(&names, ' '), "tun_{id,ipv6_{src,dst}} metadata reg0...reg2");
        let names = ["tun_metadata0", "tun_metadata1", "ip_src", "ipv6_src"];
        assert_eq!(fold(&names, ' '), "tun_metadata0...tun_metadata1 ip_src ipv6_src");
    }
}

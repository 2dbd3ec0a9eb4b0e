//! The models against each other, against the manual and against the documentation.

use std::collections::BTreeSet;

use super::*;

const DIFFERENCES: [&str; 7] = [
    "keeps a priority tag",
    "drops the tag in spite of `always`",
    "writes priority into the service tag",
    "strips a customer's tag",
    "keeps TPID 0x88a8 on a priority tag",
    "loses the innermost tag",
    "touches the second tag",
];

#[test]
fn every_difference_has_a_name_and_is_explained() {
    let all = [1, 2].into_iter().flat_map(|limit| {
        let cases = KINDS.iter().flat_map(move |from| Case::of(limit, from));
        cases.flat_map(|case| KINDS.iter().filter_map(move |to| difference(case, to)))
    });
    let seen: BTreeSet<_> = all.collect();
    assert_eq!(seen, DIFFERENCES.into_iter().collect());
    let page = include_str!("../../../docs/vlans.md");
    let others = ["clears the drop eligible bit", "forgets the second tag in its flow cache"];
    for name in DIFFERENCES.iter().chain(&others) {
        assert!(page.contains(&format!("| {name} |")), "docs/vlans.md does not explain {name:?}");
    }
}

#[test]
fn the_table_says_what_the_manual_says() {
    let kind = |name| KINDS.iter().find(|kind| kind.name == name).expect("a kind");
    let leaves =
        |from, tags, to| table::leaves(Case { limit: 1, from: kind(from), tags }, kind(to));
    assert_eq!(leaves("a10", &[], "t0"), Some(vec![(C, 10)]));
    assert_eq!(leaves("a10", &[(C, 10)], "t0"), None);
    assert_eq!(leaves("a10", &[(C, 0xa000)], "t0"), Some(vec![(C, 0xa00a)]));
    assert_eq!(leaves("t0", &[(S, 0xa00a)], "a10"), Some(vec![]));
    assert_eq!(leaves("t0", &[(S, 0xa00a)], "a10n"), Some(vec![(C, 0xa000)]));
    assert_eq!(leaves("t0", &[], "nu10"), None);
    assert_eq!(leaves("q10", &[(C, 30)], "t0"), Some(vec![(S, 10), (C, 30)]));
    assert_eq!(leaves("q10", &[(C, 30)], "a10"), None);
    assert_eq!(leaves("q10", &[(C, 30)], "q10c"), None);
    assert_eq!(leaves("t0", &[(S, 10), (C, 30)], "q10"), Some(vec![(C, 30)]));
    assert_eq!(leaves("tp", &[(C, 10)], "a10p"), None);
}

#[test]
fn a_frame_that_is_missing_foreign_or_altered_is_found() {
    let to = &KINDS[0];
    let right = expected(1, to, table::leaves);
    let frames: Vec<_> = right.values().cloned().collect();
    assert_sent(to, &frames, &right);
    let finds = |frames: Vec<Vec<u8>>| {
        std::panic::catch_unwind(|| assert_sent(to, &frames, &right)).is_err()
    };
    assert!(finds(frames[1..].to_vec()));
    assert!(finds([&frames[..], &frames[..1]].concat()));
    let mut altered = frames.clone();
    altered[0][5] ^= 1;
    assert!(finds(altered));
    let case = Case { limit: 1, from: &KINDS[7], tags: &[(C, 10)] };
    assert!(finds([&frames[..], &[case.frame(&case.name())]].concat()));
}

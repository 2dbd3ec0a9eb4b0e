//! Every kind of port times every state of tags: what leaves, to the byte.

use switch_tests::matrix::{Case, KINDS, assert_sent, expected, table};

use crate::rig::Rig;

#[test]
fn what_leaves_is_what_the_table_says() {
    for limit in [1, 2] {
        let mut rig = Rig::new();
        rig.run(&format!("set switch vlan-limit={limit} -- add-br br0"));
        for kind in KINDS {
            let keys = kind.keys().join(" ");
            rig.run(&format!("add-port br0 {} type=dummy {keys}", kind.name));
        }
        for case in KINDS.iter().flat_map(|from| Case::of(limit, from)) {
            rig.inject(case.from.name, &case.frame(&case.name()));
        }
        rig.settle();
        for to in KINDS {
            assert_sent(to, &rig.sent(to.name), &expected(limit, to, table::leaves));
        }
        rig.assert_conserved();
    }
}

//! Answers about tables and features.

use openflow::table::{TableMod, TableProperty};

use super::*;

#[test]
fn every_table_says_what_it_can_do() {
    let lab = Lab::new();
    let Ok(StatsReply::TableFeatures(features)) = lab.stats(&StatsRequest::TableFeatures(vec![]))
    else {
        panic!()
    };
    assert_eq!(features.len(), 254);
    for (number, table) in (0..).zip(&features) {
        assert_eq!((table.table, table.max_entries), (number, 1_000_000));
        let kinds: Vec<u16> = table.properties.iter().map(|(kind, _)| *kind).collect();
        let mut sorted = kinds.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 13, 14, 15]);
    }
    let next = |table: usize| {
        let mut found = features[table].properties.iter().filter(|(kind, _)| *kind == 2);
        found.next().map(|(_, property)| property.clone())
    };
    assert_eq!(next(252), Some(TableProperty::Tables(vec![253])));
    assert_eq!(next(253), Some(TableProperty::Tables(vec![])));
    let change = StatsRequest::TableFeatures(features[..1].to_vec());
    assert_eq!(lab.stats(&change), Err(OfpError::TffEperm));
    assert_eq!(lab.stats(&StatsRequest::Desc), Err(OfpError::BrBadStat));
}

#[test]
fn tables_count_their_flows_and_say_how_they_are_configured() {
    let mut lab = Lab::new();
    lab.add("table=3,ip,actions=1");
    let Ok(StatsReply::Table(tables)) = lab.stats(&StatsRequest::Table) else { panic!() };
    assert_eq!((tables.len(), tables[3].active, tables[4].active), (254, 1, 0));
    let vacancy = TableMod { table: 3, config: 0xc, eviction: None, vacancy: Some((20, 80, 0)) };
    lab.send(Message::TableMod(vacancy)).unwrap();
    lab.with(|of, cx| of.limit_flows(cx, 3, (Some(4), Overflow::Refuse)));
    let Ok(StatsReply::TableDesc(descs)) = lab.stats(&StatsRequest::TableDesc) else { panic!() };
    let expected =
        TableMod { table: 3, config: 0xc, eviction: Some(7), vacancy: Some((20, 80, 75)) };
    assert_eq!(descs[3], expected);
    assert_eq!(descs[4], TableMod { table: 4, config: 0, eviction: Some(7), vacancy: None });
    let hidden = TableMod { table: 254, config: 0, eviction: None, vacancy: None };
    assert_eq!(lab.send(Message::TableMod(hidden)), Err(OfpError::TmfEperm));
}

#[test]
fn features_of_groups_and_meters_are_open_vswitchs() {
    let lab = Lab::new();
    let Ok(StatsReply::GroupFeatures(groups)) = lab.stats(&StatsRequest::GroupFeatures) else {
        panic!()
    };
    assert_eq!((groups.types, groups.capabilities), (0xf, 7));
    assert_eq!((groups.max_groups, groups.actions), ([0xffff_ff00; 4], [0x03ff_8001; 4]));
    let Ok(StatsReply::MeterFeatures(meters)) = lab.stats(&StatsRequest::MeterFeatures) else {
        panic!()
    };
    assert_eq!((meters.max_meters, meters.band_types, meters.capabilities), (0x4_0000, 2, 0xf));
    assert_eq!((meters.max_bands, meters.max_colors), (8, 0));
}

#[test]
fn sums_are_of_the_flows_that_are_meant() {
    let mut lab = Lab::new();
    lab.add("cookie=1,ip,actions=1");
    lab.add("cookie=2,arp,actions=1");
    for (n, id) in (1..).zip(lab.of.store.all()) {
        lab.of.store.rule(id).unwrap().counts.add(n, n * 60, lab.now_ns);
    }
    let Ok(StatsReply::Aggregate(sum)) = lab.stats(&StatsRequest::Aggregate(Box::default())) else {
        panic!()
    };
    assert_eq!((sum.packets, sum.bytes, sum.n_flows), (Some(3), Some(180), 2));
}

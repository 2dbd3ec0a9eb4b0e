//! Answers about tables and features.

use openflow::flow::FlowCommand;
use openflow::table::{TableFeatures, TableMod, TableProperty};

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
    assert_eq!(lab.stats(&StatsRequest::Desc), Err(OfpError::BrBadStat));
}

/// The name of a table, as its features tell it.
fn name(lab: &Lab, table: usize) -> String {
    match lab.stats(&StatsRequest::TableFeatures(vec![])) {
        Ok(StatsReply::TableFeatures(features)) => features[table].name.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_with_features_names_tables_and_changes_nothing_else() {
    let mut lab = Lab::new();
    let Ok(StatsReply::TableFeatures(all)) = lab.stats(&StatsRequest::TableFeatures(vec![])) else {
        panic!()
    };
    let named = |table: usize, name: &str| TableFeatures {
        name: name.to_owned(),
        max_entries: 5,
        ..all[table].clone()
    };
    lab.of.name_tables(&[named(3, "ingress"), named(4, "egress")]).unwrap();
    assert_eq!(
        (name(&lab, 3), name(&lab, 4), name(&lab, 5)),
        ("ingress".into(), "egress".into(), String::new())
    );
    let Ok(StatsReply::Table(tables)) = lab.stats(&StatsRequest::Table) else { panic!() };
    assert_eq!((tables[3].name.as_str(), tables[3].max_entries), ("ingress", 1_000_000));
    lab.of.name_tables(&[named(3, "")]).unwrap();
    assert_eq!(name(&lab, 3), "");
    let none = TableFeatures { table: 254, ..named(5, "none") };
    assert_eq!(lab.of.name_tables(&[named(5, "five"), none]), Err(OfpError::TffBadTable));
    let off = TableFeatures { command: 3, ..named(5, "off") };
    assert_eq!(lab.of.name_tables(&[off]), Err(OfpError::TffBadCommand));
    assert_eq!(name(&lab, 5), "");
}

/// Reasons of TABLE_STATUS since this was last asked, with what is vacant.
fn vacancies(lab: &mut Lab) -> Vec<(u8, u8)> {
    let events = std::mem::take(&mut lab.events);
    let told = events.into_iter().filter_map(|event| match event {
        Event::TableStatus(status) => Some((status.reason, status.desc.vacancy.unwrap().2)),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_table_tells_once_that_it_gets_full_and_once_that_it_has_place_again() {
    let mut lab = Lab::new();
    lab.limit(3, 10, Overflow::Refuse);
    let watched = TableMod { table: 3, config: 8, eviction: None, vacancy: Some((30, 60, 0)) };
    lab.send(Message::TableMod(watched)).unwrap();
    let flow = |n: u32| format!("table=3,reg0={n},actions=1");
    for n in 0..7 {
        lab.add(&flow(n));
    }
    assert_eq!(vacancies(&mut lab), [], "30 % is not less than 30 %");
    for n in 7..10 {
        lab.add(&flow(n));
    }
    assert_eq!(vacancies(&mut lab), [(3, 20)]);
    for n in 0..5 {
        lab.delete(&format!("table=3,reg0={n}"));
    }
    assert_eq!(vacancies(&mut lab), [], "50 % is not more than 60 %");
    lab.delete("table=3");
    assert_eq!(vacancies(&mut lab), [(4, 100)]);
    lab.send(Message::TableMod(TableMod { config: 0, vacancy: None, ..watched })).unwrap();
    for n in 0..10 {
        lab.add(&flow(n));
    }
    assert_eq!(vacancies(&mut lab), []);
    // What is refused has told nothing.
    lab.delete("table=3");
    lab.send(Message::TableMod(watched)).unwrap();
    let bundle: Vec<_> = (0..11).map(|n| (n, flow_mod(FlowCommand::Add, &flow(n)))).collect();
    assert!(lab.with(|of, cx| of.change_all(cx, &bundle)).is_err());
    assert_eq!(vacancies(&mut lab), []);
}

#[test]
fn tables_count_their_flows_and_say_how_they_are_configured() {
    let mut lab = Lab::new();
    lab.add("table=3,ip,actions=1");
    let Ok(StatsReply::Table(tables)) = lab.stats(&StatsRequest::Table) else { panic!() };
    assert_eq!((tables.len(), tables[3].active, tables[4].active), (254, 1, 0));
    let vacancy = TableMod { table: 3, config: 0xc, eviction: None, vacancy: Some((20, 80, 0)) };
    lab.send(Message::TableMod(vacancy)).unwrap();
    lab.limit(3, 4, Overflow::Refuse);
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

//! Groups and meters, and the flows that go with them.

use openflow::flow::GROUP_ANY;
use openflow::group::{
    BUCKET_ALL, BUCKET_FIRST, BUCKET_LAST, Bucket, GroupCommand, GroupDesc, GroupMod, GroupType,
    Selection,
};
use openflow::meter::{BandKind, MeterBand, MeterCommand, MeterConfig, MeterFlags, MeterMod};
use openflow::text::parse_actions;

use super::*;

pub(super) fn bucket(id: u32, weight: u16, actions: &str) -> Bucket {
    let actions = parse_actions(actions).unwrap();
    Bucket { id, weight, watch_port: OfPort::NONE, watch_group: GROUP_ANY, actions }
}

pub(super) fn group_mod(
    command: GroupCommand,
    id: u32,
    kind: GroupType,
    buckets: &[&str],
) -> GroupMod {
    let weight = u16::from(kind == GroupType::Select);
    let buckets = (0..).zip(buckets).map(|(id, actions)| bucket(id, weight, actions)).collect();
    let group = GroupDesc { id, kind, buckets, selection: Selection::default() };
    GroupMod { command, group, command_bucket: BUCKET_ALL }
}

pub(super) fn add(
    lab: &mut Lab,
    id: u32,
    kind: GroupType,
    buckets: &[&str],
) -> Result<(), OfpError> {
    lab.send(Message::GroupMod(group_mod(GroupCommand::Add, id, kind, buckets)))
}

pub(super) fn meter_mod(command: MeterCommand, id: u32, rates: &[u32]) -> Message {
    let band = |rate: &u32| MeterBand { kind: BandKind::Drop, rate: *rate, burst_size: 0 };
    let bands = rates.iter().map(band).collect();
    let meter = MeterConfig { id: OfMeterId(id), flags: MeterFlags::PKTPS, bands };
    Message::MeterMod(MeterMod { command, meter })
}

fn group_of(lab: &Lab, id: u32) -> openflow::group::GroupStats {
    match lab.stats(&StatsRequest::Group(id)) {
        Ok(StatsReply::Group(mut groups)) => groups.remove(0),
        other => panic!("{other:?}"),
    }
}

fn bucket_ids(lab: &Lab, id: u32) -> Vec<u32> {
    lab.of.groups().get(&id).unwrap().desc.buckets.iter().map(|bucket| bucket.id).collect()
}

#[test]
fn groups_are_added_changed_and_deleted_with_the_flows_that_use_them() {
    let mut lab = Lab::new();
    add(&mut lab, 1, GroupType::Select, &["output:1", "output:2"]).unwrap();
    add(&mut lab, 2, GroupType::All, &["group:1"]).unwrap();
    lab.add("send_flow_rem,ip,actions=group:1");
    lab.add("arp,actions=write_actions(group:1)");
    lab.add("ipv6,actions=group:2");
    assert_eq!(group_of(&lab, 1).ref_count, 2);
    lab.told();
    lab.send(Message::GroupMod(group_mod(GroupCommand::Delete, 1, GroupType::All, &[]))).unwrap();
    assert_eq!(
        lab.told(),
        [
            "group_delete table=0 ip actions=group:1",
            "removed ip (group_delete)",
            "group_delete table=0 arp actions=write_actions(group:1)"
        ]
    );
    assert_eq!(lab.dump(), ["table=0 ipv6 actions=group:2"]);
    let all = group_mod(GroupCommand::Delete, GROUP_ALL, GroupType::All, &[]);
    lab.send(Message::GroupMod(all)).unwrap();
    assert!(lab.of.groups().is_empty() && lab.dump().is_empty());
}

#[test]
fn a_changed_group_is_another_with_the_same_counters() {
    let mut lab = Lab::new();
    add(&mut lab, 1, GroupType::Select, &["output:1", "output:2"]).unwrap();
    let before = lab.of.groups().get(&1).unwrap().clone();
    before.counts.add(3, 180, lab.now_ns);
    before.buckets[1].add(2, 120, lab.now_ns);
    lab.wait(4);
    let mut modify =
        group_mod(GroupCommand::Modify, 1, GroupType::Select, &["output:3", "output:4"]);
    modify.group.buckets.remove(0);
    lab.send(Message::GroupMod(modify)).unwrap();
    let stats = group_of(&lab, 1);
    assert_eq!((stats.packets, stats.bytes, stats.duration.as_secs()), (3, 180, 4));
    assert_eq!((stats.buckets.len(), stats.buckets[0].packets), (1, 2));
    assert_eq!(lab.of.groups_changed(), Version(lab.next.0 - 1));
    assert_eq!(before.desc.buckets.len(), 2);
}

#[test]
fn buckets_come_and_go_one_by_one() {
    let mut lab = Lab::new();
    add(&mut lab, 1, GroupType::Select, &["output:1"]).unwrap();
    let mut step = |command, at, ids: &[u32]| {
        let mut message = group_mod(command, 1, GroupType::All, &[]);
        message.command_bucket = at;
        message.group.buckets = ids.iter().map(|id| bucket(*id, 1, "output:2")).collect();
        let result = lab.send(Message::GroupMod(message));
        result.map(|()| bucket_ids(&lab, 1))
    };
    let (insert, remove) = (GroupCommand::InsertBucket, GroupCommand::RemoveBucket);
    assert_eq!(step(insert, BUCKET_LAST, &[5, 6]), Ok(vec![0, 5, 6]));
    assert_eq!(step(insert, BUCKET_FIRST, &[7]), Ok(vec![7, 0, 5, 6]));
    assert_eq!(step(insert, 0, &[8]), Ok(vec![7, 0, 8, 5, 6]));
    assert_eq!(step(insert, 99, &[9]), Err(OfpError::GmfUnknownBucket));
    assert_eq!(step(insert, BUCKET_LAST, &[8]), Err(OfpError::GmfBucketExists));
    assert_eq!(step(remove, 8, &[]), Ok(vec![7, 0, 5, 6]));
    assert_eq!(step(remove, BUCKET_FIRST, &[]), Ok(vec![0, 5, 6]));
    assert_eq!(step(remove, BUCKET_LAST, &[]), Ok(vec![0, 5]));
    assert_eq!(step(remove, 77, &[]), Err(OfpError::GmfUnknownBucket));
    assert_eq!(step(remove, BUCKET_ALL, &[]), Ok(vec![]));
    assert_eq!(step(remove, BUCKET_FIRST, &[]), Ok(vec![]));
    assert_eq!(step(remove, BUCKET_LAST, &[]), Ok(vec![]));
}

#[test]
fn groups_that_lead_to_themselves_are_refused() {
    let mut lab = Lab::new();
    assert_eq!(add(&mut lab, 1, GroupType::All, &["group:1"]), Err(OfpError::GmfLoop));
    add(&mut lab, 1, GroupType::All, &["group:2"]).unwrap();
    add(&mut lab, 2, GroupType::All, &["output:1", "clone(group:3)"]).unwrap();
    assert_eq!(add(&mut lab, 3, GroupType::All, &["group:1"]), Err(OfpError::GmfLoop));
    add(&mut lab, 3, GroupType::All, &["output:1"]).unwrap();
    let mut message = group_mod(GroupCommand::InsertBucket, 3, GroupType::All, &["group:2"]);
    message.command_bucket = BUCKET_LAST;
    message.group.buckets[0].id = 4;
    assert_eq!(lab.send(Message::GroupMod(message)), Err(OfpError::GmfLoop));
    let mut watching = group_mod(GroupCommand::Modify, 3, GroupType::FastFailover, &["output:1"]);
    watching.group.buckets[0].watch_group = 2;
    assert_eq!(lab.send(Message::GroupMod(watching)), Err(OfpError::GmfLoop));
}

#[test]
fn what_groups_are_refused_for() {
    let mut lab = Lab::new();
    add(&mut lab, 1, GroupType::All, &["output:1"]).unwrap();
    let before = lab.state();
    let mut refused = |message: GroupMod| lab.send(Message::GroupMod(message)).unwrap_err();
    let all = |command, id| group_mod(command, id, GroupType::All, &["output:1"]);
    assert_eq!(refused(all(GroupCommand::Add, 1)), OfpError::GmfGroupExists);
    assert_eq!(refused(all(GroupCommand::Modify, 2)), OfpError::GmfUnknownGroup);
    assert_eq!(refused(all(GroupCommand::InsertBucket, 2)), OfpError::GmfUnknownGroup);
    assert_eq!(refused(all(GroupCommand::RemoveBucket, 2)), OfpError::GmfUnknownGroup);
    assert_eq!(refused(all(GroupCommand::Add, 0xffff_ff01)), OfpError::GmfInvalidGroup);
    let mut watching = all(GroupCommand::Add, 3);
    watching.group.buckets[0].watch_port = OfPort(1);
    assert_eq!(refused(watching), OfpError::GmfWatchUnsupported);
    let mut heavy = all(GroupCommand::Add, 3);
    heavy.group.buckets[0].weight = 1;
    assert_eq!(refused(heavy), OfpError::GmfInvalidGroup);
    let mut twice = group_mod(GroupCommand::Add, 3, GroupType::Select, &["output:1", "output:2"]);
    twice.group.buckets[1].id = 0;
    assert_eq!(refused(twice), OfpError::GmfBucketExists);
    assert_eq!(lab.state(), before);
    let message = all(GroupCommand::AddOrModify, 2);
    lab.send(Message::GroupMod(message.clone())).unwrap();
    lab.send(Message::GroupMod(message)).unwrap();
}

#[test]
fn meters_have_a_place_in_the_datapath_for_as_long_as_they_exist() {
    let mut lab = Lab::new();
    lab.send(meter_mod(MeterCommand::Add, 7, &[100, 200])).unwrap();
    let slot = *lab.of.meters().get(&7).unwrap();
    assert!(lab.meters.take_changed());
    assert!(lab.meters.get(slot).unwrap().admits(60, lab.now_ns, 0));
    lab.add("ip,actions=meter:7,output:1");
    lab.add("arp,actions=output:1");
    lab.wait(3);
    let stats = |lab: &Lab| match lab.stats(&StatsRequest::Meter(OfMeterId(7))) {
        Ok(StatsReply::Meter(meters)) => meters[0].clone(),
        other => panic!("{other:?}"),
    };
    let now = stats(&lab);
    assert_eq!((now.n_flows, now.packets_in, now.bytes_in, now.bands.len()), (1, 1, 60, 2));
    lab.send(meter_mod(MeterCommand::Modify, 7, &[5])).unwrap();
    let now = stats(&lab);
    assert_eq!((now.packets_in, now.duration.as_secs(), now.bands.len()), (0, 3, 1));
    assert_eq!(lab.of.meters().get(&7), Some(&slot));
    lab.told();
    lab.send(meter_mod(MeterCommand::Delete, 7, &[])).unwrap();
    assert_eq!(lab.told(), ["meter_delete table=0 ip actions=meter:7,output:1"]);
    assert!(lab.meters.get(slot).is_none() && lab.of.meters().is_empty());
    assert_eq!(lab.dump(), ["table=0 arp actions=output:1"]);
}

#[test]
fn what_meters_are_refused_for() {
    let mut lab = Lab::new();
    lab.send(meter_mod(MeterCommand::Add, 1, &[1])).unwrap();
    let before = lab.state();
    let mut refused = |message| lab.send(message).unwrap_err();
    assert_eq!(refused(meter_mod(MeterCommand::Add, 1, &[1])), OfpError::MmfMeterExists);
    assert_eq!(refused(meter_mod(MeterCommand::Modify, 2, &[1])), OfpError::MmfUnknownMeter);
    assert_eq!(refused(meter_mod(MeterCommand::Add, 2, &[1; 9])), OfpError::MmfOutOfBands);
    assert_eq!(refused(meter_mod(MeterCommand::Add, 2, &[])), OfpError::MmfOutOfBands);
    assert_eq!(refused(meter_mod(MeterCommand::Add, 2, &[5, 0])), OfpError::MmfBadRate);
    let Message::MeterMod(mut remark) = meter_mod(MeterCommand::Add, 2, &[1]) else { panic!() };
    remark.meter.bands[0].kind = BandKind::DscpRemark(1);
    assert_eq!(refused(Message::MeterMod(remark)), OfpError::MmfBadBand);
    lab.send(meter_mod(MeterCommand::Delete, 9, &[])).unwrap();
    assert_eq!(lab.state(), before);
    for request in [StatsRequest::Meter(OfMeterId(9)), StatsRequest::MeterConfig(OfMeterId(9))] {
        assert_eq!(lab.stats(&request), Err(OfpError::MmfUnknownMeter));
    }
}

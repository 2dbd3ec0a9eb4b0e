//! Groups: `group_id=1,type=select,bucket=weight:5,output:1`, parsed and printed.
//!
//! # Design
//! Everything before the first `bucket=` is about the group; each `bucket=` starts one bucket, in which
//! what is no key of a bucket is an action. So `bucket=weight:5,output:1` and
//! `bucket=weight=5,actions=output:1` say the same.
//!
//! # References
//! ovs-ofctl(8), "Group Syntax".

use core::fmt::Write;

use packet::flow::FieldId;

use super::names::{Names, Style};
use super::scan::{Item, Piece};
use super::{TextError, action, actions_text, flow::duration_text, value};
use crate::flow::GROUP_ANY;
use crate::group::{
    BUCKET_ALL, BUCKET_FIRST, BUCKET_LAST, BUCKET_MAX, Bucket, GROUP_ALL, GROUP_MAX, GroupCommand,
    GroupDesc, GroupMod, GroupStats, GroupType, Selection,
};
use crate::port::OfPort;
use crate::version::Version;

const GROUP: &str = "a group, from 0 to 4294967040";
const TYPE: &str = "all, select, indirect, ff or fast_failover";
const KEY: &str =
    "group_id, type, command_bucket_id, selection_method, selection_method_param, fields or bucket";
const BUCKET: &str = "first, last, all, or a bucket's number";

/// Reads a group as `ovs-ofctl add-group` and its kin take it.
///
/// # Errors
/// Where it cannot be read, and what was expected.
pub fn parse_group(
    command: GroupCommand,
    text: &str,
    names: &Names,
) -> Result<GroupMod, TextError> {
    parse(command, Piece::named(text, names))
}

pub(super) fn parse(command: GroupCommand, whole: Piece<'_>) -> Result<GroupMod, TextError> {
    let (head, buckets) = cut(whole);
    let kind = GroupType::All;
    let group =
        GroupDesc { id: GROUP_ALL, kind, buckets: Vec::new(), selection: Selection::default() };
    let mut found =
        Found { group: GroupMod { command, group, command_bucket: BUCKET_ALL }, has: [false; 3] };
    for item in head.items()? {
        found.setting(&item)?;
    }
    let [has_id, has_type, has_bucket] = found.has;
    let mut group = found.group;
    if !has_id && command != GroupCommand::Delete {
        return Err(whole.end().expected("group_id="));
    }
    if matches!(command, GroupCommand::InsertBucket | GroupCommand::RemoveBucket) && !has_bucket {
        return Err(whole.end().expected("command_bucket_id="));
    }
    if is_whole(command) && !has_type {
        return Err(whole.end().expected("type=, which is all, select, indirect or ff"));
    }
    if matches!(command, GroupCommand::Delete | GroupCommand::RemoveBucket) && !buckets.is_empty() {
        return Err(buckets[0].expected("no bucket: none is added here"));
    }
    for bucket in &buckets {
        group.group.buckets.push(parse_bucket(*bucket, group.group.kind)?);
    }
    number(&mut group.group.buckets);
    check_buckets(whole, &group)?;
    Ok(group)
}

/// Whether a command says all of a group.
const fn is_whole(command: GroupCommand) -> bool {
    matches!(command, GroupCommand::Add | GroupCommand::Modify | GroupCommand::AddOrModify)
}

/// What stands before the first `bucket=`, and what stands behind each.
fn cut(whole: Piece<'_>) -> (Piece<'_>, Vec<Piece<'_>>) {
    let starts = |before: &str| before.is_empty() || before.ends_with([',', ' ', '\t', '\n']);
    let mut pieces = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some(found) = whole.text[at..].find("bucket=") {
        if starts(&whole.text[..at + found]) {
            pieces.push(whole.part(from, at + found));
            from = at + found + "bucket=".len();
        }
        at += found + "bucket=".len();
    }
    pieces.push(whole.part(from, whole.text.len()));
    let head = pieces.remove(0);
    (head, pieces)
}

struct Found {
    group: GroupMod,
    /// Whether number, type and bucket of the command were said.
    has: [bool; 3],
}

impl Found {
    fn setting(&mut self, item: &Item<'_>) -> Result<(), TextError> {
        let need = || item.need("a value behind the =");
        let command = self.group.command;
        let group = &mut self.group.group;
        let about_buckets =
            matches!(command, GroupCommand::InsertBucket | GroupCommand::RemoveBucket);
        match item.key.text {
            "group_id" => {
                group.id = match need()?.text {
                    "all" if command == GroupCommand::Delete => GROUP_ALL,
                    _ => need()?.u32(GROUP)?,
                };
                if group.id > GROUP_MAX && group.id != GROUP_ALL {
                    return Err(need()?.expected(GROUP));
                }
                self.has[0] = true;
            }
            "command_bucket_id" if about_buckets => {
                self.group.command_bucket = command_bucket(need()?, command)?;
                self.has[2] = true;
            }
            "type" if is_whole(command) => {
                group.kind = GroupType::from_name(need()?.text).ok_or(need()?.expected(TYPE))?;
                self.has[1] = true;
            }
            "selection_method" if is_whole(command) => {
                if need()?.text.len() > 15 {
                    return Err(need()?.expected("a method of at most 15 letters"));
                }
                need()?.text.clone_into(&mut group.selection.method);
            }
            "selection_method_param" if is_whole(command) => {
                group.selection.param = need()?.u64("a number of 64 bits")?;
            }
            "fields" if is_whole(command) => {
                for field in need()?.items()? {
                    group.selection.fields.push(selection_field(&field)?);
                }
                group.selection.fields.sort_by_key(|(field, _)| *field as usize);
            }
            _ => return Err(item.key.expected(KEY)),
        }
        Ok(())
    }
}

fn command_bucket(piece: Piece<'_>, command: GroupCommand) -> Result<u32, TextError> {
    let number = match piece.text {
        "first" => BUCKET_FIRST,
        "last" => BUCKET_LAST,
        "all" => BUCKET_ALL,
        _ => piece.u32(BUCKET)?,
    };
    let inserts = command == GroupCommand::InsertBucket;
    let known = number <= BUCKET_MAX || number >= BUCKET_FIRST;
    if known && !(inserts && number == BUCKET_ALL) {
        Ok(number)
    } else {
        Err(piece.expected(BUCKET))
    }
}

fn selection_field(item: &Item<'_>) -> Result<(FieldId, u128), TextError> {
    let field = FieldId::by_name(item.key.text).ok_or(item.key.expected("a field"))?;
    let ones = field.info().ones();
    match item.value {
        None => Ok((field, ones)),
        Some(mask) => Ok((field, value::parse(field, mask)?.0 & ones)),
    }
}

fn parse_bucket(text: Piece<'_>, kind: GroupType) -> Result<Bucket, TextError> {
    let mut bucket = Bucket {
        id: BUCKET_ALL,
        weight: (kind == GroupType::Select).into(),
        watch_port: OfPort::NONE,
        watch_group: GROUP_ANY,
        actions: Vec::new(),
    };
    let items = text.items()?;
    if items.is_empty() {
        return Err(text.expected("what the bucket does"));
    }
    for item in items {
        let need = || item.need("a value behind the =");
        match item.key.text {
            "weight" => bucket.weight = need()?.u16("a weight, from 0 to 65535")?,
            "watch_port" => bucket.watch_port = value::parse_port(need()?)?,
            "watch_group" => bucket.watch_group = need()?.u32(GROUP)?,
            "bucket_id" => {
                bucket.id = need()?.u32("a bucket, from 0 to 4294967040")?;
                if bucket.id > BUCKET_MAX {
                    return Err(need()?.expected("a bucket, from 0 to 4294967040"));
                }
            }
            "action" | "actions" if item.value.is_some() => {
                bucket.actions.extend(action::parse_list(need()?, action::Place::List)?);
            }
            _ => bucket.actions.extend(action::parse_list(item.whole, action::Place::List)?),
        }
    }
    Ok(bucket)
}

/// A bucket without a number gets the first that is free.
fn number(buckets: &mut [Bucket]) {
    let taken: Vec<u32> = buckets.iter().map(|bucket| bucket.id).collect();
    let mut free = (0..).filter(|id| !taken.contains(id));
    for bucket in buckets.iter_mut().filter(|bucket| bucket.id == BUCKET_ALL) {
        bucket.id = free.next().unwrap_or(BUCKET_MAX);
    }
}

fn check_buckets(whole: Piece<'_>, group: &GroupMod) -> Result<(), TextError> {
    let GroupDesc { kind, buckets, selection, .. } = &group.group;
    if *kind == GroupType::Indirect && is_whole(group.command) && buckets.len() != 1 {
        return Err(whole.expected("one bucket in an indirect group"));
    }
    let watches =
        |bucket: &Bucket| bucket.watch_port != OfPort::NONE || bucket.watch_group != GROUP_ANY;
    if *kind == GroupType::FastFailover && !buckets.iter().all(watches) {
        return Err(whole.expected("watch_port= or watch_group= in each bucket of type ff"));
    }
    if *kind != GroupType::Select && !selection.method.is_empty() {
        return Err(whole.expected("type=select, to which selection_method belongs"));
    }
    if selection.method.is_empty() && (selection.param != 0 || !selection.fields.is_empty()) {
        return Err(whole.expected("selection_method=, to which the others belong"));
    }
    Ok(())
}

/// A group's number as it is written.
pub(super) fn id_text(id: u32) -> String {
    match id {
        GROUP_ALL => "ALL".to_owned(),
        GROUP_ANY => "ANY".to_owned(),
        id => id.to_string(),
    }
}

/// Writes a group as `ovs-ofctl dump-groups` does, without the blank before it.
#[must_use]
pub fn group_text<'a>(style: impl Into<Style<'a>>, group: &GroupDesc) -> String {
    let style = style.into();
    let mut text = format!("group_id={},type={}", id_text(group.id), group.kind.name());
    put_selection(&mut text, style, &group.selection);
    put_buckets(&mut text, style, group);
    text
}

fn put_selection(text: &mut String, style: Style<'_>, selection: &Selection) {
    let Selection { method, param, fields } = selection;
    if method.is_empty() {
        return;
    }
    let _ = write!(text, ",selection_method={method}");
    if *param != 0 {
        let _ = write!(text, ",selection_method_param={param}");
    }
    let words: Vec<String> = fields
        .iter()
        .map(|(field, mask)| {
            let info = field.info();
            if *mask == info.ones() {
                return info.name.to_owned();
            }
            format!("{}={}", info.name, value::text(style.names, *field, *mask, info.ones()))
        })
        .collect();
    let _ = match words.as_slice() {
        [] => Ok(()),
        [one] => write!(text, ",fields={one}"),
        more => write!(text, ",fields({})", more.join(",")),
    };
}

/// Numbers of buckets are on the wire in OpenFlow 1.5, and in Nicira's form of 1.0.
fn put_buckets(text: &mut String, style: Style<'_>, group: &GroupDesc) {
    let has_ids = matches!(style.version, Version::V10 | Version::V15);
    for bucket in &group.buckets {
        text.push_str(",bucket=");
        if has_ids {
            let _ = write!(text, "bucket_id:{},", bucket.id);
        }
        if bucket.weight != u16::from(group.kind == GroupType::Select) {
            let _ = write!(text, "weight:{},", bucket.weight);
        }
        if bucket.watch_port != OfPort::NONE {
            let _ = write!(text, "watch_port:{},", style.port(bucket.watch_port));
        }
        if bucket.watch_group != GROUP_ANY {
            let _ = write!(text, "watch_group:{},", bucket.watch_group);
        }
        let _ = write!(text, "actions={}", actions_text(style, &bucket.actions));
    }
}

/// Writes a command about groups as `ovs-ofctl` shows GROUP_MOD messages.
#[must_use]
pub fn group_mod_text<'a>(style: impl Into<Style<'a>>, group: &GroupMod) -> String {
    let style = style.into();
    let mut text = format!("{} group_id={}", group.command.name(), id_text(group.group.id));
    match group.command {
        GroupCommand::InsertBucket | GroupCommand::RemoveBucket => {
            let _ = match group.command_bucket {
                BUCKET_FIRST => write!(text, ",command_bucket_id:first"),
                BUCKET_LAST => write!(text, ",command_bucket_id:last"),
                BUCKET_ALL => write!(text, ",command_bucket_id:all"),
                id => write!(text, ",command_bucket_id:{id}"),
            };
            put_buckets(&mut text, style, &group.group);
        }
        GroupCommand::Delete => {}
        _ => {
            let _ = write!(text, ",type={}", group.group.kind.name());
            put_selection(&mut text, style, &group.group.selection);
            put_buckets(&mut text, style, &group.group);
        }
    }
    text
}

/// Writes what a group counted as `ovs-ofctl dump-group-stats` does, without the blank before it.
#[must_use]
pub fn group_stats_text(stats: &GroupStats) -> String {
    let mut text = format!(
        "group_id={},duration={},ref_count={}",
        id_text(stats.id),
        duration_text(stats.duration),
        stats.ref_count
    );
    let _ = write!(text, ",packet_count={},byte_count={}", stats.packets, stats.bytes);
    for (number, bucket) in stats.buckets.iter().enumerate() {
        let (packets, bytes) = (bucket.packets, bucket.bytes);
        let _ = write!(text, ",bucket{number}:packet_count={packets},byte_count={bytes}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(text: &str) -> Result<GroupMod, TextError> {
        parse_group(GroupCommand::Add, text, Names::NONE)
    }

    #[test]
    fn groups_round_trip() {
        for text in [
            "group_id=1,type=all",
            "group_id=1,type=select,bucket=bucket_id:0,weight:5,actions=output:1,\
             bucket=bucket_id:7,watch_port:2,actions=output:2,set_field:0x1->reg0",
            "group_id=2,type=ff,bucket=bucket_id:0,watch_port:1,actions=output:1,\
             bucket=bucket_id:1,watch_group:1,actions=group:1",
            "group_id=3,type=indirect,bucket=bucket_id:0,actions=drop",
            "group_id=4,type=select,selection_method=hash,selection_method_param=9,\
             fields(ip_src,tcp_dst=255),bucket=bucket_id:0,actions=output:1",
            "group_id=5,type=select,selection_method=dp_hash,fields=eth_src",
        ] {
            let group = add(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(group_text(Version::V15, &group.group), text);
        }
    }

    #[test]
    fn what_is_no_key_of_a_bucket_is_an_action() {
        let group = add("group_id=1 type=select bucket=weight=3,output:1,2,bucket=3").unwrap();
        let text = "group_id=1,type=select,bucket=weight:3,actions=output:1,output:2,\
                    bucket=actions=output:3";
        assert_eq!(group_text(Version::V13, &group.group), text);
    }

    #[test]
    fn wrong_groups_are_named_with_their_column() {
        for (text, column) in [
            ("type=all", 9),
            ("group_id=1", 11),
            ("group_id=x,type=all", 10),
            ("group_id=4294967041,type=all", 10),
            ("group_id=1,type=some", 17),
            ("group_id=1,type=all,colour=red", 21),
            ("group_id=1,type=all,command_bucket_id=3", 21),
            ("group_id=1,type=all,bucket=fly", 28),
            ("group_id=1,type=all,bucket=weight:70000,1", 35),
            ("group_id=1,type=indirect", 1),
            ("group_id=1,type=ff,bucket=1", 1),
            ("group_id=1,type=all,selection_method=hash", 1),
        ] {
            let error = add(text).expect_err(text);
            assert_eq!(error.column, column, "{text}: {error}");
        }
        let insert = |text| parse_group(GroupCommand::InsertBucket, text, Names::NONE);
        assert_eq!(insert("group_id=1,command_bucket_id=all,bucket=1").unwrap_err().column, 30);
        assert!(insert("group_id=1,bucket=1").is_err());
        assert_eq!(
            insert("group_id=1,command_bucket_id=first,bucket=1").unwrap().command_bucket,
            BUCKET_FIRST
        );
        let delete = |text| parse_group(GroupCommand::Delete, text, Names::NONE);
        assert_eq!(delete("").unwrap().group.id, GROUP_ALL);
        assert_eq!(delete("group_id=3").unwrap().group.id, 3);
    }

    #[test]
    fn buckets_have_meters_where_these_are_actions_and_push_the_tags_that_they_write() {
        use crate::{Codec, Message, OfpError};
        let group = |text| Message::GroupMod(add(text).unwrap());
        let meter = group("group_id=1,type=all,bucket=meter:7,output:1");
        let encode = |version, message: &Message| Codec::new(version).encode(1, message);
        assert_eq!(encode(Version::V13, &meter), Err(OfpError::BaBadType));
        assert!(encode(Version::V15, &meter).is_ok());
        for (version, expected) in [
            (Version::V10, "mod_vlan_vid:5,output:1"),
            (Version::V13, "push_vlan:0x8100,set_field:4101->vlan_vid,output:1"),
        ] {
            let group = group("group_id=1,type=all,bucket=mod_vlan_vid:5,output:1");
            let bytes = encode(version, &group).unwrap();
            let (raw, _) = crate::raw::split_message(&bytes).unwrap().unwrap();
            let back = Codec::new(version).decode(raw).unwrap().message;
            let Message::GroupMod(back) = back else { panic!("{back:?}") };
            assert_eq!(
                crate::text::actions_text(version, &back.group.buckets[0].actions),
                expected
            );
        }
    }
}

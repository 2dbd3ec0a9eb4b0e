//! Groups on the wire: two forms of buckets, with and without properties.

use packet::flow::field::Maskable;

use super::{
    BUCKET_ALL, BUCKET_MAX, Bucket, BucketStats, GroupCommand, GroupDesc, GroupFeatures, GroupMod,
    GroupStats, GroupType, Selection,
};
use crate::action::{check_list, decode_actions, encode_list};
use crate::error::OfpError;
use crate::flow::GROUP_ANY;
use crate::kind::Form;
use crate::meter::{read_duration, write_duration};
use crate::oxm::{self, Mask, Numbers};
use crate::port::OfPort;
use crate::prop;
use crate::version::Version;
use crate::wire::{Reader, Writer};

const PROP_WEIGHT: u16 = 0;
const PROP_WATCH_PORT: u16 = 1;
const PROP_WATCH_GROUP: u16 = 2;

/// NTR_VENDOR_ID, NTRT_SELECTION_METHOD.
const NTR_VENDOR_ID: u32 = 0x0000_154d;
const SELECTION_METHOD: u32 = 1;
/// NTR_MAX_SELECTION_METHOD_LEN.
const METHOD_LEN: usize = 16;

/// Which of the two forms of buckets a message has: Nicira's group messages have the later one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Plain,
    Properties,
}

const fn layout(version: Version, form: Form) -> Layout {
    match (version, form) {
        // OpenFlow 1.0 has groups in Nicira's form only.
        (Version::V10 | Version::V15, _) | (_, Form::Nicira | Form::NiciraStats) => {
            Layout::Properties
        }
        _ => Layout::Plain,
    }
}

impl Bucket {
    fn decode_plain(version: Version, r: &mut Reader<'_>) -> Result<Bucket, OfpError> {
        let len = usize::from(r.u16()?);
        let mut r = r.sub(len.checked_sub(2).ok_or(OfpError::GmfBadBucket)?)?;
        let weight = r.u16()?;
        let watch_port = OfPort::from_wide(r.u32()?).map_err(|_| OfpError::GmfBadWatch)?;
        let watch_group = r.u32()?;
        r.skip(4)?;
        let actions = decode_actions(version, &mut r, 0)?;
        Ok(Bucket { id: 0, weight, watch_port, watch_group, actions })
    }

    fn decode_properties(
        version: Version,
        kind: GroupType,
        r: &mut Reader<'_>,
    ) -> Result<Bucket, OfpError> {
        let len = usize::from(r.u16()?);
        let mut r = r.sub(len.checked_sub(2).ok_or(OfpError::GmfBadBucket)?)?;
        let actions_len = usize::from(r.u16()?);
        let id = r.u32()?;
        if id > BUCKET_MAX {
            return Err(OfpError::GmfBadBucket);
        }
        let actions = decode_actions(version, &mut r.sub(actions_len)?, 0)?;
        let weight = u16::from(kind == GroupType::Select);
        let (watch_port, watch_group) = (OfPort::NONE, GROUP_ANY);
        let mut bucket = Bucket { id, weight, watch_port, watch_group, actions };
        prop::each(&mut r, |id, body| {
            match id {
                prop::Id::Standard(PROP_WEIGHT) => bucket.weight = body.u16()?,
                prop::Id::Standard(PROP_WATCH_PORT) => {
                    let port = OfPort::from_wide(body.u32()?);
                    bucket.watch_port = port.map_err(|_| OfpError::GmfBadWatch)?;
                }
                prop::Id::Standard(PROP_WATCH_GROUP) => bucket.watch_group = body.u32()?,
                id => return Err(id.unknown()),
            }
            Ok(())
        })?;
        Ok(bucket)
    }

    fn encode(
        &self,
        version: Version,
        (layout, kind): (Layout, GroupType),
        w: &mut Writer,
    ) -> Result<(), OfpError> {
        let start = w.len();
        w.u16(0);
        match layout {
            Layout::Plain => {
                w.u16(self.weight);
                w.u32(self.watch_port.to_wide());
                w.u32(self.watch_group);
                w.zeros(4);
                encode_list(version, &self.actions, w)?;
            }
            Layout::Properties => {
                w.u16(0);
                w.u32(self.id);
                let at = w.len();
                encode_list(version, &self.actions, w)?;
                w.patch_len(start + 2, at);
                self.encode_properties(kind, w);
            }
        }
        w.patch_len(start, start);
        if w.len() - start > usize::from(u16::MAX) { Err(OfpError::GmfBadBucket) } else { Ok(()) }
    }

    fn encode_properties(&self, kind: GroupType, w: &mut Writer) {
        if kind == GroupType::Select || self.weight != 0 {
            let at = prop::begin(w, PROP_WEIGHT);
            w.u16(self.weight);
            prop::end_padded(w, at);
        }
        if self.watch_port != OfPort::NONE {
            let at = prop::begin(w, PROP_WATCH_PORT);
            w.u32(self.watch_port.to_wide());
            prop::end(w, at);
        }
        if self.watch_group != GROUP_ANY {
            let at = prop::begin(w, PROP_WATCH_GROUP);
            w.u32(self.watch_group);
            prop::end(w, at);
        }
    }
}

fn decode_buckets(
    version: Version,
    (layout, kind): (Layout, GroupType),
    r: &mut Reader<'_>,
) -> Result<Vec<Bucket>, OfpError> {
    let mut buckets = Vec::new();
    while !r.is_empty() {
        buckets.push(match layout {
            Layout::Plain => {
                Bucket { id: number(buckets.len()), ..Bucket::decode_plain(version, r)? }
            }
            Layout::Properties => Bucket::decode_properties(version, kind, r)?,
        });
    }
    Ok(buckets)
}

/// Where buckets have no numbers on the wire, they get them in their order.
fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(BUCKET_MAX)
}

impl Selection {
    fn decode(body: &mut Reader<'_>) -> Result<Selection, OfpError> {
        body.skip(4)?;
        let method = body.name::<METHOD_LEN>()?;
        let param = body.u64()?;
        let mut fields = Vec::new();
        while !body.is_empty() {
            let header = oxm::read_header(body)?;
            let entry = oxm::read_value_as_mask(body, &header)?;
            if fields.iter().any(|(known, _)| *known == entry.0) {
                return Err(OfpError::BmDupField);
            }
            fields.push(entry);
        }
        if !matches!(method.as_str(), "hash" | "dp_hash") {
            return Err(OfpError::BpBadValue);
        }
        if method == "dp_hash" && !fields.is_empty() {
            return Err(OfpError::BpBadValue);
        }
        Ok(Selection { method, param, fields })
    }

    fn encode(&self, version: Version, w: &mut Writer) {
        if self.method.is_empty() {
            return;
        }
        let at = prop::begin_experimenter(w, NTR_VENDOR_ID, SELECTION_METHOD);
        w.zeros(4);
        w.name(&self.method, METHOD_LEN);
        w.u64(self.param);
        for (field, mask) in &self.fields {
            oxm::write_header(w, *field, Numbers::Oxm(version), Mask::None);
            let whole = matches!(field.info().maskable, Maskable::Whole);
            let ones = field.info().ones();
            oxm::write_value(w, *field, if whole || *mask == ones { u128::MAX } else { *mask });
        }
        prop::end(w, at);
    }
}

fn decode_selection(kind: GroupType, r: &mut Reader<'_>) -> Result<Selection, OfpError> {
    let mut selection = Selection::default();
    prop::each(r, |id, body| match id {
        prop::Id::Experimenter { vendor: NTR_VENDOR_ID, exp_type: SELECTION_METHOD } => {
            if kind != GroupType::Select {
                return Err(OfpError::BpBadValue);
            }
            selection = Selection::decode(body)?;
            Ok(())
        }
        id => Err(id.unknown()),
    })?;
    Ok(selection)
}

fn group_type(number: u8) -> Result<GroupType, OfpError> {
    GroupType::ALL.get(usize::from(number)).copied().ok_or(OfpError::GmfBadType)
}

impl GroupMod {
    pub(crate) fn decode(
        version: Version,
        form: Form,
        r: &mut Reader<'_>,
    ) -> Result<GroupMod, OfpError> {
        let command = r.u16()?;
        let known = GroupCommand::ALL.into_iter().find(|known| *known as u16 == command);
        let command = known.ok_or(OfpError::GmfBadCommand)?;
        let later = matches!(command, GroupCommand::InsertBucket | GroupCommand::RemoveBucket);
        let layout = layout(version, form);
        if later && layout == Layout::Plain {
            return Err(OfpError::GmfBadCommand);
        }
        let kind = r.u8()?;
        r.skip(1)?;
        let id = r.u32()?;
        let kind = match command {
            // Deleting goes by number; senders leave anything here.
            GroupCommand::Delete => group_type(kind).unwrap_or(GroupType::All),
            _ => group_type(kind)?,
        };
        let (mut command_bucket, mut selection) = (BUCKET_ALL, Selection::default());
        let buckets = if layout == Layout::Properties {
            let len = usize::from(r.u16()?);
            r.skip(2)?;
            command_bucket = r.u32()?;
            let buckets = decode_buckets(version, (layout, kind), &mut r.sub(len)?)?;
            selection = decode_selection(kind, r)?;
            buckets
        } else {
            decode_buckets(version, (layout, kind), r)?
        };
        let group = GroupDesc { id, kind, buckets, selection };
        let group_mod = GroupMod { command, group, command_bucket };
        group_mod.check()?;
        Ok(group_mod)
    }

    /// # Errors
    /// What the version cannot say.
    pub(crate) fn encode(
        &self,
        version: Version,
        form: Form,
        w: &mut Writer,
    ) -> Result<(), OfpError> {
        let layout = layout(version, form);
        let later = matches!(self.command, GroupCommand::InsertBucket | GroupCommand::RemoveBucket);
        if later && layout == Layout::Plain {
            return Err(OfpError::GmfBadCommand);
        }
        self.group.buckets.iter().try_for_each(|bucket| check_list(version, &bucket.actions))?;
        w.u16(self.command as u16);
        w.u8(self.group.kind as u8);
        w.u8(0);
        w.u32(self.group.id);
        if layout == Layout::Properties {
            let at = w.len();
            w.zeros(4);
            w.u32(self.command_bucket);
            self.group.encode_buckets(version, layout, w, (at, at + 8))?;
            self.group.selection.encode(version, w);
            return Ok(());
        }
        for bucket in &self.group.buckets {
            bucket.encode(version, (layout, self.group.kind), w)?;
        }
        Ok(())
    }

    /// The form in which it is sent: OpenFlow 1.0 has no groups of its own, and a selection method
    /// needs properties.
    pub(crate) fn form(&self, version: Version) -> Form {
        let later = matches!(self.command, GroupCommand::InsertBucket | GroupCommand::RemoveBucket);
        let needs = later || !self.group.selection.method.is_empty();
        match version {
            Version::V15 => Form::Standard,
            Version::V10 => Form::Nicira,
            _ if needs => Form::Nicira,
            _ => Form::Standard,
        }
    }
}

impl GroupDesc {
    fn encode_buckets(
        &self,
        version: Version,
        layout: Layout,
        w: &mut Writer,
        (len_at, start): (usize, usize),
    ) -> Result<(), OfpError> {
        for bucket in &self.buckets {
            bucket.encode(version, (layout, self.kind), w)?;
        }
        if w.len() - start > usize::from(u16::MAX) {
            return Err(OfpError::GmfOutOfBuckets);
        }
        w.patch_len(len_at, start);
        Ok(())
    }

    pub(crate) fn decode(version: Version, r: &mut Reader<'_>) -> Result<GroupDesc, OfpError> {
        let len = usize::from(r.u16()?);
        let mut r = r.sub(len.checked_sub(2).ok_or(OfpError::BrBadLen)?)?;
        let kind = group_type(r.u8()?)?;
        r.skip(1)?;
        let id = r.u32()?;
        let layout = layout(version, Form::Stats);
        if layout == Layout::Plain {
            let buckets = decode_buckets(version, (layout, kind), &mut r)?;
            return Ok(GroupDesc { id, kind, buckets, selection: Selection::default() });
        }
        let len = usize::from(r.u16()?);
        r.skip(6)?;
        let buckets = decode_buckets(version, (layout, kind), &mut r.sub(len)?)?;
        Ok(GroupDesc { id, kind, buckets, selection: decode_selection(kind, &mut r)? })
    }

    /// # Errors
    /// What the version cannot say, or a group longer than an entry may be.
    pub(crate) fn encode(&self, version: Version, w: &mut Writer) -> Result<(), OfpError> {
        let start = w.len();
        let layout = layout(version, Form::Stats);
        w.u16(0);
        w.u8(self.kind as u8);
        w.u8(0);
        w.u32(self.id);
        if layout == Layout::Properties {
            let at = w.len();
            w.zeros(8);
            self.encode_buckets(version, layout, w, (at, at + 8))?;
            self.selection.encode(version, w);
        } else {
            for bucket in &self.buckets {
                bucket.encode(version, (layout, self.kind), w)?;
            }
        }
        w.patch_len(start, start);
        if w.len() - start > usize::from(u16::MAX) { Err(OfpError::BrBadLen) } else { Ok(()) }
    }
}

impl GroupStats {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<GroupStats, OfpError> {
        let len = usize::from(r.u16()?);
        let mut r = r.sub(len.checked_sub(2).ok_or(OfpError::BrBadLen)?)?;
        r.skip(2)?;
        let (id, ref_count) = (r.u32()?, r.u32()?);
        r.skip(4)?;
        let (packets, bytes, duration) = (r.u64()?, r.u64()?, read_duration(&mut r)?);
        let mut buckets = Vec::new();
        while !r.is_empty() {
            buckets.push(BucketStats { packets: r.u64()?, bytes: r.u64()? });
        }
        Ok(GroupStats { id, ref_count, packets, bytes, duration, buckets })
    }

    pub(crate) fn encode(&self, w: &mut Writer) {
        let start = w.len();
        w.zeros(4);
        w.u32(self.id);
        w.u32(self.ref_count);
        w.zeros(4);
        w.u64(self.packets);
        w.u64(self.bytes);
        write_duration(self.duration, w);
        for bucket in &self.buckets {
            w.u64(bucket.packets);
            w.u64(bucket.bytes);
        }
        w.patch_len(start, start);
    }
}

impl GroupFeatures {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<GroupFeatures, OfpError> {
        let mut features =
            GroupFeatures { types: r.u32()?, capabilities: r.u32()?, ..Self::default() };
        for max in &mut features.max_groups {
            *max = r.u32()?;
        }
        for actions in &mut features.actions {
            *actions = r.u32()?;
        }
        Ok(features)
    }

    pub(crate) fn encode(&self, w: &mut Writer) {
        w.u32(self.types);
        w.u32(self.capabilities);
        self.max_groups.iter().chain(&self.actions).for_each(|word| w.u32(*word));
    }
}

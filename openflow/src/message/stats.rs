//! Requests for statistics and their replies ("multipart" since OpenFlow 1.3).
//!
//! # Design
//! A reply is a list of entries, so that it can be cut into messages between any two of them.

use crate::codec::{Codec, FlowFormat};
use crate::counters::{PortStats, QueueRequest, QueueStats};
use crate::error::OfpError;
use crate::flow::{AggregateStats, FlowStats, FlowStatsRequest, FlowUpdate, MonitorRequest};
use crate::group::{GROUP_ALL, GroupDesc, GroupFeatures, GroupStats};
use crate::kind::{Form, Kind};
use crate::meter::{MeterConfig, MeterFeatures, MeterId, MeterStats};
use crate::port::{OfPort, PortDesc};
use crate::queue::QueueDesc;
use crate::raw::Raw;
use crate::switch::SwitchDesc;
use crate::table::{TableFeatures, TableMod, TableStats};
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// What is asked for. A group, meter or port may be the number that means all of them, and before
/// OpenFlow 1.5 always is where a description is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum StatsRequest {
    Desc,
    Flow(Box<FlowStatsRequest>),
    Aggregate(Box<FlowStatsRequest>),
    Table,
    Port(OfPort),
    Queue(QueueRequest),
    Group(u32),
    GroupDesc(u32),
    GroupFeatures,
    Meter(MeterId),
    MeterConfig(MeterId),
    MeterFeatures,
    /// With entries, it wants to change them.
    TableFeatures(Vec<TableFeatures>),
    TableDesc,
    PortDesc(OfPort),
    QueueDesc(QueueRequest),
    FlowMonitor(Vec<MonitorRequest>),
}

/// What is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum StatsReply {
    Desc(Box<SwitchDesc>),
    Flow(Vec<FlowStats>),
    Aggregate(AggregateStats),
    Table(Vec<TableStats>),
    Port(Vec<PortStats>),
    Queue(Vec<QueueStats>),
    Group(Vec<GroupStats>),
    GroupDesc(Vec<GroupDesc>),
    GroupFeatures(GroupFeatures),
    Meter(Vec<MeterStats>),
    MeterConfig(Vec<MeterConfig>),
    MeterFeatures(MeterFeatures),
    TableFeatures(Vec<TableFeatures>),
    TableDesc(Vec<TableMod>),
    PortDesc(Vec<PortDesc>),
    QueueDesc(Vec<QueueDesc>),
    FlowMonitor(Vec<FlowUpdate>),
}

impl StatsRequest {
    /// What it means.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            StatsRequest::Desc => Kind::DescStats,
            StatsRequest::Flow(_) => Kind::FlowStats,
            StatsRequest::Aggregate(_) => Kind::AggregateStats,
            StatsRequest::Table => Kind::TableStats,
            StatsRequest::Port(_) => Kind::PortStats,
            StatsRequest::Queue(_) => Kind::QueueStats,
            StatsRequest::Group(_) => Kind::GroupStats,
            StatsRequest::GroupDesc(_) => Kind::GroupDesc,
            StatsRequest::GroupFeatures => Kind::GroupFeatures,
            StatsRequest::Meter(_) => Kind::MeterStats,
            StatsRequest::MeterConfig(_) => Kind::MeterConfig,
            StatsRequest::MeterFeatures => Kind::MeterFeatures,
            StatsRequest::TableFeatures(_) => Kind::TableFeatures,
            StatsRequest::TableDesc => Kind::TableDesc,
            StatsRequest::PortDesc(_) => Kind::PortDesc,
            StatsRequest::QueueDesc(_) => Kind::QueueDesc,
            StatsRequest::FlowMonitor(_) => Kind::FlowMonitor,
        }
    }

    /// The form, where it depends on what is asked.
    pub(crate) fn form(&self, codec: &Codec) -> Option<Form> {
        match self {
            StatsRequest::Flow(request) | StatsRequest::Aggregate(request) => {
                Some(request.form(codec))
            }
            _ => None,
        }
    }

    pub(crate) fn decode(c: &Codec, raw: &Raw<'_>, r: &mut Reader<'_>) -> Result<Self, OfpError> {
        let (version, form) = (c.version, raw.form);
        let v15 = version >= Version::V15;
        Ok(match raw.kind {
            Kind::DescStats => StatsRequest::Desc,
            Kind::FlowStats => StatsRequest::Flow(Box::new(FlowStatsRequest::decode(c, form, r)?)),
            Kind::AggregateStats => {
                StatsRequest::Aggregate(Box::new(FlowStatsRequest::decode(c, form, r)?))
            }
            Kind::TableStats => StatsRequest::Table,
            Kind::PortStats => {
                let port = OfPort::decode(version, r)?;
                r.skip(if version == Version::V10 { 6 } else { 4 })?;
                StatsRequest::Port(port)
            }
            Kind::QueueStats => StatsRequest::Queue(QueueRequest::decode(version, r)?),
            Kind::GroupStats => StatsRequest::Group(padded(r)?),
            Kind::GroupDesc => {
                let one = v15 || version == Version::V10;
                StatsRequest::GroupDesc(if one { padded(r)? } else { GROUP_ALL })
            }
            Kind::GroupFeatures => StatsRequest::GroupFeatures,
            Kind::MeterStats => StatsRequest::Meter(MeterId(padded(r)?)),
            Kind::MeterConfig => StatsRequest::MeterConfig(MeterId(padded(r)?)),
            Kind::MeterFeatures => StatsRequest::MeterFeatures,
            Kind::TableFeatures => {
                StatsRequest::TableFeatures(list(r, |r| TableFeatures::decode(version, r))?)
            }
            Kind::TableDesc => StatsRequest::TableDesc,
            Kind::PortDesc if v15 => StatsRequest::PortDesc(OfPort::from_wide(padded(r)?)?),
            Kind::PortDesc => StatsRequest::PortDesc(OfPort::NONE),
            Kind::QueueDesc => StatsRequest::QueueDesc(QueueRequest::decode(version, r)?),
            Kind::FlowMonitor => {
                StatsRequest::FlowMonitor(list(r, |r| MonitorRequest::decode(form, r))?)
            }
            _ => return Err(OfpError::BrBadStat),
        })
    }

    pub(crate) fn encode(&self, c: &Codec, form: Form, w: &mut Writer) {
        let version = c.version;
        let v15 = version >= Version::V15;
        let mut put = |number: u32| {
            w.u32(number);
            w.zeros(4);
        };
        match self {
            StatsRequest::Port(port) if version == Version::V10 => {
                w.u16(port.0);
                w.zeros(6);
            }
            StatsRequest::Port(port) => put(port.to_wide()),
            StatsRequest::Group(group) => put(*group),
            StatsRequest::GroupDesc(group) if v15 || version == Version::V10 => put(*group),
            StatsRequest::Meter(meter) | StatsRequest::MeterConfig(meter) => put(meter.0),
            StatsRequest::PortDesc(port) if v15 => put(port.to_wide()),
            StatsRequest::Flow(request) | StatsRequest::Aggregate(request) => {
                request.encode(c, form, w);
            }
            StatsRequest::Queue(request) | StatsRequest::QueueDesc(request) => {
                request.encode(version, w);
            }
            StatsRequest::FlowMonitor(monitors) => {
                monitors.iter().for_each(|monitor| monitor.encode(version, form, w));
            }
            _ => {}
        }
    }
}

/// A number and four bytes of padding.
fn padded(r: &mut Reader<'_>) -> Result<u32, OfpError> {
    let number = r.u32()?;
    r.skip(4)?;
    Ok(number)
}

/// Entries to the end of the message. Each takes at least a byte, or says that it is cut short.
fn list<T>(
    r: &mut Reader<'_>,
    mut entry: impl FnMut(&mut Reader<'_>) -> Result<T, OfpError>,
) -> Result<Vec<T>, OfpError> {
    let mut entries = Vec::new();
    while !r.is_empty() {
        entries.push(entry(r)?);
    }
    Ok(entries)
}

impl StatsReply {
    /// What it means.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            StatsReply::Desc(_) => Kind::DescStats,
            StatsReply::Flow(_) => Kind::FlowStats,
            StatsReply::Aggregate(_) => Kind::AggregateStats,
            StatsReply::Table(_) => Kind::TableStats,
            StatsReply::Port(_) => Kind::PortStats,
            StatsReply::Queue(_) => Kind::QueueStats,
            StatsReply::Group(_) => Kind::GroupStats,
            StatsReply::GroupDesc(_) => Kind::GroupDesc,
            StatsReply::GroupFeatures(_) => Kind::GroupFeatures,
            StatsReply::Meter(_) => Kind::MeterStats,
            StatsReply::MeterConfig(_) => Kind::MeterConfig,
            StatsReply::MeterFeatures(_) => Kind::MeterFeatures,
            StatsReply::TableFeatures(_) => Kind::TableFeatures,
            StatsReply::TableDesc(_) => Kind::TableDesc,
            StatsReply::PortDesc(_) => Kind::PortDesc,
            StatsReply::QueueDesc(_) => Kind::QueueDesc,
            StatsReply::FlowMonitor(_) => Kind::FlowMonitor,
        }
    }

    /// The form, where there are two: the reply has that of the request, which
    /// [`Codec::flow_format`] says.
    pub(crate) fn form(&self, codec: &Codec) -> Option<Form> {
        let nicira = codec.flow_format == FlowFormat::Nxm;
        let both = matches!(self, StatsReply::Flow(_) | StatsReply::Aggregate(_));
        let form = if nicira { Form::NiciraStats } else { Form::Stats };
        (both && codec.version == Version::V10).then_some(form)
    }

    /// How many entries it has.
    pub(crate) const fn n_entries(&self) -> usize {
        match self {
            StatsReply::Desc(_)
            | StatsReply::Aggregate(_)
            | StatsReply::GroupFeatures(_)
            | StatsReply::MeterFeatures(_) => 1,
            StatsReply::Flow(entries) => entries.len(),
            StatsReply::Table(entries) => entries.len(),
            StatsReply::Port(entries) => entries.len(),
            StatsReply::Queue(entries) => entries.len(),
            StatsReply::Group(entries) => entries.len(),
            StatsReply::GroupDesc(entries) => entries.len(),
            StatsReply::Meter(entries) => entries.len(),
            StatsReply::MeterConfig(entries) => entries.len(),
            StatsReply::TableFeatures(entries) => entries.len(),
            StatsReply::TableDesc(entries) => entries.len(),
            StatsReply::PortDesc(entries) => entries.len(),
            StatsReply::QueueDesc(entries) => entries.len(),
            StatsReply::FlowMonitor(entries) => entries.len(),
        }
    }

    /// Writes one entry, by its number below [`StatsReply::n_entries`].
    ///
    /// # Errors
    /// What the version cannot say.
    pub(crate) fn encode_entry(
        &self,
        c: &Codec,
        form: Form,
        at: usize,
        w: &mut Writer,
    ) -> Result<(), OfpError> {
        let version = c.version;
        match self {
            StatsReply::Desc(desc) => desc.encode(w),
            StatsReply::Flow(entries) => entries[at].encode(c, form, w)?,
            StatsReply::Aggregate(stats) => stats.encode(version, w),
            StatsReply::Table(entries) => entries[at].encode(version, w),
            StatsReply::Port(entries) => entries[at].encode(version, w),
            StatsReply::Queue(entries) => entries[at].encode(version, w),
            StatsReply::Group(entries) => entries[at].encode(w),
            StatsReply::GroupDesc(entries) => entries[at].encode(version, w)?,
            StatsReply::GroupFeatures(features) => features.encode(w),
            StatsReply::Meter(entries) => entries[at].encode(w),
            StatsReply::MeterConfig(entries) => entries[at].encode(w),
            StatsReply::MeterFeatures(features) => features.encode(w),
            StatsReply::TableFeatures(entries) => entries[at].encode(version, w),
            StatsReply::TableDesc(entries) => entries[at].encode_desc(w),
            StatsReply::PortDesc(entries) => entries[at].encode(version, w),
            StatsReply::QueueDesc(entries) => entries[at].encode(w),
            StatsReply::FlowMonitor(entries) => entries[at].encode(version, form, w)?,
        }
        Ok(())
    }

    pub(crate) fn decode(c: &Codec, raw: &Raw<'_>, r: &mut Reader<'_>) -> Result<Self, OfpError> {
        let (version, form) = (c.version, raw.form);
        Ok(match raw.kind {
            Kind::DescStats => StatsReply::Desc(Box::new(SwitchDesc::decode(r)?)),
            Kind::FlowStats => StatsReply::Flow(list(r, |r| FlowStats::decode(c, form, r))?),
            Kind::AggregateStats => StatsReply::Aggregate(AggregateStats::decode(version, r)?),
            Kind::TableStats => StatsReply::Table(list(r, |r| TableStats::decode(version, r))?),
            Kind::PortStats => StatsReply::Port(list(r, |r| PortStats::decode(version, r))?),
            Kind::QueueStats => StatsReply::Queue(list(r, |r| QueueStats::decode(version, r))?),
            Kind::GroupStats => StatsReply::Group(list(r, GroupStats::decode)?),
            Kind::GroupDesc => StatsReply::GroupDesc(list(r, |r| GroupDesc::decode(version, r))?),
            Kind::GroupFeatures => StatsReply::GroupFeatures(GroupFeatures::decode(r)?),
            Kind::MeterStats => StatsReply::Meter(list(r, MeterStats::decode)?),
            Kind::MeterConfig => StatsReply::MeterConfig(list(r, MeterConfig::decode)?),
            Kind::MeterFeatures => StatsReply::MeterFeatures(MeterFeatures::decode(r)?),
            Kind::TableFeatures => {
                StatsReply::TableFeatures(list(r, |r| TableFeatures::decode(version, r))?)
            }
            Kind::TableDesc => StatsReply::TableDesc(list(r, TableMod::decode_desc)?),
            Kind::PortDesc => StatsReply::PortDesc(list(r, |r| PortDesc::decode(version, r))?),
            Kind::QueueDesc => StatsReply::QueueDesc(list(r, QueueDesc::decode)?),
            Kind::FlowMonitor => {
                StatsReply::FlowMonitor(list(r, |r| FlowUpdate::decode(version, form, r))?)
            }
            _ => return Err(OfpError::BrBadStat),
        })
    }
}

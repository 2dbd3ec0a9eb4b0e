//! Every message, as a value that knows no version.

mod stats;

pub use stats::{StatsReply, StatsRequest};

use crate::bundle::{BundleAdd, BundleControl};
use crate::codec::{Codec, FlowFormat, TableIds};
use crate::control::{AsyncConfig, RoleMessage, RoleStatus};
use crate::error::{ErrorMessage, OfpError};
use crate::flow::{FlowMod, FlowRemoved};
use crate::group::GroupMod;
use crate::hello::Hello;
use crate::kind::{Form, Kind};
use crate::meter::MeterMod;
use crate::nicira::{PacketInFormat, TlvTable, TlvTableMod};
use crate::packet_io::{PacketIn, PacketOut};
use crate::port::{OfPort, PortMod, PortStatus};
use crate::queue::{self, QueueConfig};
use crate::raw::Raw;
use crate::switch::{Features, SwitchConfig};
use crate::table::{TableMod, TableStatus};
use crate::wire::{Reader, Writer};

/// A message.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Message {
    Hello(Hello),
    Error(ErrorMessage),
    EchoRequest(Vec<u8>),
    EchoReply(Vec<u8>),
    FeaturesRequest,
    FeaturesReply(Features),
    GetConfigRequest,
    GetConfigReply(SwitchConfig),
    SetConfig(SwitchConfig),
    PacketIn(Box<PacketIn>),
    /// In the form of NXT_PACKET_IN.
    PacketInNxt(Box<PacketIn>),
    /// In the form of NXT_PACKET_IN2.
    PacketIn2(Box<PacketIn>),
    /// A paused packet goes on (NXT_RESUME).
    Resume(Box<PacketIn>),
    FlowRemoved(Box<FlowRemoved>),
    PortStatus(PortStatus),
    PacketOut(Box<PacketOut>),
    FlowMod(Box<FlowMod>),
    GroupMod(GroupMod),
    PortMod(PortMod),
    TableMod(TableMod),
    MeterMod(MeterMod),
    BarrierRequest,
    BarrierReply,
    RoleRequest(RoleMessage),
    RoleReply(RoleMessage),
    RoleStatus(RoleStatus),
    TableStatus(TableStatus),
    GetAsyncRequest,
    GetAsyncReply(AsyncConfig),
    SetAsync(AsyncConfig),
    /// In the form of NXT_SET_ASYNC_CONFIG2: the properties of OpenFlow 1.4.
    SetAsync2(AsyncConfig),
    /// The queues of a port; [`OfPort::NONE`]: of all.
    QueueConfigRequest(OfPort),
    QueueConfigReply(QueueConfig),
    BundleControl(BundleControl),
    BundleAdd(BundleAdd),
    StatsRequest(StatsRequest),
    StatsReply(StatsReply),
    SetFlowFormat(FlowFormat),
    FlowModTableId(TableIds),
    SetPacketInFormat(PacketInFormat),
    FlowAge,
    SetControllerId(u16),
    FlowMonitorCancel(u32),
    FlowMonitorPaused,
    FlowMonitorResumed,
    TlvTableMod(TlvTableMod),
    TlvTableRequest,
    TlvTableReply(TlvTable),
}

/// NXFF_*.
const FORMAT_OPENFLOW10: u32 = 0;
const FORMAT_NXM: u32 = 2;

impl Message {
    /// # Errors
    /// What the message deserves.
    pub(crate) fn decode(c: &Codec, raw: &Raw<'_>, r: &mut Reader<'_>) -> Result<Self, OfpError> {
        let version = c.version;
        let packet = |r: &mut Reader<'_>| PacketIn::decode(version, raw.kind, r).map(Box::new);
        Ok(match raw.kind {
            Kind::Hello => Message::Hello(Hello::decode(version.wire(), r)),
            Kind::Error => Message::Error(ErrorMessage::decode(version, r)?),
            Kind::EchoRequest => Message::EchoRequest(r.rest().to_vec()),
            Kind::EchoReply => Message::EchoReply(r.rest().to_vec()),
            Kind::FeaturesRequest => Message::FeaturesRequest,
            Kind::FeaturesReply => Message::FeaturesReply(Features::decode(version, r)?),
            Kind::GetConfigRequest => Message::GetConfigRequest,
            Kind::GetConfigReply => Message::GetConfigReply(SwitchConfig::decode(version, r)?),
            Kind::SetConfig => Message::SetConfig(SwitchConfig::decode(version, r)?),
            Kind::PacketIn => Message::PacketIn(packet(r)?),
            Kind::PacketInNxt => Message::PacketInNxt(packet(r)?),
            Kind::PacketIn2 => Message::PacketIn2(packet(r)?),
            Kind::Resume => Message::Resume(packet(r)?),
            Kind::FlowRemoved => {
                Message::FlowRemoved(Box::new(FlowRemoved::decode(c, raw.form, r)?))
            }
            Kind::PortStatus => Message::PortStatus(PortStatus::decode(version, r)?),
            Kind::PacketOut => Message::PacketOut(Box::new(PacketOut::decode(version, r)?)),
            Kind::FlowMod => Message::FlowMod(Box::new(FlowMod::decode(c, raw.form, r)?)),
            Kind::GroupMod => Message::GroupMod(GroupMod::decode(version, raw.form, r)?),
            Kind::PortMod => Message::PortMod(PortMod::decode(version, r)?),
            Kind::TableMod => Message::TableMod(TableMod::decode(version, r)?),
            Kind::MeterMod => Message::MeterMod(MeterMod::decode(r)?),
            Kind::BarrierRequest => Message::BarrierRequest,
            Kind::BarrierReply => Message::BarrierReply,
            _ => return decode_connection(c, raw, r),
        })
    }

    /// The kind and the form in which it is sent.
    pub(crate) fn kind_and_form(&self, c: &Codec) -> Result<(Kind, Form), OfpError> {
        let kind = self.kind();
        let form = match self {
            Message::FlowMod(flow) => Some(flow.form(c)),
            Message::FlowRemoved(removed) => Some(removed.form(c)),
            Message::GroupMod(group) => Some(group.form(c.version)),
            Message::StatsRequest(request) => request.form(c),
            _ => None,
        };
        let form = form.or(kind.form(c.version)).ok_or(OfpError::BrBadType)?;
        Ok((kind, form))
    }

    /// What it means.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Message::Hello(_) => Kind::Hello,
            Message::Error(_) => Kind::Error,
            Message::EchoRequest(_) => Kind::EchoRequest,
            Message::EchoReply(_) => Kind::EchoReply,
            Message::FeaturesRequest => Kind::FeaturesRequest,
            Message::FeaturesReply(_) => Kind::FeaturesReply,
            Message::GetConfigRequest => Kind::GetConfigRequest,
            Message::GetConfigReply(_) => Kind::GetConfigReply,
            Message::SetConfig(_) => Kind::SetConfig,
            Message::PacketIn(_) => Kind::PacketIn,
            Message::PacketInNxt(_) => Kind::PacketInNxt,
            Message::PacketIn2(_) => Kind::PacketIn2,
            Message::Resume(_) => Kind::Resume,
            Message::FlowRemoved(_) => Kind::FlowRemoved,
            Message::PortStatus(_) => Kind::PortStatus,
            Message::PacketOut(_) => Kind::PacketOut,
            Message::FlowMod(_) => Kind::FlowMod,
            Message::GroupMod(_) => Kind::GroupMod,
            Message::PortMod(_) => Kind::PortMod,
            Message::TableMod(_) => Kind::TableMod,
            Message::MeterMod(_) => Kind::MeterMod,
            Message::BarrierRequest => Kind::BarrierRequest,
            Message::BarrierReply => Kind::BarrierReply,
            Message::RoleRequest(_) => Kind::RoleRequest,
            Message::RoleReply(_) => Kind::RoleReply,
            Message::RoleStatus(_) => Kind::RoleStatus,
            Message::TableStatus(_) => Kind::TableStatus,
            Message::GetAsyncRequest => Kind::GetAsyncRequest,
            Message::GetAsyncReply(_) => Kind::GetAsyncReply,
            Message::SetAsync(_) => Kind::SetAsync,
            Message::SetAsync2(_) => Kind::SetAsync2,
            Message::QueueConfigRequest(_) => Kind::QueueConfigRequest,
            Message::QueueConfigReply(_) => Kind::QueueConfigReply,
            Message::BundleControl(_) => Kind::BundleControl,
            Message::BundleAdd(_) => Kind::BundleAdd,
            Message::StatsRequest(request) => request.kind(),
            Message::StatsReply(reply) => reply.kind(),
            Message::SetFlowFormat(_) => Kind::SetFlowFormat,
            Message::FlowModTableId(_) => Kind::FlowModTableId,
            Message::SetPacketInFormat(_) => Kind::SetPacketInFormat,
            Message::FlowAge => Kind::FlowAge,
            Message::SetControllerId(_) => Kind::SetControllerId,
            Message::FlowMonitorCancel(_) => Kind::FlowMonitorCancel,
            Message::FlowMonitorPaused => Kind::FlowMonitorPaused,
            Message::FlowMonitorResumed => Kind::FlowMonitorResumed,
            Message::TlvTableMod(_) => Kind::TlvTableMod,
            Message::TlvTableRequest => Kind::TlvTableRequest,
            Message::TlvTableReply(_) => Kind::TlvTableReply,
        }
    }

    /// Writes the body.
    ///
    /// # Errors
    /// What the version cannot say.
    pub(crate) fn encode(&self, c: &Codec, form: Form, w: &mut Writer) -> Result<(), OfpError> {
        let version = c.version;
        match self {
            Message::Hello(hello) => hello.encode(w),
            Message::Error(error) => error.encode(version, w),
            Message::EchoRequest(data) | Message::EchoReply(data) => w.bytes(data),
            Message::FeaturesReply(features) => features.encode(version, w),
            Message::GetConfigReply(config) | Message::SetConfig(config) => {
                config.encode(version, w);
            }
            Message::PacketIn(packet)
            | Message::PacketInNxt(packet)
            | Message::PacketIn2(packet)
            | Message::Resume(packet) => packet.encode(version, self.kind(), w)?,
            Message::FlowRemoved(removed) => removed.encode(c, form, w),
            Message::PortStatus(status) => status.encode(version, w),
            Message::PacketOut(packet) => packet.encode(version, w)?,
            Message::FlowMod(flow) => flow.encode(c, form, w)?,
            Message::GroupMod(group) => group.encode(version, form, w)?,
            Message::PortMod(port) => port.encode(version, w),
            Message::TableMod(table) => table.encode(version, w),
            Message::MeterMod(meter) => meter.encode(w),
            Message::StatsRequest(request) => request.encode(c, form, w),
            // `Codec::encode` writes it in parts.
            Message::StatsReply(_) => {}
            _ => self.encode_connection(c, form, w)?,
        }
        Ok(())
    }

    fn encode_connection(&self, c: &Codec, form: Form, w: &mut Writer) -> Result<(), OfpError> {
        match self {
            Message::RoleRequest(role) | Message::RoleReply(role) => role.encode(form, w)?,
            Message::RoleStatus(status) => status.encode(w),
            Message::TableStatus(status) => status.encode(w),
            Message::GetAsyncReply(config) | Message::SetAsync(config) => {
                config.encode(c.version, w);
            }
            Message::SetAsync2(config) => config.encode_properties(w),
            Message::QueueConfigRequest(port) => queue::encode_request(c.version, *port, w),
            Message::QueueConfigReply(config) => config.encode(c.version, w),
            Message::BundleControl(control) => control.encode(w),
            Message::BundleAdd(add) => add.encode(w),
            Message::SetFlowFormat(FlowFormat::OpenFlow10) => w.u32(FORMAT_OPENFLOW10),
            Message::SetFlowFormat(FlowFormat::Nxm) => w.u32(FORMAT_NXM),
            Message::FlowModTableId(ids) => {
                w.u8((*ids == TableIds::On).into());
                w.zeros(7);
            }
            Message::SetPacketInFormat(format) => w.u32(*format as u32),
            Message::SetControllerId(id) => {
                w.zeros(6);
                w.u16(*id);
            }
            Message::FlowMonitorCancel(id) => w.u32(*id),
            Message::TlvTableMod(table) => table.encode(w),
            Message::TlvTableReply(table) => table.encode(w),
            _ => {}
        }
        Ok(())
    }
}

/// Messages about the connection itself.
fn decode_connection(c: &Codec, raw: &Raw<'_>, r: &mut Reader<'_>) -> Result<Message, OfpError> {
    let version = c.version;
    Ok(match raw.kind {
        Kind::RoleRequest => Message::RoleRequest(RoleMessage::decode(raw, r)?),
        Kind::RoleReply => Message::RoleReply(RoleMessage::decode(raw, r)?),
        Kind::RoleStatus => Message::RoleStatus(RoleStatus::decode(r)?),
        Kind::TableStatus => Message::TableStatus(TableStatus::decode(r)?),
        Kind::GetAsyncRequest => Message::GetAsyncRequest,
        Kind::GetAsyncReply => Message::GetAsyncReply(AsyncConfig::decode(version, r)?),
        Kind::SetAsync => Message::SetAsync(AsyncConfig::decode(version, r)?),
        Kind::SetAsync2 => Message::SetAsync2(AsyncConfig::decode_properties(r)?),
        Kind::QueueConfigRequest => Message::QueueConfigRequest(queue::decode_request(version, r)?),
        Kind::QueueConfigReply => Message::QueueConfigReply(QueueConfig::decode(version, r)?),
        Kind::BundleControl => Message::BundleControl(BundleControl::decode(r)?),
        Kind::BundleAdd => Message::BundleAdd(BundleAdd::decode(version, raw.xid, r)?),
        Kind::SetFlowFormat => Message::SetFlowFormat(match r.u32()? {
            FORMAT_OPENFLOW10 => FlowFormat::OpenFlow10,
            FORMAT_NXM => FlowFormat::Nxm,
            _ => return Err(OfpError::BrEperm),
        }),
        Kind::FlowModTableId => {
            let set = r.u8()?;
            r.skip(7)?;
            Message::FlowModTableId(if set == 0 { TableIds::Off } else { TableIds::On })
        }
        Kind::SetPacketInFormat => Message::SetPacketInFormat(PacketInFormat::decode(r)?),
        Kind::FlowAge => Message::FlowAge,
        Kind::SetControllerId => {
            if r.bytes(6)?.iter().any(|byte| *byte != 0) {
                return Err(OfpError::NxbrMustBeZero);
            }
            Message::SetControllerId(r.u16()?)
        }
        Kind::FlowMonitorCancel => Message::FlowMonitorCancel(r.u32()?),
        Kind::FlowMonitorPaused => Message::FlowMonitorPaused,
        Kind::FlowMonitorResumed => Message::FlowMonitorResumed,
        Kind::TlvTableMod => Message::TlvTableMod(TlvTableMod::decode(r)?),
        Kind::TlvTableRequest => Message::TlvTableRequest,
        Kind::TlvTableReply => Message::TlvTableReply(TlvTable::decode(r)?),
        // Known by number, so that their names can be told; not read.
        _ => return Err(OfpError::BrBadType),
    })
}

//! Which messages there are, and by which number each version knows them.
//!
//! # Design
//! A [`Kind`] is what a message means; its [`Form`] is how it is numbered: as the specification's own
//! message, as statistics ("multipart" since 1.3), or as an experimenter's message of either sort.
//! One table, [`ROWS`], maps between them, so that the code of a message never looks at numbers.
//!
//! # References
//! `ofp_type` and `ofp_multipart_type` of each version; `nicira-ext.h`; the ONF's extension 230.

use crate::version::Version;

/// What a message means.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum Kind {
    Hello,
    Error,
    EchoRequest,
    EchoReply,
    FeaturesRequest,
    FeaturesReply,
    GetConfigRequest,
    GetConfigReply,
    SetConfig,
    PacketIn,
    PacketInNxt,
    PacketIn2,
    FlowRemoved,
    PortStatus,
    PacketOut,
    FlowMod,
    GroupMod,
    PortMod,
    TableMod,
    BarrierRequest,
    BarrierReply,
    QueueConfigRequest,
    QueueConfigReply,
    RoleRequest,
    RoleReply,
    GetAsyncRequest,
    GetAsyncReply,
    SetAsync,
    SetAsync2,
    MeterMod,
    RoleStatus,
    TableStatus,
    RequestForward,
    BundleControl,
    BundleAdd,
    DescStats,
    FlowStats,
    AggregateStats,
    TableStats,
    PortStats,
    QueueStats,
    GroupStats,
    GroupDesc,
    GroupFeatures,
    MeterStats,
    MeterConfig,
    MeterFeatures,
    TableFeatures,
    TableDesc,
    PortDesc,
    QueueDesc,
    FlowMonitor,
    SetFlowFormat,
    FlowModTableId,
    SetPacketInFormat,
    FlowAge,
    SetControllerId,
    FlowMonitorCancel,
    FlowMonitorPaused,
    FlowMonitorResumed,
    TlvTableMod,
    TlvTableRequest,
    TlvTableReply,
    Resume,
    CtFlushZone,
}

/// How a message is numbered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Form {
    /// `OFPT_*`.
    Standard,
    /// `OFPST_*`, `OFPMP_*`: request and reply share the number.
    Stats,
    /// `NXT_*`.
    Nicira,
    /// `NXST_*`.
    NiciraStats,
    /// `ONFT_*`.
    Onf,
    /// `ONFST_*`.
    OnfStats,
}

impl Form {
    /// Whether the body follows a statistics header.
    #[must_use]
    pub const fn is_stats(self) -> bool {
        matches!(self, Form::Stats | Form::NiciraStats | Form::OnfStats)
    }
}

struct Row {
    kind: Kind,
    name: &'static str,
    form: Form,
    from: Version,
    to: Version,
    number: u32,
}

macro_rules! rows {
    ($($kind:ident $name:literal $form:ident $from:ident $to:ident $number:literal;)+) => {
        const ROWS: &[Row] = &[$(Row {
            kind: Kind::$kind, name: $name, form: Form::$form,
            from: Version::$from, to: Version::$to, number: $number,
        },)+];
    };
}

rows! {
    Hello "HELLO" Standard V10 V15 0;
    Error "ERROR" Standard V10 V15 1;
    EchoRequest "ECHO_REQUEST" Standard V10 V15 2;
    EchoReply "ECHO_REPLY" Standard V10 V15 3;
    FeaturesRequest "FEATURES_REQUEST" Standard V10 V15 5;
    FeaturesReply "FEATURES_REPLY" Standard V10 V15 6;
    GetConfigRequest "GET_CONFIG_REQUEST" Standard V10 V15 7;
    GetConfigReply "GET_CONFIG_REPLY" Standard V10 V15 8;
    SetConfig "SET_CONFIG" Standard V10 V15 9;
    PacketIn "PACKET_IN" Standard V10 V15 10;
    FlowRemoved "FLOW_REMOVED" Standard V10 V15 11;
    PortStatus "PORT_STATUS" Standard V10 V15 12;
    PacketOut "PACKET_OUT" Standard V10 V15 13;
    FlowMod "FLOW_MOD" Standard V10 V15 14;
    GroupMod "GROUP_MOD" Standard V11 V15 15;
    PortMod "PORT_MOD" Standard V10 V10 15;
    PortMod "PORT_MOD" Standard V11 V15 16;
    TableMod "TABLE_MOD" Standard V11 V15 17;
    BarrierRequest "BARRIER_REQUEST" Standard V10 V10 18;
    BarrierRequest "BARRIER_REQUEST" Standard V11 V15 20;
    BarrierReply "BARRIER_REPLY" Standard V10 V10 19;
    BarrierReply "BARRIER_REPLY" Standard V11 V15 21;
    QueueConfigRequest "QUEUE_GET_CONFIG_REQUEST" Standard V10 V10 20;
    QueueConfigRequest "QUEUE_GET_CONFIG_REQUEST" Standard V11 V13 22;
    QueueConfigReply "QUEUE_GET_CONFIG_REPLY" Standard V10 V10 21;
    QueueConfigReply "QUEUE_GET_CONFIG_REPLY" Standard V11 V13 23;
    RoleRequest "ROLE_REQUEST" Standard V12 V15 24;
    RoleReply "ROLE_REPLY" Standard V12 V15 25;
    GetAsyncRequest "GET_ASYNC_REQUEST" Standard V13 V15 26;
    GetAsyncReply "GET_ASYNC_REPLY" Standard V13 V15 27;
    SetAsync "SET_ASYNC" Standard V13 V15 28;
    MeterMod "METER_MOD" Standard V13 V15 29;
    RoleStatus "ROLE_STATUS" Standard V14 V15 30;
    TableStatus "TABLE_STATUS" Standard V14 V15 31;
    RequestForward "REQUESTFORWARD" Standard V14 V15 32;
    BundleControl "BUNDLE_CONTROL" Standard V14 V15 33;
    BundleAdd "BUNDLE_ADD_MESSAGE" Standard V14 V15 34;
    BundleControl "BUNDLE_CONTROL" Onf V13 V13 2300;
    BundleAdd "BUNDLE_ADD_MESSAGE" Onf V13 V13 2301;

    DescStats "DESC" Stats V10 V15 0;
    FlowStats "FLOW" Stats V10 V15 1;
    AggregateStats "AGGREGATE" Stats V10 V15 2;
    TableStats "TABLE" Stats V10 V15 3;
    PortStats "PORT" Stats V10 V15 4;
    QueueStats "QUEUE" Stats V10 V15 5;
    GroupStats "GROUP" Stats V11 V15 6;
    GroupDesc "GROUP_DESC" Stats V11 V15 7;
    GroupFeatures "GROUP_FEATURES" Stats V12 V15 8;
    MeterStats "METER" Stats V13 V15 9;
    MeterConfig "METER_CONFIG" Stats V13 V15 10;
    MeterFeatures "METER_FEATURES" Stats V13 V15 11;
    TableFeatures "TABLE_FEATURES" Stats V13 V15 12;
    PortDesc "PORT_DESC" Stats V10 V15 13;
    TableDesc "TABLE_DESC" Stats V14 V15 14;
    QueueDesc "QUEUE_DESC" Stats V14 V15 15;
    FlowMonitor "FLOW_MONITOR" Stats V14 V15 16;
    FlowStats "FLOW" NiciraStats V10 V10 0;
    AggregateStats "AGGREGATE" NiciraStats V10 V10 1;
    GroupStats "GROUP" NiciraStats V10 V10 7;
    GroupDesc "GROUP_DESC" NiciraStats V10 V10 8;
    GroupFeatures "GROUP_FEATURES" NiciraStats V10 V10 9;
    FlowMonitor "FLOW_MONITOR" NiciraStats V10 V12 2;
    FlowMonitor "FLOW_MONITOR" OnfStats V13 V13 1870;

    RoleRequest "ROLE_REQUEST" Nicira V10 V11 10;
    RoleReply "ROLE_REPLY" Nicira V10 V11 11;
    SetFlowFormat "SET_FLOW_FORMAT" Nicira V10 V10 12;
    FlowMod "FLOW_MOD" Nicira V10 V15 13;
    PacketInNxt "PACKET_IN" Nicira V10 V15 17;
    FlowRemoved "FLOW_REMOVED" Nicira V10 V15 14;
    FlowModTableId "FLOW_MOD_TABLE_ID" Nicira V10 V15 15;
    SetPacketInFormat "SET_PACKET_IN_FORMAT" Nicira V10 V15 16;
    FlowAge "FLOW_AGE" Nicira V10 V15 18;
    SetAsync "SET_ASYNC_CONFIG" Nicira V10 V12 19;
    SetAsync2 "SET_ASYNC_CONFIG2" Nicira V10 V13 27;
    SetControllerId "SET_CONTROLLER_ID" Nicira V10 V15 20;
    FlowMonitorCancel "FLOW_MONITOR_CANCEL" Nicira V10 V12 21;
    FlowMonitorCancel "FLOW_MONITOR_CANCEL" Onf V13 V13 1870;
    FlowMonitorPaused "FLOW_MONITOR_PAUSED" Nicira V10 V12 22;
    FlowMonitorPaused "FLOW_MONITOR_PAUSED" Onf V13 V13 1871;
    FlowMonitorResumed "FLOW_MONITOR_RESUMED" Nicira V10 V12 23;
    FlowMonitorResumed "FLOW_MONITOR_RESUMED" Onf V13 V13 1872;
    TlvTableMod "TLV_TABLE_MOD" Nicira V10 V15 24;
    TlvTableRequest "TLV_TABLE_REQUEST" Nicira V10 V15 25;
    TlvTableReply "TLV_TABLE_REPLY" Nicira V10 V15 26;
    Resume "RESUME" Nicira V10 V15 28;
    CtFlushZone "CT_FLUSH_ZONE" Nicira V10 V15 29;
    PacketIn2 "PACKET_IN2" Nicira V10 V15 30;
    GroupMod "GROUP_MOD" Nicira V10 V14 31;
}

impl Kind {
    /// The message with a number of a form and a version.
    #[must_use]
    pub(crate) fn from_number(form: Form, version: Version, number: u32) -> Option<Kind> {
        let row = ROWS.iter().find(|row| {
            row.form == form && row.number == number && (row.from..=row.to).contains(&version)
        })?;
        Some(row.kind)
    }

    /// The number in a form; `None` if the version has no such message.
    #[must_use]
    pub(crate) fn number(self, form: Form, version: Version) -> Option<u32> {
        self.row(version, |row| row.form == form).map(|row| row.number)
    }

    /// The form in which a version says it: the specification's own if it has one.
    #[must_use]
    pub(crate) fn form(self, version: Version) -> Option<Form> {
        self.row(version, |_| true).map(|row| row.form)
    }

    /// The name without prefix, as in `ovs-ofctl`.
    #[must_use]
    pub fn name(self) -> &'static str {
        ROWS.iter().find(|row| row.kind == self).map_or("", |row| row.name)
    }

    fn row(self, version: Version, fits: impl Fn(&Row) -> bool) -> Option<&'static Row> {
        ROWS.iter()
            .find(|row| row.kind == self && (row.from..=row.to).contains(&version) && fits(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_means_two_things() {
        for version in Version::ALL {
            let rows = || ROWS.iter().filter(|row| (row.from..=row.to).contains(&version));
            for row in rows() {
                let same = |other: &&Row| other.form == row.form && other.number == row.number;
                assert_eq!(rows().filter(same).count(), 1, "{version} {}", row.name);
                assert_eq!(Kind::from_number(row.form, version, row.number), Some(row.kind));
                assert_eq!(row.kind.number(row.form, version), Some(row.number));
            }
        }
    }
}

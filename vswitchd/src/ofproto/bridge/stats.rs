//! Requests for statistics of flows, tables, groups and meters.
//!
//! # References
//! OpenFlow 1.3.5 §7.3.5.

use openflow::flow::{AggregateStats, FlowStats, FlowStatsRequest};
use openflow::{OfpError, StatsReply, StatsRequest};

use super::Ofproto;
use super::group_mod::group_features;
use super::meter_mod::meter_features;
use super::select::Criteria;
use crate::ofproto::meter_slots::MeterSlots;

impl Ofproto {
    pub(super) fn answer(
        &self,
        meters: &MeterSlots,
        now_ns: u64,
        request: &StatsRequest,
    ) -> Result<StatsReply, OfpError> {
        Ok(match request {
            StatsRequest::Flow(request) => StatsReply::Flow(self.flow_stats(now_ns, request)),
            StatsRequest::Aggregate(request) => StatsReply::Aggregate(self.aggregate(request)),
            StatsRequest::Table => StatsReply::Table(self.table_stats()),
            StatsRequest::Group(id) => StatsReply::Group(self.group_stats(now_ns, *id)),
            StatsRequest::GroupDesc(id) => StatsReply::GroupDesc(self.group_descs(*id)),
            StatsRequest::GroupFeatures => StatsReply::GroupFeatures(group_features()),
            StatsRequest::Meter(id) => StatsReply::Meter(self.meter_stats(meters, now_ns, *id)?),
            StatsRequest::MeterConfig(id) => StatsReply::MeterConfig(self.meter_configs(*id)?),
            StatsRequest::MeterFeatures => StatsReply::MeterFeatures(meter_features()),
            StatsRequest::TableFeatures(_) => StatsReply::TableFeatures(self.table_features()),
            StatsRequest::TableDesc => StatsReply::TableDesc(self.table_descs()),
            StatsRequest::Desc
            | StatsRequest::Port(_)
            | StatsRequest::Queue(_)
            | StatsRequest::PortDesc(_)
            | StatsRequest::QueueDesc(_)
            | StatsRequest::FlowMonitor(_) => return Err(OfpError::BrBadStat),
        })
    }

    fn flow_stats(&self, now_ns: u64, request: &FlowStatsRequest) -> Vec<FlowStats> {
        let found = self.store.select(&Criteria::of_request(request));
        let flows = found.into_iter().filter_map(|id| self.store.flow(id));
        flows.map(|flow| flow.into_stats(now_ns)).collect()
    }

    fn aggregate(&self, request: &FlowStatsRequest) -> AggregateStats {
        let (mut packets, mut bytes, mut n_flows) = (0_u64, 0_u64, 0_u32);
        for id in self.store.select(&Criteria::of_request(request)) {
            let Some(rule) = self.store.rule(id) else { continue };
            packets = packets.wrapping_add(rule.counts.packets());
            bytes = bytes.wrapping_add(rule.counts.bytes());
            n_flows = n_flows.saturating_add(1);
        }
        AggregateStats { packets: Some(packets), bytes: Some(bytes), n_flows }
    }
}

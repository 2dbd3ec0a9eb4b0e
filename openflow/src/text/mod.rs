//! The language of `ovs-ofctl`: matches, actions and flows, parsed and printed.
//!
//! # Design
//! A [`scan`] cuts text into keys and values that know their column, so that an error can say where it
//! is and what was expected. Values of fields are read and written by the field's row ([`value`]), in
//! one place for matches and for actions.
//!
//! # References
//! ovs-ofctl(8), ovs-fields(7), ovs-actions(7).

mod action;
mod features;
mod flow;
mod group;
mod group_features;
mod learn;
mod matching;
mod message;
mod meter;
mod monitor;
mod names;
mod packet_in;
mod port;
mod scan;
mod table;
mod tlv;
mod value;

pub use action::{actions_text, parse_actions};
pub use flow::put_flow_stats;
pub use flow::{
    FlowDetail, flow_mod_text, flow_stats_text, parse_flow, parse_flow_named, parse_flow_request,
};
pub use group::{group_mod_text, group_stats_text, group_text, parse_group};
pub use matching::{match_text, match_text_in, parse_match};
pub use message::{Detail, error_text, message_text, message_title, stats_text};
pub use meter::{meter_features_text, meter_id_text, meter_mod_text, meter_stats_text, meter_text};
pub use meter::{parse_meter, parse_meter_id};
pub use monitor::parse_monitor;
pub use names::{Names, Style};
pub use packet_in::{packet_text, parse_packet_bytes, parse_packet_out, parse_packet_out_parts};
pub use port::{
    PORT_CHANGES, parse_port_change, port_desc_text, port_stats_text, queue_desc_text,
    queue_stats_text,
};
pub use table::{
    TABLE_CHANGES, TableChange, parse_table_change, table_desc_text, table_stats_text,
};
pub use tlv::parse_tlv_maps;

/// Text that is not what it should be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("column {column}: \"{found}\" (expected: {expected})")]
pub struct TextError {
    /// Where, from 1, in bytes.
    pub column: usize,
    /// What stands there.
    pub found: String,
    /// What may stand there.
    pub expected: &'static str,
}

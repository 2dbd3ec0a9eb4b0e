//! The configuration: what the user asked for, how it is changed, and how it is kept.
//!
//! # Design
//! A [`Config`] is a plain value. Commands turn one into another without any side effect
//! ([`transact`]); the switch then makes the world follow, and the [`store`] keeps the result. Each
//! kind of object has one table of keys ([`keys`]), typed values ([`value`]), and rules between keys
//! and objects ([`check`]), which hold for commands and for the configuration file alike.
//!
//! # Invariants
//! A `Config` that left [`transact`] or [`store`] satisfies [`check::check`]: names are valid and
//! unique over bridges and ports, each bridge has its local port, no two ports of a bridge share
//! an OpenFlow number, the ends of a pair of patch ports name each other, and no two tunnel ports
//! receive the same packets.

pub mod account;
pub mod check;
pub mod command;
pub mod document;
pub mod error;
pub mod flow_tables;
pub mod group;
pub mod keys;
pub mod mirror;
pub mod model;
pub mod output;
pub mod patch;
pub mod segment;
pub mod store;
pub mod transact;
pub mod tunnel;
pub mod value;

pub use error::{ConfigError, ObjectRef};
pub use mirror::MirrorSettings;
pub use model::{
    Bridge, BridgeSettings, Config, OfPort, Port, PortSettings, PortType, SwitchSettings,
};
pub use output::Format;
pub use patch::peer_of;
pub use segment::{SegmentConfig, segment_of};
pub use tunnel::tunnel_of;

//! The forwarding engine: frames, ports, poll threads and the layer-2 stage.
//!
//! `datapath` forwards and never decides: what it does with a frame follows from the [`Snapshot`]
//! that the control plane published, and from the forwarding database that poll threads fill.
//! It does not know OpenFlow, configuration files or control sockets.
//!
//! [`Snapshot`]: view::Snapshot

#![deny(unsafe_code)]

pub mod action;
pub mod batch;
pub mod cache;
pub mod capture;
pub mod clock;
pub mod counter;
pub mod drop_reason;
pub mod engine;
pub mod frame;
pub mod ids;
pub mod l2;
pub mod meter;
pub mod netdev;
pub mod offload;
pub mod pipeline;
pub mod poll;
pub mod rate;
pub mod snapshot;
pub mod tunnel;
pub mod upcall;
pub mod view;

pub use action::{Action, Actions};
pub use batch::{Batch, MAX_BURST};
pub use clock::Clock;
pub use counter::{Counter, PortCounters};
pub use drop_reason::DropReason;
pub use engine::{Engine, EngineConfig, Event, PollCpus, Workers};
pub use frame::{Frame, FrameMemory, FramePool, SizeClass};
pub use ids::{BridgeId, PortNo};
pub use meter::{Meter, MeterId};
pub use upcall::{Upcall, UpcallHandler, UpcallOutcome, UpcallReason};

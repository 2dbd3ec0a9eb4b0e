//! `pktgen`: the load generator of the performance runs, for any switch.
//!
//! # Design
//! Frames of many flows go from one port to another, by the drivers of the datapath ([`port`]); which
//! frames, is drawn beforehand ([`flows`]). Each bears a [`stamp`] that names it and says when it was
//! sent, so the receiver knows what was lost, came twice, came late, or came where it should not
//! ([`account`], [`receiver`]). A [`trial`] is traffic at one load ([`pace`]); trials are run one after
//! the other, as told or as a [`search`] wants them ([`run`]), and are shown as tables, JSON and plots
//! ([`show`], [`svg`]).
//!
//! # Invariants
//! The way of a frame allocates nothing, and what is remembered of arrivals is bounded.

pub mod account;
pub mod cli;
mod clock;
pub mod flows;
mod learn;
pub mod pace;
pub mod port;
mod receiver;
pub mod result;
pub mod run;
pub mod search;
mod sender;
mod show;
pub mod spec;
pub mod stamp;
pub mod svg;
pub mod trial;
mod wire;

pub use sender::Span;
pub use wire::Wires;

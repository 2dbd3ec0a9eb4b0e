//! The words in which Open vSwitch prints what its datapath does: flows, and actions.
//!
//! # Design
//! [`flow`] prints a key under a mask, header by header; [`actions`] a list; [`headers`] a packet,
//! [`tunnel`] what is said of tunnels. People read it, and scripts
//! pick lines and fields out of it. What this datapath does and Open vSwitch's does not (`normal`,
//! `select`, `dec_ttl` on its own) has words in the same style.
//!
//! # References
//! `lib/odp-util.c` of Open vSwitch: `odp_flow_format`, `format_odp_actions`.

pub mod actions;
pub mod flow;
pub mod headers;
pub mod tunnel;

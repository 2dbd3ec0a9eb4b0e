//! The switch: the one owner of configuration, store, engine and ports.

pub mod links;
pub mod ofport;
pub mod open;

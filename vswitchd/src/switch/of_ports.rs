//! Ports in OpenFlow's words: descriptions, statistics, and what PORT_MOD changes.
//!
//! # Thread-safety
//! For the control thread.

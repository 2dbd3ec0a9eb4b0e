//! System tests (see docs/testing.md).

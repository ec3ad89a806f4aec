//! Decisions that are tables: what is read, what is decided, and nothing else.

pub mod dataplane;
pub mod decision;
pub mod peer;

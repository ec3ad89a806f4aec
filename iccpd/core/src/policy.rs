//! Decisions that are tables: what is read, what is decided, and nothing else.

pub mod decision;
pub mod peer;

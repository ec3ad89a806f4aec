//! Two chassis in one process: two domains, a wire with latency that can be cut, a model of each
//! kernel and of each `syncd`, and a clock that only moves when told to.
//!
//! The invariants of `spec/behaviour.md` 21 are checked after every step; at the end of each
//! random schedule everything is mended and both chassis must agree with the table of 9.13.

#![allow(unreachable_pub, reason = "a test program exports nothing")]

mod absent;
mod bypass;
mod hazards;
mod ids;
mod kernel;
mod kinds;
mod legacy;
mod moves;
mod roles;
mod schedule;
mod spanning_tree;
mod stories;
mod versions;
mod world;

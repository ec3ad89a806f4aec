//! The crate against the running kernel.
//!
//! Every test works in a network namespace of its own, which vanishes with its thread. Where
//! the kernel lacks a function or the process the privilege, a test says so and passes: the same
//! binary runs in the lab on a kernel that has everything.

mod addr;
mod bond;
mod fdb;
mod filter;
mod lab;
mod links;
mod multicast;
mod neigh;
mod packet;

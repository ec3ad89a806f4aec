//! Two chassis, their kernels and their hosts in one deterministic program.
//!
//! The core of `iccpd` behind its reader of netlink's events, and the reconciler of `mclagsyncd`, are the real ones. A
//! model takes the place of the kernel, of LACP at both ends of each leg, and of all sockets, which deliver late. From
//! one seed, a [`schedule::Schedule`] of faults is drawn and run in virtual time; [`check`] has what must hold at every
//! moment. `make soak` looks for schedules on which it does not.

pub mod bounds;
pub mod check;
pub mod iccpd;
pub mod kernel;
pub mod lacp;
pub mod schedule;
pub mod syncd;
pub mod world;

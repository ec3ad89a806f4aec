//! Every decision of an MC-LAG chassis.
//!
//! No I/O and no clock: [`Domain::handle`] takes what happened and when, the `poll_*` functions
//! say what to do, [`Domain::deadline`] says when to call again. Whole failures run in
//! microseconds and always the same way.

pub mod config;
pub mod contest;
pub mod counters;
pub mod domain;
pub mod election;
pub mod fdb;
pub mod input;
pub mod lag;
pub mod links;
pub mod neigh;
pub mod output;
pub mod path;
pub mod peer;
pub mod policy;
pub mod port_id;
pub mod reason;
pub mod record;
pub mod session;
mod table;
pub mod time;
pub mod timer;

pub use config::{Config, OnLoss};
pub use domain::Domain;
pub use input::{
    Input, LagMember, Link, LinkKind, NeighbourFrom, NeighbourObservation, PeerTraits,
};
pub use output::{Batch, Notice, Output};
pub use reason::{OpFailure, Reason};
pub use time::Time;

//! What travels on a wire between the processes of an MC-LAG pair.
//!
//! Values, messages and their encodings; no I/O and no clock. Decoding answers *can this be
//! read*; whether it makes sense now is the question of whoever receives it.
//!
//! * [`addr`]: values that cannot be wrong.
//! * [`bytes`]: the checked cursor that every decoder uses.
//! * [`iccp`]: the protocol between the two chassis.
//! * [`keepalive`]: what tells whether a path between the two chassis carries anything.
//! * [`sync`]: the mclagsyncd protocol between `iccpd` and `syncd`.
//! * [`ctl`]: requests and replies of the operator's socket.
//! * [`mclagdctl`]: the same of the legacy daemons.
//! * [`failing`]: what is said of operations that fail again and again.

pub mod addr;
pub mod bytes;
pub mod ctl;
pub mod failing;
pub mod iccp;
pub mod keepalive;
pub mod mclagdctl;
pub mod sync;

pub use addr::{AggregatorId, DomainId, IfName, LacpPartner, LagKind, Mac, NodeId, Vid};

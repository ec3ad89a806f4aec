//! The mclagsyncd protocol between `iccpd` (client) and `syncd` (server)
//! (`spec/mclagsyncd-protocol.md` for version 1, `docs/mclagsyncd-v2.md` for version 2).
//!
//! * [`model`]: what is said, independent of the version: [`model::Op`] towards the dataplane,
//!   [`model::Event`] back.
//! * [`settings`]: the settings of the pair, from a dataplane that has them.
//! * [`snapshot`]: what the receiver of a snapshot keeps until its end.
//! * [`frame`]: the header that both versions share.
//! * [`v1`]: frozen, as SONiC speaks it.
//! * [`v2`]: our own, with bincode bodies.

mod body;
pub mod frame;
pub mod model;
pub mod settings;
pub mod snapshot;
pub mod v1;
pub mod v2;

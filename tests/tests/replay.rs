//! Recorded conversations of legacy daemons, played against ours: see [`mclag_tests::replay`].
//!
//! Needs the programs: `cargo build -p iccpd -p syncd` with the same profile.

#[path = "replay/bad.rs"]
mod bad;
#[path = "replay/iccp.rs"]
mod iccp;
#[path = "replay/polled.rs"]
mod polled;
#[path = "replay/shim.rs"]
mod shim;

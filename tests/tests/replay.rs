//! Recorded conversations of legacy daemons, played against ours: see [`mclag_tests::replay`].
//!
//! Needs the programs: `cargo build -p iccpd -p syncd` with the same profile.

#[path = "replay/iccp.rs"]
mod iccp;

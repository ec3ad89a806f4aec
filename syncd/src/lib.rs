//! `syncd`: carries decisions of the MC-LAG control plane out on a dataplane. Decides nothing.
//!
//! ```text
//!            Unix socket                                       netlink, nftables
//!  iccpd  ───────────────>  server ── Op ──> reconcile ── Action ──> backend ──> kernel
//!         <───────────────  server <─ Event ─ reconcile <─ BackendEvent ─ backend <──
//! ```
//!
//! * [`dataplane`]: what a dataplane is and what can be done to it, as plain data.
//! * [`reconcile`]: from wanted and actual to actions; pure.
//! * [`backend`]: the boundary to a dataplane, and its implementations.

pub mod backend;
pub mod dataplane;
pub mod reconcile;

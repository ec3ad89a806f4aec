//! `syncd`, the crate of `mclagsyncd`: carries decisions of the MC-LAG control plane out on a dataplane. Decides nothing.
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
//! * [`server`]: the socket, its one client, flow control.
//! * [`legacy`]: clients that speak version 1 of the protocol.
//! * [`v1`]: version 1 of the protocol and the model, in both directions; pure.
//! * [`settings`]: the settings file.
//! * `sonic`: SONiC's configuration in Redis, with the feature of that name.
//! * [`store`]: files that remember something until the next start.
//! * [`migrate`]: what is found under the names of earlier versions.
//! * [`mclag_daemon`]: what it needs as a process, whatever it does.

pub mod backend;
pub mod dataplane;
pub mod legacy;
pub mod migrate;
pub mod reconcile;
pub mod server;
pub mod settings;
#[cfg(feature = "sonic")]
pub mod sonic;
pub mod store;
pub mod v1;

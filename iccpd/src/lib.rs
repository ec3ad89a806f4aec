//! The I/O layer around [`iccp_core`]: sockets, netlink and the clock. It decides nothing.
//!
//! One task, one select loop ([`driver`]) owns the domain. Each neighbour is a value that the
//! loop asks for what happened next; none of them blocks, and all their buffers are bounded:
//!
//! ```text
//!        other iccpd          kernel            syncd           mclagctl
//!            |                  |                 |                 |
//!         [peer]            [kernel]          [syncd]             [ctl]   a task per client
//!            |                  |                 |                 |
//!            +------- Input ----+--- [driver] ----+---- Request ----+
//!                                       |
//!                               iccp_core::Domain
//! ```
//!
//! Beside it, on a thread of its own that a busy loop cannot delay, [`keepalive`] tells which paths to the other
//! chassis carry anything.

pub mod claim;
pub mod ctl;
pub mod dataplane;
pub mod driver;
pub mod interfaces;
pub mod keepalive;
pub mod kernel;
pub mod lag;
pub mod log;
pub mod mclagdctl;
pub mod node;
pub mod peer;
pub mod record;
pub mod settings;
pub mod syncd;
pub mod system;

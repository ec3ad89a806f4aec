//! The kernel, as MC-LAG needs it: interfaces, forwarding databases, neighbours, the bridge
//! filter.
//!
//! The only crate that names a netlink type; what it says and hears is plain data of its own.
//! It decides nothing: it reads, reports and carries out.
//!
//! * [`Monitor`] tells what happens, and needs no privilege.
//! * [`Kernel`] answers questions about interfaces, forwarding databases and neighbours and
//!   changes them.
//! * [`Names`] keeps the names of interfaces that settings name.
//! * [`diag`] tells how much a program on this host has not read.
//! * [`nft`] keeps the filter that separates the two legs of a dual-connected host.
//! * [`packet`] sees neighbours speak on the wire.
//! * [`tcp`] protects a connection.
//!
//! Events and requests never share a socket, every request has a deadline, and every refusal
//! carries the kernel's own explanation ([`NetlinkError`]).

mod addr;
mod attr;
mod batch;
mod bpf;
pub mod diag;
mod error;
mod fdb;
mod kernel;
mod link;
mod listing;
mod monitor;
mod names;
mod neigh;
mod nexthop;
pub mod nft;
mod option;
pub mod packet;
mod route;
mod socket;
pub mod tcp;
mod vlan;

pub use addr::{InterfaceAddress, Scope};
pub use error::NetlinkError;
pub use fdb::{Activity, FdbAction, FdbEntry, FdbOp, FdbState};
pub use kernel::{Kernel, Op};
pub use link::{
    ActorSystem, BondInfo, BondMember, BondMode, BridgePort, LacpInfo, LacpState, LinkInfo,
    LinkKind, LinkOp, LinkSetting, MIN_LINKS_HOLD, McastRouter, McastSnooping, Oper, PortState,
};
pub use listing::{DefaultRouteListing, FdbListing};
pub use monitor::{Event, Groups, Monitor};
pub use names::Names;
pub use neigh::{
    Neighbour, NeighbourAction, NeighbourOp, NeighbourState, PROTOCOL as NEIGHBOUR_PROTOCOL,
};
pub use route::DefaultRoutes;
pub use vlan::{BridgeVlans, VlanSet};

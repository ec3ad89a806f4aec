//! Questions and changes: one handle to the kernel's links, bridges and forwarding databases.

use std::collections::BTreeMap;
use std::io;

use mclag_proto::{IfName, Mac, Vid};

use crate::addr::{self, AddressNews, InterfaceAddress};
use crate::attr::{Msg, Received};
use crate::batch;
use crate::error::{Failure, NetlinkError};
use crate::fdb::{self, FdbEntry, FdbNews, FdbOp};
use crate::link::{self, LinkInfo, LinkNews, LinkOp};
use crate::neigh::{self, Neighbour, NeighbourNews, NeighbourOp};
use crate::nexthop::{self, NextHops};
use crate::route::DefaultRoutes;
use crate::socket::Socket;
use crate::vlan::{self, BridgeVlans};

/// One change of the kernel's state. Plain data: it can be logged, compared, replayed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// A change of a bridge's forwarding database.
    Fdb(FdbOp),
    /// A change of a setting of an interface.
    Link(LinkOp),
    /// A change of a neighbour.
    Neighbour(NeighbourOp),
}

impl Op {
    /// The interface it is about.
    const fn link(&self) -> u32 {
        match self {
            Self::Fdb(op) => op.port,
            Self::Link(op) => op.link,
            Self::Neighbour(op) => op.index,
        }
    }
}

impl From<FdbOp> for Op {
    fn from(op: FdbOp) -> Self {
        Self::Fdb(op)
    }
}

impl From<LinkOp> for Op {
    fn from(op: LinkOp) -> Self {
        Self::Link(op)
    }
}

impl From<NeighbourOp> for Op {
    fn from(op: NeighbourOp) -> Self {
        Self::Neighbour(op)
    }
}

/// A handle for requests. Asking needs no privilege, changing needs `CAP_NET_ADMIN`.
///
/// It lives in the network namespace of the thread that opened it. Every request ends within
/// seconds. Futures may be dropped: what the kernel still has to say is discarded by the next
/// request.
#[derive(Debug)]
pub struct Kernel {
    socket: Socket,
    chunk_len: usize,
}

impl Kernel {
    /// Open a handle. Must be called within a tokio runtime that has I/O and time enabled.
    ///
    /// # Errors
    ///
    /// When the socket cannot be made, or the kernel (before 5.0) lacks strict checking.
    pub fn open() -> io::Result<Self> {
        let socket = Socket::open(netlink_sys::protocols::NETLINK_ROUTE)?;
        let buffer = socket.set_receive_buffer(batch::RECEIVE_BUFFER)?;
        Ok(Self {
            socket,
            chunk_len: batch::chunk_len(buffer),
        })
    }

    /// All interfaces, by index.
    ///
    /// Interfaces whose names no setting could name (other than printable ASCII) are left out.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or does not answer.
    pub async fn links(&mut self) -> Result<BTreeMap<u32, LinkInfo>, NetlinkError> {
        let mut links = BTreeMap::new();
        self.dump("list links", "all", link::dump_request, |news| {
            if let LinkNews::Link(info) = link::read(&news)? {
                links.insert(info.index, info);
            }
            Some(())
        })
        .await?;
        Ok(links)
    }

    /// All interfaces that are part of this bridge, bond or team, by index.
    ///
    /// Cheap enough to be asked often: not every change of LACP's state is an event. A member
    /// that a bond uses without partner and then with one stays active throughout, and the
    /// kernel reports nothing else.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or does not answer.
    pub async fn members(&mut self, master: u32) -> Result<BTreeMap<u32, LinkInfo>, NetlinkError> {
        let mut members = BTreeMap::new();
        let object = format!("interface {master}");
        let request = || link::members_request(master);
        self.dump("list members", &object, request, |news| {
            if let LinkNews::Link(info) = link::read(&news)?
                && info.master == Some(master)
            {
                members.insert(info.index, info);
            }
            Some(())
        })
        .await?;
        Ok(members)
    }

    /// The interface of this name, if there is one.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or does not answer.
    pub async fn link(&mut self, name: &IfName) -> Result<Option<LinkInfo>, NetlinkError> {
        if !name.fits_kernel() {
            return Ok(None);
        }
        self.one_link(link::name_request(name), name.as_str()).await
    }

    /// The interface of this index, if there is one.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or does not answer.
    pub async fn link_at(&mut self, index: u32) -> Result<Option<LinkInfo>, NetlinkError> {
        let object = format!("interface {index}");
        self.one_link(link::index_request(index), &object).await
    }

    /// The VLANs of all bridge ports and bridges, by index.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or does not answer.
    pub async fn bridge_vlans(&mut self) -> Result<BTreeMap<u32, BridgeVlans>, NetlinkError> {
        let mut all = BTreeMap::new();
        self.dump("list VLANs", "bridges", vlan::dump_request, |news| {
            if let LinkNews::Bridge {
                index,
                vlans: Some(vlans),
                ..
            } = link::read(&news)?
            {
                all.insert(index, vlans);
            }
            Some(())
        })
        .await?;
        Ok(all)
    }

    /// All entries of a bridge, given by its index.
    ///
    /// If the database changes while it is read, an entry may be missing or come twice; whoever
    /// needs all of them listens to a [`crate::Monitor`] that was opened before.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or does not answer.
    pub async fn fdb(&mut self, bridge: u32) -> Result<Vec<FdbEntry>, NetlinkError> {
        let mut entries = Vec::new();
        let result = self
            .socket
            .dump(fdb::dump_request(bridge), |message| {
                if let Some(FdbNews::Entry(entry)) = fdb::read(&message) {
                    entries.push(entry);
                }
            })
            .await;
        match result {
            Ok(_) => Ok(entries),
            Err(failure) => {
                let object = self.name_of(bridge).await;
                Err(NetlinkError::new("list FDB", object, failure))
            }
        }
    }

    /// One entry of a bridge, given by its index; none if there is none. On a bridge that separates VLANs an entry
    /// is one of a VLAN.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or does not answer.
    pub async fn fdb_entry(
        &mut self,
        bridge: u32,
        mac: Mac,
        vid: Option<Vid>,
    ) -> Result<Option<FdbEntry>, NetlinkError> {
        let request = fdb::entry_request(bridge, mac, vid);
        let read = |message: &Received<'_>| match fdb::read(message)? {
            FdbNews::Entry(entry) => Some(entry),
            _ => None,
        };
        let object = mac.to_string();
        self.one("look up FDB entry", &object, request, libc::ENOENT, read)
            .await
    }

    /// All neighbours, IPv4 and IPv6, of all interfaces.
    ///
    /// If they change while they are read, one may be missing or come twice; whoever needs all of
    /// them listens to a [`crate::Monitor`] that was opened before.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or does not answer.
    pub async fn neighbours(&mut self) -> Result<Vec<Neighbour>, NetlinkError> {
        let mut neighbours = Vec::new();
        for family in addr::FAMILIES {
            let dump = self.socket.dump(neigh::dump_request(family), |message| {
                if let Some(NeighbourNews::Entry(entry)) = neigh::read(&message) {
                    neighbours.push(entry);
                }
            });
            let failed = |failure| NetlinkError::new("list neighbours", "all", failure);
            or_no_such_family(dump.await.map(drop).map_err(failed))?;
        }
        Ok(neighbours)
    }

    /// All addresses, IPv4 and IPv6, of all interfaces.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or does not answer.
    pub async fn addresses(&mut self) -> Result<Vec<InterfaceAddress>, NetlinkError> {
        // A dump that was repeated names most of them twice.
        let mut addresses = BTreeMap::new();
        for family in addr::FAMILIES {
            let request = || addr::dump_request(family);
            let dump = self.dump("list addresses", "all", request, |news| {
                if let AddressNews::Entry(entry) = addr::read(&news)? {
                    let key = (entry.index, entry.address, entry.prefix_len);
                    addresses.insert(key, entry);
                }
                Some(())
            });
            or_no_such_family(dump.await)?;
        }
        Ok(addresses.into_values().collect())
    }

    /// Complete what is known of default routes that go by next hop objects: by which interfaces those lead on, and which
    /// are members of a group.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or does not answer.
    pub async fn resolve_next_hops(
        &mut self,
        mut routes: DefaultRoutes,
    ) -> Result<DefaultRoutes, NetlinkError> {
        let mut next_hops = NextHops::default();
        self.dump("list next hops", "all", nexthop::dump_request, |news| {
            next_hops.take_in(&news);
            Some(())
        })
        .await?;
        routes.resolve(&next_hops);
        Ok(routes)
    }

    /// Carry out all operations, in order. One result comes back per operation, in order; one
    /// that fails does not stop the rest.
    pub async fn apply(&mut self, ops: &[Op]) -> Vec<Result<(), NetlinkError>> {
        let mut requests: Vec<_> = ops
            .iter()
            .map(|op| match op {
                Op::Fdb(op) => op.request(),
                Op::Link(op) => op.request(),
                Op::Neighbour(op) => op.request(),
            })
            .collect();
        let results = batch::run(&mut self.socket, &mut requests, self.chunk_len).await;
        drop(requests);

        let mut names = BTreeMap::new();
        let mut named = Vec::with_capacity(results.len());
        for (op, result) in ops.iter().zip(results) {
            named.push(match result {
                Ok(()) => Ok(()),
                Err(failure) => Err(self.describe(op, failure, &mut names).await),
            });
        }
        named
    }

    async fn describe(
        &mut self,
        op: &Op,
        failure: Failure,
        names: &mut BTreeMap<u32, String>,
    ) -> NetlinkError {
        let index = op.link();
        let name = match names.get(&index) {
            Some(name) => name.clone(),
            // A batch may name any number of interfaces; an error message is not worth more
            // than a few questions.
            None if names.len() >= NAMES_MAX => format!("interface {index}"),
            None => {
                let name = self.name_of(index).await;
                names.insert(index, name.clone());
                name
            }
        };
        match op {
            Op::Fdb(op) => NetlinkError::new(op.name(), format!("{op} on {name}"), failure),
            Op::Link(op) => NetlinkError::new(op.name(), name, failure),
            Op::Neighbour(op) => NetlinkError::new(op.name(), format!("{op} on {name}"), failure),
        }
    }

    async fn name_of(&mut self, index: u32) -> String {
        match self.link_at(index).await {
            Ok(Some(link)) => link.name.to_string(),
            _ => format!("interface {index}"),
        }
    }

    async fn one_link(
        &mut self,
        request: Msg,
        object: &str,
    ) -> Result<Option<LinkInfo>, NetlinkError> {
        let read = |message: &Received<'_>| match link::read(message)? {
            LinkNews::Link(info) => Some(info),
            _ => None,
        };
        self.one("look up link", object, request, libc::ENODEV, read)
            .await
    }

    /// What the kernel says of one thing; none if there is none, which it says with the error `absent`.
    async fn one<T>(
        &mut self,
        op: &str,
        object: &str,
        request: Msg,
        absent: i32,
        read: impl Fn(&Received<'_>) -> Option<T>,
    ) -> Result<Option<T>, NetlinkError> {
        let mut found = None;
        let answered = self.socket.request(request, |message| {
            found = read(&message).or(found.take());
        });
        match answered.await {
            Ok(()) => Ok(found),
            Err(failure) if failure.errno == absent => Ok(None),
            Err(failure) => Err(NetlinkError::new(op, object, failure)),
        }
    }

    /// Dump a table that is keyed by interface; again, if it changed meanwhile.
    async fn dump(
        &mut self,
        op: &str,
        object: &str,
        request: impl Fn() -> Msg,
        mut visit: impl FnMut(Received<'_>) -> Option<()>,
    ) -> Result<(), NetlinkError> {
        for _ in 0..DUMP_TRIES {
            let interrupted = self
                .socket
                .dump(request(), |message| {
                    let _ = visit(message);
                })
                .await
                .map_err(|failure| NetlinkError::new(op, object, failure))?;
            if !interrupted {
                return Ok(());
            }
        }
        tracing::debug!(op, "the table kept changing while it was read");
        Ok(())
    }
}

/// A kernel without IPv6 has nothing of it.
fn or_no_such_family(listed: Result<(), NetlinkError>) -> Result<(), NetlinkError> {
    match listed {
        Err(error) if error.is_unsupported() => Ok(()),
        listed => listed,
    }
}

/// How many interfaces are looked up for the error messages of one batch.
const NAMES_MAX: usize = 64;

/// How often a dump is repeated when the table changes meanwhile. The last one is good enough:
/// every change is also an event.
const DUMP_TRIES: usize = 4;

//! What happens in the kernel, as it happens.
//!
//! A socket of its own, that only listens. Events the kernel could not deliver are themselves an
//! event, [`Event::Overrun`]: the listener reads the tables again and compares.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd as _, AsRawFd as _};

use mclag_proto::IfName;
use netlink_sys::{Socket as RawSocket, SocketAddr};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, NetlinkAddr, recvmmsg};
use tokio::io::unix::AsyncFd;

use crate::addr::{self, AddressNews, InterfaceAddress};
use crate::attr::{Messages, Received};
use crate::bpf;
use crate::fdb::{self, FdbEntry, FdbNews};
use crate::link::{self, AF_BRIDGE, BridgePort, LinkInfo, LinkNews};
use crate::neigh::{self, Neighbour, NeighbourNews};
use crate::nexthop;
use crate::route::{self, DefaultRoutes};
use crate::socket::{register, set_receive_buffer};
use crate::vlan::BridgeVlans;

/// Something happened.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// An interface appeared, or something about it changed; this is all of it.
    Link(Box<LinkInfo>),
    /// An interface is gone.
    LinkGone {
        /// Its index.
        index: u32,
        /// Its last name.
        name: IfName,
    },
    /// The VLANs of a bridge port, or of a bridge, after a change of anything about the port.
    BridgeVlans {
        /// Index of the port or of the bridge.
        index: u32,
        /// All of its VLANs.
        vlans: BridgeVlans,
    },
    /// The state of a bridge port, after a change of anything about it.
    BridgePort {
        /// Index of the port.
        index: u32,
        /// All of its state.
        port: BridgePort,
    },
    /// An interface is no longer a port of its bridge. The interface itself may live on.
    LeftBridge {
        /// Its index.
        index: u32,
    },
    /// An entry of a forwarding database was added, moved or changed.
    Fdb(FdbEntry),
    /// An entry of a forwarding database is gone; this is what it was.
    FdbGone(FdbEntry),
    /// A neighbour was added or changed, be it only in what the kernel thinks of it.
    Neighbour(Neighbour),
    /// A neighbour is gone; this is what it was.
    NeighbourGone(Neighbour),
    /// An interface has this address, new or changed.
    Address(InterfaceAddress),
    /// An interface no longer has this address.
    AddressGone(InterfaceAddress),
    /// A default route came or was changed. Of one that goes by a next hop object it may say no more than that.
    DefaultRoute(DefaultRoutes),
    /// A default route is gone. The kernel says nothing of one that goes with its interface or
    /// its next hop.
    DefaultRouteGone,
    /// A next hop object came, was changed, or is gone.
    NextHop {
        /// Its number.
        id: u32,
    },
    /// Events were lost, and those before were thrown away since they may be obsolete. The
    /// listener has to read the tables again; events from now on are complete.
    Overrun,
}

/// What to listen to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Groups {
    /// Interfaces, bridge ports and their VLANs.
    pub links: bool,
    /// Forwarding databases.
    pub fdb: bool,
    /// Neighbours, IPv4 and IPv6.
    pub neighbours: bool,
    /// Addresses of interfaces, IPv4 and IPv6.
    pub addresses: bool,
    /// Default routes, IPv4 and IPv6, and no others; and next hops that are objects of their own.
    pub default_routes: bool,
}

/// A listener. Needs no privilege, except for a large receive buffer.
///
/// It lives in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Monitor {
    fd: AsyncFd<RawSocket>,
    slots: Slots,
    receive_buffer: usize,
}

impl Monitor {
    /// Start to listen, with a receive buffer of about `buffer_bytes` (a forwarding database
    /// event takes 832 of them). Must be called within a tokio runtime that has I/O enabled.
    ///
    /// # Errors
    ///
    /// When the socket cannot be made or may not listen.
    pub fn open(groups: Groups, buffer_bytes: u32) -> io::Result<Self> {
        let mut socket = RawSocket::new(netlink_sys::protocols::NETLINK_ROUTE)?;
        socket.set_non_blocking(true)?;
        let receive_buffer = set_receive_buffer(&socket, buffer_bytes)?;
        // What comes in one group with what is wanted must not cause an overrun.
        let mut filter = Vec::new();
        if groups.default_routes {
            filter.extend(route_filter());
        }
        if groups.fdb != groups.neighbours {
            filter.extend(neighbour_filter(groups.fdb));
        } else if !filter.is_empty() {
            filter.push(bpf::ACCEPT);
        }
        if !filter.is_empty() {
            bpf::attach(socket.as_fd(), &filter)?;
        }
        socket.bind(&SocketAddr::new(0, 0))?;
        if groups.links {
            socket.add_membership(RTNLGRP_LINK)?;
        }
        if groups.fdb || groups.neighbours {
            socket.add_membership(RTNLGRP_NEIGH)?;
        }
        if groups.addresses {
            socket.add_membership(RTNLGRP_IPV4_IFADDR)?;
            socket.add_membership(RTNLGRP_IPV6_IFADDR)?;
        }
        if groups.default_routes {
            socket.add_membership(RTNLGRP_IPV4_ROUTE)?;
            socket.add_membership(RTNLGRP_IPV6_ROUTE)?;
            socket.add_membership(RTNLGRP_NEXTHOP)?;
        }
        Ok(Self {
            fd: register(socket)?,
            slots: Slots::new(),
            receive_buffer,
        })
    }

    /// Size of the receive buffer in the kernel's accounting, in bytes. Less than was asked for
    /// if the process lacks `CAP_NET_ADMIN` and the system's limit is lower.
    #[must_use]
    pub const fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// Wait until something happened and return all of it that is already here, oldest first,
    /// but no more than a few thousand events. May be dropped while waiting without losing any.
    ///
    /// # Errors
    ///
    /// When the socket fails, which it does not in normal operation.
    pub async fn next(&mut self) -> io::Result<Vec<Event>> {
        let mut events = Vec::new();
        while events.is_empty() {
            let mut ready = self.fd.readable().await?;
            let (fd, slots) = (self.fd.get_ref(), &mut self.slots);
            match collect(fd, slots, self.receive_buffer, &mut events) {
                Ok(Drained::Yes) => ready.clear_ready(),
                Ok(Drained::No) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(events)
    }
}

/// Whether a socket has been read empty.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Drained {
    Yes,
    No,
}

fn collect(
    fd: &RawSocket,
    slots: &mut Slots,
    receive_buffer: usize,
    events: &mut Vec<Event>,
) -> io::Result<Drained> {
    for _ in 0..DATAGRAMS_MAX / SLOTS {
        match slots.fill(fd) {
            Ok(()) => {}
            Err(Errno::ENOBUFS) => return overrun(fd, slots, receive_buffer, events),
            Err(Errno::EAGAIN) => return Ok(Drained::Yes),
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let mut is_lost = false;
        for datagram in slots.datagrams() {
            match datagram {
                Datagram::Kernel(bytes) => Messages(bytes).for_each(|m| read(&m, events)),
                Datagram::Stranger => {}
                Datagram::Truncated => is_lost = true,
            }
        }
        if is_lost {
            return overrun(fd, slots, receive_buffer, events);
        }
    }
    Ok(Drained::No)
}

/// Throw away what was queued before the loss: the caller reads the tables after this, and an
/// older event applied to a newer table would make it wrong for good.
fn overrun(
    fd: &RawSocket,
    slots: &mut Slots,
    receive_buffer: usize,
    events: &mut Vec<Event>,
) -> io::Result<Drained> {
    events.clear();
    events.push(Event::Overrun);
    // More than the receive buffer can hold is surely younger than the loss, so this ends even
    // if the kernel has ever more to tell.
    for _ in 0..=receive_buffer / DATAGRAM_COST_MIN / SLOTS {
        match slots.fill(fd) {
            // Lost again: older than the caller's next look at the tables, too.
            Ok(()) | Err(Errno::ENOBUFS | Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Ok(Drained::Yes),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Drained::No)
}

/// Room for several datagrams, which are received by one system call.
#[derive(Debug)]
struct Slots {
    bytes: Vec<u8>,
    /// Of each datagram received last: its length, and who sent it.
    filled: Vec<(usize, u32)>,
}

enum Datagram<'a> {
    Kernel(&'a [u8]),
    /// Other processes may send to this socket, too.
    Stranger,
    Truncated,
}

impl Slots {
    fn new() -> Self {
        Self {
            // Pages that no datagram reaches are never touched.
            bytes: vec![0; SLOTS * SLOT_LEN],
            filled: Vec::with_capacity(SLOTS),
        }
    }

    /// Receive what is there, as far as there is room, without waiting.
    fn fill(&mut self, fd: &RawSocket) -> Result<(), Errno> {
        self.filled.clear();
        let mut headers = MultiHeaders::<NetlinkAddr>::preallocate(SLOTS, None);
        let chunks = self.bytes.chunks_exact_mut(SLOT_LEN);
        let mut slices: Vec<_> = chunks.map(|slot| [IoSliceMut::new(slot)]).collect();
        // With this flag the length is that of the datagram, not of what fitted.
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        let received = recvmmsg(fd.as_raw_fd(), &mut headers, &mut slices, flags, None)?;
        self.filled.extend(received.map(|datagram| {
            // The kernel gives an address with every datagram.
            let from = datagram.address.map_or(u32::MAX, |from| from.pid());
            (datagram.bytes, from)
        }));
        Ok(())
    }

    fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        let slots = self.bytes.chunks_exact(SLOT_LEN);
        slots.zip(&self.filled).map(|(slot, &(len, from))| {
            if from != 0 {
                return Datagram::Stranger;
            }
            slot.get(..len)
                .map_or(Datagram::Truncated, Datagram::Kernel)
        })
    }
}

fn read(message: &Received<'_>, events: &mut Vec<Event>) {
    match message.kind {
        link::RTM_NEWLINK | link::RTM_DELLINK => match link::read(message) {
            Some(LinkNews::Link(info)) => events.push(Event::Link(Box::new(info))),
            Some(LinkNews::Gone { index, name }) => events.push(Event::LinkGone { index, name }),
            Some(LinkNews::Bridge { index, vlans, port }) => {
                events.extend(vlans.map(|vlans| Event::BridgeVlans { index, vlans }));
                events.extend(port.map(|port| Event::BridgePort { index, port }));
            }
            Some(LinkNews::LeftBridge { index }) => events.push(Event::LeftBridge { index }),
            None => {}
        },
        neigh::RTM_NEWNEIGH | neigh::RTM_DELNEIGH => {
            let entry = match fdb::read(message) {
                Some(FdbNews::Entry(entry)) => Some(Event::Fdb(entry)),
                Some(FdbNews::Gone(entry)) => Some(Event::FdbGone(entry)),
                None => neigh::read(message).map(|news| match news {
                    NeighbourNews::Entry(neighbour) => Event::Neighbour(neighbour),
                    NeighbourNews::Gone(neighbour) => Event::NeighbourGone(neighbour),
                }),
            };
            events.extend(entry);
        }
        route::RTM_NEWROUTE | route::RTM_DELROUTE => {
            events.extend(route::read(message).map(|routes| match message.kind {
                route::RTM_NEWROUTE => Event::DefaultRoute(routes),
                _ => Event::DefaultRouteGone,
            }));
        }
        nexthop::RTM_NEWNEXTHOP | nexthop::RTM_DELNEXTHOP => {
            events.extend(nexthop::read_id(message).map(|id| Event::NextHop { id }));
        }
        addr::RTM_NEWADDR | addr::RTM_DELADDR => match addr::read(message) {
            Some(AddressNews::Entry(address)) => events.push(Event::Address(address)),
            Some(AddressNews::Gone(address)) => events.push(Event::AddressGone(address)),
            None => {}
        },
        _ => {}
    }
}

/// Of the messages about routes, drop those that are not about default routes, and go on with all others.
fn route_filter() -> [libc::sock_filter; 7] {
    [
        bpf::load_u16(4),
        bpf::jump_if_equal(kind(route::RTM_NEWROUTE), 1, 0),
        bpf::jump_if_equal(kind(route::RTM_DELROUTE), 0, 4),
        bpf::load_u8(17), // length of the prefix, the second byte behind the header
        bpf::jump_if_equal(0, 0, 1),
        bpf::ACCEPT,
        bpf::DROP,
    ]
}

/// The kernel writes the kind in the order of the machine, programs load in network order.
fn kind(kind: u16) -> u32 {
    u16::from_be_bytes(kind.to_ne_bytes()).into()
}

/// Of the messages about neighbours, accept those about forwarding entries or those about others.
fn neighbour_filter(fdb: bool) -> [libc::sock_filter; 7] {
    let (bridge, other) = if fdb { (0, 1) } else { (1, 0) };
    [
        bpf::load_u16(4),
        bpf::jump_if_equal(kind(neigh::RTM_NEWNEIGH), 1, 0),
        bpf::jump_if_equal(kind(neigh::RTM_DELNEIGH), 0, 2),
        bpf::load_u8(16), // family, the first byte behind the header
        bpf::jump_if_equal(AF_BRIDGE.into(), bridge, other),
        bpf::ACCEPT,
        bpf::DROP,
    ]
}

/// Datagrams read before the caller gets a turn. Each holds one message of at most two events.
const DATAGRAMS_MAX: usize = 2048;

/// The kernel accounts for at least this much per queued datagram.
const DATAGRAM_COST_MIN: usize = 512;

/// Datagrams received by one system call.
const SLOTS: usize = 32;

/// A link message with thousands of VLANs or virtual functions still fits.
const SLOT_LEN: usize = 256 * 1024;

const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_NEIGH: u32 = 3;
const RTNLGRP_IPV4_ROUTE: u32 = 7;
const RTNLGRP_IPV6_ROUTE: u32 = 11;
const RTNLGRP_NEXTHOP: u32 = 32;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV6_IFADDR: u32 = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::Msg;

    fn events_of(mut msg: Msg) -> Vec<Event> {
        let mut events = Vec::new();
        for message in Messages(msg.seal(0)) {
            read(&message, &mut events);
        }
        events
    }

    #[test]
    fn leaving_a_bridge_is_not_the_end_of_the_interface() {
        let mut header = [0; link::HEADER_LEN];
        header[4..8].copy_from_slice(&7_u32.to_ne_bytes());
        let delete = |family| {
            header[0] = family;
            let mut msg = Msg::new(link::RTM_DELLINK, 0, &header);
            msg.attr_str(3, "eth7");
            msg
        };
        let mut delete = delete;
        assert_eq!(
            events_of(delete(AF_BRIDGE)),
            [Event::LeftBridge { index: 7 }]
        );
        assert_eq!(
            events_of(delete(link::AF_UNSPEC)),
            [Event::LinkGone {
                index: 7,
                name: IfName::new("eth7").unwrap()
            }]
        );
    }

    #[test]
    fn messages_of_unknown_kind_say_nothing() {
        assert_eq!(events_of(Msg::new(999, 0, &[0; 16])), []);
        assert_eq!(events_of(Msg::new(link::RTM_NEWLINK, 0, &[0; 3])), []);
    }
}

//! Legacy clients: an `iccpd` of SONiC or of linux-mclag in the place of ours, over version 1 of
//! the protocol (`spec/mclagsyncd-protocol.md`).
//!
//! ```text
//!   iccpd ── messages ──> connection ──> v1::from ── Op ──> reconciler
//!         <── records ─── connection <── feed <── what the dataplane is and sees
//! ```
//!
//! * [`crate::v1::from`]: what a client says as operations of the model; pure.
//! * `feed`: what a client has to know and was not told yet; pure.
//! * `connection`: one socket, its decoder and what waits to be written.
//! * here: the listening sockets and all connections.
//!
//! A legacy client says everything it does just once and never again, so what it said stays in
//! force when it is gone. The next one begins with nothing known; what it does not say again
//! within [`SWEEP_AFTER`] of being synchronised is released.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::task::Poll;
use std::time::Duration;

use mclag_proto::sync::v1::Dialect;
use mclag_proto::{DomainId, IfName, Mac};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, listen, setsockopt, socket,
    sockopt,
};
use std::os::fd::AsRawFd;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

pub use crate::v1::from::Translator;
pub(crate) use connection::{LegacyConnection, Lost};
pub(crate) use feed::Feed;

pub(crate) mod connection;
mod feed;

/// Connections at a time; further ones are closed. An address of sonic has one.
pub const MAX_CLIENTS: usize = 8;

/// Connections that may wait to be accepted (`spec/mclagsyncd-protocol.md` 1).
const BACKLOG: i32 = 2;

/// Pause after the system refused to accept a connection, so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Time from when a client is synchronised with the other chassis until what its predecessor asked for
/// and it did not is released. By then the other chassis has told all it knows.
pub const SWEEP_AFTER: Duration = Duration::from_secs(60);

/// What legacy clients are told, and where they are listened for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Options {
    /// Where clients are listened for; nowhere unless an operator says so.
    pub listen: Vec<Place>,
    /// The bridge whose ports the clients speak of.
    pub bridge: Option<IfName>,
    /// The peer link, until a client names another.
    pub peer_link: Option<IfName>,
    /// The domain that clients of sonic are told; none for those that have a file of their own.
    pub domain: Option<Domain>,
    /// MLAG ports, in the order in which clients of sonic are told.
    pub ports: Vec<IfName>,
    /// VLAN interfaces with an address of their own (`spec/mclagsyncd-protocol.md` 5.5).
    pub unique_ip: Vec<IfName>,
}

/// Settings of the domain (`spec/mclagsyncd-protocol.md` 5.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Domain {
    /// Its number.
    pub id: DomainId,
    /// Address of this chassis.
    pub local: Option<Ipv4Addr>,
    /// Address of the other chassis.
    pub peer: Option<Ipv4Addr>,
    /// Interval of keepalives in seconds; none for the client's default.
    pub keepalive_s: Option<u16>,
    /// Timeout of the session in seconds; none for the client's default.
    pub session_timeout_s: Option<u16>,
    /// System MAC of this chassis; none for the address of the bridge.
    pub system_mac: Option<Mac>,
}

/// An address that clients are listened for at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// The address.
    pub address: SocketAddrV4,
    /// What its clients speak; none to tell it from what they say.
    pub dialect: Option<Dialect>,
}

impl Place {
    /// Where clients of this dialect look for their server.
    #[must_use]
    pub const fn of(dialect: Dialect) -> Self {
        Self {
            address: dialect.server_address(),
            dialect: Some(dialect),
        }
    }

    /// One client at a time, the next of which waits to be accepted; or several.
    const fn is_exclusive(&self) -> bool {
        !matches!(self.dialect, Some(Dialect::LinuxMclag))
    }
}

/// The sockets that legacy clients are listened for at.
#[derive(Debug, Default)]
pub struct Listeners(Vec<(Place, TcpListener)>);

impl Listeners {
    /// Listen at all of these addresses. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When an address cannot be listened at; as a rule because somebody else does.
    pub fn listen(places: &[Place]) -> Result<Self, ListenError> {
        let listening = places.iter().map(|place| {
            let listener = bind_to(place.address);
            let listener = listener.map_err(|source| ListenError {
                address: place.address,
                source,
            })?;
            Ok((*place, listener))
        });
        listening.collect::<Result<_, _>>().map(Self)
    }

    /// Addresses that are listened at, in the order of the places.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().filter_map(|(_, l)| l.local_addr().ok())
    }
}

fn bind_to(address: SocketAddrV4) -> io::Result<TcpListener> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
    // A restarted server has to get the address back at once.
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    setsockopt(&socket, sockopt::KeepAlive, &true)?;
    bind(socket.as_raw_fd(), &SockaddrIn::from(address))?;
    listen(&socket, Backlog::new(BACKLOG)?)?;
    TcpListener::from_std(socket.into())
}

/// An address cannot be listened at.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for legacy clients at {address}")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddrV4,
    /// The system's words.
    source: io::Error,
}

/// Number of a connection, never used twice.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct ClientId(u64);

/// Something that happened at the sockets.
pub(crate) enum ListenerEvent {
    /// Somebody connected.
    Accepted(Place, TcpStream, SocketAddr),
    /// Something was read from a connection or written to it, or it is lost.
    Ready(ClientId, Result<(), Lost>),
}

/// All sockets of legacy clients.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    listeners: Vec<(Place, TcpListener)>,
    connections: BTreeMap<ClientId, LegacyConnection>,
    last: u64,
    /// When connections are accepted again.
    accept_at: Option<Instant>,
}

impl Sockets {
    pub(crate) fn new(listeners: Listeners) -> Self {
        Self {
            listeners: listeners.0,
            ..Self::default()
        }
    }

    /// Wait for something to happen. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> ListenerEvent {
        poll_fn(|cx| {
            for (id, connection) in &mut self.connections {
                if let Poll::Ready(ready) = connection.poll_ready(cx) {
                    return Poll::Ready(ListenerEvent::Ready(*id, ready));
                }
            }
            if self.accept_at.is_some() {
                return Poll::Pending;
            }
            for (place, listener) in &self.listeners {
                if place.is_exclusive() && self.connections.values().any(|c| c.is_from(place)) {
                    continue;
                }
                match listener.poll_accept(cx) {
                    Poll::Ready(Ok((stream, from))) => {
                        return Poll::Ready(ListenerEvent::Accepted(*place, stream, from));
                    }
                    Poll::Ready(Err(error)) => {
                        let address = place.address;
                        tracing::error!(%address, %error, "cannot accept legacy clients");
                        self.accept_at = Some(Instant::now() + ACCEPT_PAUSE);
                        return Poll::Pending;
                    }
                    Poll::Pending => {}
                }
            }
            Poll::Pending
        })
        .await
    }

    /// When something is due although nothing happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let connections = self.connections.values();
        let answers = connections.filter_map(LegacyConnection::deadline);
        answers.chain(self.accept_at).min()
    }

    /// A deadline has passed.
    pub(crate) fn wake(&mut self, now: Instant) {
        if self.accept_at.is_some_and(|at| at <= now) {
            self.accept_at = None;
        }
    }

    /// Keep a connection; closes it and answers none if there are too many.
    pub(crate) fn admit(&mut self, connection: LegacyConnection) -> Option<ClientId> {
        if self.connections.len() >= MAX_CLIENTS {
            return None;
        }
        self.last += 1;
        let id = ClientId(self.last);
        self.connections.insert(id, connection);
        Some(id)
    }

    pub(crate) fn get_mut(&mut self, id: ClientId) -> Option<&mut LegacyConnection> {
        self.connections.get_mut(&id)
    }

    pub(crate) fn remove(&mut self, id: ClientId) -> Option<LegacyConnection> {
        self.connections.remove(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &LegacyConnection> {
        self.connections.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut LegacyConnection> {
        self.connections.values_mut()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }
}

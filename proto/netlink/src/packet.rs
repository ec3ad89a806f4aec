//! Neighbours that speak on the wire: ARP replies and neighbour advertisements.
//!
//! The kernel takes note of an answer only if it asked. Of two chassis that share an address one
//! asks and the other may get the answer, so whoever keeps both synchronised has to listen
//! (`spec/behaviour.md` 11.2). A packet socket sees what the kernel received for itself, on the
//! interface that it belongs to: on top of a bridge that is the VLAN interface, and the frame has
//! no tag any more. What the bridge merely forwards is not seen, and neither is what this machine
//! sends.
//!
//! * [`Tap`] is the socket. Making one needs `CAP_NET_RAW`; using it needs nothing, so that a
//!   process can give up the capability in between.
//! * [`Listener`] reads it.
//! * [`arp_reply`] and [`advertisement`] read one packet; they are pure.
//!
//! Anybody on the link can claim anything here, as with ARP itself. Checksums are not looked at: a
//! packet that never left this machine, between two namespaces, carries none.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use libc::sock_filter;
use mclag_proto::Mac;
use mclag_proto::bytes::Reader;
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdRegisterError};

use crate::bpf;

/// Somebody said where an address is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Sighting {
    /// Index of the interface on which it was said.
    pub index: u32,
    /// What was said.
    pub claim: Claim,
}

/// What an ARP reply or a neighbour advertisement says.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Claim {
    /// The address; always a unicast one.
    pub address: IpAddr,
    /// Its hardware address, always a unicast one; `None` in an advertisement that leaves it out,
    /// which the one who asked knows already (RFC 4861, section 4.4).
    pub mac: Option<Mac>,
}

/// What to listen to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// ARP replies.
    Arp,
    /// Neighbour advertisements.
    Nd,
}

impl Kind {
    /// The packets to read, cheaply; the rest is for the parser. Offsets begin at the header of
    /// layer 3.
    fn filter(self) -> Vec<sock_filter> {
        // Fields with the only value that is accepted.
        let fields: &[(Width, u32, u32)] = match self {
            Self::Arp => &[(Width::Two, ARP_OPERATION, ARP_REPLY.into())],
            Self::Nd => &[
                (Width::One, IPV6_NEXT_HEADER, ICMPV6.into()),
                (Width::One, IPV6_HEADER_LEN, ADVERTISEMENT.into()),
            ],
        };
        let mut program = vec![
            bpf::load_u8(bpf::PACKET_TYPE),
            // To others: read only because the interface reads everything.
            bpf::jump_if_equal(libc::PACKET_OTHERHOST.into(), 1, 0),
            bpf::jump_if_equal(libc::PACKET_OUTGOING.into(), 0, 1),
            bpf::DROP,
        ];
        for (width, offset, value) in fields {
            program.push(match width {
                Width::One => bpf::load_u8(*offset),
                Width::Two => bpf::load_u16(*offset),
            });
            program.push(bpf::jump_if_equal(*value, 1, 0));
            program.push(bpf::DROP);
        }
        program.push(bpf::ACCEPT);
        program
    }

    const fn protocol(self) -> u16 {
        match self {
            Self::Arp => ETHERTYPE_ARP,
            Self::Nd => ETHERTYPE_IPV6,
        }
    }

    fn read(self, packet: &[u8]) -> Option<Claim> {
        match self {
            Self::Arp => arp_reply(packet),
            Self::Nd => advertisement(packet),
        }
    }
}

enum Width {
    One,
    Two,
}

/// A packet socket that sees one kind of packet on all interfaces of its network namespace.
///
/// The filter is locked: whoever holds the socket cannot make it see more.
#[derive(Debug)]
pub struct Tap {
    kind: Kind,
    fd: OwnedFd,
}

impl Tap {
    /// Open a socket. Needs no runtime.
    ///
    /// # Errors
    ///
    /// `EPERM` without `CAP_NET_RAW`; `EAFNOSUPPORT` if the kernel or a sandbox has no packet
    /// sockets.
    pub fn open(kind: Kind) -> io::Result<Self> {
        let fd = packet_socket()?;
        // Nothing arrives before it is bound, so nothing passes the filter by.
        bpf::attach(fd.as_fd(), &kind.filter())?;
        bpf::lock(fd.as_fd())?;
        bind(&fd, kind.protocol())?;
        Ok(Self { kind, fd })
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Reads what a [`Tap`] sees.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
    fd: AsyncFd<OwnedFd>,
    buffer: Box<[u8; PACKET_MAX]>,
}

impl Listener {
    /// Start to read. Must be called within a tokio runtime that has I/O enabled.
    ///
    /// # Errors
    ///
    /// When the runtime cannot wait for the socket, which is given back with the reason.
    pub fn new(tap: Tap) -> Result<Self, (Tap, io::Error)> {
        let Tap { kind, fd } = tap;
        match register(fd) {
            Ok(fd) => Ok(Self {
                kind,
                fd,
                buffer: Box::new([0; PACKET_MAX]),
            }),
            Err(error) => {
                let (fd, error) = error.into_parts();
                Err((Tap { kind, fd }, error))
            }
        }
    }

    /// Wait until somebody spoke and return all of it that is already here, oldest first, but no
    /// more than a thousand. May be dropped while waiting without losing any. What arrives faster
    /// than it is read is lost, silently: hosts repeat themselves.
    ///
    /// # Errors
    ///
    /// When the socket fails, which it does not in normal operation.
    pub async fn next(&mut self) -> io::Result<Vec<Sighting>> {
        let mut sightings = Vec::new();
        while sightings.is_empty() {
            let mut ready = self.fd.readable().await?;
            let fd = self.fd.get_ref();
            for _ in 0..PACKETS_MAX {
                match receive(fd, &mut self.buffer[..]) {
                    Ok((index, packet)) => {
                        let claim = self.kind.read(packet);
                        sightings.extend(claim.map(|claim| Sighting { index, claim }));
                    }
                    Err(error) => match error.raw_os_error() {
                        Some(libc::EAGAIN) => {
                            ready.clear_ready();
                            break;
                        }
                        // An interface went down. Others did not.
                        Some(libc::ENETDOWN | libc::EINTR) => {}
                        _ => return Err(error),
                    },
                }
            }
        }
        Ok(sightings)
    }
}

/// Read an ARP packet from its header on; `None` unless it is a reply that names one host.
//
//  | hardware type (2) | protocol type (2) | lengths (1 + 1) | operation (2) |
//  | sender: hardware address (6), address (4) | target: likewise |
#[must_use]
pub fn arp_reply(packet: &[u8]) -> Option<Claim> {
    let mut reader = Reader::new(packet);
    let header: [u8; 8] = reader.array().ok()?;
    // RFC 826: Ethernet, IPv4, lengths 6 and 4, reply.
    if header != [0, 1, 8, 0, 6, 4, 0, 2] {
        return None;
    }
    let mac = Mac(reader.array().ok()?);
    let address = Ipv4Addr::from(reader.array::<4>().ok()?);
    // The target says who asked; it has to be there, and that is all.
    reader.take(10).ok()?;
    let names_one_host = mac.is_unicast()
        && !(address.is_unspecified()
            || address.is_multicast()
            || address.is_broadcast()
            || address.is_loopback());
    names_one_host.then_some(Claim {
        address: address.into(),
        mac: Some(mac),
    })
}

/// Read an IPv6 packet; `None` unless it is a valid neighbour advertisement (RFC 4861, section
/// 7.1.2, without the checksum) right behind the IPv6 header.
//
//  | version, class, flow (4) | payload length (2) | next header (1) | hop limit (1) |
//  | source (16) | destination (16) |
//  | type (1) | code (1) | checksum (2) | flags (4) | target (16) | options |
#[must_use]
pub fn advertisement(packet: &[u8]) -> Option<Claim> {
    let mut reader = Reader::new(packet);
    let [version, ..] = reader.array::<4>().ok()?;
    let payload_len = reader.u16().ok()?;
    let [next_header, hop_limit] = reader.array().ok()?;
    // A router in between would have counted the limit down.
    if version >> 4 != 6 || next_header != ICMPV6 || hop_limit != 255 {
        return None;
    }
    let _source = reader.take(16).ok()?;
    let _destination = reader.take(16).ok()?;
    // What follows the payload is padding of a short frame.
    let mut reader = reader.sub(payload_len.into()).ok()?;
    let [kind, code, _, _] = reader.array().ok()?;
    if (kind, code) != (ADVERTISEMENT, 0) {
        return None;
    }
    let _flags = reader.take(4).ok()?;
    let address = Ipv6Addr::from(reader.array::<16>().ok()?);
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        return None;
    }
    let mut mac = None;
    while !reader.is_empty() {
        let [option, eights] = reader.array().ok()?;
        // A length of zero makes the whole advertisement invalid.
        let len = (usize::from(eights) * 8).checked_sub(2)?;
        let value = reader.take(len).ok()?;
        if option == TARGET_LINK_LAYER_ADDRESS && mac.is_none() {
            // Longer ones belong to other kinds of links.
            let found = value.try_into().map(Mac).ok()?;
            mac = Some(found);
        }
    }
    if mac.is_some_and(|mac| !mac.is_unicast()) {
        return None;
    }
    Some(Claim {
        address: address.into(),
        mac,
    })
}

/// Hand a socket to the reactor of the current runtime.
#[allow(unsafe_code, reason = "the safe constructor is deprecated")]
fn register(fd: OwnedFd) -> Result<AsyncFd<OwnedFd>, AsyncFdRegisterError<OwnedFd>> {
    // SAFETY: the descriptor is owned and open until it is dropped; nobody replaces or closes it
    // while the `AsyncFd` owns it.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }
}

#[allow(unsafe_code, reason = "no safe wrapper makes a packet socket")]
fn packet_socket() -> io::Result<OwnedFd> {
    // SAFETY: takes numbers, returns a new descriptor or -1. Without a protocol it receives
    // nothing yet.
    let fd = unsafe {
        libc::socket(
            libc::AF_PACKET,
            libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
            0,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[allow(unsafe_code, reason = "no safe wrapper binds a packet socket")]
fn bind(fd: &OwnedFd, protocol: u16) -> io::Result<()> {
    let mut address = any_link();
    address.sll_protocol = protocol.to_be();
    // SAFETY: the descriptor is open as long as it is borrowed; pointer and length describe one
    // live structure, which the kernel only reads.
    let bound = unsafe {
        libc::bind(
            fd.as_raw_fd(),
            std::ptr::from_ref(&address).cast(),
            LINK_ADDRESS_LEN,
        )
    };
    match bound {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The next packet, cut off at the end of the buffer, and the interface it came by.
#[allow(
    unsafe_code,
    reason = "no safe wrapper tells the interface of a packet"
)]
fn receive<'a>(fd: &OwnedFd, buffer: &'a mut [u8]) -> io::Result<(u32, &'a [u8])> {
    let mut address = any_link();
    let mut address_len = LINK_ADDRESS_LEN;
    // SAFETY: the descriptor is open as long as it is borrowed. The first pointer and length
    // describe the live buffer, the second ones one live structure; the kernel writes no more
    // than that, and the length of what it wrote.
    let len = unsafe {
        libc::recvfrom(
            fd.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            libc::MSG_DONTWAIT,
            std::ptr::from_mut(&mut address).cast(),
            &raw mut address_len,
        )
    };
    let Ok(len) = usize::try_from(len) else {
        return Err(io::Error::last_os_error());
    };
    let index = u32::try_from(address.sll_ifindex).unwrap_or_default();
    Ok((index, buffer.get(..len).unwrap_or_default()))
}

/// The address of a packet socket that is bound to no interface.
fn any_link() -> libc::sockaddr_ll {
    libc::sockaddr_ll {
        sll_family: libc::c_ushort::try_from(libc::AF_PACKET).expect("a family is small"),
        sll_protocol: 0,
        sll_ifindex: 0,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    }
}

/// Length of `struct sockaddr_ll`.
const LINK_ADDRESS_LEN: libc::socklen_t = 20;
const _: () = assert!(size_of::<libc::sockaddr_ll>() == 20);

/// Room for a packet. Advertisements are at most some hundred bytes, whatever their options.
const PACKET_MAX: usize = 2048;

/// Packets read before the caller gets a turn.
const PACKETS_MAX: usize = 1024;

const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;

const ARP_OPERATION: u32 = 6;
const ARP_REPLY: u16 = 2;

const IPV6_NEXT_HEADER: u32 = 6;
const IPV6_HEADER_LEN: u32 = 40;
const ICMPV6: u8 = 58;

const ADVERTISEMENT: u8 = 136;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;

#[cfg(test)]
mod tests;

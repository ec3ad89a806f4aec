//! Neighbours: which hardware address answers for an IPv4 or IPv6 address on an interface.
//!
//! Entries that somebody else than the kernel found are marked as *externally learned*
//! (`NTF_EXT_LEARNED`, Linux 4.19). What that means to the kernel:
//!
//! * The mark stays when the kernel itself validates the entry again or hears of another address,
//!   and goes only when a user of the kernel writes the entry without it.
//! * The kernel never collects such an entry as garbage, however long it is unused. Entries of a
//!   host that is long gone are removed by whoever installed them.
//! * The entry takes part in neighbour discovery like any other: installed as reachable it grows
//!   stale, and the next packet makes the kernel ask. A host that does not answer leaves the entry
//!   behind as failed, mark and all, which is an event; whoever still knows better writes it again.
//! * Losing carrier flushes it, unless it is permanent. Going down, or a change of the interface's
//!   own hardware address, flushes permanent ones as well. Every flushed entry is an event.
//!
//! Two younger marks are not used. `NTF_EXT_MANAGED` (Linux 5.16) makes the kernel ask the host
//! every few seconds, from both chassis, used or not: ten thousand hosts would be asked all the
//! time. `NTF_EXT_VALIDATED` (Linux 6.18) keeps an entry valid without asking, which older kernels
//! refuse and which would keep a host that nobody sees any more.

use std::fmt;
use std::net::IpAddr;

use mclag_proto::Mac;

use crate::attr::{Attr, Msg, Received};

/// An address on layer 3 and what the kernel knows of it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Neighbour {
    /// Index of the interface.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// Its hardware address, as far as it is an Ethernet address. Whether it is valid is what
    /// the state says.
    pub mac: Option<Mac>,
    /// What the kernel thinks of it.
    pub state: NeighbourState,
    /// Somebody else than the kernel learned it (`NTF_EXT_LEARNED`).
    pub ext_learned: bool,
    /// Which program installed it (`NDA_PROTOCOL`, a number as those of routes have); 0 if none
    /// said so.
    pub protocol: u8,
}

impl Neighbour {
    /// It was installed by [`NeighbourAction::SetReachable`] or [`NeighbourAction::SetPermanent`],
    /// be it by an earlier run: other control planes (EVPN) mark theirs as externally learned,
    /// too, but with another number or none.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        self.ext_learned && self.protocol == PROTOCOL
    }
}

/// The number of the entries that are installed here, which no other program is known to use:
/// `ip neigh show` shows it as `proto 77`.
pub const PROTOCOL: u8 = 77;

/// What the kernel thinks of a neighbour (RFC 4861, section 7.3.2, and more).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum NeighbourState {
    /// Nothing is known and nothing under way.
    None,
    /// Asked for, for the first time.
    Incomplete,
    /// Known to answer.
    Reachable,
    /// Known, not confirmed lately; used until somebody says otherwise.
    Stale,
    /// Known and in use, about to be asked.
    Delay,
    /// Known and in use, being asked.
    Probe,
    /// Did not answer.
    Failed,
    /// Needs no asking: broadcast, multicast, or an interface without addresses.
    NoArp,
    /// Installed for good.
    Permanent,
}

impl NeighbourState {
    /// The kernel learned it and sends packets there.
    #[must_use]
    pub const fn is_learned(self) -> bool {
        matches!(
            self,
            Self::Reachable | Self::Stale | Self::Delay | Self::Probe
        )
    }

    /// Several bits are one state only for permanent entries, which may need no asking as well.
    const fn read(nud: u16) -> Self {
        if nud & NUD_PERMANENT != 0 {
            Self::Permanent
        } else if nud & NUD_NOARP != 0 {
            Self::NoArp
        } else if nud & NUD_REACHABLE != 0 {
            Self::Reachable
        } else if nud & NUD_STALE != 0 {
            Self::Stale
        } else if nud & NUD_DELAY != 0 {
            Self::Delay
        } else if nud & NUD_PROBE != 0 {
            Self::Probe
        } else if nud & NUD_INCOMPLETE != 0 {
            Self::Incomplete
        } else if nud & NUD_FAILED != 0 {
            Self::Failed
        } else {
            Self::None
        }
    }
}

/// A change of one neighbour.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct NeighbourOp {
    /// Index of the interface.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// What to do.
    pub action: NeighbourAction,
}

/// What to do with a neighbour. Setting creates it or replaces what is there.
///
/// An interface that is down loses what it is given. One without IPv4 or IPv6 refuses neighbours
/// of that family.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum NeighbourAction {
    /// An entry as if the host had just answered, externally learned: the kernel asks again when
    /// the entry is used after it has grown old (see the module's comment).
    SetReachable {
        /// The hardware address.
        mac: Mac,
    },
    /// An entry that the kernel neither asks for nor changes, externally learned.
    SetPermanent {
        /// The hardware address.
        mac: Mac,
    },
    /// Remove it, whoever installed it. Fails with `ENOENT` if it is not there (any more).
    Delete,
}

impl NeighbourOp {
    /// The operation, as it appears in an error.
    pub(crate) const fn name(&self) -> &'static str {
        match self.action {
            NeighbourAction::SetReachable { .. } => "set neighbour",
            NeighbourAction::SetPermanent { .. } => "set permanent neighbour",
            NeighbourAction::Delete => "delete neighbour",
        }
    }

    pub(crate) fn request(&self) -> Msg {
        let replace = NLM_F_CREATE | NLM_F_REPLACE;
        let (kind, flags, state, mac) = match self.action {
            NeighbourAction::SetReachable { mac } => {
                (RTM_NEWNEIGH, replace, NUD_REACHABLE, Some(mac))
            }
            NeighbourAction::SetPermanent { mac } => {
                let state = NUD_PERMANENT | NUD_NOARP;
                (RTM_NEWNEIGH, replace, state, Some(mac))
            }
            NeighbourAction::Delete => (RTM_DELNEIGH, 0, 0, None),
        };
        let mark = if mac.is_some() { NTF_EXT_LEARNED } else { 0 };
        let family = family(&self.address);
        let mut msg = Msg::new(kind, flags, &header(family, self.index, state, mark));
        match self.address {
            IpAddr::V4(address) => msg.attr(NDA_DST, &address.octets()),
            IpAddr::V6(address) => msg.attr(NDA_DST, &address.octets()),
        }
        if let Some(mac) = mac {
            msg.attr(NDA_LLADDR, &mac.0);
            msg.attr_u8(NDA_PROTOCOL, PROTOCOL);
        }
        msg
    }
}

/// `192.0.2.7 at 02:00:00:00:00:07`, or the address alone.
impl fmt::Display for NeighbourOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)?;
        match self.action {
            NeighbourAction::SetReachable { mac } | NeighbourAction::SetPermanent { mac } => {
                write!(f, " at {mac}")
            }
            NeighbourAction::Delete => Ok(()),
        }
    }
}

/// The request for all neighbours of a family.
pub(crate) fn dump_request(family: u8) -> Msg {
    Msg::new(RTM_GETNEIGH, 0, &header(family, 0, 0, 0))
}

/// An entry, and whether it is there or gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NeighbourNews {
    Entry(Neighbour),
    Gone(Neighbour),
}

/// Read a neighbour message. `None` for those that are not about an IPv4 or IPv6 neighbour.
pub(crate) fn read(message: &Received<'_>) -> Option<NeighbourNews> {
    // | family (1) | 0 (3) | index (4) | state (2) | flags (1) | type (1) |
    let (&[family, _, _, _, i0, i1, i2, i3, s0, s1, flags, _], attrs) =
        message.split::<HEADER_LEN>()?;
    if flags & NTF_PROXY != 0 {
        // Addresses we answer for are not neighbours.
        return None;
    }
    let mut address = None;
    let mut mac = None;
    let mut protocol = 0;
    for attr in attrs {
        match attr.kind {
            NDA_PROTOCOL => protocol = attr.value.first().copied().unwrap_or_default(),
            NDA_DST => address = read_address(family, attr),
            NDA_LLADDR => mac = attr.value.try_into().ok().map(Mac),
            _ => {}
        }
    }
    let entry = Neighbour {
        index: u32::from_ne_bytes([i0, i1, i2, i3]),
        address: address?,
        mac,
        state: NeighbourState::read(u16::from_ne_bytes([s0, s1])),
        ext_learned: flags & NTF_EXT_LEARNED != 0,
        protocol,
    };
    match message.kind {
        RTM_NEWNEIGH => Some(NeighbourNews::Entry(entry)),
        RTM_DELNEIGH => Some(NeighbourNews::Gone(entry)),
        _ => None,
    }
}

/// An address of this family; `None` for other families and for a value that is not one.
pub(crate) fn read_address(family: u8, attr: Attr<'_>) -> Option<IpAddr> {
    match family {
        AF_INET => <[u8; 4]>::try_from(attr.value).ok().map(IpAddr::from),
        AF_INET6 => <[u8; 16]>::try_from(attr.value).ok().map(IpAddr::from),
        _ => None,
    }
}

const fn family(address: &IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    }
}

/// The fixed header (`struct ndmsg`), also that of forwarding entries.
pub(crate) fn header(family: u8, index: u32, state: u16, flags: u8) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[0] = family;
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..10].copy_from_slice(&state.to_ne_bytes());
    header[10] = flags;
    header
}

/// Length of the fixed header.
pub(crate) const HEADER_LEN: usize = 12;

pub(crate) const AF_INET: u8 = 2;
pub(crate) const AF_INET6: u8 = 10;

pub(crate) const RTM_NEWNEIGH: u16 = 28;
pub(crate) const RTM_DELNEIGH: u16 = 29;
pub(crate) const RTM_GETNEIGH: u16 = 30;

pub(crate) const NLM_F_REPLACE: u16 = 0x100;
pub(crate) const NLM_F_CREATE: u16 = 0x400;

const NUD_INCOMPLETE: u16 = 0x01;
pub(crate) const NUD_REACHABLE: u16 = 0x02;
const NUD_STALE: u16 = 0x04;
const NUD_DELAY: u16 = 0x08;
const NUD_PROBE: u16 = 0x10;
const NUD_FAILED: u16 = 0x20;
pub(crate) const NUD_NOARP: u16 = 0x40;
pub(crate) const NUD_PERMANENT: u16 = 0x80;

const NTF_PROXY: u8 = 0x08;
pub(crate) const NTF_EXT_LEARNED: u8 = 0x10;

const NDA_DST: u16 = 1;
pub(crate) const NDA_LLADDR: u16 = 2;
const NDA_PROTOCOL: u16 = 12;

#[cfg(test)]
mod tests;

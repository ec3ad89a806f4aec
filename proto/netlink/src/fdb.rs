//! The forwarding database of a bridge.
//!
//! All entries are those of the bridge itself (`NTF_MASTER`); what a port's own hardware or a
//! tunnel remembers is left out.

use std::fmt;
use std::time::Duration;

use mclag_proto::{Mac, Vid};

use crate::attr::{Attr, Msg, Received};
use crate::link::{AF_BRIDGE, centiseconds};
use crate::neigh::{
    HEADER_LEN, NDA_LLADDR, NLM_F_CREATE, NLM_F_REPLACE, NTF_EXT_LEARNED, NUD_NOARP, NUD_PERMANENT,
    NUD_REACHABLE, RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH,
};

/// One entry of a bridge's forwarding database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FdbEntry {
    /// The address.
    pub mac: Mac,
    /// Its VLAN; `None` in a bridge without VLAN filtering.
    pub vid: Option<Vid>,
    /// Index of the port behind which it is; of the bridge itself for the bridge's own.
    pub port: u32,
    /// Index of the bridge.
    pub bridge: u32,
    /// What the bridge does with it.
    pub state: FdbState,
    /// Somebody else than the bridge learned it (`NTF_EXT_LEARNED`).
    pub ext_learn: bool,
    /// It stays on its port, wherever the address is seen (`NTF_STICKY`).
    pub sticky: bool,
    /// Whether frames were seen from it, if it was installed to tell.
    pub activity: Option<Activity>,
    /// Time since the entry was last changed or refreshed by a frame from the address.
    pub updated: Duration,
    /// Time since a frame was last sent to the address.
    pub used: Duration,
}

/// What a bridge does with an entry.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FdbState {
    /// Learned: ages, and moves to the port where the address is seen.
    Dynamic,
    /// Installed: does not age, but moves to the port where the address is seen unless it is
    /// [`FdbEntry::sticky`].
    Static,
    /// The bridge's or the port's own address: neither ages nor moves.
    Permanent,
}

/// What the bridge says about an entry that was installed with activity notification.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Activity {
    /// A frame came from the address within the ageing time.
    Active,
    /// No frame came within the ageing time, or none since it was installed as inactive.
    Inactive,
}

/// A change of one entry.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FdbOp {
    /// The address.
    pub mac: Mac,
    /// Its VLAN; `None` in a bridge without VLAN filtering. In one with VLAN filtering, `None`
    /// stands for every VLAN of the port.
    pub vid: Option<Vid>,
    /// Index of the bridge port.
    pub port: u32,
    /// What to do.
    pub action: FdbAction,
}

/// What to do with an entry. Setting creates it, moves it to the port or changes its kind.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FdbAction {
    /// An entry as if the bridge had learned it: ages.
    SetDynamic,
    /// An entry that does not age.
    SetStatic,
    /// An entry that does not age and whose activity is reported: an event when it turns
    /// inactive and when it turns active again. Written as inactive, the first frame is an
    /// event. An entry that already is inactive stays so, whatever is written.
    SetTracked(Activity),
    /// The same, but it does not move either. Frames of the address count as activity on
    /// whichever port they come.
    SetSticky(Activity),
    /// An address of the bridge itself, given by its own index as port: frames to it are not
    /// forwarded but received. What `bridge fdb add MAC dev BRIDGE self local` does.
    SetLocal,
    /// Remove it. Fails with `ENOENT` if it is not on that port (any more).
    Delete,
    /// Remove an address of the bridge itself. Fails with `ENOENT` if it is none (any more).
    DeleteLocal,
}

impl FdbOp {
    /// The operation, as it appears in an error.
    pub(crate) const fn name(&self) -> &'static str {
        match self.action {
            FdbAction::SetDynamic => "set dynamic FDB entry",
            FdbAction::SetStatic => "set static FDB entry",
            FdbAction::SetTracked(_) => "set tracked FDB entry",
            FdbAction::SetSticky(_) => "set sticky FDB entry",
            FdbAction::SetLocal => "set local FDB entry",
            FdbAction::Delete => "delete FDB entry",
            FdbAction::DeleteLocal => "delete local FDB entry",
        }
    }

    pub(crate) fn request(&self) -> Msg {
        let replace = NLM_F_CREATE | NLM_F_REPLACE;
        let (kind, flags, state) = match self.action {
            FdbAction::SetDynamic => (RTM_NEWNEIGH, replace, NUD_REACHABLE),
            FdbAction::SetStatic | FdbAction::SetTracked(_) | FdbAction::SetSticky(_) => {
                (RTM_NEWNEIGH, replace, NUD_NOARP)
            }
            FdbAction::SetLocal => (RTM_NEWNEIGH, replace, NUD_PERMANENT),
            FdbAction::Delete | FdbAction::DeleteLocal => (RTM_DELNEIGH, 0, 0),
        };
        let table = match self.action {
            FdbAction::SetLocal | FdbAction::DeleteLocal => NTF_SELF,
            FdbAction::SetSticky(_) => NTF_MASTER | NTF_STICKY,
            _ => NTF_MASTER,
        };
        let mut msg = Msg::new(kind, flags, &header(self.port, state, table));
        msg.attr(NDA_LLADDR, &self.mac.0);
        if let Some(vid) = self.vid {
            msg.attr_u16(NDA_VLAN, vid.get());
        }
        if let FdbAction::SetTracked(activity) | FdbAction::SetSticky(activity) = self.action {
            let notify = match activity {
                Activity::Active => FDB_NOTIFY,
                Activity::Inactive => FDB_NOTIFY | FDB_NOTIFY_INACTIVE,
            };
            msg.nest(NDA_FDB_EXT_ATTRS, |m| {
                m.attr_u8(NFEA_ACTIVITY_NOTIFY, notify);
            });
        }
        msg
    }
}

/// `02:00:00:00:00:07 vlan 10`
impl fmt::Display for FdbOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mac.fmt(f)?;
        match self.vid {
            Some(vid) => write!(f, " vlan {vid}"),
            None => Ok(()),
        }
    }
}

/// The request for all entries of a bridge.
pub(crate) fn dump_request(bridge: u32) -> Msg {
    let mut msg = Msg::new(RTM_GETNEIGH, 0, &header(0, 0, 0));
    msg.attr_u32(NDA_MASTER, bridge);
    msg
}

/// The request for one entry of a bridge.
pub(crate) fn entry_request(bridge: u32, mac: Mac, vid: Option<Vid>) -> Msg {
    let mut msg = Msg::new(RTM_GETNEIGH, 0, &header(0, 0, 0));
    msg.attr(NDA_LLADDR, &mac.0);
    if let Some(vid) = vid {
        msg.attr_u16(NDA_VLAN, vid.get());
    }
    msg.attr_u32(NDA_MASTER, bridge);
    msg
}

/// An entry, and whether it is there or gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FdbNews {
    Entry(FdbEntry),
    Gone(FdbEntry),
}

/// Read a neighbour message. `None` for those that are not about a bridge's entry.
pub(crate) fn read(message: &Received<'_>) -> Option<FdbNews> {
    // | family (1) | 0 (3) | port (4) | state (2) | flags (1) | type (1) |
    let (&[family, _, _, _, p0, p1, p2, p3, s0, s1, flags, _], attrs) =
        message.split::<HEADER_LEN>()?;
    if family != AF_BRIDGE {
        return None;
    }
    let nud = u16::from_ne_bytes([s0, s1]);
    let mut mac = None;
    let mut vid = None;
    let mut bridge = None;
    let mut activity = None;
    let mut times = (Duration::ZERO, Duration::ZERO);
    for attr in attrs {
        match attr.kind {
            NDA_LLADDR => mac = attr.value.try_into().ok().map(Mac),
            NDA_VLAN => vid = attr.u16().and_then(Vid::new),
            NDA_MASTER => bridge = attr.u32(),
            NDA_CACHEINFO => times = read_times(attr).unwrap_or(times),
            NDA_FDB_EXT_ATTRS => activity = read_activity(attr),
            _ => {}
        }
    }
    let entry = FdbEntry {
        mac: mac?,
        vid,
        port: u32::from_ne_bytes([p0, p1, p2, p3]),
        // Only entries of a bridge name one.
        bridge: bridge?,
        state: if nud & NUD_PERMANENT != 0 {
            FdbState::Permanent
        } else if nud & NUD_NOARP != 0 {
            FdbState::Static
        } else {
            FdbState::Dynamic
        },
        ext_learn: flags & NTF_EXT_LEARNED != 0,
        sticky: flags & NTF_STICKY != 0,
        activity,
        updated: times.0,
        used: times.1,
    };
    match message.kind {
        RTM_NEWNEIGH => Some(FdbNews::Entry(entry)),
        RTM_DELNEIGH => Some(FdbNews::Gone(entry)),
        _ => None,
    }
}

fn read_activity(attr: Attr<'_>) -> Option<Activity> {
    let notify = attr.nested().find(NFEA_ACTIVITY_NOTIFY)?.u8()?;
    if notify & FDB_NOTIFY == 0 {
        None
    } else if notify & FDB_NOTIFY_INACTIVE == 0 {
        Some(Activity::Active)
    } else {
        Some(Activity::Inactive)
    }
}

/// `struct nda_cacheinfo`: confirmed, used, updated, references; returns updated and used.
fn read_times(attr: Attr<'_>) -> Option<(Duration, Duration)> {
    let &[_, _, _, _, u0, u1, u2, u3, t0, t1, t2, t3, _, _, _, _] = attr.value else {
        return None;
    };
    Some((
        centiseconds(u32::from_ne_bytes([t0, t1, t2, t3])),
        centiseconds(u32::from_ne_bytes([u0, u1, u2, u3])),
    ))
}

fn header(port: u32, state: u16, flags: u8) -> [u8; HEADER_LEN] {
    crate::neigh::header(AF_BRIDGE, port, state, flags)
}

const NTF_SELF: u8 = 0x02;
const NTF_MASTER: u8 = 0x04;
const NTF_STICKY: u8 = 0x40;

const NDA_CACHEINFO: u16 = 3;
const NDA_VLAN: u16 = 5;
const NDA_MASTER: u16 = 9;
const NDA_FDB_EXT_ATTRS: u16 = 14;
const NFEA_ACTIVITY_NOTIFY: u16 = 1;

const FDB_NOTIFY: u8 = 1 << 0;
const FDB_NOTIFY_INACTIVE: u8 = 1 << 1;

#[cfg(test)]
mod tests;

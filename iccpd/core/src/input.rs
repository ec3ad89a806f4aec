//! Everything that can happen to a domain.

use mclag_proto::iccp::Message;
use mclag_proto::sync::model::{Abilities, Event, OpError};
use mclag_proto::{IfName, Mac, Vid};
use std::collections::BTreeSet;

/// One thing that happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Input {
    /// The transport to the peer is up. An older one, if any, is gone.
    PeerUp,
    /// The transport to the peer is gone, or could not be made.
    PeerDown {
        /// Why, for the operator.
        reason: String,
    },
    /// A message arrived from the peer.
    PeerMessage(Message),
    /// A message arrived that could not be read and was skipped.
    PeerGarbage {
        /// What was wrong with it.
        reason: String,
    },
    /// The kernel's interfaces follow: those not reported again until [`Input::LinksEnd`] are
    /// gone.
    LinksBegin,
    /// An interface as it is now.
    Link(Link),
    /// VLANs of a bridge port as they are now; empty when it left the bridge.
    Vlans {
        /// The port's index.
        index: u32,
        /// Its VLANs.
        vids: BTreeSet<Vid>,
    },
    /// An interface is gone.
    LinkGone {
        /// Its index.
        index: u32,
    },
    /// Everything has been reported since [`Input::LinksBegin`].
    LinksEnd,
    /// `syncd` is connected and greeted.
    SyncdUp {
        /// What its dataplane can do.
        abilities: Abilities,
        /// Name of its backend.
        backend: String,
        /// Batches it takes before the first is answered, at least 1.
        window: u32,
    },
    /// `syncd` is gone.
    SyncdDown,
    /// `syncd` answered a batch.
    SyncdResult {
        /// Number of the batch.
        batch: u64,
        /// The operations that were not carried out, by index.
        failures: Vec<(u32, OpError)>,
    },
    /// `syncd` reports.
    SyncdEvent(Event),
    /// The deadline last asked for has passed. Spurious ones are harmless.
    Timeout,
    /// The daemon is about to stop.
    Stop {
        /// True to take this chassis out of the pair, false to leave the dataplane as it is.
        leave: bool,
    },
}

/// An interface, as far as decisions depend on it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// The kernel's number.
    pub index: u32,
    /// Its name.
    pub name: IfName,
    /// Its address.
    pub mac: Option<Mac>,
    /// The operator wants it up.
    pub admin_up: bool,
    /// It can carry frames: carrier, and operational as far as the kernel knows
    /// (`spec/behaviour.md` 10.1).
    pub running: bool,
    /// Bridge, bond or team it is a member of.
    pub master: Option<u32>,
    /// What kind of interface it is.
    pub kind: LinkKind,
    /// As a member of a LAG.
    pub member: Option<LagMember>,
}

/// Kind of an interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LinkKind {
    /// A LAG: bond or team.
    Lag {
        /// It speaks LACP.
        lacp: bool,
        /// MAC of its LACP partner, when there is one.
        partner: Option<Mac>,
    },
    /// A bridge.
    Bridge,
    /// Anything else.
    Other,
}

/// What a LAG says of one of its members.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LagMember {
    /// The LAG lets it carry data: for LACP, collecting and distributing.
    pub distributing: bool,
}

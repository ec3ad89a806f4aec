//! Why single forwarding entries and neighbours are looked at: it decides whose word counts more.

use mclag_proto::IfName;

/// Why an entry is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum EntryReason {
    /// The client has just asked for it: its word counts more than where the dataplane sees the
    /// host.
    Want,
    /// The client has just released it: what is ours is handed over to the dataplane. To forget
    /// it means that it goes, learned or ours, so that the dataplane reports the host anew.
    Release { forget: bool },
    /// It is ours and nobody wants it: it is handed over where the dataplane sees the host.
    Undo,
    /// The client has just asked for an entry that is the dataplane's own from then on, or the host had moved there before an
    /// action put it elsewhere.
    Once {
        /// Where to.
        port: IfName,
    },
    /// The client has just asked to forget what the dataplane learned.
    Flush,
    /// Something else happened. Where the dataplane has seen the host meanwhile counts more than
    /// what the client wanted before it knew; it will hear of it and ask again.
    Check,
}

impl EntryReason {
    /// Where something was asked for before and could not be done, the dataplane may still have what it learned earlier:
    /// nobody is there any more.
    pub(super) const fn behind_what_was_not_done(self, was_waiting: bool) -> Self {
        match self {
            Self::Release { .. } if was_waiting => Self::Release { forget: true },
            reason => reason,
        }
    }
}

/// Why a neighbour is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NeighbourReason {
    /// The client has just asked for it: its word counts more than what the kernel found.
    Want,
    /// Nobody wants it, and it is to go if it is ours.
    Undo,
    /// Something else happened. What the kernel found meanwhile counts more than what the client
    /// wanted before; what the kernel dropped is installed again.
    Check,
}

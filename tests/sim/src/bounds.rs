//! How long what is done may cost frames: one row for each kind.

use std::time::Duration;

use crate::syncd::RETRY;

/// What is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A leg loses its cable or gets it back, or its port is told to carry nothing or to carry data again.
    Leg,
    /// An operator takes the bond of a port down or up: its members keep their carrier.
    Silence,
    /// A port leaves the pair or joins it, or gets another name while nobody follows it.
    Pairing,
    /// A host speaks LACP no longer, or begins to.
    Lacp,
    /// Cables are plugged in where others belong.
    Cables,
    /// The peer link loses its cable or gets it back, or gets another name while nobody follows it.
    PeerLink,
    /// A station is somewhere else.
    Station,
    /// What keeps frames from being delivered twice is taken away.
    Rules,
    /// A kernel refused something, and does so no longer.
    Refusal,
    /// A process, the session or a chassis was missing.
    Start,
}

impl Kind {
    /// How long frames may be lost, everything being well otherwise and no `mclagsyncd` slow.
    #[must_use]
    pub const fn bound(self) -> Duration {
        Duration::from_millis(match self {
            // A bond looks at carriers every 100 ms; LACP begins anew within as much and agrees within 1 s; that is polled
            // for; the peer is asked.
            Self::Leg => 3_000,
            // The host hears no LACP for 3 s, or longer by what the ends take to look.
            Self::Silence => 3_500,
            // LACP agrees on another id.
            Self::Pairing => 4_000,
            // LACP hears nobody for 3 s and waits for as long; `lacp-bypass-after` (3 s), and 2 s more on the
            // secondary; the host looks which leg answers.
            Self::Lacp => 16_000,
            // Both hosts of a port are compared when LACP has agreed, and one leg agrees on another id.
            Self::Cables => 12_000,
            // One message to each dataplane.
            Self::PeerLink | Self::Station | Self::Rules => 100,
            // It is tried again, and what follows takes what the leg of a host takes.
            Self::Refusal => return Self::Leg.bound().saturating_add(RETRY),
            // LACP, an acknowledgement that does not come (5 s), and a start.
            Self::Start => 12_000,
        })
    }

    /// Whether what is done may end with the only way of a host waiting until spanning tree lets it forward.
    #[must_use]
    pub const fn begins_anew(self) -> bool {
        match self {
            Self::Pairing | Self::Lacp | Self::Cables | Self::Refusal | Self::Start => true,
            Self::Leg | Self::Silence | Self::PeerLink | Self::Station | Self::Rules => false,
        }
    }
}

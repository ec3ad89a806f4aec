//! Whether an MLAG port has another half at the peer, and what follows for its LACP system id.
//!
//! The id of the pair makes one host take both halves for one. A port that shows it without having another
//! half, while somebody else's port at the peer shows it, too, has its host deliver and get every flooded
//! frame twice. So a port that the peer does not have shows an id of its own *first*, and frames from the
//! peer link pass it afterwards ([`Pairing::Leaving`]).
//!
//! As long as the peer has not named its ports nobody knows. Then what a host sees stays as it is:
//! a restart of a daemon, or other settings, are no reason for it to negotiate anew.
//!
//! ```text
//!              named                absent              own id in force
//!   Unknown ---------> Paired <---------------> Leaving ---------------> Apart
//!    ^  |                ^  ^    named again       ^                       |
//!    |  | time over      |  +----------------------|-----------------------+
//!    |  v       named    |                         |      named again
//!    | Presumed ---------+   Unknown, Presumed ----+
//!    |                                     absent
//!    +--- all, when another one is the peer
//! ```
//!
//! Why: `docs/adr/0017-unpaired-ports.md`. With strict SONiC ([`crate::OnLoss::Release`]) every port shows the id of the pair, as it does there.

/// What is known of a port's other half.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pairing {
    /// Nothing: the LACP system id stays what it is, whoever gave it.
    Unknown,
    /// Nothing, and nobody is left to wait for: the id of the pair.
    Presumed,
    /// The peer has it, or had it when it was heard last.
    Paired,
    /// The peer does not have it: an id of its own, which is not in force yet.
    Leaving,
    /// The peer does not have it: an id of its own.
    Apart,
}

/// What changes that.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Word {
    /// The peer has named all of its ports, and this is one.
    Named,
    /// The peer has named all of its ports, and this is none.
    Absent,
    /// The id of its own is in force.
    OwnInForce,
    /// The peer has had the time to name its ports since this chassis started.
    TimeOver,
    /// Another one is the peer.
    OtherPeer,
}

impl Pairing {
    /// The peer does not have it.
    #[must_use]
    pub const fn is_alone(self) -> bool {
        matches!(self, Self::Leaving | Self::Apart)
    }

    /// What is known after `word`. Total.
    #[must_use]
    pub const fn after(self, word: Word) -> Self {
        match (self, word) {
            (_, Word::Named) => Self::Paired,
            (Self::Apart, Word::Absent) | (Self::Leaving, Word::OwnInForce) => Self::Apart,
            (_, Word::Absent) => Self::Leaving,
            (Self::Unknown, Word::TimeOver) => Self::Presumed,
            (_, Word::OtherPeer) => Self::Unknown,
            (_, Word::OwnInForce | Word::TimeOver) => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pairing::{Apart, Leaving, Paired, Presumed, Unknown};
    use super::Word::{Absent, Named, OtherPeer, OwnInForce, TimeOver};
    use super::*;

    const TRANSITIONS: [(Pairing, Word, Pairing); 25] = [
        (Unknown, Named, Paired),
        (Unknown, Absent, Leaving),
        (Unknown, OwnInForce, Unknown),
        (Unknown, TimeOver, Presumed),
        (Unknown, OtherPeer, Unknown),
        (Presumed, Named, Paired),
        (Presumed, Absent, Leaving),
        (Presumed, OwnInForce, Presumed),
        (Presumed, TimeOver, Presumed),
        (Presumed, OtherPeer, Unknown),
        (Paired, Named, Paired),
        (Paired, Absent, Leaving),
        (Paired, OwnInForce, Paired),
        (Paired, TimeOver, Paired),
        (Paired, OtherPeer, Unknown),
        (Leaving, Named, Paired),
        (Leaving, Absent, Leaving),
        (Leaving, OwnInForce, Apart),
        (Leaving, TimeOver, Leaving),
        (Leaving, OtherPeer, Unknown),
        (Apart, Named, Paired),
        (Apart, Absent, Apart),
        (Apart, OwnInForce, Apart),
        (Apart, TimeOver, Apart),
        (Apart, OtherPeer, Unknown),
    ];

    /// Every state with every word, each once.
    #[test]
    fn transition_table() {
        for (number, (from, word, to)) in TRANSITIONS.into_iter().enumerate() {
            assert_eq!(from.after(word), to, "{from:?} + {word:?}");
            let same =
                |(other, again, _): &(Pairing, Word, Pairing)| (*other, *again) == (from, word);
            assert_eq!(TRANSITIONS.iter().position(same), Some(number));
        }
    }
}

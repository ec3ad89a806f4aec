//! What a chassis does with an MLAG port: forward, hold, isolate.
//!
//! *Hold* and *forward* are about the host (`spec/behaviour.md` 8): a port that is held does not come
//! up for it. *Isolate* is about the peer link (`spec/behaviour.md` 7): frames that came over it do
//! not leave through the port.
//!
//! Everything there is to know of the peer comes in as three values: how it can be reached
//! ([`Reachability`]), whether it has advertised its ports, and the state of this one there. Another way to
//! reach it is another input of [`Reachability::of`].

use crate::lag::{
    Alone, Bypass, BypassEvent, Consent, Event, ForwardingState, Pairing, Wait, Word,
};
use crate::session;
use crate::{OnLoss, Time};
use mclag_proto::sync::model::Isolation;
use std::time::Duration;

/// How the peer can be reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reachability {
    /// Both are synchronised.
    Synchronised,
    /// In session: each is advertising everything.
    Synchronising,
    /// The session is being made, and frames reach the peer over the peer link.
    Connecting,
    /// The session is being made, and nothing reaches the peer over the peer link.
    ConnectingApart,
    /// No session; frames reach the peer, if there is one, over the peer link.
    PeerLink,
    /// Not at all.
    Nowhere,
}

impl Reachability {
    /// What the session and the peer link say together. While the interfaces are not known the peer
    /// link counts as up: nothing follows from it but caution.
    #[must_use]
    pub fn of(session: session::SessionState, peer_link_up: bool) -> Self {
        match session {
            session::SessionState::Exchange => Self::Synchronised,
            session::SessionState::Stage1 | session::SessionState::Stage2 => Self::Synchronising,
            session::SessionState::CapSent
            | session::SessionState::ConnectFirst
            | session::SessionState::Connecting => {
                if peer_link_up {
                    Self::Connecting
                } else {
                    Self::ConnectingApart
                }
            }
            session::SessionState::Down | session::SessionState::Dialling => {
                if peer_link_up {
                    Self::PeerLink
                } else {
                    Self::Nowhere
                }
            }
        }
    }
}

/// What counts for every port alike.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Situation {
    /// How the peer can be reached.
    pub reach: Reachability,
    /// What losing it means.
    pub on_loss: OnLoss,
    /// There is a peer link in the settings, from which frames could come.
    pub has_peer_link: bool,
    /// It has advertised all of its ports, or is known to have none that count.
    pub ports_known: bool,
    /// It has had time to come back since this chassis started, or since it was lost.
    pub settled: bool,
}

/// What to expect of a peer that is asked to isolate its half of a port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It does, and says so or is presumed to have done it.
    Expected,
    /// It cannot say so, its dataplane not being at work, or refusing: its half is isolated as far as it knows, or it has
    /// none that is up. Waiting would change neither.
    Never,
    /// It cannot, and its half, which is up, lets out what comes over the peer link: the host has all its frames from
    /// there, and would have them twice.
    Refused,
}

/// What is to become of a port's traffic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PortAction {
    /// It stays as it is.
    Keep,
    /// It is held: before it carries data again the peer is to be asked.
    Hold,
    /// It carries data without having asked.
    Forward,
}

/// The other half of a port that may carry data without LACP, as the peer said last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OtherHalf {
    /// It carries nothing, or is not there.
    Down,
    /// LACP agreed there, or somebody answers.
    Lacp,
    /// Nobody answers there either.
    Ready,
    /// Nobody answers there either, and it carries data.
    Carries,
}

impl OtherHalf {
    /// What a state and a word on LACP say together.
    #[must_use]
    pub const fn of(at_peer: Option<bool>, alone: Option<Alone>) -> Self {
        match (alone, at_peer) {
            (Some(Alone::Carries), _) => Self::Carries,
            (Some(Alone::Ready), _) => Self::Ready,
            (Some(Alone::Heard), _) | (None, Some(true)) => Self::Lacp,
            (None, Some(false) | None) => Self::Down,
        }
    }
}

impl Situation {
    /// Which chassis carries data for a host that does not speak LACP, as far as this one has a say: none for no change.
    ///
    /// The only leg, or else that which does already, or else the primary's; and none where LACP agrees on either.
    /// Without a session the one that does goes on. The other one takes over where the peer is taken for dead; while
    /// the peer link is up it is not, if it served the host when it was heard last.
    ///
    /// A half that the dataplane here `cannot_hold` carries data whatever is decided. So it is said to, and the other
    /// chassis holds its own, or isolates it if it cannot either: else the host would have twice what is flooded here.
    #[must_use]
    pub const fn bypass(
        self,
        own: Bypass,
        is_primary: bool,
        other: OtherHalf,
        cannot_hold: bool,
    ) -> Option<BypassEvent> {
        match (own, self.reach, other) {
            (Bypass::Off, _, _) => None,

            (_, Reachability::Synchronised, OtherHalf::Lacp) => Some(BypassEvent::Give),
            _ if cannot_hold => Some(BypassEvent::Take),
            // It knew what this chassis did when it began to.
            (Bypass::Found, Reachability::Synchronised, OtherHalf::Carries) => {
                Some(BypassEvent::Give)
            }
            (Bypass::Active, Reachability::Synchronised, OtherHalf::Carries) if !is_primary => {
                Some(BypassEvent::Give)
            }
            (_, Reachability::Synchronised, OtherHalf::Carries) => None,
            (Bypass::Ready, Reachability::Synchronised, OtherHalf::Ready) if !is_primary => None,
            (_, Reachability::Synchronised, OtherHalf::Ready | OtherHalf::Down) => {
                Some(BypassEvent::Take)
            }

            (Bypass::Found | Bypass::Active, _, _) => None,
            (
                Bypass::Ready,
                Reachability::Synchronising
                | Reachability::Connecting
                | Reachability::ConnectingApart,
                _,
            ) => None,
            (Bypass::Ready, Reachability::PeerLink, OtherHalf::Lacp | OtherHalf::Carries) => None,
            (Bypass::Ready, Reachability::PeerLink | Reachability::Nowhere, _) => {
                if self.settled {
                    Some(BypassEvent::Take)
                } else {
                    None
                }
            }
        }
    }

    /// What to expect of a peer that cannot acknowledge a port, which `delivers` beside this chassis what comes over
    /// the peer link where that could be avoided by keeping this half out of service. One that carries data is
    /// left alone: its host may have no other leg by now.
    #[must_use]
    pub const fn answer(self, port: ForwardingState, delivers: bool) -> Answer {
        match (self.reach, port, delivers) {
            (Reachability::Synchronised, ForwardingState::Forwarding, _) => Answer::Never,
            (Reachability::Synchronised, _, true) => Answer::Refused,
            (Reachability::Synchronised, _, false) => Answer::Never,
            _ => Answer::Expected,
        }
    }

    /// What to do with a port in this state, whose state at the peer, as far as it was ever advertised, is
    /// `at_peer`, and for which the peer has this `answer`. One `of_another_kind` than declared is held, whatever the
    /// peer does.
    #[must_use]
    pub const fn port_action(
        self,
        port: ForwardingState,
        of_another_kind: bool,
        at_peer: Option<bool>,
        answer: Answer,
    ) -> PortAction {
        match (port, self.on_loss, self.reach) {
            (ForwardingState::Forwarding | ForwardingState::Waiting(_), _, _) => PortAction::Keep,
            _ if of_another_kind => PortAction::Hold,

            // Before the peer hears that it is down and lifts its isolation. As SONiC
            // (`spec/behaviour.md` 8.3):
            (
                ForwardingState::Down | ForwardingState::DownHeld | ForwardingState::DownOpen,
                OnLoss::Release,
                reach,
            ) => match reach {
                Reachability::Synchronised => PortAction::Hold,
                _ => PortAction::Keep,
            },
            (
                ForwardingState::Down | ForwardingState::DownHeld | ForwardingState::DownOpen,
                OnLoss::Hold,
                reach,
            ) => {
                match (reach, at_peer) {
                    (Reachability::Synchronised | Reachability::Synchronising, _)
                    // The peer forwards for the host, as far as this chassis knows: carrying data
                    // beside it without its consent would deliver frames twice.
                    | (Reachability::Connecting | Reachability::PeerLink, Some(true)) => {
                        PortAction::Hold
                    }
                    (Reachability::Connecting | Reachability::PeerLink, _)
                    | (Reachability::ConnectingApart | Reachability::Nowhere, _) => PortAction::Keep,
                }
            }

            (ForwardingState::WaitingHeld(_), _, Reachability::Synchronised)
                if matches!(answer, Answer::Never) =>
            {
                PortAction::Forward
            }
            (ForwardingState::WaitingHeld(_), _, Reachability::Nowhere) => PortAction::Forward,
            // Right after a start, or a loss, nothing is known of the peer: it may serve the host.
            (ForwardingState::WaitingHeld(_), _, Reachability::PeerLink) => match at_peer {
                Some(false) => PortAction::Forward,
                Some(true) | None if self.settled => PortAction::Forward,
                Some(true) | None => PortAction::Keep,
            },
            (
                ForwardingState::WaitingHeld(_),
                _,
                Reachability::Synchronised
                | Reachability::Synchronising
                | Reachability::Connecting
                | Reachability::ConnectingApart,
            ) => PortAction::Keep,
        }
    }

    /// What the peer says of the other half of a port, which it has `named` or not; none while its word
    /// does not count. With strict SONiC, every port has another half.
    #[must_use]
    pub const fn word(self, named: bool) -> Option<Word> {
        match (self.reach, self.on_loss, named) {
            (Reachability::Synchronised, OnLoss::Hold, false) => Some(Word::Absent),
            (Reachability::Synchronised, _, _) => Some(Word::Named),
            _ => None,
        }
    }

    /// Isolation of a port, which was `before`; `unasked` when it has just come to carry data without
    /// the peer's consent.
    ///
    /// A frame from the peer link has been, or will be, delivered by the peer itself if the port is
    /// up there; only then must it not leave here. The local port's state does not matter: while it
    /// is down nothing leaves, and when it comes up the filter must already be right.
    ///
    /// While the session is down nothing is lifted: the peer's daemon may be gone and its dataplane
    /// alive, and then both would deliver every flooded frame (W-22). What the peer advertises on the way
    /// counts as soon as both are synchronised, and not before (`spec/behaviour.md` 6.3, 7.1).
    ///
    /// A port that shows the id of the pair without having another half is isolated: the half that its
    /// host sees may be another one's. So is one whose other half is not known, unless what an earlier
    /// run decided is still in force.
    #[must_use]
    pub const fn isolation(
        self,
        pairing: Pairing,
        at_peer: Option<bool>,
        before: Isolation,
        unasked: bool,
    ) -> Isolation {
        match (self.reach, self.on_loss) {
            _ if !self.has_peer_link => Isolation::Off,
            // Isolating costs nothing now, and will be right when the peer link is back before the
            // session is.
            (Reachability::Nowhere, OnLoss::Hold) => Isolation::On,
            // After a start nobody knows what the id on the wire is: perhaps its own already.
            _ if matches!((pairing, before), (Pairing::Leaving, Isolation::Keep)) => before,
            _ if matches!(pairing, Pairing::Leaving) => Isolation::On,
            // No other port shows its id.
            _ if matches!(pairing, Pairing::Apart) => Isolation::Off,
            _ if matches!(pairing, Pairing::Unknown) && !matches!(before, Isolation::Keep) => {
                Isolation::On
            }
            _ if matches!(pairing, Pairing::Unknown) && self.ports_known => match self.reach {
                // Whether it has another half is about to be known.
                Reachability::Synchronising => before,
                _ => Isolation::On,
            },
            // The peer's may come up in the same way (`spec/behaviour.md` 7.1, third row).
            _ if unasked && !self.ports_known => Isolation::On,
            (Reachability::Synchronising, _) => before,
            _ if !self.ports_known => before,
            _ => match at_peer {
                Some(true) => Isolation::On,
                Some(false) | None => Isolation::Off,
            },
        }
    }

    /// How a port whose links are back begins. `ack_timeout` bounds the wait where nobody is there to
    /// ask.
    #[must_use]
    pub fn link_up_with_peer(
        self,
        at_peer: Option<bool>,
        consent: Consent,
        ack_timeout: Duration,
        now: Time,
    ) -> Event {
        match (self.reach, consent, at_peer) {
            // Nobody delivers a frame beside it, and waiting would cost the host its only leg for
            // seconds: a peer that does not acknowledge does not wait either.
            (Reachability::Synchronised, Consent::Presumed(_), Some(false) | None) => {
                Event::LinksBackUnopposed
            }
            (Reachability::Synchronised, _, _) => Event::LinksBack(Wait::new(consent, now)),
            _ => Event::LinksBackAlone(Wait::new(Consent::Acknowledged(ack_timeout), now)),
        }
    }
}

#[cfg(test)]
mod tests;

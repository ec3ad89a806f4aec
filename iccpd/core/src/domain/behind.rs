//! What happened and nothing was derived from yet. To derive takes a look at every port, and what happens
//! comes by the hundred: a mass failure, or what the peer says of one.
//!
//! What is put off is always of one kind, links or messages and the like, and something of another kind
//! catches up first. Links that are lost are put off together, and so are links that come: a port that
//! is lost and comes back has been lost.

use super::{Domain, SessionState, Time};
use crate::input::Input;
use crate::links::Turn;
use mclag_proto::iccp::ext::Extension;
use mclag_proto::iccp::{Body, RgId, Tlv};
use mclag_proto::sync::model::Event;

/// What nothing was derived from yet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Behind {
    #[default]
    Nothing,
    /// Messages of the peer, and others that come by the thousand.
    Messages(Time),
    /// Interfaces that changed.
    Links(Time, Turn),
}

impl Behind {
    /// A message came from which something may follow.
    pub(super) const fn message(&mut self, now: Time) {
        *self = Self::Messages(now);
    }

    /// An interface changed.
    pub(super) const fn link(&mut self, turn: Turn, now: Time) {
        let turn = match self {
            Self::Links(_, before) => before.and(turn),
            Self::Nothing | Self::Messages(_) => turn,
        };
        *self = Self::Links(now, turn);
    }

    /// Nothing is put off any more; since when something was.
    pub(super) const fn take(&mut self) -> Option<Time> {
        match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => None,
            Self::Messages(at) | Self::Links(at, _) => Some(at),
        }
    }
}

impl Domain {
    /// What follows from it may be derived later, together with what follows from others like it.
    /// Of anything else not: a state that the peer reported last counts even if the session ends with
    /// the next input.
    pub(super) fn may_wait(&self, input: &Input, turn: Option<Turn>) -> bool {
        match (self.behind, turn) {
            (Behind::Nothing, Some(_)) => return true,
            (Behind::Links(_, before), Some(turn)) => return before.goes_with(turn),
            (Behind::Messages(_), Some(_)) | (Behind::Links(..), None) => return false,
            (Behind::Nothing | Behind::Messages(_), None) => {}
        }
        match input {
            Input::PeerMessage(message) => match self.session.state() {
                SessionState::Exchange => {
                    // The one message that ends a synchronised session (`Session::step`).
                    let own = RgId::from(self.config.domain);
                    !matches!(message.body, Body::Disconnect { rg, .. } if rg == own)
                }
                state => state.is_operational() && is_of_one_port(&message.body),
            },
            Input::PeerGarbage { .. }
            | Input::Neighbour { .. }
            | Input::SyncdEvent(Event::VlanMember { .. } | Event::Fdb { .. }) => true,
            _ => false,
        }
    }
}

/// It tells of one port, as a peer does of each while both synchronise.
const fn is_of_one_port(body: &Body) -> bool {
    let Body::Application { tlv, .. } = body else {
        return false;
    };
    matches!(
        tlv,
        Tlv::AggregatorConfig(_)
            | Tlv::AggregatorState(_)
            | Tlv::PortChannelInfo(_)
            | Tlv::Extension(
                Extension::LacpPartner(_) | Extension::PortId(_) | Extension::PortVlan(_)
            )
    )
}

/// Nothing is derived from it: a sign of life, or what is the tables' matter.
pub(super) const fn is_without_consequence(body: &Body) -> bool {
    let Body::Application { tlv, .. } = body else {
        return false;
    };
    matches!(
        tlv,
        Tlv::Heartbeat
            | Tlv::MacInfo(_)
            | Tlv::ArpInfo(_)
            | Tlv::NdiscInfo(_)
            | Tlv::Extension(Extension::MacOrder(_) | Extension::PortId(_))
    )
}

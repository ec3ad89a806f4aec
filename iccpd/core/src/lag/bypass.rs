//! LACP bypass: whether an MLAG port carries data although nobody at its other end speaks LACP.
//!
//! A host that boots from the network, an installer, or a bond without LACP never answers. The kernel's bond would
//! carry its frames; the port counts as down all the same, for nobody says which of the two legs the host uses. So one
//! chassis of the pair carries data for it, and the other one holds its half. Which one is decided in
//! [`crate::policy::decision`], level by level, from what both say of their halves.
//!
//! ```text
//!          nobody answers for long           take
//!   Off ---------------------------> Ready ----------> Active
//!    |                                 ^                 |  ^
//!    | carries data already            +---- give -------+  | take
//!    | when this daemon starts         +---- give --------+ |
//!    +----------------------------------------------> Found-+
//!   all: somebody answers, or nobody can -> Off
//! ```
//!
//! Why: `docs/adr/0022-lacp-bypass.md`.

pub use mclag_proto::iccp::ext::Alone;

/// Whether a port carries data without LACP.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Bypass {
    /// LACP decides.
    #[default]
    Off,
    /// Nobody has answered for long. It does not carry data.
    Ready,
    /// Nobody answers, and it carried data when this daemon started; whether the peer's does, too, is not known.
    Found,
    /// Nobody answers, and it carries data.
    Active,
}

/// What changes that.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BypassEvent {
    /// Nobody has answered for so long that nobody will.
    Unanswered,
    /// Nobody answers, and the port carries data when it is looked at for the first time.
    CarriesData,
    /// Somebody answers, or the port can carry no data any more, or is to do so with LACP alone.
    Ended,
    /// This chassis is to carry data.
    Take,
    /// The other one does, or LACP agreed there.
    Give,
}

impl Bypass {
    /// The state after `event`. Total.
    #[must_use]
    pub const fn after(self, event: BypassEvent) -> Self {
        match (self, event) {
            (_, BypassEvent::Ended) => Self::Off,
            (Self::Off, BypassEvent::Unanswered) => Self::Ready,
            (Self::Off, BypassEvent::CarriesData) => Self::Found,
            (Self::Ready | Self::Found | Self::Active, BypassEvent::Take) => Self::Active,
            (Self::Ready | Self::Found | Self::Active, BypassEvent::Give) => Self::Ready,
            (Self::Off, BypassEvent::Take | BypassEvent::Give)
            | (
                Self::Ready | Self::Found | Self::Active,
                BypassEvent::Unanswered | BypassEvent::CarriesData,
            ) => self,
        }
    }

    /// It carries data.
    #[must_use]
    pub const fn carries(self) -> bool {
        matches!(self, Self::Found | Self::Active)
    }

    /// What is advertised of it to one of our own; `heard`: somebody answers, and LACP has not agreed.
    #[must_use]
    pub const fn advertised(self, heard: bool) -> Option<Alone> {
        match self {
            Self::Off if heard => Some(Alone::Heard),
            Self::Off => None,
            Self::Ready => Some(Alone::Ready),
            Self::Found | Self::Active => Some(Alone::Carries),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bypass::{Active, Found, Off, Ready};
    use super::BypassEvent::{CarriesData, Ended, Give, Take, Unanswered};
    use super::*;

    const TRANSITIONS: [(Bypass, BypassEvent, Bypass); 20] = [
        (Off, Unanswered, Ready),
        (Off, CarriesData, Found),
        (Off, Ended, Off),
        (Off, Take, Off),
        (Off, Give, Off),
        (Ready, Unanswered, Ready),
        (Ready, CarriesData, Ready),
        (Ready, Ended, Off),
        (Ready, Take, Active),
        (Ready, Give, Ready),
        (Found, Unanswered, Found),
        (Found, CarriesData, Found),
        (Found, Ended, Off),
        (Found, Take, Active),
        (Found, Give, Ready),
        (Active, Unanswered, Active),
        (Active, CarriesData, Active),
        (Active, Ended, Off),
        (Active, Take, Active),
        (Active, Give, Ready),
    ];

    /// Every state with every event, each once.
    #[test]
    fn transition_table() {
        for (number, (from, event, to)) in TRANSITIONS.into_iter().enumerate() {
            assert_eq!(from.after(event), to, "{from:?} + {event:?}");
            let same = |(other, again, _): &(Bypass, BypassEvent, Bypass)| {
                (*other, *again) == (from, event)
            };
            assert_eq!(TRANSITIONS.iter().position(same), Some(number));
        }
    }

    #[test]
    fn what_each_state_means_and_what_the_peer_is_told() {
        for (state, carries, told, told_if_heard) in [
            (Off, false, None, Some(Alone::Heard)),
            (Ready, false, Some(Alone::Ready), Some(Alone::Ready)),
            (Found, true, Some(Alone::Carries), Some(Alone::Carries)),
            (Active, true, Some(Alone::Carries), Some(Alone::Carries)),
        ] {
            assert_eq!(state.carries(), carries);
            assert_eq!(state.advertised(false), told, "{state:?}");
            assert_eq!(state.advertised(true), told_if_heard, "{state:?}");
        }
    }
}

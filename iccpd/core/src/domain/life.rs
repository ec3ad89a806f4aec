//! The life of a domain: from the first thing that happens to it to its end.

/// Where it stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Life {
    /// Nothing has happened yet.
    #[default]
    New,
    /// It decides.
    Running,
    /// It decides, and this chassis is about to reboot warm: nothing changes when it stops.
    Rebooting,
    /// It takes this chassis out of the pair, and the peer is not told before `syncd` has confirmed that: what the peer
    /// isolates until then would bring a host that still uses both legs every flooded frame twice.
    Leaving,
    /// It winds up.
    Stopping,
}

/// What changes that.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Event {
    /// Anything happened.
    Input,
    /// This chassis is about to reboot warm.
    WarmReboot,
    /// It is to take this chassis out of the pair and to stop.
    Leave,
    /// It is to stop.
    Stop,
}

impl Life {
    /// Where it stands after `event`. Total.
    pub(super) const fn after(self, event: Event) -> Self {
        match (self, event) {
            (Self::Stopping, _) | (_, Event::Stop) => Self::Stopping,
            (Self::Leaving, _) | (_, Event::Leave) => Self::Leaving,
            (_, Event::WarmReboot) => Self::Rebooting,
            (Self::New, Event::Input) => Self::Running,
            (Self::Running | Self::Rebooting, Event::Input) => self,
        }
    }

    /// Something has happened.
    pub(super) fn has_begun(self) -> bool {
        self != Self::New
    }

    /// It winds up: nothing is decided any more.
    pub(super) fn is_stopping(self) -> bool {
        matches!(self, Self::Leaving | Self::Stopping)
    }

    /// It has taken this chassis out of the pair, and the peer is to be told of it.
    pub(super) fn is_leaving(self) -> bool {
        self == Self::Leaving
    }
}

#[cfg(test)]
mod tests {
    use super::Event::{Input, Leave, Stop, WarmReboot};
    use super::Life::{Leaving, New, Rebooting, Running, Stopping};
    use super::*;

    const TRANSITIONS: [(Life, Event, Life); 20] = [
        (New, Input, Running),
        (New, WarmReboot, Rebooting),
        (New, Leave, Leaving),
        (New, Stop, Stopping),
        (Running, Input, Running),
        (Running, WarmReboot, Rebooting),
        (Running, Leave, Leaving),
        (Running, Stop, Stopping),
        (Rebooting, Input, Rebooting),
        (Rebooting, WarmReboot, Rebooting),
        (Rebooting, Leave, Leaving),
        (Rebooting, Stop, Stopping),
        (Leaving, Input, Leaving),
        (Leaving, WarmReboot, Leaving),
        (Leaving, Leave, Leaving),
        (Leaving, Stop, Stopping),
        (Stopping, Input, Stopping),
        (Stopping, WarmReboot, Stopping),
        (Stopping, Leave, Stopping),
        (Stopping, Stop, Stopping),
    ];

    /// Every state with every event, each once.
    #[test]
    fn transition_table() {
        for (number, (from, event, to)) in TRANSITIONS.into_iter().enumerate() {
            assert_eq!(from.after(event), to, "{from:?} + {event:?}");
            let same = |(other, again, _): &(Life, Event, Life)| (*other, *again) == (from, event);
            assert_eq!(TRANSITIONS.iter().position(same), Some(number));
        }
    }

    #[test]
    fn what_each_state_means() {
        for (life, begun, stopping) in [
            (New, false, false),
            (Running, true, false),
            (Rebooting, true, false),
            (Leaving, true, true),
            (Stopping, true, true),
        ] {
            assert_eq!((life.has_begun(), life.is_stopping()), (begun, stopping));
        }
    }
}

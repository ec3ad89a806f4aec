//! One MLAG port: when it may carry data, and what is advertised and programmed of it.
//!
//! Port-up ordering (`spec/behaviour.md` 8): before a port that comes back carries data, the
//! other chassis must keep its own copy of the port from sending what came over the peer link,
//! or a host would get every flooded frame twice. So a port that goes down is *held*; when its
//! links are back it says so to the peer and waits for the acknowledgement.
//!
//! ```text
//!                links lost              held                links back                 consent
//!   Forwarding ------------> DownOpen ---------> DownHeld ---------------> WaitingHeld ---------> Forwarding
//!                                                   ^        links lost          |    or time over
//!                                                   +----------------------------+
//! ```
//!
//! A linux-mclag peer never acknowledges: it isolates 3 s after the last change of a port
//! (`spec/behaviour.md` 3.1). Where it has the port up, its consent is presumed after
//! [`SETTLED`](crate::policy::peer::SETTLED) ([`Consent::Presumed`]); nothing is said to it again meanwhile, since that would
//! start its 3 s anew.
//!
//! Small machines, each total, with its table as a test: [`ForwardingState`], [`Advertised`],
//! [`Programmed`], [`Pairing`], [`Bypass`]. What is decided from outside, and why, is in `domain/derive.rs`.

mod bypass;
mod pairing;
mod port;
mod standing;

use crate::Time;
use crate::links::Vids;
use mclag_proto::sync::model::{Isolation, PortWant, Traffic};
use mclag_proto::{Mac, Vid};
use std::net::Ipv4Addr;
use std::time::Duration;

pub use bypass::{Alone, Bypass, BypassEvent};
pub use pairing::{Pairing, Word};
pub use port::{MlagPort, aggregator_purge};
pub use standing::{Hold, Standing};

/// When it is advertised again that a port is up while the peer does not acknowledge, and from then on twice as long
/// after each time: an acknowledgement may be lost, but SONiC's daemon starts its filter tool anew for each copy
/// (`spec/iccp.md` 17).
pub const RESEND: Duration = Duration::from_secs(1);

/// What is advertised of a port that exists.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PortFacts {
    /// MAC of the network device.
    pub mac: Mac,
    /// VLANs the port is a member of.
    pub vids: Vids,
    /// Of a port of a bridge that filters VLANs, the one of frames without a tag; none where they are dropped.
    pub pvid: Option<Option<Vid>>,
    /// It is a layer-3 interface: it has an address or belongs to a VRF (`spec/behaviour.md` 10.5).
    pub l3: bool,
    /// Its first IPv4 address; unspecified when it has none.
    pub address: Ipv4Addr,
}

/// How this chassis comes to know that the peer has isolated its port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Consent {
    /// The peer says so, or is no longer waited for after this time.
    Acknowledged(Duration),
    /// The peer never says so; it has done it after this time.
    Presumed(Duration),
}

/// What a port that is up and does not carry data waits for, at most until `over`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wait {
    kind: Awaited,
    over: Time,
    /// When to advertise again; none if that would do no good.
    resend: Option<Time>,
}

/// What a port waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Awaited {
    /// The peer's acknowledgement.
    Acknowledgement,
    /// That the peer has had its time.
    Time,
}

impl Wait {
    /// Wait from `now` on.
    #[must_use]
    pub fn new(consent: Consent, now: Time) -> Self {
        match consent {
            Consent::Acknowledged(timeout) => Self {
                kind: Awaited::Acknowledgement,
                over: now + timeout,
                resend: Some(now + RESEND),
            },
            Consent::Presumed(after) => Self {
                kind: Awaited::Time,
                over: now + after,
                resend: None,
            },
        }
    }
}

/// Whether a port is up and may carry data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ForwardingState {
    /// Its links are down; whether it may carry data is as an earlier run left it.
    Down,
    /// Down, and held: it will not carry data when its links are back.
    DownHeld,
    /// Down, and will carry data as soon as its links are back.
    DownOpen,
    /// Its links are back and the peer's consent is waited for; as an earlier run left it meanwhile.
    Waiting(Awaited),
    /// Its links are back; it is held until the peer consents.
    WaitingHeld(Awaited),
    /// It carries data.
    Forwarding,
}

/// What happens to a port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// Its links are lost.
    LinksLost,
    /// Its links are back, and the peer is there to ask.
    LinksBack(Wait),
    /// Its links are back, and nobody else delivers a frame.
    LinksBackUnopposed,
    /// Its links are back and nobody is there to ask. If it is held, maybe since an earlier run of
    /// this daemon, not for longer than an acknowledgement may take.
    LinksBackAlone(Wait),
    /// It is not to carry data when it comes back.
    Hold,
    /// Both chassis are synchronised: ask the peer from now on.
    Ask(Wait),
    /// The peer has isolated its copy.
    Acknowledged,
    /// The time to wait is over.
    WaitOver,
    /// Carry data, whatever the peer thinks.
    Release,
}

impl ForwardingState {
    /// The state after `event`. Total.
    #[must_use]
    pub const fn after(self, event: Event) -> Self {
        match (self, event) {
            (Self::Waiting(_), Event::LinksLost) => Self::Down,
            (Self::WaitingHeld(_), Event::LinksLost) => Self::DownHeld,
            (Self::Forwarding, Event::LinksLost) => Self::DownOpen,

            (Self::Down | Self::DownHeld, Event::LinksBack(wait))
            | (Self::DownHeld, Event::LinksBackAlone(wait)) => Self::WaitingHeld(wait.kind),
            (Self::Down, Event::LinksBackAlone(wait)) => Self::Waiting(wait.kind),
            (Self::DownOpen, Event::LinksBack(_) | Event::LinksBackAlone(_))
            | (Self::Down | Self::DownHeld | Self::DownOpen, Event::LinksBackUnopposed) => {
                Self::Forwarding
            }

            (Self::Down | Self::DownHeld | Self::DownOpen, Event::Hold) => Self::DownHeld,

            (Self::Waiting(_), Event::Ask(wait)) => Self::Waiting(wait.kind),
            (Self::WaitingHeld(_), Event::Ask(wait)) => Self::WaitingHeld(wait.kind),
            (
                Self::Waiting(_) | Self::WaitingHeld(_),
                Event::Acknowledged | Event::WaitOver | Event::Release,
            ) => Self::Forwarding,

            (Self::Down | Self::DownHeld | Self::DownOpen, Event::Release) => Self::DownOpen,

            (Self::Down | Self::DownHeld | Self::DownOpen, Event::LinksLost)
            | (
                Self::Down | Self::DownHeld | Self::DownOpen,
                Event::Ask(_) | Event::Acknowledged | Event::WaitOver,
            )
            | (
                Self::Waiting(_) | Self::WaitingHeld(_) | Self::Forwarding,
                Event::LinksBack(_)
                | Event::LinksBackUnopposed
                | Event::LinksBackAlone(_)
                | Event::Hold,
            )
            | (
                Self::Forwarding,
                Event::Ask(_) | Event::Acknowledged | Event::WaitOver | Event::Release,
            ) => self,
        }
    }

    /// Its links could carry data.
    #[must_use]
    pub const fn is_up(self) -> bool {
        matches!(
            self,
            Self::Waiting(_) | Self::WaitingHeld(_) | Self::Forwarding
        )
    }

    /// What it waits for.
    #[must_use]
    pub const fn awaited(self) -> Option<Awaited> {
        match self {
            Self::Waiting(awaited) | Self::WaitingHeld(awaited) => Some(awaited),
            Self::Down | Self::DownHeld | Self::DownOpen | Self::Forwarding => None,
        }
    }

    /// What the dataplane is to do with it.
    #[must_use]
    pub const fn traffic(self) -> Traffic {
        match self {
            Self::Down | Self::Waiting(_) => Traffic::Keep,
            Self::DownHeld | Self::WaitingHeld(_) => Traffic::Held,
            Self::DownOpen | Self::Forwarding => Traffic::Pass,
        }
    }
}

/// What was advertised of a port in this session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Advertised {
    /// Nothing.
    #[default]
    Nothing,
    /// Nothing; and behind the answer that has everything the state is advertised once more.
    NothingTwice,
    /// Everything.
    Current,
    /// All but its present state.
    StateDue,
    /// All but its present configuration.
    ConfigDue,
    /// That it exists.
    BothDue,
}

/// What changes that.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum News {
    /// The state changed, or is to be advertised again.
    State,
    /// The configuration changed.
    Config,
    /// It was part of the answer to a request for everything.
    Answered,
    /// All that was due was advertised.
    Advertised,
    /// It was withdrawn.
    Withdrawn,
    /// The session is gone.
    SessionLost,
}

impl Advertised {
    /// What the peer knows after `news`. Total.
    #[must_use]
    pub const fn after(self, news: News) -> Self {
        match (self, news) {
            (_, News::SessionLost) => Self::Nothing,
            (_, News::Advertised) => Self::Current,
            (Self::Nothing | Self::NothingTwice, News::State) => Self::NothingTwice,
            (Self::Current | Self::StateDue, News::State) => Self::StateDue,
            (Self::ConfigDue | Self::BothDue, News::State) => Self::BothDue,
            (Self::Nothing | Self::NothingTwice, News::Config | News::Withdrawn) => self,
            (Self::Current | Self::ConfigDue, News::Config) => Self::ConfigDue,
            (Self::StateDue | Self::BothDue, News::Config) => Self::BothDue,
            (Self::Nothing | Self::Current | Self::ConfigDue, News::Answered) => Self::Current,
            (Self::NothingTwice | Self::StateDue | Self::BothDue, News::Answered) => Self::StateDue,
            (Self::Current | Self::ConfigDue, News::Withdrawn) => Self::Nothing,
            (Self::StateDue | Self::BothDue, News::Withdrawn) => Self::NothingTwice,
        }
    }

    /// The peer knows that the port exists.
    #[must_use]
    pub const fn is_known(self) -> bool {
        !matches!(self, Self::Nothing | Self::NothingTwice)
    }

    /// Its configuration, its state, or both have to be advertised.
    #[must_use]
    pub const fn due(self) -> (bool, bool) {
        match self {
            Self::Nothing | Self::NothingTwice | Self::BothDue => (true, true),
            Self::ConfigDue => (true, false),
            Self::StateDue => (false, true),
            Self::Current => (false, false),
        }
    }
}

/// What is programmed of a port, and whether that is in force.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Programmed {
    /// Nothing on this connection, or it is to be sent again.
    #[default]
    Nothing,
    /// This; its isolation is not confirmed.
    Sent(PortWant),
    /// This, and its isolation is in force.
    InForce(PortWant),
}

/// What changes that.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Report {
    /// It was sent something else, or the same again.
    Sent(PortWant),
    /// It carried it out.
    Done,
    /// It could not.
    Failed,
    /// It cannot do that at all.
    Unsupported,
    /// What could not be carried out is to be sent again.
    Repair,
    /// It takes back all that it was told.
    Restored,
    /// It is gone.
    Lost,
}

impl Programmed {
    /// What is programmed after `report`. Total.
    #[must_use]
    pub fn after(self, report: Report) -> Self {
        match (self, report) {
            // The isolation that stands is not in doubt because something else changed.
            (Self::InForce(was), Report::Sent(want)) if was.isolation == want.isolation => {
                Self::InForce(want)
            }
            (_, Report::Sent(want)) => Self::Sent(want),
            // As it was before is nothing that could be confirmed.
            (Self::Sent(want), Report::Done) if want.isolation == Isolation::Keep => self,
            (Self::Sent(want), Report::Done) => Self::InForce(want),
            (Self::Sent(want) | Self::InForce(want), Report::Failed | Report::Unsupported) => {
                Self::Sent(want)
            }
            (Self::Sent(_), Report::Repair) | (_, Report::Restored | Report::Lost) => Self::Nothing,
            (Self::Nothing | Self::InForce(_), Report::Done | Report::Repair)
            | (Self::Nothing, Report::Failed | Report::Unsupported) => self,
        }
    }

    /// What it was sent.
    #[must_use]
    pub const fn sent(self) -> Option<PortWant> {
        match self {
            Self::Nothing => None,
            Self::Sent(want) | Self::InForce(want) => Some(want),
        }
    }

    /// Isolation as it was confirmed; none while that is unknown or changing.
    #[must_use]
    pub const fn confirmed(self) -> Option<Isolation> {
        match self {
            Self::Nothing | Self::Sent(_) => None,
            Self::InForce(want) => Some(want.isolation),
        }
    }
}

#[cfg(test)]
mod tests;
